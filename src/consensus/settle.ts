/**
 * Settling a slot: which proposals count (Dolev and Strong's signed deadlines, in their timed form) and which one wins.
 * Reasons for every rule: README, "Settling".
 */
import { appraise, bodyHash, causeAgainst, rankOf } from './appraise.ts';
import { hashModWinner } from './draw.ts';
import { smallHash } from './hash.ts';
import type { Link } from './link.ts';
import type { Winner } from './log.ts';
import type { Endorsement, Proposal, Signed } from './messages.ts';
import { endorse, validEndorsers } from './signed.ts';
import type { Candidate, ConsensusState, Settling, Turn, Value } from './state.ts';
import { count, headOf, linkAt } from './state.ts';
import { BASIS, phasesOf, roundsOf, type SlotPhases } from './timeline.ts';

/** Values kept of one proposer: two prove equivocation, a third would prove nothing more. */
const VALUES_PER_PROPOSER = 2;
/** Proposals held whose basis is not known here yet: a node that catches up loses none of the open slots. */
export const MAX_EARLY = 128;

/** Opens the settling of every slot whose basis is on the log and that is not decided. */
export function openSettling(state: ConsensusState): void {
  const { chain } = state;
  if (chain === null) return;
  const head = headOf(chain).record.slot;
  for (const slot of state.settling.keys()) if (slot <= head) state.settling.delete(slot);
  for (let slot = head + 1; slot <= head + BASIS; slot++) {
    const basis = linkAt(chain, slot - BASIS);
    const phases = phasesOf((s) => linkAt(chain, s), slot);
    if (basis === undefined || phases === null) continue;
    const known = state.settling.get(slot);
    if (known !== undefined && known.basis.hash === basis.hash) continue;
    state.settling.set(slot, newSettling(state, slot, basis, phases));
  }
}

/** Proposals of a flock spread over this time, so that they do not all meet in one instant. */
const MAX_JITTER_MS = 1_000;

function proposeAtMs(state: ConsensusState, slot: number, { openMs, deltaMs }: SlotPhases): number {
  const spread = Math.max(1, Math.min(MAX_JITTER_MS, Math.floor(deltaMs / 2)));
  return openMs + (smallHash(`${state.crypto.nodeId}/${slot}`) % spread);
}

function newSettling(state: ConsensusState, slot: number, basis: Link, phases: SlotPhases): Settling {
  const { rules, roster } = basis.log;
  return {
    slot,
    basis,
    phases,
    rounds: roundsOf(rules, phases, roster.entries.size),
    openedMs: state.nowMs,
    candidates: new Map(),
    values: new Map(),
    changed: false,
    likely: null,
    proposeAtMs: proposeAtMs(state, slot, phases),
    proposed: false,
    mended: false,
  };
}

/** How many of the lowest proposers are relayed late and may win. The literal draw needs the whole set. */
export function relayedProposers(settling: Settling): number {
  const { rules } = settling.basis.log;
  return rules.draw === 'hash-mod' ? Number.MAX_SAFE_INTEGER : rules.relay_lowest;
}

/** What came of a proposal. `endorsed`: the message to publish in its place. */
export type Intake =
  | { kind: 'accepted'; value: Value; endorsed: Signed<Proposal> | null; equivocation: [Value, Value] | null }
  | { kind: 'known' }
  | { kind: 'refused'; cause: string; provable: boolean }
  | { kind: 'early' };

/**
 * Takes in a proposal whose author's signature has been checked.
 *
 * @param relaxed - deadlines do not apply: this node was not present for the slot and will not decide it by them
 */
export function takeProposal(turn: Turn, signed: Signed<Proposal>, relaxed: boolean): Intake {
  const { state } = turn;
  const { body } = signed;
  const settling = state.settling.get(body.target_slot);
  if (settling === undefined) {
    const ahead = state.chain !== null && body.target_slot > headOf(state.chain).record.slot;
    return ahead ? { kind: 'early' } : refused(state.chain === null ? 'noLog' : 'late');
  }
  if (body.prev !== settling.basis.hash) return refused('otherBasis');
  const hash = bodyHash(state.memo, body);
  if (settling.values.has(hash)) return { kind: 'known' };
  const candidate = settling.candidates.get(body.node_id);
  if (candidate !== undefined && candidate.values.length >= VALUES_PER_PROPOSER) return { kind: 'known' };
  // What costs nothing first: a flood of late or ineligible proposals must not buy proofs to be checked.
  const cause = causeAgainst(settling.basis.log, body);
  if (cause !== null) return refused(cause);
  const given = signed.endorsements?.length ?? 0;
  if (!relaxed && !isInTime(settling, turn.nowMs, Math.min(given, settling.rounds))) return refused('late');
  const endorsers = validEndorsers(state, settling.basis.log.roster, signed, hash, settling.rounds);
  if (endorsers === null) return refused('endorsement', true);
  if (!relaxed && !isInTime(settling, turn.nowMs, endorsers.length)) return refused('late');
  const appraisal = appraise(state, settling.basis, signed);
  if (!appraisal.ok) return refused(appraisal.cause, appraisal.provable);
  const message: Signed<Proposal> = { body, sig: signed.sig, endorsements: endorsers };
  const value: Value = { message, hash, ticket: appraisal.ticket, output: appraisal.output, inTime: !relaxed };
  const kept = keep(settling, value, appraisal.nodeTicket);
  const own = relaxed ? null : endorseIfLate(turn, settling, kept, value);
  // Words that do not count are not passed on: a clean copy goes in the place of what came.
  const endorsed = own ?? (endorsers.length < given ? cleanCopy(value) : null);
  const [first, second] = kept.values;
  return { kind: 'accepted', value, endorsed, equivocation: second === undefined ? null : [first!, second] };
}

const refused = (cause: string, provable = false): Intake => ({ kind: 'refused', cause, provable });

/** The value with the words that count, as it may be passed on. */
export function cleanCopy({ message: { body, sig, endorsements } }: Value): Signed<Proposal> {
  return endorsements === undefined || endorsements.length === 0 ? { body, sig } : { body, sig, endorsements };
}

/** Accepted with k endorsements up to T1 + k Delta; `takeProposal` counts no more than R of them. */
function isInTime(settling: Settling, nowMs: number, endorsements: number): boolean {
  return nowMs <= settling.phases.t1Ms + endorsements * settling.phases.deltaMs;
}

function keep(settling: Settling, value: Value, nodeTicket: string): Candidate {
  const nodeId = value.message.body.node_id;
  let candidate = settling.candidates.get(nodeId);
  if (candidate === undefined) {
    candidate = { nodeId, nodeTicket, values: [] };
    settling.candidates.set(nodeId, candidate);
  }
  candidate.values.push(value);
  settling.changed = true;
  settling.values.set(value.hash, value);
  return candidate;
}

/**
 * In the last Delta of its deadline flooding alone may not bring a proposal to everybody in time: this node then adds
 * its word, which moves the deadline by one Delta. Only for proposers that may still win.
 */
function endorseIfLate(turn: Turn, settling: Settling, candidate: Candidate, value: Value): Signed<Proposal> | null {
  const { state } = turn;
  const given = value.message.endorsements ?? [];
  const { t1Ms, deltaMs } = settling.phases;
  if (turn.nowMs + deltaMs <= t1Ms + given.length * deltaMs) return null;
  if (given.length >= settling.rounds || candidate.nodeId === state.crypto.nodeId) return null;
  if (!settling.basis.log.roster.entries.has(state.crypto.nodeId)) return null;
  if (placeOf(settling, candidate) >= relayedProposers(settling)) return null;
  return withOwnWord(state, value);
}

/** The value with this node's endorsement added: "it reached me within its deadline". */
export function withOwnWord(state: ConsensusState, value: Value): Signed<Proposal> {
  const own: Endorsement = endorse(state, value.hash);
  const others = (value.message.endorsements ?? []).filter((e) => e.node_id !== own.node_id);
  return { body: value.message.body, sig: value.message.sig, endorsements: [...others, own] };
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.nodeTicket === b.nodeTicket ? a.nodeId < b.nodeId : a.nodeTicket < b.nodeTicket;
}

function placeOf(settling: Settling, candidate: Candidate): number {
  let place = 0;
  for (const other of settling.candidates.values()) if (isBefore(other, candidate)) place++;
  return place;
}

/**
 * Of the M lowest proposers those with exactly one value, then: the draw. Null when nobody is left.
 *
 * @param parent - record slot-1, for the track and rest rules; an earlier one while the winner is only likely
 */
export function chooseWinner(settling: Settling, parent: Link): Winner | null {
  const ranked = [...settling.candidates.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  const lowest = ranked.slice(0, relayedProposers(settling)).filter((c) => c.values.length === 1);
  if (lowest.length === 0) return null;
  const rows = lowest.map(({ values: [value] }) => ({ value: value!, rank: rankOf(parent.log, value!.message.body) }));
  const best = Math.min(...rows.map((row) => row.rank));
  const drawn = rows.filter((row) => row.rank === best).map((row) => row.value);
  const byTicket = (a: Value, b: Value): number =>
    a.ticket < b.ticket ? -1 : a.ticket > b.ticket ? 1 : a.hash < b.hash ? -1 : 1;
  drawn.sort(byTicket);
  const value = settling.basis.log.rules.draw === 'hash-mod' ? drawLiterally(drawn, parent) : drawn[0]!;
  return { signed: value.message, hash: value.hash, ticket: value.ticket, output: value.output };
}

/** The model's literal formula over the de-duplicated set; `values` come lowest ticket first, so the lowest copy stays. */
function drawLiterally(values: Value[], parent: Link): Value {
  const tracks = new Set<string>();
  const places = new Set<string>();
  const distinct = values.filter(({ message: { body } }) => {
    const place = `${body.playlist_hash}#${body.track_index}`;
    const repeated = tracks.has(body.track_hash) || places.has(place);
    tracks.add(body.track_hash);
    places.add(place);
    return !repeated;
  });
  const startMs = parent.record.start_ms + parent.record.duration_ms;
  return hashModWinner(startMs, distinct, (value) => value.message.body.track_hash);
}

/** Everybody who proposed the winning track is a source for its segments, the winner first. */
export function ownersOf(settling: Settling | undefined, winner: Signed<Proposal>): string[] {
  const owners = [winner.body.node_id];
  if (settling === undefined) return owners;
  for (const { message } of settling.values.values()) {
    const { node_id, track_hash, segments } = message.body;
    const same = track_hash === winner.body.track_hash && segments[0] === winner.body.segments[0];
    if (same && !owners.includes(node_id)) owners.push(node_id);
  }
  return owners;
}

/** Holds a proposal until its basis is decided here: of members, for the next slots, two of each. */
export function holdEarly(state: ConsensusState, signed: Signed<Proposal>): void {
  const { node_id, target_slot } = signed.body;
  const head = headOf(state.chain!);
  const of = state.early.filter((held) => held.body.node_id === node_id).length;
  const near = target_slot <= head.record.slot + 2 * BASIS;
  if (near && head.log.roster.entries.has(node_id) && of < VALUES_PER_PROPOSER && state.early.length < MAX_EARLY) {
    state.early.push(signed);
  } else count(state, 'earlyDropped');
}
