import { describe, expect, it } from 'vitest';
import { TestTone, TONE_FRAMES } from '../../../src/playback/test-tone.ts';

/** What comes out over `frames` frames of one value, in quanta. */
function over(value: number, frames: number): Int16Array {
  const tone = new TestTone();
  tone.begin();
  const out = new Int16Array(frames * 2).fill(value);
  for (let at = 0; at < frames; at += 1_200) tone.mixInto(out.subarray(at * 2, (at + 1_200) * 2));
  return out;
}

describe('TestTone', () => {
  it('is three beeps of a tenth of full scale, each coming and going without a click', () => {
    const out = over(0, 48_000);
    const left = out.filter((_, i) => i % 2 === 0);
    expect(out.filter((_, i) => i % 2 === 1)).toEqual(left);
    expect(left.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0)).toBeGreaterThan(3_200);
    expect(left.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0)).toBeLessThanOrEqual(3_277);
    const loud = [0, 1, 2, 3].map((beep) => left.subarray(beep * 14_400, beep * 14_400 + 7_200).some((s) => s !== 0));
    const quiet = [0, 1, 2].map((beep) =>
      left.subarray(beep * 14_400 + 7_200, (beep + 1) * 14_400).some((s) => s !== 0),
    );
    expect(loud).toEqual([true, true, true, false]);
    expect(quiet).toEqual([false, false, false]);
    // No step larger than the wave itself makes.
    const steepest = 3_277 * 2 * Math.PI * (880 / 48_000) + 1;
    for (let i = 1; i < left.length; i++) expect(Math.abs(left[i]! - left[i - 1]!)).toBeLessThanOrEqual(steepest);
    // It swells: the first and the last millisecond of a beep are next to nothing.
    for (const at of [0, 7_152]) for (let i = at; i < at + 48; i++) expect(Math.abs(left[i]!)).toBeLessThan(50);
  });

  it('lies over what plays and never wraps around', () => {
    const out = over(32_000, 48_000);
    const silent = over(0, 48_000);
    out.forEach((sample, i) => {
      expect(sample).toBe(Math.min(32_767, 32_000 + silent[i]!));
    });
  });

  it('is over when it is over', () => {
    const tone = new TestTone();
    const out = new Int16Array(200);
    tone.mixInto(out);
    expect(out.every((sample) => sample === 0)).toBe(true);
    tone.begin();
    tone.mixInto(new Int16Array(TONE_FRAMES * 2));
    tone.mixInto(out);
    expect(out.every((sample) => sample === 0)).toBe(true);
  });
});
