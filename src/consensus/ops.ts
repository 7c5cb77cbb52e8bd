/** What operations do to the log state. Pure: an operation that does not apply is passed over, by everybody alike. */

import { bodyName } from './canonical.ts';
import { checkEvidence } from './evidence.ts';
import { hashText, hashValue } from './hash.ts';
import type { LogState, RosterEntry, Subject } from './link.ts';
import { makeRoster } from './log.ts';
import type { EvidenceOp, JoinOp, LeaveOp, LikeOp, NodeId, Op, Signed, SubjectOp, VoteOp } from './messages.ts';
import { parseRules, type Rules, rulesHash } from './rules.ts';

/** An operation older than this against its record's start is a replay (a JOIN after its LEAVE, say). */
export const OP_MAX_AGE_MS = 3_600_000;
/** Members a roster holds: bounds the log state (about 1.5 MB) and a checkpoint. */
export const MAX_ROSTER = 8_192;
/** Motions for rules open at once, one a member: each holds its electorate. */
export const MAX_SUBJECTS = 4;
/** Admissions open at once: apart from the rules', so that strangers who knock block no vote. */
export const MAX_ADMISSIONS = 16;
/** Nodes that left and whose words are remembered; a JOIN of theirs from before is an hour old at most. */
export const MAX_DEPARTED = 256;
/** Liked tracks remembered; the longest without a new like go first. */
export const MAX_LIKED = 128;
/** Likes that count for a track; the weight is capped far below. */
export const MAX_LIKERS = 64;
/** Exclusions double up to this often: 50 slots become 51,200. */
const MAX_DOUBLINGS = 10;

type Draft = { -readonly [K in keyof Omit<LogState, 'hash'>]: LogState[K] };

/** The log state after a record's operations and its passing of time. */
export function applyOps(
  before: Omit<LogState, 'hash'>,
  ops: readonly Signed<Op>[],
  startMs: number,
  winner: NodeId | null,
): Omit<LogState, 'hash'> {
  const draft: Draft = { ...before };
  enforceRules(draft);
  lapse(draft, winner);
  for (const op of ops) {
    if (Math.abs(startMs - op.body.timestamp) <= OP_MAX_AGE_MS) applyOp(draft, op.body);
  }
  return draft;
}

function applyOp(draft: Draft, op: Op): void {
  if (op.type === 'JOIN') applyJoin(draft, op);
  else if (op.type === 'LEAVE') applyLeave(draft, op);
  else if (op.type === 'EVIDENCE') applyEvidence(draft, op);
  else if (op.type === 'SUBJECT') applySubject(draft, op);
  else if (op.type === 'VOTE') applyVote(draft, op);
  else applyLike(draft, op);
}

function enforceRules(draft: Draft): void {
  const due = draft.coming.filter((c) => c.from_slot <= draft.slot);
  if (due.length === 0) return;
  draft.coming = draft.coming.filter((c) => c.from_slot > draft.slot);
  for (const { rules } of due) {
    draft.rules = parseRules(JSON.parse(rules));
    draft.rulesHash = rulesHash(draft.rules);
    draft.rulesSince = draft.slot;
  }
}

/**
 * Members that were not heard of for long, motions that were not carried in time. Nobody lapses while nobody wins: no
 * JOIN can renew anything then, and a roster that emptied itself could never fill again.
 */
function lapse(draft: Draft, winner: NodeId | null): void {
  const oldest = draft.slot - draft.rules.roster_ttl_slots;
  if (oldest > 0 && winner !== null) {
    const gone = [...draft.roster.entries.values()].filter((e) => e.renewed < oldest && e.node_id !== winner);
    if (gone.length > 0) changeRoster(draft, (entries) => gone.every((e) => entries.delete(e.node_id)));
  }
  forgetStrangers(draft);
  for (const [id, subject] of draft.subjects) {
    if (subject.opened + draft.rules.vote_open_slots < draft.slot) closeSubject(draft, id);
  }
}

/** Exclusions that are over and counts of violations: of nodes that are no members nobody need remember them. */
function forgetStrangers(draft: Draft): void {
  const { entries } = draft.roster;
  const over = [...draft.exclusions].filter(([id, e]) => !entries.has(id) && e.until < draft.slot);
  if (over.length > 0) {
    const exclusions = new Map(draft.exclusions);
    for (const [id] of over) exclusions.delete(id);
    draft.exclusions = exclusions;
  }
  if ([...draft.violations.keys()].every((id) => entries.has(id))) return;
  draft.violations = new Map([...draft.violations].filter(([id]) => entries.has(id)));
}

function changeRoster(draft: Draft, change: (entries: Map<NodeId, RosterEntry>) => void): void {
  const entries = new Map(draft.roster.entries);
  change(entries);
  draft.roster = makeRoster(entries);
}

function applyLeave(draft: Draft, op: LeaveOp): void {
  const known = draft.roster.entries.get(op.node_id);
  if (known === undefined || op.timestamp <= known.said) return;
  changeRoster(draft, (entries) => entries.delete(op.node_id));
  const departed = new Map(draft.departed).set(op.node_id, op.timestamp);
  if (departed.size > MAX_DEPARTED) departed.delete(oldestOf(departed));
  draft.departed = departed;
}

const oldestOf = (departed: ReadonlyMap<NodeId, number>): NodeId =>
  [...departed].reduce((a, b) => (b[1] < a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a))[0];

function applyJoin(draft: Draft, op: JoinOp): void {
  const known = draft.roster.entries.get(op.node_id);
  if (op.timestamp <= (known?.said ?? draft.departed.get(op.node_id) ?? -1)) return;
  if (known === undefined && draft.roster.entries.size >= MAX_ROSTER) return;
  const sameKey = known !== undefined && hashValue(known.vrf_key) === hashValue(op.vrf_key);
  const entry: RosterEntry = {
    node_id: op.node_id,
    vrf_key: op.vrf_key,
    name: op.name,
    since: known?.since ?? draft.slot,
    renewed: draft.slot,
    said: op.timestamp,
    // A fresh key waits, so that it cannot be chosen to fit a beacon that is known already.
    eligible_from: sameKey ? known.eligible_from : draft.slot + draft.rules.join_slots,
  };
  if (known === undefined && draft.rules.admission === 'invite') openAdmission(draft, entry);
  else changeRoster(draft, (entries) => entries.set(op.node_id, entry));
}

/** On a station by invitation a JOIN opens a motion to admit its node; a majority's VOTEs carry it. */
function openAdmission(draft: Draft, entry: RosterEntry): void {
  openSubject(draft, admissionId(entry.node_id), { by: entry.node_id, rules: null, admit: entry });
}

/** What a VOTE names as its subject to admit a node. */
export function admissionId(nodeId: NodeId): string {
  return hashText(`admit/${nodeId}`);
}

function openSubject(draft: Draft, id: string, motion: Pick<Subject, 'by' | 'rules' | 'admit'>): void {
  const alike = [...draft.subjects.values()].filter((s) => (s.rules === null) === (motion.rules === null));
  if (draft.subjects.has(id) || alike.length >= (motion.rules === null ? MAX_ADMISSIONS : MAX_SUBJECTS)) return;
  if (alike.some((subject) => subject.by === motion.by)) return;
  const subject = {
    ...motion,
    opened: draft.slot,
    electorate: [...draft.roster.entries.keys()].sort(),
    yes: [],
    no: [],
  };
  draft.subjects = new Map(draft.subjects).set(id, subject);
}

function closeSubject(draft: Draft, id: string): void {
  const subjects = new Map(draft.subjects);
  subjects.delete(id);
  draft.subjects = subjects;
}

function applySubject(draft: Draft, op: SubjectOp): void {
  const rules = draft.roster.entries.has(op.node_id) ? readRules(op.rules) : null;
  // Epochs are numbered by their length: another length would set all numbers back or forth.
  if (rules === null || rules.state_epoch_ms !== draft.rules.state_epoch_ms) return;
  openSubject(draft, bodyName(op), { by: op.node_id, rules: op.rules, admit: null });
}

function readRules(text: string): Rules | null {
  try {
    return parseRules(JSON.parse(text));
  } catch {
    return null;
  }
}

function applyVote(draft: Draft, op: VoteOp): void {
  const subject = draft.subjects.get(op.subject);
  if (subject === undefined || !subject.electorate.includes(op.node_id)) return;
  if (subject.yes.includes(op.node_id) || subject.no.includes(op.node_id)) return;
  const voted: Subject = op.approve
    ? { ...subject, yes: [...subject.yes, op.node_id].sort() }
    : { ...subject, no: [...subject.no, op.node_id].sort() };
  draft.subjects = new Map(draft.subjects).set(op.subject, voted);
  if (voted.yes.length * 2 > voted.electorate.length) carry(draft, op.subject, voted);
  else if (voted.no.length * 2 >= voted.electorate.length) closeSubject(draft, op.subject);
}

function carry(draft: Draft, id: string, subject: Subject): void {
  closeSubject(draft, id);
  if (subject.rules !== null) {
    const next = { from_slot: draft.slot + draft.rules.vote_delay_slots, rules: subject.rules };
    draft.coming = [...draft.coming, next];
  }
  const { admit } = subject;
  if (admit === null) return;
  const entry = {
    ...admit,
    since: draft.slot,
    renewed: draft.slot,
    eligible_from: draft.slot + draft.rules.join_slots,
  };
  changeRoster(draft, (entries) => entries.set(entry.node_id, entry));
}

function applyEvidence(draft: Draft, op: EvidenceOp): void {
  const offenceSlot = checkEvidence(op, draft);
  if (offenceSlot === null || !draft.roster.entries.has(op.accused)) return;
  const known = draft.exclusions.get(op.accused);
  if (known !== undefined && offenceSlot <= known.since) return;
  if (op.kind === 'rules' && !countsToExclusion(draft, op.accused, offenceSlot)) return;
  const count = (known?.count ?? 0) + 1;
  const length = draft.rules.exclude_slots * 2 ** Math.min(count - 1, MAX_DOUBLINGS);
  draft.exclusions = new Map(draft.exclusions).set(op.accused, {
    since: draft.slot,
    until: draft.slot + length,
    count,
  });
}

/** Another rules hash is no offence in itself (it may be an older version): only repeated ones exclude. */
function countsToExclusion(draft: Draft, accused: NodeId, slot: number): boolean {
  const slots = draft.violations.get(accused) ?? [];
  if (slots.includes(slot)) return false;
  const now = [...slots, slot];
  const enough = now.length >= draft.rules.violations;
  const violations = new Map(draft.violations);
  if (enough) violations.delete(accused);
  else violations.set(accused, now);
  draft.violations = violations;
  return enough;
}

function applyLike(draft: Draft, op: LikeOp): void {
  if (draft.rules.like_weight_max <= 1 || !draft.roster.entries.has(op.node_id)) return;
  const nodes = draft.likes.get(op.track_hash)?.nodes ?? [];
  if (nodes.includes(op.node_id) || nodes.length >= MAX_LIKERS) return;
  const likes = new Map(draft.likes).set(op.track_hash, { slot: draft.slot, nodes: [...nodes, op.node_id].sort() });
  if (likes.size > MAX_LIKED) likes.delete(oldestLike(likes));
  draft.likes = likes;
}

function oldestLike(likes: LogState['likes']): string {
  let oldest: [string, number] | null = null;
  for (const [hash, like] of likes) {
    if (oldest === null || like.slot < oldest[1] || (like.slot === oldest[1] && hash < oldest[0]))
      oldest = [hash, like.slot];
  }
  return oldest![0];
}
