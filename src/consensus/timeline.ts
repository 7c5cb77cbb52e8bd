/** When a slot is proposed for, selected, and decided: integers of station time, from the log alone. */
import type { Link } from './link.ts';
import type { Rules } from './rules.ts';

/** Slots between the track that plays and the one that is being proposed for: the model's queue of five. It may grow. */
export const LOOKAHEAD = 5;
/** A proposal stands on the record this many slots before its target: the newest that is final when proposing opens. */
export const BASIS = 2;

/** The instants of one slot's settling. */
export interface SlotPhases {
  /** Proposing opens: start(s - lookahead), or when the basis is decided if that is later. */
  openMs: number;
  /** T1: deadline of proposals without endorsement. */
  t1Ms: number;
  /** T_D: the slot is decided. */
  decideMs: number;
  /** Who was not present waits for the others' record up to here: start(s - lookahead + 2). */
  lateMs: number;
  /** Delta: bound on message delay and clock error in this slot. */
  deltaMs: number;
  /** Rounds that fit between T1 and T_D. */
  roundsThatFit: number;
}

/** Where a link of a slot is found; undefined outside of what is kept. */
type LinkOf = (slot: number) => Link | undefined;

/** T_D of a slot, from the log state of its basis. */
function decideAtMs(linkOf: LinkOf, slot: number): number | null {
  const basis = linkOf(slot - BASIS);
  if (basis === undefined) return null;
  const select = linkOf(slot - basis.log.lookahead + 1);
  if (select === undefined) return null;
  const { rules } = basis.log;
  const { start_ms, duration_ms } = select.record;
  return start_ms + Math.min(rules.select_max_ms, Math.floor((duration_ms * rules.select_pct) / 100));
}

/** Phases of a slot; null while (or where) the log does not hold what they follow from. */
export function phasesOf(linkOf: LinkOf, slot: number): SlotPhases | null {
  const basis = linkOf(slot - BASIS);
  const decideMs = decideAtMs(linkOf, slot);
  if (basis === undefined || decideMs === null) return null;
  const { rules, lookahead } = basis.log;
  const open = linkOf(slot - lookahead);
  const select = linkOf(slot - lookahead + 1);
  if (open === undefined || select === undefined) return null;
  // Where the lookahead grew by one, the basis is decided only while the slot plays in which proposing opens.
  const basisMs = slot - BASIS < LOOKAHEAD ? 0 : (decideAtMs(linkOf, slot - BASIS) ?? 0);
  const openMs = Math.max(open.record.start_ms, basisMs);
  const proposingMs = Math.min(rules.propose_max_ms, Math.floor((open.record.duration_ms * rules.propose_pct) / 100));
  const t1Ms = openMs + proposingMs;
  // A station of short tracks must keep two Delta for proposing, or honest proposals would count as late.
  const deltaMs = Math.max(1, Math.min(rules.delta_ms, Math.floor(proposingMs / 2)));
  const lateMs = select.record.start_ms + select.record.duration_ms;
  return { openMs, t1Ms, decideMs, lateMs, deltaMs, roundsThatFit: Math.floor((decideMs - t1Ms) / deltaMs) };
}

/** R: rounds of endorsement, and the number of faulty roster nodes that the decision withstands. */
export function roundsOf(rules: Rules, phases: SlotPhases, rosterSize: number): number {
  return Math.max(0, Math.min(rosterSize - 1, phases.roundsThatFit, rules.max_rounds));
}
