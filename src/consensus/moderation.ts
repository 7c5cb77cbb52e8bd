/**
 * A node's account of its own divergence. What this box refuses to play is its own affair; that it says so, and sits
 * out meanwhile, is the flock's.
 */

import { trackFingerprint } from './log.ts';
import type { HashText, PlaybackReport, ProposalReport } from './messages.ts';
import type { ConsensusState, DivergenceAccount, Turn } from './state.ts';
import { linkAt } from './state.ts';

/** Takes the player's report of what sounds. */
export function notePlayback(
  turn: Turn,
  slot: number,
  actual: HashText | null,
  reason: 'moderation' | 'fetch' | null,
): void {
  const { state } = turn;
  state.playing = { slot, actual, reason };
  account(turn);
}

/** Whether this node plays something else than the log has for the slot, by choice. */
function divergesByChoice(state: ConsensusState): boolean {
  return state.playing.reason === 'moderation' && state.playing.slot >= 0;
}

/** Brings the account up to now: call on every report and at every change of slot. */
export function account(turn: Turn): void {
  const { state } = turn;
  const { divergence, playing } = state;
  const diverges = divergesByChoice(state);
  const before = JSON.stringify(divergence);
  if (diverges) {
    divergence.sinceMs ??= turn.nowMs;
    enterSlot(divergence, playing.slot, banAfter(state));
  } else if (divergence.sinceMs !== null) {
    divergence.divergedMs = Math.max(0, turn.nowMs - divergence.sinceMs);
    divergence.sinceMs = null;
  }
  if (JSON.stringify(divergence) !== before) {
    turn.effects.push({ type: 'persist', key: 'divergence', value: { v: 1, ...divergence } });
  }
}

const banAfter = (state: ConsensusState): number =>
  state.chain === null
    ? state.ownRules.ban_after
    : state.chain.links[state.chain.links.length - 1]!.log.rules.ban_after;

/** Slots only ever count upwards: after a heal a smaller number must not deny what was said of a larger one. */
function enterSlot(account: DivergenceAccount, slot: number, banAfterSlots: number): void {
  // A run of 0: what was said of that slot in an earlier life is not known.
  if (slot < account.lastSlot || (slot === account.lastSlot && account.run > 0)) return;
  account.run = slot === account.lastSlot + 1 ? account.run + 1 : 1;
  account.lastSlot = slot;
  if (account.run >= banAfterSlots) account.bannedAt = slot;
}

/** The report of a proposal made while `current` plays: it speaks of the slot before. */
export function makeReport(state: ConsensusState, current: number, nowMs: number): ProposalReport {
  const { divergence: d } = state;
  const slot = current - 1;
  const divergedMs = d.sinceMs === null ? d.divergedMs : Math.max(0, nowMs - d.sinceMs);
  const never = d.lastSlot < 0;
  return {
    ...playbackReport(state, current),
    slot,
    // A slot that began diverged is this node's last word too: it does not wait for the slot to end.
    run: d.lastSlot >= slot && !never ? d.run : 0,
    diverged_ms: never ? 0 : divergedMs,
    synced_slots: never ? -1 : Math.max(0, slot - d.lastSlot),
    banned_at: d.bannedAt,
  };
}

/** What STATE and reports say of the slot that plays. */
export function playbackReport(state: ConsensusState, current: number): PlaybackReport {
  const track = state.chain === null ? null : (linkAt(state.chain, current)?.record.track ?? null);
  const consensus = track === null ? null : fingerprint(track.track_hash);
  const { playing } = state;
  // A player that has not reported on this slot yet is taken to follow.
  if (playing.slot !== current || playing.reason === null) {
    return { consensus_hash: consensus, actual_hash: consensus, diverged: false, reason: null };
  }
  const actual = playing.actual === null ? null : fingerprint(playing.actual);
  const diverged = actual !== consensus;
  return { consensus_hash: consensus, actual_hash: actual, diverged, reason: diverged ? playing.reason : null };
}

const fingerprints = new Map<string, string>();
/** Fingerprints kept: the open queue and its past; it only saves hashing. */
const MAX_FINGERPRINTS = 256;

function fingerprint(trackHash: string): string {
  const known = fingerprints.get(trackHash);
  if (known !== undefined) return known;
  if (fingerprints.size >= MAX_FINGERPRINTS) fingerprints.clear();
  const made = trackFingerprint(trackHash);
  fingerprints.set(trackHash, made);
  return made;
}
