/** Operations that wait for a winner to carry them into the log. */
import { bodyHash, MAX_OPS_PER_PROPOSAL } from './appraise.ts';
import { bodyName, encodeMessage } from './canonical.ts';
import { checkEvidence } from './evidence.ts';
import type { LogState } from './link.ts';
import type { EvidenceOp, JoinOp, Op, Signed, VoteOp } from './messages.ts';
import { admissionId, OP_MAX_AGE_MS } from './ops.ts';
import type { ConsensusState, Turn } from './state.ts';
import { count, headOf } from './state.ts';

/** Operations kept: a flock of 100 that boots at once, and some evidence. */
export const MAX_PENDING_OPS = 256;
/** Of these, operations of nodes outside of the roster: whoever floods with JOINs must not keep members from speaking. */
export const MAX_PENDING_STRANGERS = 128;
/** Bytes of operations that one proposal carries at most; keeps it well inside the wire's limit. */
const MAX_OPS_BYTES = 12_000;

/** Keeps an operation until a winner carries it. False: it is known, pointless, or there is no room. */
export function addOp(turn: Turn, signed: Signed<Op>): boolean {
  const { state } = turn;
  if (state.chain === null) return false;
  const { log } = headOf(state.chain);
  if (isPointless(state, signed.body, log) || Math.abs(turn.nowMs - signed.body.timestamp) > OP_MAX_AGE_MS)
    return false;
  const hash = bodyHash(state.memo, signed.body);
  if (state.pendingOps.has(hash) || !replaceOlder(state, signed.body)) return false;
  if (!hasRoom(state, log, signed.body)) {
    count(state, 'opsDropped');
    return false;
  }
  state.pendingOps.set(hash, signed);
  return true;
}

function hasRoom(state: ConsensusState, log: LogState, op: Op): boolean {
  const { entries } = log.roster;
  if (state.pendingOps.size >= MAX_PENDING_OPS) return false;
  if (entries.has(op.node_id)) return true;
  let strangers = 0;
  for (const pending of state.pendingOps.values()) if (!entries.has(pending.body.node_id)) strangers++;
  return strangers < MAX_PENDING_STRANGERS;
}

/** Drops what a newer word of the same author on the same matter replaces. False: this one is the older word. */
function replaceOlder(state: ConsensusState, op: Op): boolean {
  for (const [key, { body }] of state.pendingOps) {
    if (!isSameMatter(op, body)) continue;
    if (op.type === 'EVIDENCE' || body.timestamp >= op.timestamp) return false;
    state.pendingOps.delete(key);
  }
  return true;
}

function isSameMatter(a: Op, b: Op): boolean {
  if (a.type === 'EVIDENCE') return b.type === 'EVIDENCE' && a.accused === b.accused && a.kind === b.kind;
  if (a.node_id !== b.node_id) return false;
  if (a.type === 'VOTE') return b.type === 'VOTE' && a.subject === b.subject;
  if (a.type === 'LIKE') return b.type === 'LIKE' && a.track_hash === b.track_hash;
  if (a.type === 'SUBJECT') return b.type === 'SUBJECT';
  // JOIN and LEAVE take each other back.
  return b.type === 'JOIN' || b.type === 'LEAVE';
}

/** Useless operations remembered: what a few neighbours' tables hold. */
const MAX_REFUSED_OPS = 1_024;

/** Remembers an operation that was fetched in vain. */
export function noteRefusedOp(state: ConsensusState, signed: Signed<Op>): void {
  const head = headOf(state.chain!).hash;
  if (state.refusedOps.head !== head) state.refusedOps = { head, names: new Set() };
  const { names } = state.refusedOps;
  if (names.size < MAX_REFUSED_OPS) names.add(bodyHash(state.memo, signed.body));
}

/** Whether asking a neighbour for this operation may be worth it. */
export function wantsOp(state: ConsensusState, name: string): boolean {
  const { head, names } = state.refusedOps;
  return state.pendingOps.size < MAX_PENDING_OPS && !(head === headOf(state.chain!).hash && names.has(name));
}

/** Operations that would still change the log: members' first, oldest first, up to what a proposal carries. */
export function opsFor(state: ConsensusState, log: LogState): Signed<Op>[] {
  const { entries } = log.roster;
  const useful = [...state.pendingOps.values()].filter(
    (op) => !isPointless(state, op.body, log) && mayCarry(state, op.body, log),
  );
  const members = useful.filter((op) => entries.has(op.body.node_id));
  const chosen: Signed<Op>[] = [];
  let bytes = 0;
  for (const op of [...members, ...useful.filter((op) => !entries.has(op.body.node_id))]) {
    const size = op.body.type === 'EVIDENCE' || op.body.type === 'SUBJECT' ? encodeMessage(op).length : SMALL_OP_BYTES;
    if (bytes + size > MAX_OPS_BYTES) continue;
    bytes += size;
    chosen.push(op);
    if (chosen.length >= MAX_OPS_PER_PROPOSAL) break;
  }
  return chosen;
}

/** On a station by invitation this node carries a stranger's JOIN only if its own listener voted for that. */
function mayCarry(state: ConsensusState, op: Op, log: LogState): boolean {
  if (op.type !== 'JOIN' || log.rules.admission === 'open' || log.roster.entries.has(op.node_id)) return true;
  const id = admissionId(op.node_id);
  for (const { body } of state.pendingOps.values()) {
    if (body.type === 'VOTE' && body.node_id === state.crypto.nodeId && body.subject === id && body.approve)
      return true;
  }
  return false;
}

/** JOIN, LEAVE, VOTE and LIKE with all their fields at their bounds. */
const SMALL_OP_BYTES = 480;

/** Whether an operation would change nothing under this log: then nobody carries it, and nobody need keep it. */
export function isPointless(state: ConsensusState, op: Op, log: LogState): boolean {
  const { entries } = log.roster;
  if (op.type === 'JOIN') return isJoinPointless(op, log);
  if (op.type === 'EVIDENCE') return isEvidencePointless(state, op, log);
  if (!entries.has(op.node_id)) return true;
  if (op.type === 'SUBJECT') return log.subjects.has(bodyName(op));
  if (op.type === 'VOTE') return isVotePointless(state, op, log);
  if (op.type === 'LIKE') {
    return log.rules.like_weight_max <= 1 || log.likes.get(op.track_hash)?.nodes.includes(op.node_id) === true;
  }
  return false;
}

/** A member may take another name this often: its people called it something else. More often would only fill the log. */
const RENAME_SLOTS = 4;

function isJoinPointless(op: JoinOp, log: LogState): boolean {
  const entry = log.roster.entries.get(op.node_id);
  if (op.timestamp <= (entry?.said ?? log.departed.get(op.node_id) ?? -1)) return true;
  if (entry === undefined) return log.subjects.has(admissionId(op.node_id));
  const sameKey = entry.vrf_key.every((byte, i) => byte === op.vrf_key[i]);
  if (entry.name !== op.name && log.slot - entry.renewed >= RENAME_SLOTS) return false;
  return sameKey && log.slot - entry.renewed < Math.floor(log.rules.roster_ttl_slots / 2);
}

function isEvidencePointless(state: ConsensusState, op: EvidenceOp, log: LogState): boolean {
  if (!log.roster.entries.has(op.accused)) return true;
  // As the next record will see it: a proposal of the open round stands on our newest record.
  const heads = [...log.heads, headOf(state.chain!).hash];
  const slot = checkEvidence(op, { ...log, heads });
  return slot === null || slot <= (log.exclusions.get(op.accused)?.since ?? -1);
}

/** A vote may wait for its subject; once that is open it counts or it does not. */
function isVotePointless(state: ConsensusState, op: VoteOp, log: LogState): boolean {
  const subject = log.subjects.get(op.subject);
  if (subject === undefined) return log.rules.admission === 'open' && !state.pendingOps.has(op.subject);
  const voted = subject.yes.includes(op.node_id) || subject.no.includes(op.node_id);
  return voted || !subject.electorate.includes(op.node_id);
}

/** Forgets what the log has taken in, what it made pointless, and what grew too old to count. */
export function dropStaleOps(turn: Turn): void {
  const { state } = turn;
  const { log } = headOf(state.chain!);
  for (const [hash, { body }] of state.pendingOps) {
    const old = turn.nowMs - body.timestamp > OP_MAX_AGE_MS;
    if (old || isPointless(state, body, log)) state.pendingOps.delete(hash);
  }
}
