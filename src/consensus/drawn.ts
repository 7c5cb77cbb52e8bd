/** How a slot was drawn, kept for people: with these numbers they can check the draw by hand. No rule reads it. */
import { rankOf } from './appraise.ts';
import { hashModIndex, hashModSeed } from './draw.ts';
import type { HashText, NodeId } from './messages.ts';
import { chooseWinner, relayedProposers } from './settle.ts';
import type { Candidate, ConsensusState, Settling } from './state.ts';
import { headOf, linkAt } from './state.ts';

/** Slots whose draw is kept: the queue, what plays, and a look back. */
export const MAX_DRAWS = 24;
/** Proposals kept of each: the committee's size. The winner's is among them. */
export const MAX_DRAW_ROWS = 64;

export interface DrawRow {
  nodeId: NodeId;
  trackHash: HashText;
  trackName: string;
  /** 64 hex digits. The lowest of the lowest rank wins. */
  ticket: string;
  /** 2: the track played lately; 1: its author rests after a win; 0: neither. Lower goes first. */
  rank: number;
  /** The author said two different things: it cannot win. */
  void: boolean;
  /** The proof (RFC 9381) whose output the ticket is a hash of. */
  proof: Uint8Array;
}

export interface Draw {
  slot: number;
  rule: 'ticket' | 'hash-mod';
  /** Of record slot-2, 64 hex digits: what every ticket was drawn from. */
  beacon: string;
  decided: boolean;
  /** Proposals as this node knew them; a node that was absent learns the winner only. In the order of their tickets. */
  rows: DrawRow[];
  winner: NodeId | null;
  /** Of the literal draw: the text that is hashed, and the winner's place in the sorted list. */
  seed: string | null;
  index: number | null;
}

/** Keeps the draw of a slot that was just decided, where the init asked for that. */
export function keepDraw(state: ConsensusState, slot: number, settling: Settling | undefined): void {
  if (state.draws === null || settling === undefined) return;
  state.draws.delete(slot);
  state.draws.set(slot, { ...picture(state, settling), decided: true });
  const oldest = state.draws.keys().next();
  if (state.draws.size > MAX_DRAWS && !oldest.done) state.draws.delete(oldest.value);
}

/** The draw of a slot: as it stands while it settles, as it was once decided; null when this node does not know it. */
export function drawOf(state: ConsensusState, slot: number): Draw | null {
  const settling = state.settling.get(slot);
  if (settling !== undefined && state.chain !== null) return picture(state, settling);
  const kept = state.draws?.get(slot);
  if (kept === undefined || state.chain === null) return null;
  const record = linkAt(state.chain, slot)?.record;
  // The log was switched since: that draw decided nothing here.
  if (record === undefined || (record.proposal?.body.node_id ?? null) !== kept.winner) return null;
  return kept;
}

function picture(state: ConsensusState, settling: Settling): Draw {
  const { slot, basis } = settling;
  const parent = linkAt(state.chain!, slot - 1) ?? headOf(state.chain!);
  const winner = chooseWinner(settling, parent)?.signed.body ?? null;
  const rows = [...settling.candidates.values()].map((candidate) => rowOf(candidate, parent.log));
  rows.sort((a, b) => (a.ticket < b.ticket ? -1 : 1));
  const rule = basis.log.rules.draw;
  const isLiteral = rule === 'hash-mod' && winner !== null;
  const hashes = isLiteral ? literalHashes(settling, rows) : [];
  const startMs = parent.record.start_ms + parent.record.duration_ms;
  return {
    slot,
    rule,
    beacon: basis.record.beacon,
    decided: false,
    rows: boundedRows(rows, winner?.node_id ?? null),
    winner: winner?.node_id ?? null,
    seed: isLiteral ? hashModSeed(startMs, hashes) : null,
    index: isLiteral ? hashModIndex(startMs, hashes) : null,
  };
}

function rowOf({ nodeId, values }: Candidate, log: Parameters<typeof rankOf>[0]): DrawRow {
  const { message, ticket } = values[0]!;
  const { track_hash: trackHash, track_name: trackName, vrf_proof: proof } = message.body;
  return { nodeId, trackHash, trackName, ticket, rank: rankOf(log, message.body), void: values.length > 1, proof };
}

/** The different tracks of the lowest rank, sorted: what the literal formula is about. */
function literalHashes(settling: Settling, rows: readonly DrawRow[]): HashText[] {
  const counted = rows.filter((row) => !row.void).slice(0, relayedProposers(settling));
  const best = Math.min(...counted.map((row) => row.rank));
  const tracks = new Set<string>();
  const places = new Set<string>();
  for (const row of counted) {
    const body = settling.candidates.get(row.nodeId)!.values[0]!.message.body;
    const place = `${body.playlist_hash}#${body.track_index}`;
    if (row.rank !== best || tracks.has(row.trackHash) || places.has(place)) continue;
    tracks.add(row.trackHash);
    places.add(place);
  }
  return [...tracks].sort();
}

function boundedRows(rows: readonly DrawRow[], winner: NodeId | null): DrawRow[] {
  const shown = rows.slice(0, MAX_DRAW_ROWS);
  const won = rows.find((row) => row.nodeId === winner);
  if (won !== undefined && !shown.includes(won)) shown[MAX_DRAW_ROWS - 1] = won;
  return shown;
}
