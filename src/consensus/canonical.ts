/**
 * Messages as bytes: one canonical form each, so that a hash names a message and evidence keeps its signature.
 * Bytes are canonical DAG-CBOR of `{body, sig}`, with `endorsements` where a PROPOSAL has any.
 */
import { decode } from '@ipld/dag-cbor';
import { encodeCbor } from './cbor.ts';
import type { ConsensusCrypto, SyncRequest, SyncResponse } from './events.ts';
import { concatBytes, hexToBytes, sha256Hex, utf8ToBytes } from './hash.ts';
import { MAX_MESSAGE_BYTES, MAX_SYNC_REQUEST_BYTES, MAX_SYNC_RESPONSE_BYTES } from './limits.ts';
import type { Body, Bootstrap, Signed, SignedMessage, Topic } from './messages.ts';
import { MalformedMessageError, readMessage, readRequest, readResponse } from './shape.ts';

export { type MalformedCode, MalformedMessageError, readBootstrap } from './shape.ts';

/** What a signature is made over: nothing signed for one purpose holds for another. */
const SIGN_DOMAIN = 'starling/1/sign/';
const STATION_DOMAIN = 'starling/1/station';

/** What every signed body says of itself. */
type Signable = Body | Bootstrap;

/**
 * A station's id: SHA-256 over the canonical form of [domain, name, key], 64 hex digits. The name counts in Unicode's
 * composed form (NFC), so that it is the same station from every keyboard.
 *
 * @param key - 32 bytes, or null for an open station
 */
export function stationId(name: string, key: Uint8Array | null): string {
  return sha256Hex(encodeCbor([STATION_DOMAIN, name.normalize('NFC'), key]));
}

/**
 * The bytes of a message.
 * @throws MalformedMessageError when the message would be refused by everybody: a fault of this node
 */
export function encodeMessage(message: SignedMessage): Uint8Array {
  const topic = topicOf(message.body);
  readMessage(topic, envelope(message));
  const bytes = encodeCbor(envelope(message));
  if (bytes.length > MAX_MESSAGE_BYTES[topic]) throw new MalformedMessageError('oversized', topic);
  return bytes;
}

/**
 * The message in these bytes. They hold nothing but that message in its one canonical form, every field is of its type
 * and within its bounds (limits.ts). Signatures are not checked here.
 * @throws MalformedMessageError
 */
export function decodeMessage(topic: Topic, bytes: Uint8Array): SignedMessage {
  return readMessage(topic, decodeCanonical(bytes, MAX_MESSAGE_BYTES[topic]));
}

/** Where a body is gossiped. */
export function topicOf(body: Body): Topic {
  if (body.type === 'PROPOSAL') return 'proposal';
  return body.type === 'STATE' ? 'state' : 'op';
}

/**
 * Bytes of a question or an answer of the catch-up stream.
 * @throws NotEncodableError
 */
export function encodeSync(value: SyncRequest | SyncResponse): Uint8Array {
  return encodeCbor(value);
}

/**
 * A question (checked whole) or an answer (checked for its form and kind; step checks the rest).
 * @throws MalformedMessageError
 */
export function decodeSync(what: 'request', bytes: Uint8Array): SyncRequest;
export function decodeSync(what: 'response', bytes: Uint8Array): SyncResponse;
export function decodeSync(what: 'request' | 'response', bytes: Uint8Array): SyncRequest | SyncResponse {
  if (what === 'request') return readRequest(decodeCanonical(bytes, MAX_SYNC_REQUEST_BYTES));
  return readResponse(decodeCanonical(bytes, MAX_SYNC_RESPONSE_BYTES));
}

/**
 * What the author signs: domain and type, a zero byte, the station's 32 bytes, the body's canonical bytes. Of a PROPOSAL
 * without its `ops`, for which `ops_root` stands.
 */
export function signingBytes(station: string, body: Signable): Uint8Array {
  return encodeCbor(signedPart(body), signingPrefix(station, body.type));
}

const prefixes = new Map<string, Uint8Array>();
/** A box has one station, and there are some ten types; tests have more. */
const MAX_PREFIXES = 64;

function signingPrefix(station: string, type: string): Uint8Array {
  const key = `${type}/${station}`;
  let prefix = prefixes.get(key);
  if (prefix === undefined) {
    prefix = concatBytes(utf8ToBytes(`${SIGN_DOMAIN}${type}\0`), hexToBytes(station));
    if (prefixes.size >= MAX_PREFIXES) prefixes.clear();
    prefixes.set(key, prefix);
  }
  return prefix;
}

function signedPart(body: Signable): object {
  if (body.type !== 'PROPOSAL') return body;
  const { ops: _, ...rest } = body;
  return rest;
}

/** SHA-256 of what the author signs, 64 hex digits: names a body, however it was relayed or put in evidence. */
export function bodyName(body: Signable): string {
  return sha256Hex(signingBytes(body.station, body));
}

/** Signs a body for the station that it names. */
export function signMessage<B extends Signable>(crypto: Pick<ConsensusCrypto, 'sign'>, body: B): Signed<B> {
  return { body, sig: crypto.sign(signingBytes(body.station, body)) };
}

/** Why a signed message does not count here: null when it does. Endorsements are checked on their own (signed.ts). */
export function verifyMessage(
  verify: ConsensusCrypto['verify'],
  station: string,
  message: Signed<Signable>,
): 'foreignStation' | 'badSignature' | null {
  const { body, sig } = message;
  if (body.station !== station) return 'foreignStation';
  return verify(body.node_id, signingBytes(station, body), sig) ? null : 'badSignature';
}

/** SHA-256 of a message's bytes without its endorsements, 64 hex digits: the same however it was relayed. */
export function contentHash(message: SignedMessage): string {
  return sha256Hex(encodeCbor({ body: message.body, sig: message.sig }));
}

/** Text cut to so many UTF-8 bytes at a whole character, fit for a message. */
export function clipText(text: string, maxBytes: number): string {
  const whole = text.toWellFormed();
  if (utf8ToBytes(whole).length <= maxBytes) return whole;
  let clipped = '';
  let bytes = 0;
  for (const character of whole) {
    bytes += utf8ToBytes(character).length;
    if (bytes > maxBytes) break;
    clipped += character;
  }
  return clipped;
}

function envelope({ body, sig, endorsements }: SignedMessage): SignedMessage {
  return endorsements === undefined || endorsements.length === 0 ? { body, sig } : { body, sig, endorsements };
}

/** Decodes and encodes again: only the canonical form comes out as it went in. */
function decodeCanonical(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new MalformedMessageError('oversized', `${bytes.length} bytes`);
  let value: unknown;
  let again: Uint8Array;
  try {
    value = decode(bytes);
    again = encodeCbor(value);
  } catch (error) {
    throw new MalformedMessageError('notCanonical', (error as Error).message);
  }
  if (!sameBytes(bytes, again)) throw new MalformedMessageError('notCanonical', 'another encoding of the same value');
  return value;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
