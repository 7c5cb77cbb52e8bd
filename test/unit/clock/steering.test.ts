import { describe, expect, it } from 'vitest';
import {
  BLOCK_OBSERVATIONS,
  DEAD_BAND_FRAMES,
  FRAMES_PER_MS,
  QUANTUM_FRAMES,
  SoundCardClock,
  Steering,
} from '../../../src/clock/steering.ts';

/** Deterministic noise (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Scene {
  seed?: number;
  seconds: number;
  /** Of the sound card against the monotonic clock. */
  driftPpm: number;
  /** Uniform, either way. */
  noiseMs: number;
  observeMs: number;
  leadMs: number;
  /** Station time minus monotonic time, at a monotonic instant. */
  stationMs?: (monoMs: number) => number;
  /** The card loses this much at that instant (an underrun). */
  dropouts?: { atMs: number; ms: number }[];
  /** One reading in so many is wild by up to 4 ms. */
  wildEvery?: number;
}

interface Trace {
  /** True error of what is heard against station time, a sample every 25 ms. */
  errorsMs: { atMs: number; errorMs: number }[];
  slips: number;
  jumps: number;
  maxSlipsInASecond: number;
  clock: SoundCardClock;
}

/** Plays a scene: a true card, a noisy sensor, the real estimator and the real law, in virtual time. */
function play(scene: Scene): Trace {
  const random = generator(scene.seed ?? 1);
  const card = new SoundCardClock();
  const steering = new Steering();
  const station = scene.stationMs ?? ((monoMs) => monoMs);
  const truth = trueCard(scene);
  const places: number[] = [];
  let [position, slips, jumps, nextObserveMs, readings] = [Number.NaN, 0, 0, 0, 0];
  const slipTimes: number[] = [];
  const errorsMs: Trace['errorsMs'] = [];
  card.restart(5);
  for (let nowMs = 0; nowMs < scene.seconds * 1_000; nowMs += 25) {
    if (nowMs >= nextObserveMs) {
      const wild = scene.wildEvery !== undefined && ++readings % scene.wildEvery === 0 ? 4 * random() : 0;
      const sensor = scene.noiseMs * (2 * random() - 1) + wild;
      card.observe({ frame: truth.frameAt(nowMs) - sensor * FRAMES_PER_MS, monoMs: nowMs, uncertaintyMs: 0.1 });
      nextObserveMs = nowMs + (nowMs < 1_000 ? 25 : scene.observeMs);
    }
    if (!card.status().settled) continue;
    while (places.length * QUANTUM_FRAMES < card.frameAt(nowMs) + scene.leadMs * FRAMES_PER_MS) {
      const heardMs = card.heardAtMs(places.length * QUANTUM_FRAMES);
      const due = (station(nowMs) + heardMs - nowMs) * FRAMES_PER_MS;
      if (Number.isNaN(position)) position = Math.round(due);
      const move = steering.decide(position - due);
      if (move.kind === 'slip') slipTimes.push(nowMs);
      slips += move.kind === 'slip' ? 1 : 0;
      jumps += move.kind === 'jump' ? 1 : 0;
      if (move.kind === 'jump') position += move.frames;
      places.push(position);
      position += QUANTUM_FRAMES + (move.kind === 'slip' ? move.frames : 0);
    }
    const frame = truth.frameAt(nowMs);
    const quantum = Math.floor(frame / QUANTUM_FRAMES);
    const place = places[quantum];
    if (place === undefined) continue;
    const heard = place + frame - quantum * QUANTUM_FRAMES;
    errorsMs.push({ atMs: nowMs, errorMs: heard / FRAMES_PER_MS - station(nowMs) });
  }
  let most = 0;
  for (const t of slipTimes) most = Math.max(most, slipTimes.filter((u) => u >= t && u < t + 1_000).length);
  return { errorsMs, slips, jumps, maxSlipsInASecond: most, clock: card };
}

function trueCard(scene: Scene) {
  const rate = FRAMES_PER_MS * (1 + scene.driftPpm * 1e-6);
  return {
    frameAt(monoMs: number): number {
      const lost = (scene.dropouts ?? []).filter((d) => d.atMs <= monoMs).reduce((sum, d) => sum + d.ms, 0);
      return (monoMs - 7 - lost) * rate;
    },
  };
}

function worst(trace: Trace, fromMs: number, toMs = Number.POSITIVE_INFINITY): number {
  const part = trace.errorsMs.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  expect(part.length).toBeGreaterThan(0);
  return Math.max(...part.map(({ errorMs }) => Math.abs(errorMs)));
}

const ALSA = { noiseMs: 0.02, observeMs: 250, leadMs: 800 };
const PIPEWIRE = { noiseMs: 3.5, observeMs: 75, leadMs: 800 };

describe('steering in a simulated room', () => {
  it.each([-100, -20, 0, 20, 100])('holds a card that is off by %d ppm within 0.05 ms', (driftPpm) => {
    const trace = play({ ...ALSA, seconds: 120, driftPpm });
    expect(worst(trace, 10_000)).toBeLessThan(0.05);
    expect(worst(trace, 1_500)).toBeLessThan(0.25);
    expect(trace.jumps).toBe(0);
    expect(trace.clock.status().driftPpm).toBeCloseTo(driftPpm, -1);
    // Not more corrections than the drift itself asks for, but for a few at the beginning.
    expect(trace.slips).toBeLessThan(120_000 * Math.abs(driftPpm) * 1e-6 * FRAMES_PER_MS * 1.1 + 40);
  });

  it('shrugs off wild readings', () => {
    const trace = play({ ...ALSA, seconds: 60, driftPpm: 30, wildEvery: 4 });
    expect(worst(trace, 10_000)).toBeLessThan(0.06);
    expect(trace.jumps).toBe(0);
  });

  it('averages a sensor that scatters by 3.5 ms to under a millisecond', () => {
    const trace = play({ ...PIPEWIRE, seconds: 180, driftPpm: 25 });
    expect(worst(trace, 20_000)).toBeLessThan(1);
    expect(worst(trace, 90_000)).toBeLessThan(0.5);
    expect(trace.jumps).toBe(0);
  });

  it('follows a station clock that slews by 500 ppm without a jump', () => {
    const stationMs = (monoMs: number) => monoMs + 500e-6 * Math.min(Math.max(0, monoMs - 20_000), 20_000);
    const trace = play({ ...ALSA, seconds: 60, driftPpm: 50, stationMs });
    // The write head is 0.8 s ahead of what is heard, so it lags by 0.8 s of slew: 0.4 ms.
    expect(worst(trace, 20_000, 42_000)).toBeLessThan(0.5);
    expect(worst(trace, 42_000)).toBeLessThan(0.05);
    expect(trace.jumps).toBe(0);
  });

  it('glides over a step of 2 ms at no more than 833 ppm', () => {
    const stationMs = (monoMs: number) => monoMs + (monoMs >= 20_000 ? 2 : 0);
    const trace = play({ ...ALSA, seconds: 40, driftPpm: -30, stationMs });
    expect(trace.jumps).toBe(0);
    expect(worst(trace, 24_000)).toBeLessThan(0.05);
    expect(trace.maxSlipsInASecond).toBeLessThanOrEqual(Math.ceil((1_000 * FRAMES_PER_MS) / QUANTUM_FRAMES) + 1);
  });

  it('jumps once over a step of 3 seconds, either way', () => {
    for (const step of [3_000, -3_000]) {
      const stationMs = (monoMs: number) => monoMs + (monoMs >= 20_000 ? step : 0);
      const trace = play({ ...ALSA, seconds: 40, driftPpm: 10, stationMs });
      expect(trace.jumps).toBe(1);
      expect(worst(trace, 21_000)).toBeLessThan(0.1);
    }
  });

  it('is back in time within two seconds after the card lost 60 ms', () => {
    const trace = play({ ...ALSA, seconds: 40, driftPpm: 10, dropouts: [{ atMs: 20_000, ms: 60 }] });
    expect(trace.jumps).toBe(1);
    expect(worst(trace, 22_500)).toBeLessThan(0.1);
    expect(trace.clock.status().steps).toBe(1);
  });

  it('finds a lost millisecond too', () => {
    const trace = play({ ...ALSA, seconds: 60, driftPpm: 10, dropouts: [{ atMs: 20_000, ms: 1 }] });
    expect(worst(trace, 27_000)).toBeLessThan(0.1);
  });

  it('never stutters: a wandering sensor causes at most one jump in two seconds', () => {
    const dropouts = Array.from({ length: 40 }, (_, i) => ({ atMs: 10_000 + i * 500, ms: i % 2 === 0 ? 30 : -30 }));
    const trace = play({ ...ALSA, seconds: 40, driftPpm: 0, dropouts });
    expect(trace.jumps).toBeLessThanOrEqual(16);
    expect(worst(trace, 36_000)).toBeLessThan(0.2);
  });
});

describe('Steering', () => {
  it('holds within the dead band and slips against the error outside', () => {
    const steering = new Steering();
    expect(steering.decide(DEAD_BAND_FRAMES)).toEqual({ kind: 'hold' });
    expect(steering.decide(-DEAD_BAND_FRAMES)).toEqual({ kind: 'hold' });
    expect(steering.decide(0.7)).toEqual({ kind: 'slip', frames: -1 });
    expect(steering.decide(-0.7)).toEqual({ kind: 'slip', frames: 1 });
  });

  it('closes any error at once when anchored, and only once', () => {
    const steering = new Steering();
    steering.anchor();
    expect(steering.decide(20.4)).toEqual({ kind: 'jump', frames: -20 });
    expect(steering.decide(20.4)).toEqual({ kind: 'slip', frames: -1 });
    steering.anchor();
    expect(steering.decide(0.2)).toEqual({ kind: 'hold' });
  });

  it('does nothing about an error that is no number', () => {
    expect(new Steering().decide(Number.NaN)).toEqual({ kind: 'hold' });
    expect(new Steering().decide(Number.POSITIVE_INFINITY)).toEqual({ kind: 'hold' });
  });
});

describe('SoundCardClock', () => {
  it('inverts itself', () => {
    const card = new SoundCardClock();
    card.restart(1_000);
    for (let i = 0; i < 10 * BLOCK_OBSERVATIONS; i++) {
      const monoMs = 1_000 + i * 100;
      card.observe({ frame: (monoMs - 1_000) * FRAMES_PER_MS * 1.00008, monoMs, uncertaintyMs: 0.1 });
    }
    for (const monoMs of [5_000, 9_000, 60_000]) expect(card.heardAtMs(card.frameAt(monoMs))).toBeCloseTo(monoMs, 6);
    expect(card.status().driftPpm).toBeCloseTo(80, 0);
  });

  it('ignores readings that are none', () => {
    const card = new SoundCardClock();
    card.restart(0);
    for (let i = 0; i < 50; i++) {
      expect(card.observe({ frame: Number.NaN, monoMs: i, uncertaintyMs: 0.1 })).toBe('noted');
      expect(card.observe({ frame: 48 * i, monoMs: i, uncertaintyMs: 100 })).toBe('noted');
      expect(card.observe({ frame: 48 * i, monoMs: i, uncertaintyMs: Number.NaN })).toBe('noted');
    }
    expect(card.status().settled).toBe(false);
  });
});
