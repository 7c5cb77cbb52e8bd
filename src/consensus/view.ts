import type { ConsensusView, QueueEntry } from './events.ts';
import type { Link } from './link.ts';
import { playbackReport } from './moderation.ts';
import { rulesHash } from './rules.ts';
import { chooseWinner } from './settle.ts';
import type { ConsensusState } from './state.ts';
import { endOf, headOf, playingLink, rulesNow } from './state.ts';
import { LOOKAHEAD } from './timeline.ts';

/** A picture of what this node holds, for the status, the page and the tests. Changes nothing. */
export function view(state: ConsensusState, nowMs: number): ConsensusView {
  const { chain } = state;
  const head = chain === null ? null : headOf(chain);
  const playing = chain === null ? undefined : playingLink(chain, nowMs);
  const slot = playing?.record.slot ?? -1;
  const report = playbackReport(state, slot);
  return {
    phase: state.phase,
    stationId: state.stationId,
    genesis: chain?.genesis ?? null,
    head: head?.hash ?? null,
    headSlot: head?.record.slot ?? -1,
    slot,
    now: playing === undefined ? null : entryOf(playing),
    queue: chain === null ? [] : queueOf(state, nowMs, slot),
    roster: rosterOf(head),
    peers: peersOf(state),
    diverged: report.diverged,
    reason: report.reason,
    rulesHash: head?.log.rulesHash ?? rulesHash(rulesNow(state)),
    counters: { ...state.counters },
    bootstrap: chain?.bootstrap ?? null,
  };
}

function entryOf(link: Link): QueueEntry {
  const { slot, track, start_ms: startMs, duration_ms: durationMs, proposal, ticket } = link.record;
  return { slot, track, startMs, durationMs, nodeId: proposal?.body.node_id ?? null, final: true, ticket };
}

/** The next five: decided ones, then the likely winner of the slot that is settling. */
function queueOf(state: ConsensusState, nowMs: number, slot: number): QueueEntry[] {
  const chain = state.chain!;
  const queue = chain.links.slice(-2 * LOOKAHEAD).filter((l) => l.record.slot > slot && endOf(l) > nowMs);
  const rows = queue.slice(0, LOOKAHEAD).map(entryOf);
  const head = headOf(chain);
  const settling = state.settling.get(head.record.slot + 1);
  if (rows.length < LOOKAHEAD && settling !== undefined) {
    const winner = chooseWinner(settling, head);
    if (winner !== null) rows.push(likelyEntry(head, settling.slot, winner));
  }
  return rows;
}

function likelyEntry(head: Link, slot: number, winner: NonNullable<ReturnType<typeof chooseWinner>>): QueueEntry {
  const { body } = winner.signed;
  const track = {
    track_hash: body.track_hash,
    track_name: body.track_name,
    duration_ms: body.duration,
    manifest: body.segments[0]!,
    owners: [body.node_id],
  };
  const { node_id: nodeId, duration: durationMs } = body;
  return { slot, track, startMs: endOf(head), durationMs, nodeId, final: false, ticket: winner.ticket };
}

function rosterOf(head: Link | null): ConsensusView['roster'] {
  if (head === null) return [];
  const { log } = head;
  return [...log.roster.entries.values()].map((entry) => {
    const until = log.exclusions.get(entry.node_id)?.until ?? -1;
    const excludedUntil = until > log.slot ? until : null;
    return { nodeId: entry.node_id, name: entry.name, eligibleFrom: entry.eligible_from, excludedUntil };
  });
}

function peersOf(state: ConsensusState): ConsensusView['peers'] {
  const others = [...state.heard.entries()].filter(([id]) => id !== state.crypto.nodeId);
  return others.map(([nodeId, { state: signed, monoMs }]) => {
    const { slot, head, diverged, reason, current_track: track } = signed.body;
    return { nodeId, slot, head, diverged, reason, track, lastHeardMs: monoMs };
  });
}

/** Whether this node's likes weigh in the draw: the rules in force say so, and it is in the roster. */
export function likesCount(state: ConsensusState): boolean {
  if (state.chain === null) return false;
  const { log } = headOf(state.chain);
  return log.rules.like_weight_max > 1 && log.roster.entries.has(state.crypto.nodeId);
}
