/** Whatever peers, disks and messages hold: `step` takes it or leaves it, and never throws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMessage, signMessage } from '../../../src/consensus/canonical.ts';
import type { ConsensusEvent, Effect, Persisted, SyncRequest, SyncResponse } from '../../../src/consensus/events.ts';
import type { Body, JoinOp, Signed, SignedMessage } from '../../../src/consensus/messages.ts';
import { createConsensus } from '../../../src/consensus/state.ts';
import { step } from '../../../src/consensus/step.ts';
import { view } from '../../../src/consensus/view.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/crypto.ts';
import { carry, endorsed, Hand, makeStation, opBy, proposalBy, START_MS, type Station, stateBy } from './station.ts';

/** Changes that are tried a case; more by STARLING_RUNS. */
const RUNS = 2 * Number(process.env.STARLING_RUNS ?? 60);
const stranger = simulatedCrypto(simulatedNodeId(44, 0));

/** What may stand in a value that came over the wire. */
const junk = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, 0, -1, 1, 5, 7, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
    fc.constantFrom('', 'x', '00'.repeat(32), `sha256:${'ab'.repeat(32)}`, '__proto__', 'constructor'),
    fc.uint8Array({ maxLength: 100 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('slot', 'hash', 'prev', 'body', 'sig', 'records', 'kind'), tie('value'), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
})).value;

/** Where in a value, as shares of the way; and what is put there (`drop`: the field is taken away). */
const change = fc.record({
  path: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 6 }),
  by: junk,
  drop: fc.boolean(),
});
type Change = { path: number[]; by: unknown; drop: boolean };

function bend(value: unknown, { path, by, drop }: Change): void {
  let place = value as Record<string, unknown>;
  for (const [depth, share] of path.entries()) {
    const keys = Object.keys(place);
    const key = keys[share % Math.max(1, keys.length)];
    if (key === undefined) return;
    const inner = place[key];
    const isLast =
      depth === path.length - 1 || inner === null || typeof inner !== 'object' || inner instanceof Uint8Array;
    if (!isLast) {
      place = inner as Record<string, unknown>;
      continue;
    }
    if (drop && Array.isArray(place)) place.splice(Number(key), 1);
    else if (drop) delete place[key];
    else place[key] = by;
    return;
  }
}

/** A member whose log has grown by some records with operations in them. */
function grown(station: Station): Hand {
  const hand = new Hand(station, 0, { offers: ['a', 'b'] });
  const join = opBy<JoinOp>(hand, stranger, { type: 'JOIN', vrf_key: stranger.vrfKey, name: 'new' });
  carry(hand, [join]);
  for (let i = 0; i < 3; i++) carry(hand, []);
  const slot = hand.head.record.slot + 1;
  hand.until(hand.nowMs + 50_000);
  for (const by of [1, 2]) hand.hear(proposalBy(hand, by, slot));
  return hand;
}

const station = makeStation(4);
const QUESTIONS: SyncRequest[] = [
  { kind: 'status' },
  { kind: 'checkpoint' },
  { kind: 'records', from_slot: 5, count: 48 },
  { kind: 'settled', slot: 9, want: [] },
  { kind: 'settled', slot: -1, want: [] },
  { kind: 'digest' },
];

function answerOf(hand: Hand, request: SyncRequest): SyncResponse {
  const effects = hand.feed({ type: 'asked', requestId: 1, from: station.cryptos[1]!.nodeId, request });
  const found = effects.find((e): e is Extract<Effect, { type: 'answer' }> => e.type === 'answer');
  return structuredClone(found!.response);
}

const server = grown(station);

describe('answers', () => {
  it.each(QUESTIONS)('to %j may hold anything', (request) => {
    const genuine = answerOf(server, request);
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.boolean(), (changes, joins) => {
        const client = joins ? joiner() : new Hand(station, 3, { offers: [] });
        const response = structuredClone(genuine);
        for (const one of changes) bend(response, one);
        const peer = station.cryptos[1]!.nodeId;
        client.state.requests.set(99, { peer, request, askedMonoMs: 0, target: null });
        client.feed({ type: 'answer', requestId: 99, from: peer, response });
        client.until(client.nowMs + 1_000);
        expect(() => view(client.state, START_MS + client.nowMs)).not.toThrow();
      }),
      { numRuns: RUNS },
    );
  });

  it('as they are given lead a joiner into the log', () => {
    const client = joiner();
    const peer = station.cryptos[1]!.nodeId;
    client.state.requests.set(99, { peer, request: { kind: 'checkpoint' }, askedMonoMs: 0, target: null });
    client.feed({ type: 'answer', requestId: 99, from: peer, response: answerOf(server, { kind: 'checkpoint' }) });
    client.feed({ type: 'clock', genesis: server.state.chain!.genesis, synced: true, errorMs: 1 });
    expect(client.state.chain?.genesis).toBe(server.state.chain!.genesis);
  });
});

/** A newcomer that asked a peer for a checkpoint of the station's log. */
function joiner(): Hand {
  const client = new Hand(station, 3, { offers: [] });
  client.nowMs = server.nowMs;
  const { genesis } = server.state.chain!;
  client.state.chain = null;
  client.state.settling.clear();
  client.state.phase = 'joining';
  client.state.joining = {
    genesis,
    chain: null,
    clockAsked: false,
    startedMonoMs: client.nowMs + 10_000_000,
    failed: new Set(),
    onto: null,
  };
  return client;
}

describe('questions', () => {
  it('about any slot are answered', () => {
    const kinds = fc.oneof(
      fc.record({
        kind: fc.constant('records' as const),
        from_slot: fc.nat(2 ** 31 - 1),
        count: fc.integer({ min: 1, max: 64 }),
      }),
      fc.record({
        kind: fc.constant('settled' as const),
        slot: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
        want: fc.array(fc.constantFrom('00'.repeat(32), server.head.hash), { maxLength: 4 }),
      }),
      fc.record({
        kind: fc.constant('records' as const),
        from_slot: fc.nat(20),
        count: fc.integer({ min: 1, max: 64 }),
      }),
    );
    fc.assert(
      fc.property(kinds, (request) => {
        expect(answerOf(server, request).kind).toBe(request.kind);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('the disk', () => {
  it('may hold anything', () => {
    const rows = structuredClone(Object.fromEntries(server.disk));
    const { body, sig } = station.bootstrap;
    rows.bootstrap = { v: 1, body, sig };
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const restored = structuredClone(rows) as Record<string, Persisted>;
        for (const one of changes) bend(restored, one);
        const { stationId, rules } = station;
        const crypto = station.cryptos[0]!;
        const state = createConsensus({ crypto, stationId, nodeName: 'x', rules, deployAfterMs: 1e9 });
        let nowMs = START_MS + server.nowMs;
        step(state, { type: 'start', restored, random: new Uint8Array(32), nowMs, monoMs: 0 });
        for (let i = 1; i < 4; i++) {
          nowMs += 5_000;
          step(state, { type: 'tick', nowMs, monoMs: i * 5_000 });
        }
        expect(() => view(state, nowMs)).not.toThrow();
      }),
      { numRuns: RUNS },
    );
  });
});

/** Whether everybody's decoder would take it. */
function isMessage(message: SignedMessage): boolean {
  try {
    encodeMessage(message);
    return true;
  } catch {
    return false;
  }
}

describe('messages', () => {
  const samples = (hand: Hand): Body[] => {
    const slot = hand.head.record.slot + 1;
    const [a, b] = [proposalBy(hand, 1, slot), proposalBy(hand, 1, slot, {}, 'other')];
    const ops = [opBy<JoinOp>(hand, stranger, { type: 'JOIN', vrf_key: stranger.vrfKey, name: 'x' })];
    const bare = ({ body, sig }: typeof a) => ({ body: { ...body, ops: [] }, sig });
    return [
      a.body,
      proposalBy(hand, 2, slot, { ops }).body,
      stateBy(hand, 1).body,
      stateBy(hand, 2, { genesis: '00'.repeat(32) }).body,
      ops[0]!.body,
      opBy(hand, 1, { type: 'LEAVE' }).body,
      opBy(hand, 1, { type: 'SUBJECT', rules: '{}' } as never).body,
      opBy(hand, 1, { type: 'VOTE', subject: '00'.repeat(32), approve: true } as never).body,
      opBy(hand, 1, { type: 'LIKE', track_hash: a.body.track_hash } as never).body,
      opBy(hand, 2, {
        type: 'EVIDENCE',
        kind: 'proposals',
        accused: a.body.node_id,
        first: bare(a),
        second: bare(b),
      } as never).body,
    ];
  };

  it('of the right form may say anything, from members and strangers', () => {
    const hand = grown(station);
    const authors = [...station.cryptos, stranger];
    const bodies = samples(hand);
    let taken = 0;
    const scripts = fc.tuple(
      fc.nat(bodies.length - 1),
      fc.nat(authors.length - 1),
      fc.array(change, { maxLength: 3 }),
      fc.nat(2_000),
    );
    fc.assert(
      fc.property(scripts, ([which, by, changes, passMs]) => {
        const body = structuredClone(bodies[which]!) as Body & Record<string, unknown>;
        for (const one of changes) bend(body, one);
        const author = authors[by]!;
        Object.assign(body, { station: station.stationId, node_id: author.nodeId });
        let message: SignedMessage;
        try {
          message = signMessage(author, body) as Signed<Body>;
        } catch {
          return;
        }
        if (!isMessage(message)) return;
        taken++;
        hand.nowMs += passMs;
        hand.feed({ type: 'message', message, from: author.nodeId } as Omit<
          ConsensusEvent,
          'nowMs' | 'monoMs'
        > as never);
        if (body.type === 'PROPOSAL' && body.target_slot === hand.head.record.slot + 1) {
          hand.hear(endorsed(hand, message as never, [2, 3]));
        }
      }),
      { numRuns: RUNS * 3 },
    );
    expect(taken).toBeGreaterThan(RUNS / 4);
    expect(() => view(hand.state, START_MS + hand.nowMs)).not.toThrow();
  });
});
