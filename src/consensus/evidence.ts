/** Two statements under one key that cannot both be honest. Pure; signatures have been checked with the operation. */
import { bodyName } from './canonical.ts';
import type { LogState } from './link.ts';
import type { EvidenceOp, Proposal, StateMessage } from './messages.ts';

type Log = Pick<LogState, 'slot' | 'genesis' | 'heads' | 'rulesHash' | 'rulesSince'>;

/**
 * The slot of the offence, or null when the pair proves nothing under this log.
 *
 * A proposal belongs to this log when the record it stands on is one of the newest here; a STATE when it names the
 * genesis. What a node signed on another branch is judged there.
 */
export function checkEvidence(op: EvidenceOp, log: Log): number | null {
  const first = op.first.body;
  const second = op.second.body;
  if (first.node_id !== op.accused || second.node_id !== op.accused) return null;
  if (op.kind === 'proposals') return doubleProposal(first, second, log);
  if (op.kind === 'states') return doubleState(first, second, log);
  if (op.kind === 'rules') return otherRules(first, log);
  return falseReport(first, second, log);
}

const onThisLog = (p: Proposal, log: Log): boolean => log.heads.includes(p.prev);
const isRecent = (slot: number, log: Log): boolean => slot <= log.slot + 8 && slot > log.slot - 16;

function doubleProposal(a: Proposal | StateMessage, b: Proposal | StateMessage, log: Log): number | null {
  if (a.type !== 'PROPOSAL' || b.type !== 'PROPOSAL') return null;
  if (a.target_slot !== b.target_slot || a.prev !== b.prev || !onThisLog(a, log)) return null;
  return bodyName(a) === bodyName(b) ? null : a.target_slot;
}

function doubleState(a: Proposal | StateMessage, b: Proposal | StateMessage, log: Log): number | null {
  if (a.type !== 'STATE' || b.type !== 'STATE') return null;
  if (a.genesis !== log.genesis || b.genesis !== log.genesis || a.epoch !== b.epoch || a.head === b.head) return null;
  return isRecent(a.slot, log) ? a.slot : null;
}

function otherRules(a: Proposal | StateMessage, log: Log): number | null {
  if (a.type !== 'PROPOSAL' || !onThisLog(a, log)) return null;
  return a.rules_hash !== log.rulesHash && a.target_slot - 2 >= log.rulesSince ? a.target_slot : null;
}

/**
 * A STATE that owns up to diverging by choice in a slot, and a proposal that reports that very slot as in sync. Both of
 * them lately: a box may lose its memory, and words are kept by others for ever.
 */
function falseReport(a: Proposal | StateMessage, b: Proposal | StateMessage, log: Log): number | null {
  if (a.type !== 'STATE' || b.type !== 'PROPOSAL') return null;
  if (a.genesis !== log.genesis || !onThisLog(b, log) || !a.diverged || a.reason !== 'moderation') return null;
  return isRecent(a.slot, log) && deniesDivergence(b, a.slot) ? b.target_slot : null;
}

/** Whether the proposal's report says that its author was in sync in `slot`. Slots it does not speak of deny nothing. */
export function deniesDivergence(proposal: Proposal, slot: number): boolean {
  const { report } = proposal;
  if (slot > report.slot || slot < 0) return false;
  if (report.synced_slots < 0) return report.run === 0;
  return slot > report.slot - report.synced_slots;
}
