import { describe, expect, it } from 'vitest';
import type { Effect } from '../../../src/consensus/events.ts';
import { isLower } from '../../../src/consensus/fork.ts';
import type { Link } from '../../../src/consensus/link.ts';
import { view } from '../../../src/consensus/view.ts';
import { simulatedCrypto, simulatedNodeId, VirtualFlock } from '../../simulation/network.ts';
import { Hand, makeStation, proposalBy, START_MS, type Station, stateBy, TRACK_MS } from './station.ts';

const T_D = 140_000;
const EPOCH = 5_000;

/** Two nodes of one station that saw different proposals for slot 5. `lower` stands on the lower ticket. */
function split(size: number, rules = {}): { lower: Hand; higher: Hand; station: Station } {
  const station = makeStation(size, rules);
  const [a, b] = [new Hand(station, 0, { offers: [] }), new Hand(station, 1, { offers: [] })];
  for (const [i, hand] of [a, b].entries()) {
    hand.until(1_000);
    hand.hear(proposalBy(hand, 2 + i, 5));
    hand.until(T_D + 1);
  }
  const [lower, higher] = isLower(a.link(5), b.link(5)) ? [a, b] : [b, a];
  return { lower, higher, station };
}

/** Lets `hand` learn the records that `other` stands on, as from a peer that answers. */
function answerFrom(hand: Hand, other: Hand, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'ask' || effect.request.kind !== 'records') continue;
    other.nowMs = Math.max(other.nowMs, hand.nowMs);
    const reply = other.feed({ type: 'asked', requestId: 1, from: hand.crypto.nodeId, request: effect.request });
    for (const answer of reply) {
      if (answer.type !== 'answer') continue;
      hand.feed({ type: 'answer', requestId: effect.requestId, from: effect.peer, response: answer.response });
    }
  }
}

/** For so many epochs, these nodes say that they stand where `other` stands. */
function voices(hand: Hand, other: Hand, by: number[], epochs: number): void {
  for (let i = 0; i < epochs; i++) {
    hand.until(hand.nowMs + EPOCH);
    const { hash, record } = other.head;
    for (const index of by) {
      const before = hand.effects.length;
      hand.hear(stateBy(hand, index, { head: hash, head_slot: record.slot }));
      answerFrom(hand, other, hand.effects.slice(before));
    }
  }
}

const onBranch = (hand: Hand, link: Link): boolean => hand.link(link.record.slot).hash === link.hash;

describe('fork choice', () => {
  it('changes after two epochs of greater weight, not after one', () => {
    const { lower: hand, higher: other, station } = split(7);
    const away = station.cryptos.flatMap((c, i) => (c === hand.crypto ? [] : [i])).slice(0, 3);
    voices(hand, other, away, 2);
    expect(onBranch(hand, other.link(5))).toBe(false);
    voices(hand, other, away, 2);
    expect(onBranch(hand, other.link(5))).toBe(true);
    expect(hand.state.counters.heals).toBe(1);
    // People see what the log has now: the records of the other branch, said after the change.
    const told = hand.effects.flatMap((e) => (e.type === 'indicate' ? [e.indication] : []));
    const changed = told.findIndex(({ kind }) => kind === 'switchedLog');
    expect(told[changed]).toMatchObject({ fromSlot: 5 });
    expect(told.slice(changed + 1)).toContainEqual(
      expect.objectContaining({ kind: 'decided', slot: 5, hash: other.link(5).hash, healed: true }),
    );
  });

  it('changes on equal weight to the lower ticket only', () => {
    const up = split(4);
    const rest = (hand: Hand, station: Station) => station.cryptos.flatMap((c, i) => (c === hand.crypto ? [] : [i]));
    voices(up.higher, up.lower, rest(up.higher, up.station).slice(0, 1), 4);
    expect(onBranch(up.higher, up.lower.link(5))).toBe(true);
    const down = split(4);
    voices(down.lower, down.higher, rest(down.lower, down.station).slice(0, 1), 6);
    expect(onBranch(down.lower, down.higher.link(5))).toBe(false);
  });

  it('counts the roster of the fork point alone, and each key once', () => {
    const { lower: hand, higher: other, station } = split(4);
    // One member brings the branch here: as heavy as ours, and the higher ticket.
    const member = station.cryptos.findIndex((c) => c !== hand.crypto);
    const strangers = Array.from({ length: 20 }, (_, i) => simulatedCrypto(simulatedNodeId(50, i)));
    for (let epoch = 0; epoch < 5; epoch++) {
      hand.until(hand.nowMs + EPOCH);
      const { hash, record } = other.head;
      const before = hand.effects.length;
      hand.hear(stateBy(hand, member, { head: hash, head_slot: record.slot }));
      for (const stranger of strangers) hand.hear(stateBy(hand, stranger, { head: hash, head_slot: record.slot }));
      answerFrom(hand, other, hand.effects.slice(before));
    }
    expect(onBranch(hand, other.link(5))).toBe(false);
  });

  it('hears no voice that speaks with two tongues', () => {
    const { lower: hand, higher: other, station } = split(5);
    const away = station.cryptos.flatMap((c, i) => (c === hand.crypto ? [] : [i])).slice(0, 2);
    for (let epoch = 0; epoch < 5; epoch++) {
      voices(hand, other, away, 1);
      for (const index of away) hand.hear(stateBy(hand, index, { head: hand.head.hash }));
    }
    expect(onBranch(hand, other.link(5))).toBe(false);
    expect(hand.state.counters.doubleStates).toBeGreaterThan(0);
  });

  it('ends a balancing attack: after escalate_epochs the lower ticket wins outright', () => {
    const { higher: hand, lower: other, station } = split(8, { escalate_epochs: 6 });
    const all = station.cryptos.flatMap((c, i) => (c === hand.crypto ? [] : [i]));
    const [theirs, ours] = [all.slice(0, 2), all.slice(2, 4)];
    // Three for our branch with this node, two for the other: it never weighs more, but it has the lower ticket.
    for (let epoch = 0; epoch < 12; epoch++) {
      if (onBranch(hand, other.link(5))) break;
      voices(hand, other, theirs, 1);
      for (const index of ours) hand.hear(stateBy(hand, index));
    }
    expect(onBranch(hand, other.link(5))).toBe(true);
  });

  it('never takes a forged record for a branch', () => {
    const { lower: hand, higher: other } = split(4);
    hand.until(hand.nowMs + EPOCH);
    const head = '77'.repeat(32);
    const before = hand.effects.length;
    hand.hear(stateBy(hand, 2, { head, head_slot: 5 }));
    const asked = hand.effects.slice(before).find((e) => e.type === 'ask')!;
    if (asked.type !== 'ask') throw new Error('no question');
    const rows = [{ slot: 5, prev: hand.link(4).hash, hash: head, proposal: null }];
    const response = { kind: 'records' as const, genesis: hand.state.chain!.genesis, records: rows };
    hand.feed({ type: 'answer', requestId: asked.requestId, from: asked.peer, response });
    expect(hand.state.counters.badAnswers).toBe(1);
    expect(hand.state.branches.size).toBe(0);
    expect(onBranch(hand, other.link(5))).toBe(false);
  });
});

describe('healing', () => {
  it('cuts no track: it crosses into the other programme when the playing one ends', () => {
    const flock = new VirtualFlock({ nodes: 5, seed: 11 });
    for (const node of flock.nodes) flock.start(node.index);
    flock.run(300_000);
    flock.partition([0], [1, 2, 3, 4]);
    flock.run(620_000);
    const [node, other] = [flock.nodes[0]!, flock.nodes[1]!];
    const log: { at: number; effect: Effect }[] = [];
    flock.onEffect = (who, effect) => {
      if (who !== node) return;
      if (effect.type === 'schedule' || effect.type === 'unschedule') log.push({ at: flock.stationMs(node), effect });
      if (effect.type === 'indicate' && effect.indication.kind === 'switchedLog')
        log.push({ at: flock.stationMs(node), effect });
    };
    const before = new Map(node.scheduled);
    flock.heal();
    flock.run(720_000);
    const switched = log.find(({ effect }) => effect.type === 'indicate')!;
    const crossed = log.find(
      ({ at, effect }) => effect.type === 'unschedule' && effect.fromSlot === 0 && at >= switched.at,
    )!;
    const playing = [...before.values()].find(
      (s) => s.startMs <= switched.at && s.startMs + s.durationMs > switched.at,
    )!;
    expect(Math.abs(crossed.at - (playing.startMs + playing.durationMs))).toBeLessThanOrEqual(1);
    const now = [node, other].map((n) => view(n.state, flock.stationMs(n)).now!.track!.track_hash);
    expect(now[0]).toBe(now[1]);
    for (const [slot, entry] of other.scheduled) {
      if (entry.startMs > flock.stationMs(other)) expect(node.scheduled.get(slot)).toEqual(entry);
    }
  });

  it('takes a joiner in with a checkpoint when the log is long, and a fork before it is healed as a newcomer would', () => {
    const flock = new VirtualFlock({ nodes: 4, seed: 12, wire: true });
    for (const index of [0, 1, 2]) flock.start(index);
    flock.run(1_400_000);
    flock.start(3);
    flock.run(1_430_000);
    const late = view(flock.nodes[3]!.state, flock.stationMs(flock.nodes[3]!));
    expect(late.phase).toBe('member');
    expect(flock.nodes[3]!.state.chain!.links[0]!.record.slot).toBeGreaterThan(10);
    flock.run(1_700_000);
    expect(flock.disagreements()).toEqual([]);
    expect(flock.nodes[3]!.state.counters.proposed).toBeGreaterThan(2);
    flock.stop(3);
    flock.run(1_710_000);
    flock.start(3);
    flock.run(1_800_000);
    expect(flock.nodes[3]!.state.counters.resumed).toBe(1);
    expect(flock.disagreements()).toEqual([]);
  });

  it('keeps to a pinned genesis', () => {
    const station = makeStation(2);
    const hand = new Hand(station, 0, { offers: [] });
    (hand.state as { pinnedGenesis: string | null }).pinnedGenesis = hand.state.chain!.genesis;
    for (let i = 0; i < 6; i++) {
      hand.until(hand.nowMs + EPOCH);
      for (let n = 0; n < 9; n++) {
        const stranger = simulatedCrypto(simulatedNodeId(60, n));
        hand.hear(stateBy(hand, stranger, { genesis: '00'.repeat(32) }));
      }
    }
    expect(hand.state.joining).toBeNull();
    expect(hand.nowMs).toBeLessThan(TRACK_MS);
    expect(START_MS).toBeGreaterThan(0);
  });
});
