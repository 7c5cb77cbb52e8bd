/** What the tests of this room share. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TrackReader } from '../../src/playback/track-reader.ts';
import type { Logger, PlayableTrack, SegmentSource } from '../../src/playback/types.ts';
import { find } from '../sound-lab/correlate.ts';

export interface KeptLog extends Logger {
  lines: { level: string; message: string }[];
}

export function keptLog(): KeptLog {
  const lines: { level: string; message: string }[] = [];
  const at = (level: string) => (message: string, fields?: object) => {
    lines.push({ level, message: fields === undefined ? message : `${message} ${JSON.stringify(fields)}` });
  };
  return { lines, info: at('info'), warn: at('warn'), error: at('error'), debug: at('debug') };
}

/** A station clock that starts at a plausible instant and can be set anew. */
export class TestClock {
  offsetMs = 1_800_000_000_000.25;

  stationNowMs(): number {
    return this.offsetMs + performance.now();
  }
}

/** Polls until it is true; fails after the deadline, which is only there so that nothing hangs. */
export async function until(what: string, done: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`never came: ${what}`);
    await sleep(5);
  }
}

/** Decodes a track from a frame to its end through the reader that playback uses. */
export async function decode(content: SegmentSource, track: PlayableTrack, from: number): Promise<Int16Array> {
  const reader = new TrackReader({ content, log: keptLog() }, { track });
  const out = new Int16Array((reader.map.frames - from) * 2);
  try {
    for (let position = from; position < reader.map.frames; ) {
      reader.want(position, performance.now());
      const frames = Math.min(reader.available(position), 48_000);
      reader.copy(position, frames, out, position - from);
      position += frames;
      if (frames === 0) await sleep(2);
    }
  } finally {
    reader.close();
  }
  return out;
}

/** Mono floats of interleaved 16-bit stereo, from a frame on. */
export function mono(stereo: Int16Array, from = 0, frames = stereo.length / 2 - from): Float32Array {
  return Float32Array.from(
    { length: frames },
    (_, i) => (stereo[2 * (from + i)]! + stereo[2 * (from + i) + 1]!) / 65_536,
  );
}

/** Where a stretch of `a` is found in `b`: frames that `b` lags behind, searched within `range`. */
export function lagBetween(a: Int16Array, b: Int16Array, from: number, frames: number, range: number) {
  const match = find(mono(a, from, frames), mono(b, from - range, frames + 2 * range));
  return { lag: match.lag - range, correlation: match.correlation };
}
