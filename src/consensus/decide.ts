/** T1 and T_D: the likely winner is fetched ahead, the slot is decided, by deadlines or from the others' record. */
import { announce, appendLink } from './chain.ts';
import { deriveLink } from './log.ts';
import { chooseWinner, ownersOf } from './settle.ts';
import type { ConsensusState, Settling, Turn } from './state.ts';
import { count, endOf, headOf } from './state.ts';

/**
 * Whether this node may decide the slot by its own table: it heard everything since proposing opened. A member of a
 * flock that hears nobody is no witness of what the flock proposed.
 */
export function isPresent(state: ConsensusState, settling: Settling): boolean {
  const { entries } = settling.basis.log.roster;
  // Who may not endorse is no witness either: what is shown to it alone in the last instant reaches nobody else in time.
  if (!entries.has(state.crypto.nodeId)) return false;
  if (entries.size === 1) return true;
  const { openMs, deltaMs } = settling.phases;
  // Proposals that came before their basis was known here were not judged when they came: past a Delta it was too late.
  return state.peers.length > 0 && state.presentSinceMs <= openMs && settling.openedMs <= openMs + deltaMs;
}

/** Decides whatever is due. The late deadline is for nodes that could learn the record from nobody. */
export function decideDue(turn: Turn): void {
  const { state } = turn;
  while (state.chain !== null) {
    const settling = state.settling.get(headOf(state.chain).record.slot + 1);
    if (settling === undefined || turn.nowMs < settling.phases.decideMs) return;
    if (!isPresent(state, settling) && mustWait(turn, settling)) {
      state.wantsRecords = true;
      return;
    }
    if (!isPresent(state, settling)) count(state, 'decidedLate');
    decide(turn, settling);
  }
}

/** Whether somebody may still tell this node the record; who claims to have it is waited for while the music lasts. */
function mustWait(turn: Turn, settling: Settling): boolean {
  const { state } = turn;
  if (turn.nowMs < lateAtMs(state, settling)) return true;
  return turn.nowMs < lastMomentMs(state, settling) && isClaimed(state, settling.slot);
}

/** Whether a member, or a neighbour of this genesis, says that it stands on the slot's record or on a later one. */
function isClaimed(state: ConsensusState, slot: number): boolean {
  const { entries } = headOf(state.chain!).log.roster;
  for (const [id, { state: signed }] of state.heard) {
    if (signed.body.head_slot >= slot && entries.has(id) && id !== state.crypto.nodeId) return true;
  }
  for (const { genesis, headSlot } of state.statuses.values()) {
    if (genesis === state.chain!.genesis && headSlot >= slot) return true;
  }
  return false;
}

/**
 * The last moment to decide without having been told: some time before the music ends. Who has just woken waits up to a
 * Delta before it: it has not met its neighbours yet, and a decision made alone would part it from them.
 */
function lastMomentMs(state: ConsensusState, settling: Settling): number {
  const { deltaMs } = settling.phases;
  const endMs = endOf(headOf(state.chain!));
  const comparedMs = comparedAtMs(state, settling);
  const usualMs = endMs - 2 * deltaMs;
  return comparedMs <= usualMs ? usualMs : Math.min(comparedMs, endMs - deltaMs);
}

/** When a node that woke has had time to compare tables with its neighbours. */
const comparedAtMs = (state: ConsensusState, { basis }: Settling): number =>
  state.presentSinceMs + basis.log.rules.listen_ms;

/**
 * When a node that was not present decides after all: nobody could tell it the record up to start(s-3), and it had time
 * to compare tables with its neighbours. Never so late that the music ends first.
 */
export function lateAtMs(state: ConsensusState, settling: Settling): number {
  const early = Math.min(comparedAtMs(state, settling), lastMomentMs(state, settling));
  return Math.max(settling.phases.lateMs, early);
}

function decide(turn: Turn, settling: Settling): void {
  const { state } = turn;
  const parent = headOf(state.chain!);
  const winner = chooseWinner(settling, parent);
  const link = deriveLink(state.memo, parent, winner);
  dropUnlikely(turn, settling, link.record.track?.manifest ?? null);
  appendLink(turn, link);
  count(state, 'decided');
  const { slot } = link.record;
  const proposals = settling.values.size;
  turn.effects.push({
    type: 'indicate',
    indication: { kind: 'decided', slot, record: link.record, hash: link.hash, proposals },
  });
  if (winner === null) noWinner(turn, slot, link.record.track !== null);
  announce(turn, link, settling);
}

function noWinner(turn: Turn, slot: number, history: boolean): void {
  count(turn.state, 'fallbacks');
  turn.effects.push({ type: 'indicate', indication: { kind: history ? 'fallback' : 'noHistory', slot } });
}

function dropUnlikely(turn: Turn, settling: Settling, manifest: string | null): void {
  const { likely, slot } = settling;
  if (likely !== null && likely !== manifest) turn.effects.push({ type: 'cancelFetch', slot, manifest: likely });
}

/** From T1 on the lowest ticket known hardly changes: its segments are fetched ahead, politely. */
export function fetchLikely(turn: Turn): void {
  const { state } = turn;
  if (state.chain === null) return;
  const parent = headOf(state.chain);
  for (const settling of state.settling.values()) {
    if (!settling.changed || turn.nowMs < settling.phases.t1Ms) continue;
    settling.changed = false;
    const winner = chooseWinner(settling, parent);
    const manifest = winner?.signed.body.segments[0] ?? null;
    if (winner === null || manifest === null || manifest === settling.likely) continue;
    dropUnlikely(turn, settling, manifest);
    settling.likely = manifest;
    const { body } = winner.signed;
    const track = {
      track_hash: body.track_hash,
      track_name: body.track_name,
      duration_ms: body.duration,
      manifest,
      owners: ownersOf(settling, winner.signed),
    };
    const neededAtMs = parent.record.start_ms + parent.record.duration_ms;
    turn.effects.push({ type: 'fetch', slot: settling.slot, track, neededAtMs, final: false });
  }
}
