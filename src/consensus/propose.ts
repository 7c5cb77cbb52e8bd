/** Proposing: one own track for the slot five ahead, once, right when its round opens. */
import { appraise, isEligible, reportBars } from './appraise.ts';
import { drawInput } from './draw.ts';
import type { TrackOffer } from './events.ts';
import { hashValue } from './hash.ts';
import { MAX_DURATION_MS } from './limits.ts';
import type { LogState } from './link.ts';
import { admits } from './log.ts';
import type { Proposal, ProposalReport, Signed } from './messages.ts';
import { makeReport } from './moderation.ts';
import { opsFor } from './pending.ts';
import { takeProposal } from './settle.ts';
import { signBody } from './signed.ts';
import type { ConsensusState, Settling, Turn } from './state.ts';
import { count, headOf, playingLink } from './state.ts';

const NEVER_PLAYED = Number.MIN_SAFE_INTEGER;
/** Own proposals kept beyond their slot: a node that crosses back to a branch must find what it signed there. */
const OWN_KEPT_SLOTS = 32;

/** Makes every own proposal that is due. */
export function proposeDue(turn: Turn): void {
  const { state } = turn;
  if (state.phase !== 'member') return;
  for (const settling of state.settling.values()) {
    if (settling.proposed || turn.nowMs < settling.proposeAtMs) continue;
    settling.proposed = true;
    if (!mayHaveProposed(state, settling)) propose(turn, settling);
  }
}

/** An earlier life may have proposed for this slot, and what it said is not known here. */
function mayHaveProposed(state: ConsensusState, settling: Settling): boolean {
  const { recalling } = state;
  return recalling !== null && settling.slot <= recalling.untilSlot && !state.ownProposals.has(ownKey(settling));
}

/** Takes what an earlier life of this node proposed for its own word. False: that cannot be; another box has our key. */
export function adoptOwn(turn: Turn, settling: Settling, signed: Signed<Proposal>): boolean {
  if (!mayHaveProposed(turn.state, settling)) return false;
  keepOwn(turn, settling, { body: signed.body, sig: signed.sig });
  count(turn.state, 'recalled');
  takeProposal(turn, signed, true);
  return true;
}

const ownKey = (settling: Settling): string => `own:${settling.slot}:${settling.basis.hash.slice(0, 16)}`;

function propose(turn: Turn, settling: Settling): void {
  const { state } = turn;
  // After that an honest message might reach others past T1.
  if (turn.nowMs > settling.phases.t1Ms - settling.phases.deltaMs) return;
  const known = state.ownProposals.get(ownKey(settling));
  if (known !== undefined) {
    send(turn, known);
    return;
  }
  if (!isEligible(settling.basis.log, state.crypto.nodeId, settling.slot)) return;
  const report = makeReport(state, playingLink(state.chain!, turn.nowMs)?.record.slot ?? 0, turn.nowMs);
  if (reportBars(settling.basis.log.rules, report, settling.slot)) {
    turn.effects.push({ type: 'indicate', indication: { kind: 'satOut', slot: settling.slot, why: 'diverged' } });
    return;
  }
  const body = chooseBody(turn, settling, report);
  if (body === null) return;
  const signed = signBody(state, body);
  // Not of the committee, say: then there is nothing to be heard.
  if (!appraise(state, settling.basis, signed).ok) return;
  keepOwn(turn, settling, signed);
  send(turn, signed);
}

function keepOwn(turn: Turn, settling: Settling, signed: Signed<Proposal>): void {
  const { ownProposals } = turn.state;
  for (const [key, old] of ownProposals) {
    if (old.body.target_slot >= settling.slot - OWN_KEPT_SLOTS) continue;
    ownProposals.delete(key);
    turn.effects.push({ type: 'persist', key, value: null });
  }
  ownProposals.set(ownKey(settling), signed);
  turn.effects.push({ type: 'persist', key: ownKey(settling), value: { v: 1, body: signed.body, sig: signed.sig } });
}

function send(turn: Turn, signed: Signed<Proposal>): void {
  takeProposal(turn, signed, true);
  count(turn.state, 'proposed');
  turn.effects.push({ type: 'publish', topic: 'proposal', message: signed });
}

function chooseBody(turn: Turn, settling: Settling, report: ProposalReport): Proposal | null {
  const { state } = turn;
  const { basis, slot } = settling;
  const offer = chooseOffer(state, settling);
  if (offer === null) return null;
  const ops = opsFor(state, headOf(state.chain!).log);
  return {
    type: 'PROPOSAL',
    v: 1,
    station: state.stationId,
    node_id: state.crypto.nodeId,
    timestamp: turn.nowMs,
    target_slot: slot,
    track_name: offer.track_name,
    track_hash: offer.track_hash,
    duration: offer.duration_ms,
    segments: [offer.manifest],
    playlist_hash: state.playlistHash,
    track_index: offer.track_index,
    genre: offer.genre,
    explicit: offer.explicit,
    prev: basis.hash,
    rules_hash: basis.log.rulesHash,
    vrf_proof: state.crypto.vrfProve(drawInput(state.stationId, slot, basis.record.beacon)),
    report,
    fetch_ms: Math.min(state.fetchMs, MAX_DURATION_MS),
    ops_root: hashValue(ops),
    ops,
  };
}

/** The first offer that is fresh; else the one that played longest ago: a small library must keep the log moving. */
function chooseOffer(state: ConsensusState, settling: Settling): TrackOffer | null {
  const log = headOf(state.chain!).log;
  const { rules } = settling.basis.log;
  const playedIn = newestSlots(log);
  let oldest: TrackOffer | null = null;
  let oldestSlot = Number.MAX_SAFE_INTEGER;
  for (const offer of state.offers) {
    if (offer.duration_ms < rules.min_track_ms || offer.duration_ms > rules.max_track_ms) continue;
    if (!admits(rules, offer.genre, offer.explicit)) continue;
    const slot = isOpen(state, offer.track_hash) ? settling.slot : (playedIn.get(offer.track_hash) ?? NEVER_PLAYED);
    if (slot < settling.slot - rules.repeat_slots) return offer;
    if (slot < oldestSlot) [oldest, oldestSlot] = [offer, slot];
  }
  return oldest;
}

/** Whether a track was proposed, here or elsewhere, for a slot that is not decided yet. */
function isOpen(state: ConsensusState, trackHash: string): boolean {
  for (const { values } of state.settling.values()) {
    for (const { message } of values.values()) if (message.body.track_hash === trackHash) return true;
  }
  return false;
}

/** By log state, which the nodes of a simulation share. */
const newest = new WeakMap<LogState, ReadonlyMap<string, number>>();

/** The newest slot of each track in the history. */
function newestSlots(log: LogState): ReadonlyMap<string, number> {
  let slots = newest.get(log);
  if (slots === undefined) {
    slots = new Map(log.history.map(({ track, slot }) => [track.track_hash, slot]));
    newest.set(log, slots);
  }
  return slots;
}
