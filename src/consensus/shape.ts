/**
 * The shape of every message, field by field: what is not listed here is not a message. Written by hand and flat,
 * because every node runs it on every message that anybody sends.
 */
import type { SyncRequest, SyncResponse } from './events.ts';
import {
  BEACON_BYTES,
  MAX_BOOTSTRAP_ROSTER,
  MAX_CID_BYTES,
  MAX_DURATION_MS,
  MAX_ENDORSEMENTS,
  MAX_GENRE_BYTES,
  MAX_NODE_NAME_BYTES,
  MAX_OPS,
  MAX_QUEUE,
  MAX_RECORDS_PER_ANSWER,
  MAX_RULES_BYTES,
  MAX_SLOT,
  MAX_TIME_MS,
  MAX_TRACK_INDEX,
  MAX_TRACK_NAME_BYTES,
  MAX_WANTED_HASHES,
  SIGNATURE_BYTES,
  VRF_KEY_BYTES,
  VRF_PROOF_BYTES,
  WIRE_VERSION,
} from './limits.ts';
import type { Bootstrap, Signed, SignedMessage, Topic } from './messages.ts';

/**
 * Why bytes are no message. `oversized`: more bytes than the topic allows; `notCanonical`: no DAG-CBOR, or another
 * encoding of it than the canonical one; `wrongType`: a body of another type than the topic carries;
 * `missingField`, `unknownField`, `badField`: the field is named.
 */
export type MalformedCode = 'oversized' | 'notCanonical' | 'wrongType' | 'missingField' | 'unknownField' | 'badField';

/** Bytes or values that are no message of the protocol. */
export class MalformedMessageError extends Error {
  readonly code: MalformedCode;
  /** The field, or what else there is to say. */
  readonly detail: string;

  constructor(code: MalformedCode, detail: string) {
    super(`malformed message: ${code} (${detail})`);
    this.name = 'MalformedMessageError';
    this.code = code;
    this.detail = detail;
  }
}

/** Checks one value; throws for a fault inside of it, or answers false for the value itself. */
type Check = (value: unknown, depth: number) => boolean;
type Shape = Readonly<Record<string, Check>>;

/** A proposal, its operation, the statement in that evidence: there nesting ends, for that one carries no operations. */
const MAX_SIGNED_DEPTH = 3;

function whole(least: number, most: number): Check {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function pattern(form: RegExp): Check {
  return (value) => typeof value === 'string' && form.test(value);
}

/** Well-formed text of at most so many UTF-8 bytes. */
function text(maxBytes: number): Check {
  return (value) => typeof value === 'string' && value.length <= maxBytes && fitsUtf8(value, maxBytes);
}

function fitsUtf8(value: string, maxBytes: number): boolean {
  let bytes = value.length;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code <= 0x7f) continue;
    bytes += code <= 0x7ff ? 1 : 2;
    if (code < 0xd800 || code > 0xdfff) continue;
    // A pair of surrogates makes four bytes; one alone is no text.
    const next = i + 1 < value.length ? value.charCodeAt(i + 1) : 0;
    if (code > 0xdbff || next < 0xdc00 || next > 0xdfff) return false;
    i++;
  }
  return bytes <= maxBytes;
}

function bytes(length: number): Check {
  return (value) => value instanceof Uint8Array && value.length === length;
}

function listOf(check: Check, least: number, most: number): Check {
  return (value, depth) =>
    Array.isArray(value) && value.length >= least && value.length <= most && value.every((item) => check(item, depth));
}

function nullOr(check: Check): Check {
  return (value, depth) => value === null || check(value, depth);
}

function oneOf(...allowed: readonly unknown[]): Check {
  return (value) => allowed.includes(value);
}

function shaped(shape: Shape): Check {
  return (value, depth) => {
    if (!isMap(value)) return false;
    checkShape(shape, value, depth);
    return true;
  };
}

type Fields = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** Every field of the shape is there and right, and no other. */
function checkShape(shape: Shape, value: Fields, depth: number): void {
  let fields = 0;
  for (const field in shape) {
    if (!Object.hasOwn(value, field)) throw new MalformedMessageError('missingField', field);
    if (!shape[field]!(value[field], depth)) throw new MalformedMessageError('badField', field);
    fields++;
  }
  const keys = Object.keys(value);
  if (keys.length === fields) return;
  const unknown = keys.find((key) => !Object.hasOwn(shape, key)) ?? '';
  throw new MalformedMessageError('unknownField', unknown.slice(0, 64));
}

const isBoolean: Check = (value) => typeof value === 'boolean';
const hex32 = pattern(/^[0-9a-f]{64}$/);
const hashText = pattern(/^sha256:[0-9a-f]{64}$/);
/** 38 bytes (identity multihash of a protobuf with a 32-byte Ed25519 key) in base58: always 52 characters. */
const nodeId = pattern(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/);
/** CIDv1 in base32. */
const cid = pattern(new RegExp(`^b[a-z2-7]{16,${MAX_CID_BYTES - 1}}$`));
const time = whole(0, MAX_TIME_MS);
const slot = whole(0, MAX_SLOT);
const slotOrNone = whole(-1, MAX_SLOT);
const reason = oneOf(null, 'moderation', 'fetch');
const signature = bytes(SIGNATURE_BYTES);

const BASE: Shape = {
  v: oneOf(WIRE_VERSION),
  station: hex32,
  node_id: nodeId,
  timestamp: time,
};
const PLAYBACK: Shape = {
  consensus_hash: nullOr(hex32),
  actual_hash: nullOr(hex32),
  diverged: isBoolean,
  reason,
};

const REPORT: Shape = {
  ...PLAYBACK,
  slot: slotOrNone,
  run: whole(0, MAX_SLOT),
  diverged_ms: time,
  synced_slots: slotOrNone,
  banned_at: slotOrNone,
};

const PROPOSAL: Shape = {
  ...BASE,
  type: oneOf('PROPOSAL'),
  target_slot: slot,
  track_name: text(MAX_TRACK_NAME_BYTES),
  track_hash: hashText,
  duration: whole(1, MAX_DURATION_MS),
  segments: listOf(cid, 1, 1),
  playlist_hash: hashText,
  track_index: whole(0, MAX_TRACK_INDEX),
  genre: text(MAX_GENRE_BYTES),
  explicit: isBoolean,
  prev: hex32,
  rules_hash: hex32,
  vrf_proof: bytes(VRF_PROOF_BYTES),
  report: shaped(REPORT),
  fetch_ms: whole(0, MAX_DURATION_MS),
  ops_root: hex32,
  ops: listOf(signedOp, 0, MAX_OPS),
};

/** As evidence carries it. */
const BARE_PROPOSAL: Shape = { ...PROPOSAL, ops: listOf(signedOp, 0, 0) };

const STATE: Shape = {
  ...BASE,
  ...PLAYBACK,
  type: oneOf('STATE'),
  epoch: time,
  head: hex32,
  head_slot: slot,
  slot: slotOrNone,
  current_track: nullOr(shaped({ name: text(MAX_TRACK_NAME_BYTES), hash: hashText })),
  position: whole(0, MAX_DURATION_MS),
  queue: listOf(hashText, 0, MAX_QUEUE),
  rules_hash: hex32,
  genesis: hex32,
};

const OPS: Readonly<Record<string, Shape>> = {
  JOIN: { ...BASE, type: oneOf('JOIN'), vrf_key: bytes(VRF_KEY_BYTES), name: text(MAX_NODE_NAME_BYTES) },
  LEAVE: { ...BASE, type: oneOf('LEAVE') },
  EVIDENCE: {
    ...BASE,
    type: oneOf('EVIDENCE'),
    kind: oneOf('proposals', 'states', 'report', 'rules'),
    accused: nodeId,
    first: signedStatement,
    second: signedStatement,
  },
  SUBJECT: { ...BASE, type: oneOf('SUBJECT'), rules: text(MAX_RULES_BYTES) },
  VOTE: { ...BASE, type: oneOf('VOTE'), subject: hex32, approve: isBoolean },
  LIKE: { ...BASE, type: oneOf('LIKE'), track_hash: hashText },
};

const INITIAL_TRACK: Shape = {
  track: text(MAX_TRACK_NAME_BYTES),
  start_time: time,
  track_hash: hashText,
  duration: whole(1, MAX_DURATION_MS),
  segments: listOf(cid, 1, 1),
};
const FIRST_MEMBER: Shape = { node_id: nodeId, vrf_key: bytes(VRF_KEY_BYTES), name: text(MAX_NODE_NAME_BYTES) };

const BOOTSTRAP: Shape = {
  ...BASE,
  type: oneOf('BOOTSTRAP'),
  bootstrap: oneOf(true),
  initial_queue: listOf(shaped(INITIAL_TRACK), MAX_QUEUE, MAX_QUEUE),
  roster: listOf(shaped(FIRST_MEMBER), 1, MAX_BOOTSTRAP_ROSTER),
  rules: text(MAX_RULES_BYTES),
  beacon0: bytes(BEACON_BYTES),
};

const ENDORSEMENT: Shape = { node_id: nodeId, sig: signature };
const endorsementList = listOf(shaped(ENDORSEMENT), 1, MAX_ENDORSEMENTS);

/** Distinct endorsers: a second word of the same node proves nothing and only costs its check. */
const endorsements: Check = (value, depth) =>
  endorsementList(value, depth) &&
  new Set((value as { node_id: string }[]).map((e) => e.node_id)).size === (value as []).length;

const REQUESTS: Readonly<Record<string, Shape>> = {
  status: { kind: oneOf('status') },
  checkpoint: { kind: oneOf('checkpoint') },
  records: { kind: oneOf('records'), from_slot: slot, count: whole(1, MAX_RECORDS_PER_ANSWER) },
  settled: { kind: oneOf('settled'), slot: slotOrNone, want: listOf(hex32, 0, MAX_WANTED_HASHES) },
  digest: { kind: oneOf('digest') },
};

function signedOp(value: unknown, depth: number): boolean {
  if (depth >= MAX_SIGNED_DEPTH || !isMap(value) || !isMap(value.body)) return false;
  const shape = shapeOf(OPS, value.body.type);
  if (shape === null) return false;
  checkShape({ body: shaped(shape), sig: signature }, value, depth + 1);
  return true;
}

/** A proposal or a state in evidence: as its author signed it, without endorsements. */
function signedStatement(value: unknown, depth: number): boolean {
  if (depth >= MAX_SIGNED_DEPTH || !isMap(value) || !isMap(value.body)) return false;
  const { type } = value.body;
  if (type !== 'PROPOSAL' && type !== 'STATE') return false;
  checkShape({ body: shaped(type === 'STATE' ? STATE : BARE_PROPOSAL), sig: signature }, value, depth + 1);
  return true;
}

function shapeOf(shapes: Readonly<Record<string, Shape>>, name: unknown): Shape | null {
  return typeof name === 'string' && Object.hasOwn(shapes, name) ? shapes[name]! : null;
}

function bodyShape(topic: Topic, type: unknown): Shape | null {
  if (topic === 'proposal') return type === 'PROPOSAL' ? PROPOSAL : null;
  if (topic === 'state') return type === 'STATE' ? STATE : null;
  return shapeOf(OPS, type);
}

/** @throws MalformedMessageError unless the value is a message of this topic */
export function readMessage(topic: Topic, value: unknown): SignedMessage {
  if (!isMap(value) || !isMap(value.body)) throw new MalformedMessageError('missingField', 'body');
  const shape = bodyShape(topic, value.body.type);
  if (shape === null)
    throw new MalformedMessageError('wrongType', `${String(value.body.type).slice(0, 16)} as ${topic}`);
  checkShape(shape, value.body, 0);
  const mayCarry = topic === 'proposal' && Object.hasOwn(value, 'endorsements');
  checkShape(mayCarry ? ENDORSED : SIGNED, value, 0);
  return value as unknown as SignedMessage;
}

const SIGNED: Shape = { body: isMap, sig: signature };
const ENDORSED: Shape = { ...SIGNED, endorsements };

/** @throws MalformedMessageError unless the value is a signed Bootstrap in form; its signature is not checked here */
export function readBootstrap(value: unknown): Signed<Bootstrap> {
  if (!isMap(value)) throw new MalformedMessageError('badField', 'bootstrap');
  checkShape({ body: shaped(BOOTSTRAP), sig: signature }, value, 0);
  return value as unknown as Signed<Bootstrap>;
}

/** @throws MalformedMessageError unless the value is a question of the catch-up stream */
export function readRequest(value: unknown): SyncRequest {
  const shape = isMap(value) ? shapeOf(REQUESTS, value.kind) : null;
  if (shape === null) throw new MalformedMessageError('badField', 'kind');
  checkShape(shape, value as Fields, 0);
  return value as SyncRequest;
}

/** @throws MalformedMessageError unless the value has the form of an answer; its content is for step to check */
export function readResponse(value: unknown): SyncResponse {
  const known = isMap(value) && (value.kind === 'refused' || shapeOf(REQUESTS, value.kind) !== null);
  if (!known) throw new MalformedMessageError('badField', 'kind');
  return value as SyncResponse;
}
