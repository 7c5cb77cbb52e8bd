import { describe, expect, it } from 'vitest';
import { StationClock, trimmedMidpoint } from '../../../src/clock/station-clock.ts';

/** Deterministic noise (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Box {
  clock: StationClock;
  /** Local monotonic time at true time `ms`. */
  mono(ms: number): number;
  /** What it says when it is asked for the time; its station time, unless it lies. */
  says(ms: number, asker: number): number;
}

interface Path {
  /** One-way delays, ms. */
  there(): number;
  back(): number;
}

function box(init: { offsetMs: number; driftPpm: number; bootMs: number }): Box {
  const mono = (ms: number) => (ms - init.bootMs) * (1 + init.driftPpm / 1e6);
  const clock = new StationClock({ initialOffsetMs: init.offsetMs });
  return { clock, mono, says: (ms) => clock.nowMs(mono(ms)) };
}

/** One exchange of `asker` with `peer`, begun at true time `ms`; ends with the sample in the asker's clock. */
function exchange(asker: Box, peer: Box, path: Path, ms: number, name: string, askerIndex: number): void {
  const arrivedMs = ms + path.there();
  const answeredMs = arrivedMs + 0.05;
  const backMs = answeredMs + path.back();
  const t2 = peer.says(arrivedMs, askerIndex);
  const t3 = peer.says(answeredMs, askerIndex);
  asker.clock.addSample(name, { t1: asker.mono(ms), t2, t3: Math.max(t2, t3), t4: asker.mono(backMs) });
}

/** Everybody asks everybody else, a burst and then every 4 s; calls `look` once a second. */
function run(boxes: Box[], path: Path, seconds: number, look: (second: number) => void, startMs = 0): void {
  for (let step = 0; step < seconds * 10; step++) {
    const ms = startMs + step * 100;
    for (const [index, asker] of boxes.entries()) {
      const due = step < 12 || (step + index * 3) % 40 === 0;
      if (!due) continue;
      for (const [other, peer] of boxes.entries()) {
        if (other !== index) exchange(asker, peer, path, ms, `peer${other}`, index);
      }
    }
    if (step % 10 === 9) look((step + 1) / 10);
  }
}

function spreadMs(boxes: Box[], ms: number): number {
  const times = boxes.map((each) => each.clock.nowMs(each.mono(ms)));
  return Math.max(...times) - Math.min(...times);
}

function wifi(seed: number): Path {
  const next = random(seed);
  // 1 ms and an exponential tail, longer on the way back: asymmetric
  const tail = (meanMs: number) => -Math.log(1 - next()) * meanMs;
  return { there: () => 1 + tail(1.5), back: () => 1 + tail(3) };
}

const LAN: Path = { there: () => 0.2, back: () => 0.2 };

describe('the midpoint', () => {
  it('drops a third at each end', () => {
    expect(trimmedMidpoint([5])).toBe(5);
    expect(trimmedMidpoint([0, 4])).toBe(2);
    expect(trimmedMidpoint([0, 1, 2, 1_000_000])).toBe(1.5);
    expect(trimmedMidpoint([-1e9, -1e9, 0, 1, 2, 3, 4])).toBe(1);
  });
});

describe('a peer', () => {
  it('is told by how much its time is off ours', () => {
    const clock = new StationClock({ initialOffsetMs: 1_000 });
    clock.becomeOrigin();
    // Its station time is 30 ms ahead; 4 ms there and back.
    for (let at = 0; at < 2_000; at += 100) {
      clock.addSample('ahead', { t1: at, t2: at + 2 + 1_030, t3: at + 2 + 1_030, t4: at + 4 });
      clock.addSample('with', { t1: at, t2: clock.nowMs(at + 2), t3: clock.nowMs(at + 2), t4: at + 4 });
    }
    const [ahead, alike] = [clock.peerOffsetMs('ahead', 2_000), clock.peerOffsetMs('with', 2_000)];
    expect(ahead! - alike!).toBeGreaterThan(20);
    expect(ahead! - alike!).toBeLessThan(31);
    expect(clock.peerOffsetMs('nobody', 2_000)).toBeNull();
  });
});

describe('a newcomer', () => {
  it('steps into its peers time within a second', () => {
    const origin = box({ offsetMs: 1_000_000, driftPpm: 0, bootMs: 0 });
    origin.clock.becomeOrigin();
    const newcomer = box({ offsetMs: -77_000, driftPpm: 40, bootMs: -5_000 });
    for (let ms = 0; ms < 600; ms += 60) exchange(newcomer, origin, LAN, ms, 'origin', 1);
    expect(newcomer.clock.status(newcomer.mono(700))).toMatchObject({ synced: true, peers: 1, steps: 1 });
    expect(Math.abs(newcomer.clock.nowMs(newcomer.mono(700)) - origin.clock.nowMs(700))).toBeLessThan(0.1);
    expect(newcomer.clock.status(newcomer.mono(700)).errorMs).toBeLessThan(1);
  });

  it('is not synced before it has heard enough, and is when only some of its peers answer', () => {
    const origin = box({ offsetMs: 50_000, driftPpm: 0, bootMs: 0 });
    const newcomer = box({ offsetMs: 0, driftPpm: 0, bootMs: 0 });
    exchange(newcomer, origin, LAN, 0, 'silent', 1);
    for (let ms = 0; ms < 600; ms += 60) exchange(newcomer, origin, LAN, ms, 'origin', 1);
    expect(newcomer.clock.status(600).synced).toBe(false);
    for (let ms = 600; ms < 3_200; ms += 200) exchange(newcomer, origin, LAN, ms, 'origin', 1);
    expect(newcomer.clock.status(3_200).synced).toBe(true);
  });

  it('is not moved by less than half of lying peers', () => {
    const honest = [0, 1, 2].map(() => box({ offsetMs: 9_000, driftPpm: 0, bootMs: 0 }));
    const liars = [0, 1].map(() => ({
      ...box({ offsetMs: 0, driftPpm: 0, bootMs: 0 }),
      says: (ms: number) => ms + 3_600_000,
    }));
    const newcomer = box({ offsetMs: 0, driftPpm: 0, bootMs: 0 });
    for (let ms = 0; ms < 600; ms += 60) {
      for (const [index, peer] of [...honest, ...liars].entries()) exchange(newcomer, peer, LAN, ms, `peer${index}`, 9);
    }
    expect(Math.abs(newcomer.clock.nowMs(600) - 9_600)).toBeLessThan(0.5);
  });

  it('takes an origin at its word, and the origin does not move', () => {
    const origin = box({ offsetMs: 1_000, driftPpm: 30, bootMs: 0 });
    origin.clock.becomeOrigin();
    const newcomer = box({ offsetMs: 5_000_000, driftPpm: -30, bootMs: 0 });
    for (let ms = 0; ms < 600; ms += 60) exchange(newcomer, origin, LAN, ms, 'origin', 1);
    const before = origin.clock.nowMs(origin.mono(1_000));
    for (let ms = 1_000; ms < 1_600; ms += 60) exchange(origin, newcomer, LAN, ms, 'newcomer', 0);
    expect(origin.clock.status(origin.mono(1_600)).steps).toBe(0);
    expect(Math.abs(origin.clock.nowMs(origin.mono(1_600)) - before - 600)).toBeLessThan(0.1);
  });
});

describe('a flock', () => {
  const flock = (count: number, seed: number) => {
    const next = random(seed);
    return Array.from({ length: count }, (_, index) => {
      const each = box({ offsetMs: next() * 1_000_000, driftPpm: (next() - 0.5) * 100, bootMs: -next() * 1_000_000 });
      if (index === 0) each.clock.becomeOrigin();
      return each;
    });
  };

  it.each([2, 4, 8])(
    'of %d boxes on wireless links keeps together to a millisecond, whatever their crystals',
    (count) => {
      const boxes = flock(count, count);
      // the others join the origin, who must not follow them yet
      const path = wifi(count);
      for (let ms = 0; ms < 1_200; ms += 60) {
        for (const [index, each] of boxes.entries()) {
          if (index > 0) exchange(each, boxes[0]!, path, ms, 'peer0', index);
        }
      }
      const spreads: number[] = [];
      run(boxes, path, 300, (second) => second > 120 && spreads.push(spreadMs(boxes, 1_200 + second * 1_000)), 1_200);
      spreads.sort((a, b) => a - b);
      expect(spreads[Math.floor(spreads.length / 2)]).toBeLessThan(1);
      expect(spreads.at(-1)).toBeLessThan(2.5);
    },
  );

  it('on a cable learns its drift and keeps together to a fifth of a millisecond', () => {
    const boxes = [40, -35, 10].map((driftPpm, index) => box({ offsetMs: index * 1_000, driftPpm, bootMs: 0 }));
    boxes[0]!.clock.becomeOrigin();
    let worst = 0;
    run(boxes, LAN, 400, (second) => {
      if (second > 200) worst = Math.max(worst, spreadMs(boxes, second * 1_000));
    });
    expect(worst).toBeLessThan(0.2);
    const drifts = boxes.map((each, index) => each.clock.status(each.mono(400_000)).driftPpm + [40, -35, 10][index]!);
    expect(Math.max(...drifts) - Math.min(...drifts)).toBeLessThan(8);
  });

  it.each([
    [4, 1],
    [7, 2],
    [10, 3],
  ])('of %d with %d that lie differently to everybody stays together', (count, liars) => {
    const boxes = flock(count, 100 + count);
    const next = random(count);
    for (const each of boxes.slice(0, count - liars)) each.clock.reset('genesis', 500 - each.mono(0));
    for (const each of boxes) each.clock.becomeOrigin();
    for (const liar of boxes.slice(count - liars)) {
      const clock = boxes[0]!;
      liar.says = (ms, asker) =>
        clock.clock.nowMs(clock.mono(ms)) + (asker % 2 === 0 ? 1 : -1) * (next() < 0.5 ? 3 : 40_000);
    }
    const honest = boxes.slice(0, count - liars);
    let worst = 0;
    run(boxes, LAN, 300, (second) => {
      if (second > 60) worst = Math.max(worst, spreadMs(honest, second * 1_000));
    });
    expect(worst).toBeLessThan(1.5);
    for (const each of honest) expect(each.clock.status(each.mono(300_000)).steps).toBe(0);
  });

  it('slews, never faster than 500 ppm and never backwards', () => {
    const boxes = [0, 1, 2].map(() => box({ offsetMs: 0, driftPpm: 0, bootMs: 0 }));
    for (const each of boxes) each.clock.becomeOrigin();
    boxes[2]!.clock.reset('genesis', 80);
    boxes[2]!.clock.becomeOrigin();
    let last = boxes[2]!.clock.nowMs(0);
    let worstPpm = 0;
    for (let step = 0; step < 3_000; step++) {
      const ms = step * 100;
      if (step % 10 === 0) {
        for (const [index, asker] of boxes.entries()) {
          for (const [other, peer] of boxes.entries())
            if (other !== index) exchange(asker, peer, LAN, ms, `peer${other}`, index);
        }
      }
      const now = boxes[2]!.clock.nowMs(ms + 99);
      expect(now).toBeGreaterThan(last);
      if (step > 0) worstPpm = Math.max(worstPpm, Math.abs((now - last) / 100 - 1) * 1e6);
      last = now;
    }
    expect(worstPpm).toBeLessThanOrEqual(500.001);
    expect(worstPpm).toBeGreaterThan(300);
    expect(spreadMs(boxes, 300_000)).toBeLessThan(1);
  });

  it('takes back a box that was suspended for two seconds, by a step, after it has made sure', () => {
    const boxes = [0, 1, 2, 3].map(() => box({ offsetMs: 0, driftPpm: 0, bootMs: 0 }));
    for (const each of boxes) each.clock.becomeOrigin();
    run(boxes, LAN, 30, () => {});
    const asleep = boxes[3]!;
    asleep.mono = (ms) => ms - 2_000;
    run(boxes, LAN, 5, () => {}, 30_000);
    expect(asleep.clock.status(asleep.mono(35_000)).steps).toBe(0);
    run(boxes, LAN, 150, () => {}, 35_000);
    expect(asleep.clock.status(asleep.mono(185_000)).steps).toBeGreaterThan(0);
    expect(spreadMs(boxes, 185_000)).toBeLessThan(1);
    expect(boxes[0]!.clock.status(185_000).steps).toBe(0);
  });
});

describe('what comes in', () => {
  it('nonsense is left out', () => {
    const clock = new StationClock({ initialOffsetMs: 0 });
    const good = { t1: 0, t2: 1, t3: 1, t4: 2 };
    const bad = [
      { ...good, t2: Number.NaN },
      { ...good, t3: Number.POSITIVE_INFINITY },
      { ...good, t3: 0 },
      { ...good, t4: -1 },
      { ...good, t3: 100 },
      { ...good, t4: 10_000 },
    ];
    for (const sample of bad) for (let turn = 0; turn < 20; turn++) clock.addSample('liar', sample);
    expect(clock.status(10)).toMatchObject({ peers: 0, synced: false, steps: 0 });
    expect(clock.nowMs(10)).toBe(10);
  });

  it('peers that fell silent are forgotten, and no more than a few are kept', () => {
    const clock = new StationClock({ initialOffsetMs: 0 });
    clock.becomeOrigin();
    for (let peer = 0; peer < 50; peer++) {
      for (let turn = 0; turn < 5; turn++) clock.addSample(`peer${peer}`, { t1: turn, t2: turn, t3: turn, t4: turn });
    }
    expect(clock.status(10).peers).toBe(16);
    expect(clock.status(100_000).peers).toBe(0);
    expect(clock.nowMs(100_000)).toBe(100_000);
  });

  it('another time domain forgets the old one and runs on', () => {
    const clock = new StationClock({ initialOffsetMs: 500 });
    for (let turn = 0; turn < 10; turn++)
      clock.addSample('a', { t1: turn * 60, t2: 9_000 + turn * 60, t3: 9_000 + turn * 60, t4: turn * 60 });
    expect(clock.status(600).synced).toBe(true);
    const before = clock.nowMs(600);
    clock.reset('other');
    expect(clock.status(600)).toMatchObject({ synced: false, peers: 0 });
    expect(clock.nowMs(600)).toBe(before);
    expect(clock.domain).toBe('other');
    clock.reset(null, 42);
    expect(clock.nowMs(0)).toBe(42);
  });
});
