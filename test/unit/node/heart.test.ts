import { describe, expect, it } from 'vitest';
import type { ConsensusEvent, Effect } from '../../../src/consensus/events.ts';
import type { SignedMessage } from '../../../src/consensus/messages.ts';
import { Heart } from '../../../src/node/heart.ts';
import type { NetworkPort } from '../../../src/node/ports.ts';
import { quiet } from './fakes.ts';

function setUp(
  answer: (event: ConsensusEvent) => Effect[],
  disk = { isFull: false },
  monoMs: () => number = () => 5.9,
) {
  const did: string[] = [];
  const events: ConsensusEvent[] = [];
  const network = {
    publish: async (topic: string) => void did.push(`publish ${topic}`),
    request: async () => {
      throw new Error('unreachable');
    },
  } as unknown as NetworkPort;
  const heart: Heart = new Heart({
    consensus: {
      step: (event) => {
        events.push(event);
        return answer(event);
      },
      nextWakeMs: () => ({ nowMs: null, monoMs: null }),
    },
    network,
    writeJournal: (entries) => {
      if (disk.isFull) throw new Error('database or disk is full');
      did.push(`write ${entries.map((entry) => entry.key).join(',')}`);
    },
    stationNowMs: () => 1_000.7,
    monoMs,
    onFetch: () => {
      did.push('fetch');
      heart.dispatch({ type: 'fetched', slot: 1, ok: true });
      did.push('fetch returned');
    },
    onCancelFetch: () => did.push('cancelFetch'),
    onKeep: ({ tracks }) => did.push(`keep ${tracks.length}`),
    onSchedule: () => did.push('schedule'),
    onUnschedule: () => did.push('unschedule'),
    onSyncTime: () => did.push('syncTime'),
    onIndication: (indication) => did.push(`indicate ${indication.kind}`),
    onAdvanced: () => {},
    log: quiet,
  });
  return { heart, did, events };
}

const message = { body: { type: 'STATE' }, sig: new Uint8Array() } as unknown as SignedMessage;

describe('Heart', () => {
  it('has everything of a step on disk before anything leaves', () => {
    const { heart, did } = setUp(() => [
      { type: 'publish', topic: 'state', message },
      { type: 'persist', key: 'a', value: null },
      { type: 'persist', key: 'b', value: { v: 1 } },
    ]);
    heart.dispatch({ type: 'tick' });
    heart.stop();
    expect(did).toEqual(['write a,b', 'publish state']);
  });

  it('plays on with a full card, says nothing meanwhile, and writes everything when it can', () => {
    const disk = { isFull: true };
    const steps: Effect[][] = [
      [
        { type: 'persist', key: 'a', value: { v: 1 } },
        { type: 'publish', topic: 'state', message },
        { type: 'schedule' } as Effect,
      ],
      [{ type: 'publish', topic: 'state', message }],
      [
        { type: 'persist', key: 'b', value: null },
        { type: 'publish', topic: 'state', message },
      ],
    ];
    const { heart, did } = setUp(() => steps.shift() ?? [], disk);
    heart.dispatch({ type: 'tick' });
    heart.dispatch({ type: 'tick' });
    expect(did).toEqual(['schedule']);
    disk.isFull = false;
    heart.dispatch({ type: 'tick' });
    heart.stop();
    expect(did).toEqual(['schedule', 'write a,b', 'publish state']);
    expect(heart.faults).toBe(0);
  });

  it('gives whole milliseconds', () => {
    const { heart, events } = setUp(() => []);
    heart.dispatch({ type: 'tick' });
    heart.stop();
    expect(events[0]).toMatchObject({ nowMs: 1_000, monoMs: 5 });
  });

  it('never enters step while step’s effects are being carried out', () => {
    const { heart, did, events } = setUp((event) =>
      event.type === 'tick' ? [{ type: 'fetch' } as Effect, { type: 'unschedule', fromSlot: 1 }] : [],
    );
    heart.dispatch({ type: 'tick' });
    heart.stop();
    expect(did).toEqual(['fetch', 'fetch returned', 'unschedule']);
    expect(events.map((event) => event.type)).toEqual(['tick', 'fetched']);
  });

  it('hands every kind of effect to whoever carries it out', () => {
    const { heart, did } = setUp((event) =>
      event.type === 'tick'
        ? [
            { type: 'keep', tracks: [] },
            { type: 'cancelFetch', slot: 1, manifest: 'm' },
            { type: 'schedule', slot: 1, track: null, startMs: 0, durationMs: 1 },
            { type: 'syncTime', genesis: null, peers: [] },
            { type: 'indicate', indication: { kind: 'ownKeyElsewhere' } },
          ]
        : [],
    );
    heart.dispatch({ type: 'tick' });
    heart.stop();
    expect(did).toEqual(['keep 0', 'cancelFetch', 'schedule', 'syncTime', 'indicate ownKeyElsewhere']);
  });

  it('passes step’s verdict to gossip, accept without one, ignore when step fails', () => {
    const verdicts: (Effect[] | Error)[] = [[{ type: 'verdict', verdict: 'reject' }], [], new Error('bug')];
    const { heart } = setUp(() => {
      const next = verdicts.shift();
      if (next instanceof Error) throw next;
      return next ?? [];
    });
    expect(heart.receive(message, 'peer')).toBe('reject');
    expect(heart.receive(message, 'peer')).toBe('accept');
    expect(heart.receive(message, 'peer')).toBe('ignore');
    expect(heart.faults).toBe(1);
    heart.stop();
  });

  it('tells step once how long the process got no turn, with whatever comes first', () => {
    const clock = { ms: 0 };
    const { heart, events } = setUp(
      () => [],
      { isFull: false },
      () => clock.ms,
    );
    heart.start({}, new Uint8Array(32));
    clock.ms = 300;
    heart.receive(message, 'peer');
    clock.ms = 2_250;
    heart.receive(message, 'peer');
    heart.receive(message, 'peer');
    heart.stop();
    expect(events.map(({ heldUpMs }) => heldUpMs)).toEqual([undefined, undefined, 2_000, undefined]);
  });

  it('tells it by itself when nothing comes', async () => {
    const { heart, events } = setUp(
      () => [],
      { isFull: false },
      () => performance.now(),
    );
    heart.start({}, new Uint8Array(32));
    const untilMs = performance.now() + 900;
    while (performance.now() < untilMs);
    await new Promise((resolve) => setTimeout(resolve, 20));
    heart.stop();
    const held = events.flatMap(({ heldUpMs }) => heldUpMs ?? []);
    expect(held).toHaveLength(1);
    expect(held[0]).toBeGreaterThan(500);
  });

  it('answers a question that step leaves open with a refusal', async () => {
    const { heart } = setUp(() => []);
    expect(await heart.ask('peer', { kind: 'status' })).toEqual({ kind: 'refused', cause: 'busy' });
    heart.stop();
  });

  it('tells step when a peer does not answer', async () => {
    const { heart, events } = setUp((event) =>
      event.type === 'tick'
        ? [{ type: 'ask', requestId: 3, peer: 'p', request: { kind: 'status' }, timeoutMs: 10 }]
        : [],
    );
    heart.dispatch({ type: 'tick' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    heart.stop();
    expect(events[1]).toMatchObject({ type: 'answer', requestId: 3, from: 'p', response: null });
  });
});
