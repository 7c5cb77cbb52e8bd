import { describe, expect, it } from 'vitest';
import { QUANTUM_FRAMES, type SteeringMove } from '../../../src/clock/steering.ts';
import { type FrameSource, RAMP_FRAMES, SlipRenderer } from '../../../src/playback/slip-renderer.ts';

const HOLD: SteeringMove = { kind: 'hold' };

/** A source that is a function of the position. */
function source(sample: (position: number) => number): FrameSource {
  return {
    render(position, frames, out) {
      for (let i = 0; i < frames; i++) out.fill(Math.round(sample(position + i)), 2 * i, 2 * i + 2);
    },
  };
}

function run(renderer: SlipRenderer, moves: SteeringMove[]): number[] {
  const all: number[] = [];
  const out = new Int16Array(QUANTUM_FRAMES * 2);
  for (const move of moves) {
    renderer.render(move, out);
    for (let i = 0; i < QUANTUM_FRAMES; i++) all.push(out[2 * i]!);
  }
  return all;
}

const counter = source((position) => position % 30_000);
const sine = (hz: number) => (position: number) => 20_000 * Math.sin((2 * Math.PI * hz * position) / 48_000);

describe('SlipRenderer', () => {
  it('is the source, bit for bit, while nothing is to be corrected', () => {
    const renderer = new SlipRenderer(counter);
    renderer.seek(1_000);
    const out = run(renderer, [HOLD, HOLD, HOLD]);
    expect(out).toEqual(Array.from({ length: 3 * QUANTUM_FRAMES }, (_, i) => (1_000 + i) % 30_000));
    expect(renderer.position).toBe(1_000 + 3 * QUANTUM_FRAMES);
  });

  it.each([1, -1] as const)('slips by %d frame and is the source again right after the ramp', (frames) => {
    const renderer = new SlipRenderer(counter);
    renderer.seek(1_000);
    const out = run(renderer, [HOLD, { kind: 'slip', frames }, HOLD]);
    expect(out.slice(0, QUANTUM_FRAMES)).toEqual(Array.from({ length: QUANTUM_FRAMES }, (_, i) => 1_000 + i));
    const after = QUANTUM_FRAMES + RAMP_FRAMES;
    expect(out.slice(after)).toEqual(
      Array.from({ length: 2 * QUANTUM_FRAMES - RAMP_FRAMES }, (_, i) => 1_000 + after + i + frames),
    );
    // On the ramp a straight line stays monotonous: no click.
    for (let i = QUANTUM_FRAMES; i < after; i++) expect(out[i + 1]! - out[i]!).toBeGreaterThanOrEqual(0);
    expect(renderer.position).toBe(1_000 + 3 * QUANTUM_FRAMES + frames);
  });

  it.each([440, 4_000, 15_000])('leaves a slipped tone of %d Hz clean', (hz) => {
    const renderer = new SlipRenderer(source(sine(hz)));
    renderer.seek(50_000);
    const out = run(renderer, [HOLD, { kind: 'slip', frames: 1 }]);
    let worst = 0;
    for (let i = 0; i < RAMP_FRAMES; i++) {
      const smeared = (1 - Math.cos((Math.PI * (i + 1)) / RAMP_FRAMES)) / 2;
      const ideal = sine(hz)(50_000 + QUANTUM_FRAMES + i + smeared);
      worst = Math.max(worst, Math.abs(out[QUANTUM_FRAMES + i]! - ideal));
    }
    // 20,000 of amplitude; the table has 256 phases: -47 dB at 15 kHz for 5 ms is the price.
    expect(worst).toBeLessThan(hz > 10_000 ? 90 : 30);
  });

  it('jumps under a cross-fade to exactly the place', () => {
    for (const frames of [480_000, -400, 3]) {
      const renderer = new SlipRenderer(counter);
      renderer.seek(600_000);
      const out = run(renderer, [HOLD, { kind: 'jump', frames }, HOLD]);
      const expected = (i: number) => (600_000 + i + frames) % 30_000;
      expect(out.slice(QUANTUM_FRAMES + 240)).toEqual(
        Array.from({ length: 2 * QUANTUM_FRAMES - 240 }, (_, i) => expected(QUANTUM_FRAMES + 240 + i)),
      );
      expect(renderer.position).toBe(600_000 + 3 * QUANTUM_FRAMES + frames);
    }
  });

  it('asks its source for each frame once, in order', () => {
    const asked: [number, number][] = [];
    const renderer = new SlipRenderer({ render: (position, frames) => void asked.push([position, position + frames]) });
    renderer.seek(0);
    run(renderer, [HOLD, { kind: 'slip', frames: -1 }, { kind: 'slip', frames: 1 }, HOLD]);
    for (let i = 1; i < asked.length; i++) expect(asked[i]![0]).toBe(asked[i - 1]![1]);
  });
});
