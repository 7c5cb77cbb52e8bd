import { describe, expect, it } from 'vitest';
import { bootstrapFault } from '../../../src/consensus/log.ts';
import type { JoinOp, LeaveOp, SubjectOp } from '../../../src/consensus/messages.ts';
import { DEFAULT_RULES, rulesJson } from '../../../src/consensus/rules.ts';
import { createConsensus } from '../../../src/consensus/state.ts';
import { step } from '../../../src/consensus/step.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/network.ts';
import { carry, endorsed, Hand, makeStation, opBy, proposalBy, START_MS, stateBy, TRACK_MS } from './station.ts';

const listener = (size: number, rules = {}): Hand => new Hand(makeStation(size, rules), 0, { offers: [] });

describe('free keys', () => {
  it('move nobody to another genesis, however many speak of it', () => {
    const hand = listener(3);
    for (let epoch = 0; epoch < 8; epoch++) {
      hand.until(hand.nowMs + 5_000);
      for (let n = 0; n < 50; n++) {
        hand.hear(stateBy(hand, simulatedCrypto(simulatedNodeId(60, n)), { genesis: '00'.repeat(32) }));
      }
    }
    expect(hand.state.joining).toBeNull();
    // It is a reason to ask neighbours, no more.
    expect(hand.effects.some((e) => e.type === 'ask' && e.request.kind === 'status')).toBe(true);
  });

  it('move a node when more of its neighbours than its own say so themselves', () => {
    const hand = listener(4);
    hand.until(4_000);
    for (const effect of hand.effects.filter((e) => e.type === 'ask' && e.request.kind === 'status')) {
      if (effect.type !== 'ask') continue;
      const response = {
        kind: 'status' as const,
        phase: 'member',
        offers: 1,
        genesis: 'ff'.repeat(32),
        head: 'ff'.repeat(32),
        head_slot: 9,
      };
      hand.feed({ type: 'answer', requestId: effect.requestId, from: effect.peer, response });
    }
    // The track that plays is not cut.
    hand.until(TRACK_MS - 11_000);
    expect(hand.state.joining).toBeNull();
    hand.until(TRACK_MS - 1_000);
    expect(hand.state.joining?.genesis).toBe('ff'.repeat(32));
  });
});

describe('replay', () => {
  it('of a LEAVE after a new JOIN, and of a JOIN after a LEAVE, changes nothing', () => {
    const hand = listener(3);
    const newcomer = simulatedCrypto(simulatedNodeId(7, 7));
    const join = () => opBy<JoinOp>(hand, newcomer, { type: 'JOIN', vrf_key: newcomer.vrfKey, name: 'new' });
    const first = join();
    carry(hand, [first]);
    const leave = opBy<LeaveOp>(hand, newcomer, { type: 'LEAVE' });
    carry(hand, [leave]);
    expect(carry(hand, [first]).log.roster.entries.has(newcomer.nodeId)).toBe(false);
    expect(carry(hand, [join()]).log.roster.entries.has(newcomer.nodeId)).toBe(true);
    expect(carry(hand, [leave]).log.roster.entries.has(newcomer.nodeId)).toBe(true);
  });

  it('of an old STATE takes no voice away', () => {
    const hand = listener(4);
    hand.until(20_000);
    const old = stateBy(hand, 1, { epoch: 5 });
    const foreign = stateBy(hand, 1, { genesis: '00'.repeat(32) });
    hand.hear(stateBy(hand, 1));
    hand.hear(old);
    hand.hear(foreign);
    expect(hand.state.heard.get(hand.station.cryptos[1]!.nodeId)!.state.body.genesis).toBe(hand.state.chain!.genesis);
  });
});

describe('words that cost the reader', () => {
  it('a forged endorsement makes the message provably bad', () => {
    const hand = listener(4);
    hand.until(26_000);
    const good = endorsed(hand, proposalBy(hand, 1, 5), [2]);
    const forged = { ...good, endorsements: [{ ...good.endorsements![0]!, sig: new Uint8Array(64) }] };
    expect(hand.hear(forged)).toBe('reject');
    expect(hand.state.settling.get(5)!.values.size).toBe(0);
  });

  it('a late proposal is refused before its proof is looked at', () => {
    const hand = listener(4);
    hand.until(60_000);
    let proofs = 0;
    const { vrfVerify } = hand.crypto;
    hand.crypto.vrfVerify = (...args) => {
      proofs++;
      return vrfVerify(...args);
    };
    hand.hear(proposalBy(hand, 1, 5));
    expect(proofs).toBe(0);
    expect(hand.state.counters['refused:late']).toBe(1);
  });

  it('words that do not count are not passed on', () => {
    const hand = listener(4);
    hand.until(1_000);
    const stranger = simulatedCrypto(simulatedNodeId(8, 8));
    const message = {
      ...proposalBy(hand, 1, 5),
      endorsements: [{ node_id: stranger.nodeId, sig: new Uint8Array(64) }],
    };
    expect(hand.hear(message)).toBe('ignore');
    const [clean] = hand.published('PROPOSAL');
    expect(clean).toEqual({ body: message.body, sig: message.sig });
  });
});

describe('a Bootstrap', () => {
  it.each([
    ['timeline', (b: any) => (b.initial_queue[2].start_time += 1)],
    ['duration', (b: any) => (b.rules = rulesJson({ ...DEFAULT_RULES, max_track_ms: 60_000 }))],
    ['roster', (b: any) => b.roster.push(b.roster[0])],
    ['roster', (b: any) => (b.node_id = simulatedNodeId(3, 3))],
    ['rules', (b: any) => (b.rules = ` ${b.rules}`)],
    ['rules', (b: any) => (b.rules = '{"v":1,"draw":"mine"}')],
  ])('is refused for its %s', (fault, bend) => {
    const body = structuredClone(makeStation(2).bootstrap.body);
    expect(bootstrapFault(body)).toBeNull();
    bend(body);
    expect(bootstrapFault(body)).toBe(fault);
  });
});

describe('motions', () => {
  it('may not change the length of an epoch, and a member has one open at a time', () => {
    const hand = listener(4);
    const put = (rules: object) =>
      opBy<SubjectOp>(hand, 1, { type: 'SUBJECT', rules: rulesJson({ ...DEFAULT_RULES, ...rules }) });
    expect(carry(hand, [put({ state_epoch_ms: 1_000 })]).log.subjects.size).toBe(0);
    expect(carry(hand, [put({ history: 20 }), put({ history: 21 })]).log.subjects.size).toBe(1);
  });
});

describe('a damaged disk', () => {
  it('does not keep a box from starting', () => {
    const hand = listener(2);
    const { body, sig } = hand.station.bootstrap;
    const rows = [
      { bootstrap: { v: 1, body: null } },
      { bootstrap: { v: 1, body, sig }, base: { v: 1, older: 1, newer: 2 } },
      { bootstrap: { v: 1, body, sig }, 'record:5': { v: 1, slot: 5, hash: 'x', proposal: 3 } },
      { epoch: { v: 1, epoch: 'x' }, divergence: { v: 1, lastSlot: null }, 'own:5:x': { v: 1 } },
    ];
    for (const restored of rows) {
      const init = { crypto: hand.crypto, stationId: hand.station.stationId, nodeName: 'x', rules: DEFAULT_RULES };
      const state = createConsensus({ ...init, deployAfterMs: 1e9 });
      const at = { nowMs: START_MS, monoMs: 0 };
      step(state, { type: 'start', restored: restored as never, random: new Uint8Array(32), ...at });
      expect(['listening', 'member']).toContain(state.phase);
    }
  });
});

describe('a neighbour that does not answer', () => {
  it.each([null, { kind: 'refused' as const, cause: 'busy' }])('is not pressed (%o)', (response) => {
    const hand = listener(2);
    hand.until(150_000);
    const peer = hand.station.cryptos[1]!;
    const asksOf = () => hand.effects.flatMap((e) => (e.type === 'ask' && e.request.kind === 'records' ? [e] : []));
    hand.hear(stateBy(hand, peer, { head: '77'.repeat(32), head_slot: 9 }));
    // Every question fails at once, while the word that the neighbour is gone is still on its way.
    const fail = () => {
      const open = new Set(hand.state.requests.keys());
      for (const { requestId, peer: from } of asksOf()) {
        if (open.has(requestId)) hand.feed({ type: 'answer', requestId, from, response });
      }
    };
    const before = asksOf().length;
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 100; i++) fail();
    expect(asksOf().length - before).toBeLessThanOrEqual(1);
    // Later it is tried again.
    for (let i = 0; i < 8; i++) {
      hand.until(hand.nowMs + 500);
      hand.hear(stateBy(hand, peer, { head: '77'.repeat(32), head_slot: 9, timestamp: START_MS + hand.nowMs }));
      fail();
    }
    const later = asksOf().length - before;
    expect(later).toBeGreaterThan(1);
    expect(later).toBeLessThanOrEqual(9);
  });
});
