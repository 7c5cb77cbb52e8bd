import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { heardFrames } from '../../src/playback/recipe.ts';
import { decode, lagBetween } from './support.ts';
import { CODECS, type MadeTrack, MemoryStore, makeTrack } from './tracks.ts';

const SECONDS = 13.4321;

/** The source at 48,000 Hz, by a resampler other than the one playback uses. */
function resampled(made: MadeTrack): Int16Array {
  const rate = made.track.sampleRate;
  const input = Buffer.from(made.source.buffer);
  const args = [
    '-v',
    'error',
    '-f',
    's16le',
    '-ar',
    `${rate}`,
    '-ac',
    '2',
    '-i',
    '-',
    '-af',
    'aresample=48000:resampler=soxr',
  ];
  const out = execFileSync('ffmpeg', [...args, '-f', 's16le', '-'], { input, maxBuffer: 2 ** 28 });
  return new Int16Array(out.buffer.slice(out.byteOffset, out.byteOffset + out.length - (out.length % 4)));
}

describe.each(Object.keys(CODECS))('%s', (codec) => {
  const store = new MemoryStore();
  let made: MadeTrack;
  let whole: Int16Array;

  beforeAll(async () => {
    made = await makeTrack(store, { codec, seconds: SECONDS, seed: 7 });
    whole = await decode(store, made.track, 0);
  });

  it('has exactly its number of frames', () => {
    expect(whole.length / 2).toBe(heardFrames(made.track));
    expect(whole.length / 2).toBe(Math.round((made.source.length / 2) * (48_000 / made.track.sampleRate)));
  });

  it('is the source at the same sample, from its first to its last second', () => {
    const source = resampled(made);
    for (const from of [2_400, 300_000, whole.length / 2 - 50_000]) {
      const { lag, correlation } = lagBetween(source, whole, from, 48_000, 2_000);
      expect(Math.abs(lag), `lag at ${from}`).toBeLessThan(0.25);
      expect(correlation).toBeGreaterThan(0.99);
    }
  });

  it.each([1, 4_711, 288_391, 500_001])('is bit for bit the same when joined at frame %d', async (from) => {
    const part = await decode(store, made.track, from);
    expect(part.length).toBe(whole.length - 2 * from);
    let differing = 0;
    for (let i = 0; i < part.length; i++) if (part[i] !== whole[2 * from + i]) differing++;
    expect(differing).toBe(0);
  });
});
