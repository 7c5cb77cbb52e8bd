import { describe, expect, it } from 'vitest';
import { checkEvidence } from '../../../src/consensus/evidence.ts';
import { trackFingerprint } from '../../../src/consensus/log.ts';
import type { EvidenceOp, JoinOp, Proposal, Signed, StateMessage } from '../../../src/consensus/messages.ts';
import { createConsensus } from '../../../src/consensus/state.ts';
import { step } from '../../../src/consensus/step.ts';
import { view } from '../../../src/consensus/view.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/network.ts';
import { carry, Hand, makeStation, opBy, proposalBy, START_MS, stateBy, TRACK_MS, trackHash } from './station.ts';

const proposals = (hand: Hand) => hand.published<Signed<Proposal>>('PROPOSAL');
const states = (hand: Hand) => hand.published<Signed<StateMessage>>('STATE');
const says = (hand: Hand, kind: string) =>
  hand.effects.some((e) => e.type === 'indicate' && e.indication.kind === kind);

/** Others keep the log going; the node plays its own for the given slots, and follows in all others. */
function listen(hand: Hand, untilSlot: number, moderated: number[]): void {
  for (let slot = Math.floor(hand.nowMs / TRACK_MS) + 1; slot <= untilSlot; slot++) {
    if (slot > 0) hand.until(slot * TRACK_MS);
    const own = moderated.includes(slot);
    const consensus = hand.link(slot).record.track!.track_hash;
    hand.feed({
      type: 'playback',
      slot,
      actual: own ? trackHash('mine') : consensus,
      reason: own ? 'moderation' : null,
    });
    hand.until(slot * TRACK_MS + 2_000);
    hand.hear(proposalBy(hand, 1, slot + 5, {}, `other ${slot}`));
    hand.until(slot * TRACK_MS + 90_000);
  }
}

const offers = Array.from({ length: 40 }, (_, i) => `own ${i}`);

describe('moderation', () => {
  it('is said in STATE, and the node sits out the next round alone', () => {
    const hand = new Hand(makeStation(3), 0, { offers });
    listen(hand, 5, [2]);
    const diverged = states(hand).filter((m) => m.body.diverged);
    expect(new Set(diverged.map((m) => m.body.slot))).toEqual(new Set([2]));
    expect(diverged[0]!.body).toMatchObject({
      consensus_hash: trackFingerprint(trackHash('first 2')),
      actual_hash: trackFingerprint(trackHash('mine')),
      reason: 'moderation',
    });
    expect(proposals(hand).map((m) => m.body.target_slot)).toEqual([5, 6, 9, 10]);
    expect(proposals(hand).at(-1)!.body.report).toMatchObject({ slot: 4, run: 0, synced_slots: 2, banned_at: -1 });
    expect(says(hand, 'satOut')).toBe(true);
  });

  it('three times in a row bans for ban_slots', () => {
    const hand = new Hand(makeStation(3, { ban_slots: 6 }), 0, { offers });
    listen(hand, 12, [1, 2, 3]);
    const targets = proposals(hand).map((m) => m.body.target_slot);
    expect(targets).toEqual([5, 10, 11, 12, 13, 14, 15, 16, 17]);
    expect(proposals(hand)[1]!.body.report).toMatchObject({ banned_at: 3, synced_slots: 1, run: 0 });
  });

  it('of 600 seconds excludes until one slot was in sync', () => {
    const hand = new Hand(makeStation(3, { ban_after: 100 }), 0, { offers });
    listen(hand, 10, [1, 2, 3, 4, 5, 6, 7]);
    expect(proposals(hand).map((m) => m.body.target_slot)).toEqual([5, 14, 15]);
    expect(proposals(hand)[1]!.body.report.diverged_ms).toBeGreaterThanOrEqual(600_000);
  });

  it('is no matter of fetches that failed', () => {
    const hand = new Hand(makeStation(3), 0, { offers });
    hand.until(1_000);
    hand.feed({ type: 'playback', slot: 0, actual: null, reason: 'fetch' });
    hand.until(TRACK_MS + 2_000);
    expect(states(hand).some((m) => m.body.diverged && m.body.reason === 'fetch')).toBe(true);
    expect(proposals(hand).map((m) => m.body.target_slot)).toEqual([5, 6]);
  });

  it('is remembered over a restart: nothing said before is denied after', () => {
    const station = makeStation(3);
    const hand = new Hand(station, 0, { offers });
    listen(hand, 2, [2]);
    const restored = Object.fromEntries(hand.disk);
    expect(restored.divergence).toMatchObject({ lastSlot: 2, run: 1 });
    const again = createConsensus({ ...initOf(hand), deployAfterMs: 1e9 });
    const nowMs = START_MS + hand.nowMs;
    step(again, { type: 'start', restored, random: new Uint8Array(32), nowMs, monoMs: 0 });
    expect(again.divergence.lastSlot).toBe(2);
  });

  it('that is denied makes evidence against whoever denies it', () => {
    const hand = new Hand(makeStation(3), 0, { offers: [] });
    hand.until(10_000);
    hand.hear(stateBy(hand, 2, { slot: 0, diverged: true, reason: 'moderation' }));
    carry(hand, []);
    hand.until(TRACK_MS + 1_000);
    hand.hear(proposalBy(hand, 2, 6));
    const [op] = [...hand.state.pendingOps.values()];
    expect(op!.body).toMatchObject({ type: 'EVIDENCE', kind: 'report', accused: hand.station.cryptos[2]!.nodeId });
    expect(checkEvidence(op!.body as EvidenceOp, hand.head.log)).toBe(6);
  });
});

const initOf = (hand: Hand) => ({
  crypto: hand.crypto,
  stationId: hand.station.stationId,
  nodeName: 'again',
  rules: hand.station.rules,
});

describe('own key', () => {
  it('heard in a proposal that this node did not sign stops it, with a word', () => {
    const hand = new Hand(makeStation(3), 0, { offers });
    hand.until(2_000);
    expect(proposals(hand)).toHaveLength(1);
    hand.hear(proposals(hand)[0]!);
    expect(hand.state.phase).toBe('member');
    hand.hear(proposalBy(hand, 0, 5, {}, 'by the clone'));
    expect(hand.state.phase).toBe('stopped');
    expect(says(hand, 'ownKeyElsewhere')).toBe(true);
    hand.until(2 * TRACK_MS);
    expect(proposals(hand)).toHaveLength(1);
    expect(hand.head.record.slot).toBeGreaterThanOrEqual(5);
  });

  it('heard in a STATE of an epoch that this node has not spoken in stops it too', () => {
    const hand = new Hand(makeStation(3), 0, { offers });
    hand.until(2_000);
    const epoch = Math.floor((START_MS + hand.nowMs) / 5_000);
    hand.hear(stateBy(hand, 0, { epoch: epoch + 2 }));
    expect(hand.state.phase).toBe('stopped');
  });

  it('is not taken for a clone when gossip echoes what was said before a restart', () => {
    const station = makeStation(3);
    const hand = new Hand(station, 0, { offers });
    hand.until(12_000);
    const before = states(hand).at(-1)!;
    const again = createConsensus({ ...initOf(hand), deployAfterMs: 1e9 });
    const at = { nowMs: START_MS + hand.nowMs + 50, monoMs: 0 };
    step(again, { type: 'start', restored: Object.fromEntries(hand.disk), random: new Uint8Array(32), ...at });
    step(again, { type: 'message', message: before, from: 'x', ...at });
    step(again, { type: 'message', message: proposals(hand)[0]!, from: 'x', ...at });
    expect(again.phase).toBe('member');
  });
});

describe('what is signed', () => {
  it('reaches the disk before it leaves', () => {
    const hand = new Hand(makeStation(3), 0, { offers });
    hand.until(20_000);
    for (const type of ['PROPOSAL', 'STATE']) {
      const at = hand.effects.findIndex((e) => e.type === 'publish' && e.message.body.type === type);
      const key = type === 'STATE' ? 'epoch' : 'own:5:';
      const kept = hand.effects.findIndex((e) => e.type === 'persist' && e.key.startsWith(key));
      expect(kept).toBeGreaterThanOrEqual(0);
      expect(kept).toBeLessThan(at);
    }
  });

  it('is published again after a restart, and never signed anew', () => {
    const station = makeStation(3);
    const hand = new Hand(station, 0, { offers });
    hand.until(2_000);
    const [first] = proposals(hand);
    const again = createConsensus({ ...initOf(hand), deployAfterMs: 1e9 });
    const at = { nowMs: START_MS + 3_000, monoMs: 0 };
    const effects = step(again, {
      type: 'start',
      restored: Object.fromEntries(hand.disk),
      random: new Uint8Array(32),
      ...at,
    });
    effects.push(...step(again, { type: 'library', offers: [], playlistHash: '', ...at }));
    const said = effects.flatMap((e) =>
      e.type === 'publish' && e.message.body.type === 'PROPOSAL' ? [e.message] : [],
    );
    expect(said.map((m) => m.sig)).toEqual([first!.sig]);
    const later = step(again, { type: 'tick', nowMs: START_MS + 9_000, monoMs: 6_000 });
    expect(later.filter((e) => e.type === 'publish' && e.message.body.type === 'PROPOSAL')).toEqual([]);
  });
});

describe('a clock that is at odds with the flock', () => {
  const EPOCH_MS = 5_000;
  const epochOf = (hand: Hand) => Math.floor((START_MS + hand.nowMs) / EPOCH_MS);
  /** STATEs that the hand published while so many epochs went by, with `say` called in each. */
  function spoken(hand: Hand, epochs: number, say: () => void): number {
    const before = states(hand).length;
    for (let i = 0; i < epochs; i++) {
      hand.until(hand.nowMs + EPOCH_MS);
      say();
    }
    return states(hand).length - before;
  }
  const connect = (hand: Hand, indices: number[]) =>
    hand.feed({ type: 'peers', peers: indices.map((i) => hand.station.cryptos[i]!.nodeId) });

  it('keeps a node quiet while most of its neighbours live in other epochs', () => {
    const hand = new Hand(makeStation(4), 0, { offers });
    const behind = () => {
      for (const i of [1, 2]) hand.hear(stateBy(hand, i, { epoch: epochOf(hand) - 40 }));
    };
    expect(spoken(hand, 8, behind)).toBeLessThan(3);
    expect(hand.state.counters.outOfTime).toBeGreaterThan(0);
  });

  it('is not made up by recordings of members that left, however many there are', () => {
    const hand = new Hand(makeStation(9), 0, { offers });
    connect(hand, [1]);
    let age = 700;
    const replay = () => {
      hand.hear(stateBy(hand, 1));
      // Played in their order, so that each is newer than the last.
      for (let i = 2; i < 9; i++) hand.hear(stateBy(hand, i, { epoch: epochOf(hand) - age }));
      age -= 10;
    };
    expect(spoken(hand, 12, replay)).toBeGreaterThanOrEqual(11);
    expect(hand.state.counters.outOfTime).toBeUndefined();
  });

  it('is not made up by recordings of neighbours that were heard later than that', () => {
    const hand = new Hand(makeStation(9), 0, { offers });
    for (let i = 2; i < 9; i++) hand.hear(stateBy(hand, i));
    hand.until(40_000);
    let age = 300;
    const replay = () => {
      hand.hear(stateBy(hand, 1));
      for (let i = 2; i < 9; i++) hand.hear(stateBy(hand, i, { epoch: epochOf(hand) - age }));
      age -= 10;
    };
    expect(spoken(hand, 12, replay)).toBeGreaterThanOrEqual(11);
  });
});

describe('tables', () => {
  it('hold no more than their bounds under a flood of strangers', () => {
    const hand = new Hand(makeStation(3), 0, { offers: [] });
    hand.until(1_000);
    for (let i = 0; i < 600; i++) {
      const stranger = simulatedCrypto(simulatedNodeId(1_000, i));
      hand.hear(opBy<JoinOp>(hand, stranger, { type: 'JOIN', vrf_key: stranger.vrfKey, name: 'x' }));
      hand.hear(stateBy(hand, stranger));
      hand.hear(stateBy(hand, stranger, { genesis: (i % 20).toString(16).padStart(64, '0') }));
      hand.hear(proposalBy(hand, 1, 5, { target_slot: 100 + i }));
    }
    expect(hand.state.pendingOps.size).toBeLessThanOrEqual(128);
    expect(hand.state.heard.size).toBeLessThanOrEqual(3 + 64);
    expect(hand.state.foreign.size).toBeLessThanOrEqual(8);
    expect(hand.state.early.length).toBeLessThanOrEqual(128);
    const member = opBy<JoinOp>(hand, 1, { type: 'JOIN', vrf_key: new Uint8Array(32), name: 'new key' });
    expect(hand.hear(member)).toBe('accept');
  });
});

describe('a node that slept', () => {
  it('takes the record from the others instead of deciding by what it missed', () => {
    const hand = new Hand(makeStation(3), 0, { offers: [] });
    hand.until(1_000);
    hand.nowMs = 60_000;
    hand.feed({ type: 'tick' });
    expect(hand.state.counters.overslept).toBe(1);
    hand.until(141_000);
    expect(hand.head.record.slot).toBe(4);
    const other = new Hand(hand.station, 1, { offers: [] });
    other.until(1_000);
    other.hear(proposalBy(other, 2, 5));
    other.until(141_000);
    expect(other.head.record.slot).toBe(5);
    hand.hear(stateBy(hand, 1, { head: other.head.hash, head_slot: 5 }));
    const asked = hand.effects.findLast((e) => e.type === 'ask' && e.request.kind === 'records')!;
    if (asked.type !== 'ask') throw new Error('no question');
    const reply = other.feed({ type: 'asked', requestId: 1, from: hand.crypto.nodeId, request: asked.request });
    const { response } = reply.find((e) => e.type === 'answer') as Extract<(typeof reply)[number], { type: 'answer' }>;
    hand.feed({ type: 'answer', requestId: asked.requestId, from: asked.peer, response });
    expect(hand.head.hash).toBe(other.head.hash);
    expect(view(hand.state, START_MS + hand.nowMs).headSlot).toBe(5);
  });

  it('or got no turn for a quarter of Delta does so too, whatever comes first afterwards', () => {
    const decidedAfter = (heldUpMs: number) => {
      const hand = new Hand(makeStation(3), 0, { offers: [] });
      hand.until(20_000);
      hand.nowMs += heldUpMs;
      hand.feed({ type: 'message', message: stateBy(hand, 1), from: 'x', heldUpMs });
      hand.until(141_000);
      return hand.head.record.slot;
    };
    expect(decidedAfter(700)).toBe(5);
    expect(decidedAfter(800)).toBe(4);
  });

  it('and learned a basis late leaves the slot above it to the others too: what came before it was not judged in time', () => {
    const hand = new Hand(makeStation(3), 0, { offers: [] });
    hand.until(1_000);
    hand.nowMs = 60_000;
    hand.feed({ type: 'tick' });
    const other = new Hand(hand.station, 1, { offers: [] });
    other.until(1_000);
    other.hear(proposalBy(other, 2, 5));
    other.until(141_000);
    const say = () => hand.hear(stateBy(hand, 1, { head: other.head.hash, head_slot: 5 }));
    hand.until(142_000);
    say();
    // The record of slot 5 comes when T1 of slot 7, which stands on it, has passed.
    hand.until(228_000);
    expect(hand.head.record.slot).toBe(4);
    say();
    const asked = hand.effects.findLast((e) => e.type === 'ask' && e.request.kind === 'records')!;
    if (asked.type !== 'ask') throw new Error('no question');
    const reply = other.feed({ type: 'asked', requestId: 1, from: hand.crypto.nodeId, request: asked.request });
    const { response } = reply.find((e) => e.type === 'answer') as Extract<(typeof reply)[number], { type: 'answer' }>;
    hand.feed({ type: 'answer', requestId: asked.requestId, from: asked.peer, response });
    expect(hand.head.hash).toBe(other.head.hash);
    // Slot 6 stands on what it had in time.
    hand.until(3 * TRACK_MS + 41_000);
    expect(hand.head.record.slot).toBe(6);
  });

  it('near the end of the music waits for its neighbours up to a Delta before it', () => {
    const before = new Hand(makeStation(3), 0, { offers: [] });
    const again = createConsensus({ ...initOf(before), deployAfterMs: 1e9 });
    const endMs = START_MS + 5 * TRACK_MS;
    const at = (ms: number) => ({ nowMs: endMs + ms, monoMs: 600_000 + ms });
    step(again, {
      type: 'start',
      restored: Object.fromEntries(before.disk),
      random: new Uint8Array(32),
      ...at(-5_500),
    });
    step(again, { type: 'tick', ...at(-4_500) });
    step(again, { type: 'tick', ...at(-3_200) });
    expect(again.chain!.links.at(-1)!.record.slot).toBe(4);
    step(again, { type: 'tick', ...at(-3_000) });
    expect(again.chain!.links.at(-1)!.record.slot).toBe(5);
  });

  it('decides after all when nobody can tell it', () => {
    const hand = new Hand(makeStation(3), 0, { offers: [] });
    hand.until(1_000);
    hand.nowMs = 60_000;
    hand.feed({ type: 'tick' });
    hand.until(2 * TRACK_MS - 1);
    expect(hand.head.record.slot).toBe(4);
    hand.until(2 * TRACK_MS);
    expect(hand.head.record.slot).toBe(5);
    expect(hand.state.counters.decidedLate).toBe(1);
  });
});
