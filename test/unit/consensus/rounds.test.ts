import { describe, expect, it } from 'vitest';
import { appraise } from '../../../src/consensus/appraise.ts';
import { hashModWinner } from '../../../src/consensus/draw.ts';
import type { Proposal, Signed } from '../../../src/consensus/messages.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/network.ts';
import { endorsed, Hand, makeStation, proposalBy, trackHash } from './station.ts';

const T1 = 25_000;
const DELTA = 3_000;
const T_D = 140_000;

const counted = (hand: Hand, cause: string): number => hand.state.counters[`refused:${cause}`] ?? 0;
const held = (hand: Hand, slot = 5): number => hand.state.settling.get(slot)!.values.size;
const ticketOf = (hand: Hand, signed: Signed<Proposal>): string => {
  const appraisal = appraise(hand.state, hand.link(signed.body.target_slot - 2), signed);
  return appraisal.ok ? appraisal.ticket : 'refused';
};

/** A node that listens only: it has nothing of its own to offer. */
const listener = (size: number, rules = {}): Hand => new Hand(makeStation(size, rules), 0, { offers: [] });

describe('deadlines', () => {
  it('take a bare proposal up to T1 and not a millisecond later', () => {
    const hand = listener(4);
    hand.until(T1);
    hand.hear(proposalBy(hand, 1, 5));
    expect(held(hand)).toBe(1);
    hand.until(T1 + 1);
    expect(hand.hear(proposalBy(hand, 2, 5))).toBe('ignore');
    expect(held(hand)).toBe(1);
    expect(counted(hand, 'late')).toBe(1);
  });

  it.each([1, 2, 3])('move by Delta with each of %i endorsements', (k) => {
    const hand = listener(6);
    hand.until(T1 + k * DELTA);
    const others = [2, 3, 4, 5].slice(0, k);
    hand.hear(endorsed(hand, proposalBy(hand, 1, 5), others));
    expect(held(hand)).toBe(1);
    const late = listener(6);
    late.until(T1 + k * DELTA + 1);
    late.hear(endorsed(late, proposalBy(late, 1, 5), others));
    expect(held(late)).toBe(0);
  });

  it('count no endorsement by the author, by strangers, or with a wrong signature', () => {
    const hand = listener(4);
    const stranger = simulatedCrypto(simulatedNodeId(1, 1));
    const signed = proposalBy(hand, 1, 5);
    hand.until(T1 + 1);
    const [good] = endorsed(hand, signed, [2]).endorsements!;
    const author = endorsed(hand, signed, [1]).endorsements![0]!;
    const bad = { ...good!, sig: new Uint8Array(64) };
    const foreign = { node_id: stranger.nodeId, sig: stranger.sign(new Uint8Array(1)) };
    hand.hear({ ...signed, endorsements: [author, bad, foreign] });
    expect(held(hand)).toBe(0);
    hand.hear({ ...signed, endorsements: [author, good!] });
    expect(held(hand)).toBe(1);
  });

  it('stop at R rounds, however many words a proposal carries', () => {
    const hand = listener(3, { max_rounds: 1 });
    expect(hand.state.settling.get(5)!.rounds).toBe(1);
    hand.until(T1 + DELTA + 1);
    hand.hear(endorsed(hand, proposalBy(hand, 1, 5), [0, 2]));
    expect(held(hand)).toBe(0);
  });
});

describe('endorsing', () => {
  const words = (hand: Hand) =>
    hand.published<Signed<Proposal>>('PROPOSAL').map((m) => m.endorsements!.map((e) => e.node_id));

  it('happens in the last Delta of the deadline only', () => {
    const early = listener(4);
    early.until(T1 - DELTA - 1);
    expect(early.hear(proposalBy(early, 1, 5))).toBe('accept');
    expect(words(early)).toEqual([]);
    const late = listener(4);
    late.until(T1 - DELTA + 1);
    expect(late.hear(proposalBy(late, 1, 5))).toBe('ignore');
    expect(words(late)).toEqual([[late.crypto.nodeId]]);
  });

  it('adds to what is there, up to R', () => {
    const hand = listener(4);
    hand.until(T1 + DELTA);
    hand.hear(endorsed(hand, proposalBy(hand, 1, 5), [2]));
    expect(words(hand)).toEqual([[hand.station.cryptos[2]!.nodeId, hand.crypto.nodeId]]);
    const full = listener(4, { max_rounds: 1 });
    full.until(T1 + DELTA);
    full.hear(endorsed(full, proposalBy(full, 1, 5), [2]));
    expect(held(full)).toBe(1);
    expect(words(full)).toEqual([]);
  });

  it('is for the M lowest proposers alone', () => {
    const hand = listener(5, { relay_lowest: 1 });
    const proposals = [1, 2, 3, 4].map((i) => proposalBy(hand, i, 5));
    proposals.sort((a, b) => (ticketOf(hand, a) < ticketOf(hand, b) ? -1 : 1));
    hand.until(T1 - 10);
    for (const proposal of proposals) hand.hear(proposal);
    expect(held(hand)).toBe(4);
    expect(hand.published<Signed<Proposal>>('PROPOSAL').map((m) => m.body.node_id)).toEqual([
      proposals[0]!.body.node_id,
    ]);
  });

  it('is no business of nodes outside of the roster', () => {
    const hand = new Hand(makeStation(3), 0, { crypto: simulatedCrypto(simulatedNodeId(5, 5)), offers: [] });
    hand.until(T1 - 10);
    hand.hear(proposalBy(hand, 1, 5));
    expect(held(hand)).toBe(1);
    expect(words(hand)).toEqual([]);
  });
});

describe('the decision', () => {
  it('falls at T_D and not before, for the lowest ticket', () => {
    const hand = listener(5);
    hand.until(1_000);
    const proposals = [1, 2, 3, 4].map((i) => proposalBy(hand, i, 5));
    for (const proposal of proposals) hand.hear(proposal);
    hand.until(T_D - 1);
    expect(hand.head.record.slot).toBe(4);
    hand.until(T_D);
    expect(hand.head.record.slot).toBe(5);
    const lowest = proposals.sort((a, b) => (ticketOf(hand, a) < ticketOf(hand, b) ? -1 : 1))[0]!;
    expect(hand.head.record.proposal!.body).toEqual(lowest.body);
    expect(hand.head.record.ticket).toBe(ticketOf(hand, lowest));
    const scheduled = hand.effects.findLast((e) => e.type === 'schedule')!;
    expect(scheduled).toMatchObject({ slot: 5, track: { track_hash: lowest.body.track_hash } });
  });

  it('voids a proposer with two values, keeps no third, and logs the pair', () => {
    const hand = listener(3);
    hand.until(1_000);
    for (const track of ['a', 'b', 'c']) hand.hear(proposalBy(hand, 1, 5, {}, track));
    expect(held(hand)).toBe(2);
    hand.hear(proposalBy(hand, 2, 5));
    hand.until(T_D);
    expect(hand.head.record.proposal!.body.node_id).toBe(hand.station.cryptos[2]!.nodeId);
    expect([...hand.state.pendingOps.values()].map((op) => op.body.type)).toEqual(['EVIDENCE']);
    expect(hand.effects.some((e) => e.type === 'indicate' && e.indication.kind === 'equivocation')).toBe(true);
  });

  it('looks no further than the M lowest proposers', () => {
    const hand = listener(5, { relay_lowest: 1 });
    hand.until(1_000);
    const ids = [1, 2, 3, 4].sort((a, b) =>
      ticketOf(hand, proposalBy(hand, a, 5)) < ticketOf(hand, proposalBy(hand, b, 5)) ? -1 : 1,
    );
    for (const i of ids) hand.hear(proposalBy(hand, i, 5));
    hand.hear(proposalBy(hand, ids[0]!, 5, {}, 'another'));
    hand.until(T_D);
    expect(hand.head.record.proposal).toBeNull();
  });

  it('falls back to the older half of what everybody has when nobody proposed', () => {
    const hand = listener(3);
    hand.until(T_D);
    expect(hand.head.record).toMatchObject({ slot: 5, proposal: null, ticket: null });
    expect(['first 0', 'first 1', 'first 2'].map(trackHash)).toContain(hand.head.record.track!.track_hash);
    expect(hand.effects.some((e) => e.type === 'indicate' && e.indication.kind === 'fallback')).toBe(true);
  });

  it('prefers fresh tracks, then rested winners, then repeats', () => {
    const hand = listener(4);
    hand.until(1_000);
    hand.hear(proposalBy(hand, 1, 5, {}, 'first 2'));
    hand.hear(proposalBy(hand, 2, 5));
    hand.until(T_D);
    expect(hand.head.record.proposal!.body.node_id).toBe(hand.station.cryptos[2]!.nodeId);
    const only = listener(4);
    only.until(1_000);
    only.hear(proposalBy(only, 1, 5, {}, 'first 2'));
    only.until(T_D);
    expect(only.head.record.proposal!.body.node_id).toBe(only.station.cryptos[1]!.nodeId);
  });

  it('lets a winner rest for min(3, roster / 4) slots while others have something', () => {
    const hand = listener(8);
    hand.until(1_000);
    hand.hear(proposalBy(hand, 1, 5));
    hand.until(T_D + 1_000);
    const lower: boolean[] = [];
    for (const slot of [6, 7]) {
      hand.until(START_OF(slot - 5) + 1_000);
      const resting = proposalBy(hand, 1, slot);
      // One node a slot that has not won yet; which of both has the lower ticket is chance.
      const rested = proposalBy(hand, slot - 3, slot);
      hand.hear(resting);
      hand.hear(rested);
      hand.until(START_OF(slot - 4) + 40_000);
      expect(hand.link(slot).record.proposal!.body.node_id).toBe(rested.body.node_id);
      lower.push(ticketOf(hand, resting) < ticketOf(hand, rested));
    }
    // For this to show anything, the one that rests must have had the lower ticket once.
    expect(lower).toContain(true);
  });

  it('fetches the likely winner after T1 and takes it back when another one wins', () => {
    const hand = listener(5);
    hand.until(1_000);
    const [low, high] = [1, 2]
      .map((i) => proposalBy(hand, i, 5))
      .sort((a, b) => (ticketOf(hand, a) < ticketOf(hand, b) ? -1 : 1));
    hand.hear(high!);
    hand.until(T1 + 10);
    const likely = hand.effects.findLast((e) => e.type === 'fetch')!;
    expect(likely).toMatchObject({ slot: 5, final: false, track: { track_hash: high!.body.track_hash } });
    hand.hear(endorsed(hand, low!, [3]));
    expect(hand.effects).toContainEqual({ type: 'cancelFetch', slot: 5, manifest: high!.body.segments[0] });
    hand.until(T_D);
    const final = hand.effects.findLast((e) => e.type === 'fetch')!;
    expect(final).toMatchObject({ slot: 5, final: true, track: { track_hash: low!.body.track_hash } });
  });

  it('names every proposer of the winning track as a source', () => {
    const hand = listener(4);
    hand.until(1_000);
    const proposals = [1, 2, 3].map((i) => proposalBy(hand, i, 5, {}, 'the same'));
    for (const proposal of proposals) hand.hear(proposal);
    hand.until(T_D);
    const fetch = hand.effects.findLast((e) => e.type === 'fetch')!;
    expect(fetch.type === 'fetch' && [...fetch.track.owners].sort()).toEqual(
      hand.station.cryptos
        .slice(1)
        .map((c) => c.nodeId)
        .sort(),
    );
  });
});

describe('the literal draw', () => {
  it('takes the whole settled set, de-duplicated, by the formula of the model', () => {
    const hand = listener(6, { draw: 'hash-mod', relay_lowest: 1 });
    hand.until(1_000);
    const proposals = [1, 2, 3, 4].map((i) => proposalBy(hand, i, 5));
    const copy = proposalBy(hand, 5, 5, {}, `track of 1 for 5`);
    for (const proposal of [...proposals, copy]) hand.hear(proposal);
    hand.until(T_D);
    const expected = hashModWinner(hand.head.record.start_ms, proposals, (p) => p.body.track_hash);
    expect(hand.head.record.proposal!.body.track_hash).toBe(expected.body.track_hash);
  });
});

describe('eligibility', () => {
  it.each<[string, Partial<Proposal>]>([
    ['rules', { rules_hash: '00'.repeat(32) }],
    ['duration', { duration: 1_000 }],
    ['otherBasis', { prev: '00'.repeat(32) }],
    ['diverged', { report: { ...report(), run: 1, synced_slots: 0, diverged_ms: 5_000 } }],
    ['diverged', { report: { ...report(), synced_slots: 9, diverged_ms: 5_000, banned_at: 0 } }],
    ['diverged', { report: { ...report(), synced_slots: 0, diverged_ms: 600_000 } }],
  ])('refuses for "%s"', (cause, change) => {
    const hand = listener(3);
    hand.until(1_000);
    expect(hand.hear(proposalBy(hand, 1, 5, change))).toBe('ignore');
    expect(counted(hand, cause)).toBe(1);
    expect(held(hand)).toBe(0);
  });

  it.each<[string, Partial<Proposal>]>([
    ['vrf', { vrf_proof: new Uint8Array(80) }],
    ['ops', { ops_root: '00'.repeat(32) }],
  ])('rejects what is provably bad: "%s"', (cause, change) => {
    const hand = listener(3);
    hand.until(1_000);
    expect(hand.hear(proposalBy(hand, 1, 5, change))).toBe('reject');
    expect(counted(hand, cause)).toBe(1);
  });

  it('refuses strangers', () => {
    const hand = listener(3);
    hand.until(1_000);
    expect(hand.hear(proposalBy(hand, simulatedCrypto(simulatedNodeId(4, 4)), 5))).toBe('ignore');
    expect(counted(hand, 'ineligible')).toBe(1);
  });

  it.each([
    [{ genres: ['jazz'] }, { genre: 'test' }],
    [{ allow_explicit: false }, { explicit: true }],
  ])('keeps a station to its content rules %o', (rules, change) => {
    const hand = listener(3, rules);
    hand.until(1_000);
    const genre = 'genres' in rules ? rules.genres[0]! : 'test';
    hand.hear(proposalBy(hand, 1, 5, { genre, ...change }));
    expect(counted(hand, 'content')).toBe(1);
    hand.hear(proposalBy(hand, 2, 5, { genre, explicit: false }));
    expect(held(hand)).toBe(1);
  });

  it('lets only the committee of a large flock propose', () => {
    const hand = listener(40, { committee: 4 });
    hand.until(1_000);
    for (let i = 1; i < 40; i++) hand.hear(proposalBy(hand, i, 5));
    expect(counted(hand, 'committee') + held(hand)).toBe(39);
    expect(held(hand)).toBeGreaterThan(0);
    expect(held(hand)).toBeLessThan(12);
    const all = listener(4, { committee: 4 });
    all.until(1_000);
    for (let i = 1; i < 4; i++) all.hear(proposalBy(all, i, 5));
    expect(held(all)).toBe(3);
  });
});

function report() {
  const inSync = { consensus_hash: null, actual_hash: null, diverged: false, reason: null };
  return { ...inSync, slot: -1, run: 0, diverged_ms: 0, synced_slots: -1, banned_at: -1 };
}

function START_OF(slot: number): number {
  return slot * 100_000;
}
