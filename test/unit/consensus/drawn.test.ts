import { describe, expect, it } from 'vitest';
import { drawOf } from '../../../src/consensus/drawn.ts';
import { bytesToHex, sha256, utf8ToBytes } from '../../../src/consensus/hash.ts';
import type { Proposal, Signed } from '../../../src/consensus/messages.ts';
import type { Rules } from '../../../src/consensus/rules.ts';
import { Hand, makeStation, proposalBy, START_MS } from './station.ts';

function listener(members: number, rules: Partial<Rules> = {}): Hand {
  const hand = new Hand(makeStation(members, rules), 0, { offers: [] });
  hand.state.draws = new Map();
  return hand;
}

/** SHA-256 of the text, the whole digest as a big-endian integer, modulo `count`. */
const byHand = (seed: string, count: number): number =>
  Number(BigInt(`0x${bytesToHex(sha256(utf8ToBytes(seed)))}`) % BigInt(count));

describe('the picture of a draw', () => {
  it('shows every proposal while it settles, and stays as it was when the slot is decided', () => {
    const hand = listener(5);
    hand.until(1_000);
    const proposals: Signed<Proposal>[] = [1, 2, 3, 4].map((i) => proposalBy(hand, i, 5));
    for (const proposal of proposals) hand.hear(proposal);
    const open = drawOf(hand.state, 5)!;
    expect(open).toMatchObject({ slot: 5, rule: 'ticket', decided: false, seed: null, index: null });
    expect(open.rows.map((row) => row.nodeId).sort()).toEqual(proposals.map(({ body }) => body.node_id).sort());
    expect(open.rows.map((row) => row.ticket)).toEqual(open.rows.map((row) => row.ticket).sort());
    hand.until(hand.state.settling.get(5)!.phases.decideMs - START_MS);
    const { record } = hand.head;
    expect(record.slot).toBe(5);
    const decided = drawOf(hand.state, 5)!;
    expect(decided).toEqual({ ...open, decided: true });
    expect(decided.winner).toBe(record.proposal!.body.node_id);
    expect(decided.rows[0]).toMatchObject({ nodeId: decided.winner, ticket: record.ticket });
    expect(decided.beacon).toBe(hand.link(3).record.beacon);
  });

  it('marks who said two things, and knows nothing of slots that it did not see', () => {
    const hand = listener(3);
    hand.until(1_000);
    hand.hear(proposalBy(hand, 1, 5, {}, 'a'));
    hand.hear(proposalBy(hand, 1, 5, {}, 'b'));
    hand.hear(proposalBy(hand, 2, 5));
    const draw = drawOf(hand.state, 5)!;
    expect(draw.rows.map((row) => row.void).sort()).toEqual([false, true]);
    expect(draw.winner).toBe(hand.station.cryptos[2]!.nodeId);
    expect([drawOf(hand.state, 4), drawOf(hand.state, 99)]).toEqual([null, null]);
  });

  it('gives the numbers of the literal formula, to be computed by hand', () => {
    const hand = listener(5, { draw: 'hash-mod' });
    hand.until(1_000);
    for (const i of [1, 2, 3, 4]) hand.hear(proposalBy(hand, i, 5));
    const draw = drawOf(hand.state, 5)!;
    const hashes = draw.rows.map((row) => row.trackHash).sort();
    expect(draw.index).toBe(byHand(draw.seed!, hashes.length));
    expect(draw.rows.find((row) => row.trackHash === hashes[draw.index!])?.nodeId).toBe(draw.winner);
  });

  it('is empty where nobody proposed, and not kept unless asked for', () => {
    const hand = listener(3);
    hand.until(1_000);
    expect(drawOf(hand.state, 5)).toMatchObject({ rows: [], winner: null });
    const careless = listener(3);
    careless.state.draws = null;
    careless.until(1_000);
    careless.hear(proposalBy(careless, 1, 5));
    expect(drawOf(careless.state, 5)?.rows).toHaveLength(1);
    careless.until(careless.state.settling.get(5)!.phases.decideMs - START_MS);
    expect(drawOf(careless.state, 5)).toBeNull();
  });
});
