/** The form of every message, field by field: what may stand there, and nothing else. */
import * as limits from './limits.ts';

/** What is wrong with a value, and where. */
export interface Fault {
  field: string;
  text: string;
}

/** Null when the value is as it must be, else what is expected. */
type Check = (value: unknown) => Fault | string | null;
type Shape = Readonly<Record<string, Check>>;

const TRACK_OR_LIST_HASH = /^sha256:[0-9a-f]{64}$/;
const HEX_64 = /^[0-9a-f]{64}$/;
/** Base58 text of an Ed25519 key in an identity multihash. */
const PEER_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;
/** CIDv1 in base32. */
const CID_TEXT = /^b[a-z2-7]{50,127}$/;

function whole(least: number, most: number): Check {
  const expected = `a whole number from ${least} to ${most}`;
  return (value) => {
    const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;
    return fits ? null : expected;
  };
}

function matching(pattern: RegExp, expected: string): Check {
  return (value) => (typeof value === 'string' && pattern.test(value) ? null : expected);
}

/** UTF-8 bytes of a text, without encoding it. Lone surrogates cannot come out of CBOR. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair counts for two of its four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}

function text(least: number, most: number): Check {
  const expected = `a text of ${least} to ${most} bytes`;
  return (value) => {
    if (typeof value !== 'string' || value.length > most) return expected;
    const length = utf8Length(value);
    return length >= least && length <= most ? null : expected;
  };
}

function bytes(length: number): Check {
  return (value) => (value instanceof Uint8Array && value.length === length ? null : `${length} bytes`);
}

function oneOf(...values: readonly (string | boolean | number | null)[]): Check {
  const expected = `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
  return (value) => (values.includes(value as string) ? null : expected);
}

function nullOr(check: Check): Check {
  return (value) => (value === null ? null : check(value));
}

function list(check: Check, least: number, most: number): Check {
  return (value) => {
    if (!Array.isArray(value) || value.length < least || value.length > most) return `a list of ${least} to ${most}`;
    for (let i = 0; i < value.length; i++) {
      const fault = check(value[i]);
      if (fault !== null) return within(String(i), fault);
    }
    return null;
  };
}

/** A map with exactly these fields. */
function exactly(shape: Shape): Check {
  const names = Object.keys(shape);
  return (value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array)
      return 'a map';
    const map = value as Record<string, unknown>;
    for (const name of names) {
      if (!Object.hasOwn(map, name)) return { field: name, text: `${name} is missing` };
      const fault = shape[name]!(map[name]);
      if (fault !== null) return within(name, fault);
    }
    for (const name in map) if (!Object.hasOwn(shape, name)) return { field: name, text: `${name} is no field here` };
    return null;
  };
}

function within(name: string, fault: Fault | string): Fault {
  if (typeof fault === 'string') return { field: name, text: `${name}: expected ${fault}` };
  return { field: fault.field === '' ? name : `${name}.${fault.field}`, text: `${name}.${fault.text}` };
}

const time = whole(0, limits.MAX_TIME_MS);
const slot = whole(0, limits.MAX_SLOT);
const slotOrNone = whole(-1, limits.MAX_SLOT);
const count = whole(0, limits.MAX_SLOT);
const hash64 = matching(HEX_64, '64 hex digits');
const contentHash = matching(TRACK_OR_LIST_HASH, '"sha256:" and 64 hex digits');
const nodeId = matching(PEER_ID, 'an Ed25519 peer id (12D3KooW...)');
const cid = matching(CID_TEXT, 'a CIDv1 in base32');
const bool = oneOf(true, false);
const name = text(1, limits.MAX_NODE_NAME_BYTES);
const trackName = text(1, limits.MAX_TRACK_NAME_BYTES);
const duration = whole(1, limits.MAX_DURATION_MS);

const base = (type: string): Shape => ({
  v: oneOf(limits.WIRE_VERSION),
  type: oneOf(type),
  station: hash64,
  node_id: nodeId,
  timestamp: time,
});

const playback: Shape = {
  consensus_hash: nullOr(hash64),
  actual_hash: nullOr(hash64),
  diverged: bool,
  reason: oneOf('moderation', 'fetch', null),
};

const report = exactly({
  ...playback,
  slot: slotOrNone,
  run: count,
  diverged_ms: time,
  synced_slots: whole(-1, limits.MAX_SLOT),
  banned_at: slotOrNone,
});

const endorsement = exactly({ node_id: nodeId, sig: bytes(limits.SIGNATURE_BYTES) });

/** Operations inside of proposals inside of evidence: bounded by the size of the message, so the depth is too. */
const nestedOp: Check = (value) => signedFault(value, OPS);
const nestedStatement: Check = (value) => signedFault(value, STATEMENTS);

const BODIES: Readonly<Record<string, Check>> = {
  PROPOSAL: exactly({
    ...base('PROPOSAL'),
    target_slot: slot,
    track_name: trackName,
    track_hash: contentHash,
    duration,
    segments: list(cid, 1, 1),
    playlist_hash: contentHash,
    track_index: whole(0, limits.MAX_TRACK_INDEX),
    genre: text(0, limits.MAX_GENRE_BYTES),
    explicit: bool,
    prev: hash64,
    rules_hash: hash64,
    vrf_proof: bytes(limits.VRF_PROOF_BYTES),
    report,
    ops: list(nestedOp, 0, limits.MAX_OPS),
  }),
  STATE: exactly({
    ...base('STATE'),
    ...playback,
    epoch: whole(0, limits.MAX_TIME_MS),
    head: hash64,
    head_slot: slotOrNone,
    slot: slotOrNone,
    current_track: nullOr(exactly({ name: trackName, hash: contentHash })),
    position: whole(0, limits.MAX_DURATION_MS),
    queue: list(contentHash, 0, limits.MAX_QUEUE),
    rules_hash: hash64,
    genesis: hash64,
  }),
  JOIN: exactly({ ...base('JOIN'), vrf_key: bytes(limits.VRF_KEY_BYTES), name }),
  LEAVE: exactly(base('LEAVE')),
  EVIDENCE: exactly({
    ...base('EVIDENCE'),
    kind: oneOf('proposals', 'states', 'report', 'rules', 'diverged'),
    accused: nodeId,
    first: nestedStatement,
    second: nestedStatement,
  }),
  SUBJECT: exactly({ ...base('SUBJECT'), rules: text(2, limits.MAX_RULES_BYTES) }),
  VOTE: exactly({ ...base('VOTE'), subject: hash64, approve: bool }),
  LIKE: exactly({ ...base('LIKE'), track_hash: contentHash }),
};

const OPS = new Set(['JOIN', 'LEAVE', 'EVIDENCE', 'SUBJECT', 'VOTE', 'LIKE']);
const STATEMENTS = new Set(['PROPOSAL', 'STATE']);
const ALL = new Set(Object.keys(BODIES));

const bootstrapBody = exactly({
  ...base('BOOTSTRAP'),
  bootstrap: oneOf(true),
  initial_queue: list(
    exactly({ track: trackName, start_time: time, track_hash: contentHash, duration, segments: list(cid, 1, 1) }),
    limits.MAX_QUEUE,
    limits.MAX_QUEUE,
  ),
  roster: list(
    exactly({ node_id: nodeId, vrf_key: bytes(limits.VRF_KEY_BYTES), name }),
    1,
    limits.MAX_BOOTSTRAP_ROSTER,
  ),
  rules: text(2, limits.MAX_RULES_BYTES),
  beacon0: bytes(32),
});

const SYNC_REQUESTS: Readonly<Record<string, Check>> = {
  status: exactly({ kind: oneOf('status') }),
  checkpoint: exactly({ kind: oneOf('checkpoint') }),
  records: exactly({ kind: oneOf('records'), from_slot: slot, count: whole(1, limits.MAX_RECORDS_PER_ANSWER) }),
  settled: exactly({ kind: oneOf('settled'), slot: slotOrNone, want: list(hash64, 0, limits.MAX_WANTED_HASHES) }),
  digest: exactly({ kind: oneOf('digest') }),
};

function signedFault(value: unknown, types: ReadonlySet<string>): Fault | string | null {
  if (value === null || typeof value !== 'object') return 'a signed message';
  const body = (value as { body?: { type?: unknown } }).body;
  const type = body?.type;
  if (typeof type !== 'string' || !types.has(type))
    return { field: 'type', text: `type: expected one of ${[...types].join(', ')}` };
  const shape: Shape = { body: BODIES[type]!, sig: bytes(limits.SIGNATURE_BYTES) };
  const endorsed = type === 'PROPOSAL' && Object.hasOwn(value, 'endorsements');
  return exactly(endorsed ? { ...shape, endorsements: list(endorsement, 1, limits.MAX_ENDORSEMENTS) } : shape)(value);
}

function toFault(fault: Fault | string | null): Fault | null {
  return typeof fault === 'string' ? { field: '', text: `expected ${fault}` } : fault;
}

/** What is wrong with a decoded gossip message; null: nothing. */
export function messageFault(value: unknown): Fault | null {
  return toFault(signedFault(value, ALL));
}

/** What is wrong with a signed Bootstrap; null: nothing. */
export function bootstrapFault(value: unknown): Fault | null {
  return toFault(exactly({ body: bootstrapBody, sig: bytes(limits.SIGNATURE_BYTES) })(value));
}

/** What is wrong with a question of the catch-up stream; null: nothing. */
export function syncRequestFault(value: unknown): Fault | null {
  const kind = (value as { kind?: unknown } | null)?.kind;
  const check = typeof kind === 'string' && Object.hasOwn(SYNC_REQUESTS, kind) ? SYNC_REQUESTS[kind] : undefined;
  if (check === undefined)
    return { field: 'kind', text: `kind: expected one of ${Object.keys(SYNC_REQUESTS).join(', ')}` };
  return toFault(check(value));
}

/** What is wrong with the form of an answer of the catch-up stream; null: nothing. */
export function syncResponseFault(value: unknown): Fault | null {
  const kind = (value as { kind?: unknown } | null)?.kind;
  const kinds = [...Object.keys(SYNC_REQUESTS), 'refused'];
  if (typeof kind === 'string' && kinds.includes(kind)) return null;
  return { field: 'kind', text: `kind: expected one of ${kinds.join(', ')}` };
}
