/** What a proposal is worth: a function of the log it stands on and of its own bytes, and of nothing else. */

import { bodyName } from './canonical.ts';
import { drawInput, ticketOf } from './draw.ts';
import type { ConsensusCrypto } from './events.ts';
import { bytesToHex, concatBytes, hashValue, sha256 } from './hash.ts';
import type { Appraisal, FoldMemo, Link, LogState } from './link.ts';
import { admits } from './log.ts';
import type { Body, NodeId, Op, Proposal, ProposalReport, Signed } from './messages.ts';
import type { Rules } from './rules.ts';
import { verifySigned } from './signed.ts';

/** Operations that one proposal carries at most: a flock of 50 that boots at once is in the roster after 4 slots. */
export const MAX_OPS_PER_PROPOSAL = 16;
/** Slots in the roster that earn one more sub-ticket where the rules weigh uptime. */
export const UPTIME_STEP_SLOTS = 200;

export interface Judge {
  crypto: ConsensusCrypto;
  stationId: string;
  memo: FoldMemo;
}

/** Whether a node may propose for `slot`, as of the log state of record slot-2. */
export function isEligible(log: LogState, nodeId: NodeId, slot: number): boolean {
  const entry = log.roster.entries.get(nodeId);
  if (entry === undefined || slot < entry.eligible_from) return false;
  const exclusion = log.exclusions.get(nodeId);
  return exclusion === undefined || exclusion.until < slot;
}

/** Number of nodes that may propose for `slot`. */
export function eligibleCount(log: LogState, slot: number): number {
  let eligible = 0;
  for (const id of log.roster.entries.keys()) if (isEligible(log, id, slot)) eligible++;
  return eligible;
}

const thresholds = new WeakMap<LogState, string>();

/**
 * Tickets at or above this are not of the committee. 64 hex digits; null: everybody is.
 * The share is committee / eligible of all tickets, in integers.
 */
export function committeeThreshold(log: LogState, slot: number): string | null {
  if (log.roster.entries.size <= log.rules.committee) return null;
  const known = thresholds.get(log);
  if (known !== undefined) return known === '' ? null : known;
  const eligible = eligibleCount(log, slot);
  const value = eligible <= log.rules.committee ? '' : shareOfTickets(log.rules.committee, eligible);
  thresholds.set(log, value);
  return value === '' ? null : value;
}

function shareOfTickets(part: number, whole: number): string {
  return (((1n << 256n) * BigInt(part)) / BigInt(whole)).toString(16).padStart(64, '0');
}

/** Appraises a proposal that stands on `basis` (record target_slot - 2). The author's signature has been checked. */
export function appraise(judge: Judge, basis: Link, signed: Signed<Proposal>): Appraisal {
  const known = judge.memo.appraisals.get(signed.body);
  if (known !== undefined && known.at === basis.hash) return known.appraisal;
  const appraisal = examine(judge, basis, signed.body);
  judge.memo.appraisals.set(signed.body, { at: basis.hash, appraisal });
  return appraisal;
}

const refused = (cause: string, provable = false): Appraisal => ({ ok: false, cause, provable });

function examine(judge: Judge, basis: Link, body: Proposal): Appraisal {
  const { log } = basis;
  const slot = body.target_slot;
  const cause = causeAgainst(log, body);
  if (cause !== null) return refused(cause);
  if (body.ops.length > MAX_OPS_PER_PROPOSAL || hashValue(body.ops) !== body.ops_root) return refused('ops', true);
  const input = drawInput(judge.stationId, slot, basis.record.beacon);
  const entry = log.roster.entries.get(body.node_id)!;
  const output = judge.crypto.vrfVerify(entry.vrf_key, input, body.vrf_proof);
  if (output === null) return refused('vrf', true);
  const base = ticketOf(output);
  const threshold = committeeThreshold(log, slot);
  if (threshold !== null && base >= threshold) return refused('committee');
  if (!body.ops.every((op) => opHolds(judge, op))) return refused('ops', true);
  const nodeTicket = lowestTicket(base, output, uptimeWeight(log, body.node_id, slot));
  const ticket = lowestTicket(base, output, uptimeWeight(log, body.node_id, slot) * likeWeight(log, body.track_hash));
  return { ok: true, ticket, nodeTicket, output };
}

/** Why a proposal does not count, as far as that can be told without checking a proof; null: nothing against it. */
export function causeAgainst(log: LogState, body: Proposal): string | null {
  const { rules } = log;
  if (!isEligible(log, body.node_id, body.target_slot)) return 'ineligible';
  if (body.rules_hash !== log.rulesHash) return 'rules';
  if (body.duration < rules.min_track_ms || body.duration > rules.max_track_ms) return 'duration';
  if (body.segments.length !== 1) return 'segments';
  if (!admits(rules, body.genre, body.explicit)) return 'content';
  return reportBars(rules, body.report, body.target_slot) ? 'diverged' : null;
}

/** Whether a node's own report keeps it out of the round: it diverged by choice in the last slot, or is banned. */
export function reportBars(rules: Rules, report: ProposalReport, slot: number): boolean {
  if (report.run > 0) return true;
  if (report.diverged_ms >= rules.exclude_after_ms && report.synced_slots === 0) return true;
  return report.banned_at >= 0 && slot <= report.banned_at + rules.ban_slots;
}

function opHolds(judge: Judge, op: Signed<Op>): boolean {
  if (!verifySigned(judge, op)) return false;
  const { body } = op;
  return body.type !== 'EVIDENCE' || (verifySigned(judge, body.first) && verifySigned(judge, body.second));
}

/** Sub-tickets for time spent in the roster without an exclusion. 1 while the rule is off. */
function uptimeWeight(log: LogState, nodeId: NodeId, slot: number): number {
  const most = log.rules.uptime_weight_max;
  if (most <= 1 || log.exclusions.has(nodeId)) return 1;
  const served = slot - log.roster.entries.get(nodeId)!.since;
  return Math.min(most, 1 + Math.floor(served / UPTIME_STEP_SLOTS));
}

/** Sub-tickets for a track that listeners like. 1 while the rule is off. */
function likeWeight(log: LogState, trackHash: string): number {
  const most = log.rules.like_weight_max;
  if (most <= 1) return 1;
  return Math.min(most, 1 + (log.likes.get(trackHash)?.nodes.length ?? 0));
}

/** The lowest of `weight` tickets: the plain one, and hashes of the output with 1, 2, ... */
export function lowestTicket(base: string, output: Uint8Array, weight: number): string {
  let lowest = base;
  for (let i = 1; i < weight; i++) {
    const ticket = bytesToHex(sha256(concatBytes(output, Uint8Array.of(i))));
    if (ticket < lowest) lowest = ticket;
  }
  return lowest;
}

/** Hash of what a body's author signs, kept: names the body. */
export function bodyHash(memo: FoldMemo, body: Body): string {
  const known = memo.bodyHashes.get(body);
  if (known !== undefined) return known;
  const hash = bodyName(body);
  memo.bodyHashes.set(body, hash);
  return hash;
}

/** 2: played within the last `repeat_slots`; 1: the author rests after a win; 0: fresh. Lower goes first. */
export function rankOf(log: LogState, body: Proposal): number {
  const { rules } = log;
  const rest = Math.min(rules.rest_slots, Math.floor(log.roster.entries.size / rules.rest_divisor));
  let rank = 0;
  for (let i = log.history.length - 1; i >= 0; i--) {
    const entry = log.history[i]!;
    if (entry.slot < body.target_slot - rules.repeat_slots) break;
    if (entry.track.track_hash === body.track_hash) return 2;
    if (entry.winner === body.node_id && entry.slot >= body.target_slot - rest) rank = 1;
  }
  return rank;
}
