/** When a slot is proposed for, selected, and decided: integers of station time, from the log alone. */
import type { Link } from './link.ts';
import type { Rules } from './rules.ts';

/** Slots between the track that plays and the one that is being proposed for: the model's queue of five. */
export const LOOKAHEAD = 5;
/** A proposal stands on the record this many slots before its target: the newest that is final when proposing opens. */
export const BASIS = 2;

/** The instants of one slot's settling. */
export interface SlotPhases {
  /** Proposing opens: start(s - 5). */
  openMs: number;
  /** T1: deadline of proposals without endorsement. */
  t1Ms: number;
  /** T_D: the slot is decided. */
  decideMs: number;
  /** Who was not present waits for the others' record up to here: start(s - 3). */
  lateMs: number;
  /** Delta: bound on message delay and clock error in this slot. */
  deltaMs: number;
  /** Rounds that fit between T1 and T_D. */
  roundsThatFit: number;
}

/**
 * Phases of slot s.
 *
 * @param rules - in force in the log state of record s-2
 * @param open - link of s-5, whose playing time is for proposing
 * @param select - link of s-4, in whose playing time T_D lies
 */
export function phasesOf(rules: Rules, open: Link, select: Link): SlotPhases {
  const openMs = open.record.start_ms;
  const proposingMs = Math.min(rules.propose_max_ms, Math.floor((open.record.duration_ms * rules.propose_pct) / 100));
  const selectMs = Math.min(rules.select_max_ms, Math.floor((select.record.duration_ms * rules.select_pct) / 100));
  const t1Ms = openMs + proposingMs;
  const decideMs = select.record.start_ms + selectMs;
  // A station of short tracks must keep two Delta for proposing, or honest proposals would count as late.
  const deltaMs = Math.max(1, Math.min(rules.delta_ms, Math.floor(proposingMs / 2)));
  const lateMs = select.record.start_ms + select.record.duration_ms;
  return { openMs, t1Ms, decideMs, lateMs, deltaMs, roundsThatFit: Math.floor((decideMs - t1Ms) / deltaMs) };
}

/** R: rounds of endorsement, and the number of faulty roster nodes that the decision withstands. */
export function roundsOf(rules: Rules, phases: SlotPhases, rosterSize: number): number {
  return Math.max(0, Math.min(rosterSize - 1, phases.roundsThatFit, rules.max_rounds));
}
