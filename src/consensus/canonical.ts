/**
 * Messages as bytes. One form only: DAG-CBOR, keys sorted, integers shortest, no floats, no unknown fields. Whatever
 * decodes to a message but would be encoded otherwise is refused, so a hash names a message and nothing else.
 */
import { decode, encode } from '@ipld/dag-cbor';
import type { ConsensusCrypto, SyncRequest, SyncResponse } from './events.ts';
import { concatBytes, hexToBytes, sha256Hex, utf8ToBytes } from './hash.ts';
import { MAX_MESSAGE_BYTES, MAX_SYNC_REQUEST_BYTES, MAX_SYNC_RESPONSE_BYTES } from './limits.ts';
import type { Body, Signed, SignedMessage, Topic } from './messages.ts';
import { bootstrapFault, messageFault, syncRequestFault, syncResponseFault } from './shapes.ts';

/** Why bytes are no message. */
export type MalformedCause = 'oversized' | 'notCbor' | 'notCanonical' | 'badField' | 'wrongTopic';

/** Bytes that provably are no message of this protocol: whoever sent them did so knowingly. */
export class MalformedMessageError extends Error {
  override readonly cause: MalformedCause;
  /** Path of the field at fault, '' for the whole. */
  readonly field: string;

  constructor(cause: MalformedCause, detail: string, field = '') {
    super(`malformed message (${cause}): ${detail}`);
    this.name = 'MalformedMessageError';
    this.cause = cause;
    this.field = field;
  }
}

const TYPES_OF_TOPIC: Record<Topic, readonly Body['type'][]> = {
  proposal: ['PROPOSAL'],
  state: ['STATE'],
  op: ['JOIN', 'LEAVE', 'EVIDENCE', 'SUBJECT', 'VOTE', 'LIKE'],
};

/** The topic that a message of this type is gossiped on. */
export function topicOf(type: Body['type']): Topic {
  return type === 'PROPOSAL' ? 'proposal' : type === 'STATE' ? 'state' : 'op';
}

/**
 * Identity of a station, 64 hex digits: its name and, for a closed station, its key. Two stations of one name and
 * different keys never meet.
 */
export function stationId(name: string, key: Uint8Array | null): string {
  const nameHash = hexToBytes(sha256Hex(utf8ToBytes(name)));
  return sha256Hex(concatBytes(utf8ToBytes('starling/1/station'), nameHash, key ?? new Uint8Array(0)));
}

/** The bytes of a signed message. */
export function encodeMessage(message: SignedMessage): Uint8Array {
  return encode(message);
}

/**
 * Reads and checks a message's form. Signatures are not checked here.
 * @throws MalformedMessageError
 */
export function decodeMessage(topic: Topic, bytes: Uint8Array): SignedMessage {
  const value = decodeCanonical(bytes, MAX_MESSAGE_BYTES[topic]);
  const fault = messageFault(value);
  if (fault !== null) throw new MalformedMessageError('badField', fault.text, fault.field);
  const message = value as SignedMessage;
  if (!TYPES_OF_TOPIC[topic].includes(message.body.type)) {
    throw new MalformedMessageError('wrongTopic', `${message.body.type} is not gossiped on "${topic}"`);
  }
  return message;
}

/** Whether a value has the form of a signed Bootstrap. @throws MalformedMessageError */
export function checkBootstrapForm(value: unknown): void {
  const fault = bootstrapFault(value);
  if (fault !== null) throw new MalformedMessageError('badField', fault.text, fault.field);
}

/** What an author signs: the domain with the type, the station, and the body's canonical bytes. */
export function signingBytes(station: string, body: { type: string }): Uint8Array {
  return concatBytes(utf8ToBytes(`starling/1/${body.type}`), hexToBytes(station), encode(body));
}

/** Signs a body with the node's own key. */
export function signMessage<B extends { type: string; station: string }>(crypto: ConsensusCrypto, body: B): Signed<B> {
  return { body, sig: crypto.sign(signingBytes(body.station, body)) };
}

export type Refusal = 'foreignStation' | 'badSignature';

/** Null when the message belongs to this station and its author signed it. */
export function verifyMessage(
  verify: ConsensusCrypto['verify'],
  station: string,
  message: Signed<{ type: string; station: string; node_id: string }>,
): Refusal | null {
  const { body, sig } = message;
  if (body.station !== station) return 'foreignStation';
  return verify(body.node_id, signingBytes(station, body), sig) ? null : 'badSignature';
}

/** A question or an answer of the catch-up stream as bytes. */
export function encodeSync(value: SyncRequest | SyncResponse): Uint8Array {
  return encode(value);
}

/**
 * Reads a question or an answer of the catch-up stream. Of an answer only form and size are checked: what it says, step
 * checks.
 * @throws MalformedMessageError
 */
export function decodeSync(what: 'request', bytes: Uint8Array): SyncRequest;
export function decodeSync(what: 'response', bytes: Uint8Array): SyncResponse;
export function decodeSync(what: 'request' | 'response', bytes: Uint8Array): SyncRequest | SyncResponse {
  const value = decodeCanonical(bytes, what === 'request' ? MAX_SYNC_REQUEST_BYTES : MAX_SYNC_RESPONSE_BYTES);
  const fault = what === 'request' ? syncRequestFault(value) : syncResponseFault(value);
  if (fault !== null) throw new MalformedMessageError('badField', fault.text, fault.field);
  return value as SyncRequest | SyncResponse;
}

function decodeCanonical(bytes: Uint8Array, mostBytes: number): unknown {
  if (bytes.length > mostBytes) {
    throw new MalformedMessageError('oversized', `${bytes.length} bytes, at most ${mostBytes} are allowed`);
  }
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (error) {
    throw new MalformedMessageError('notCbor', (error as Error).message);
  }
  if (!sameBytes(encode(value), bytes))
    throw new MalformedMessageError('notCanonical', 'another encoding of the same value');
  return value;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
