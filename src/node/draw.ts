import type { ConsensusView } from '../consensus/events.ts';

/** How a slot was drawn, as the consensus room keeps it (src/consensus/drawn.ts). */
export interface DrawPicture {
  slot: number;
  rule: 'ticket' | 'hash-mod';
  beacon: string;
  decided: boolean;
  rows: {
    nodeId: string;
    trackHash: string;
    trackName: string;
    ticket: string;
    rank: number;
    void: boolean;
    proof: Uint8Array;
  }[];
  winner: string | null;
  seed: string | null;
  index: number | null;
}

/** The answer of `GET /api/draw/:slot`: all numbers that a person needs to draw again by hand. */
export interface DrawView {
  slot: number;
  draw: 'ticket' | 'hash-mod';
  /** What every ticket was drawn from: the beacon of record slot-2. 64 hex digits. */
  beacon: string;
  /** False while proposals may still come. */
  decided: boolean;
  /** In the order of their tickets. The lowest one of the lowest rank wins, unless its author said two things. */
  proposals: {
    node_id: string;
    name: string;
    ticket: string;
    /** 2: the track played lately; 1: its node won lately and rests; 0: neither. */
    rank: number;
    void: boolean;
    track: { hash: string; name: string };
    /** The proof (RFC 9381) that the ticket comes from, hex. */
    proof: string;
  }[];
  winner: string | null;
  /** Literal draw only: SHA-256 of this text, modulo the number of tracks, gives `index` in their sorted list. */
  seed: string | null;
  index: number | null;
}

/** Names from the roster; a node that has left is called by the end of its id. */
export function drawView(draw: DrawPicture, roster: ConsensusView['roster']): DrawView {
  const names = new Map(roster.map((entry) => [entry.nodeId, entry.name]));
  return {
    slot: draw.slot,
    draw: draw.rule,
    beacon: draw.beacon,
    decided: draw.decided,
    proposals: draw.rows.map((row) => ({
      node_id: row.nodeId,
      name: names.get(row.nodeId) ?? `…${row.nodeId.slice(-6)}`,
      ticket: row.ticket,
      rank: row.rank,
      void: row.void,
      track: { hash: row.trackHash, name: row.trackName },
      proof: Buffer.from(row.proof).toString('hex'),
    })),
    winner: draw.winner,
    seed: draw.seed,
    index: draw.index,
  };
}
