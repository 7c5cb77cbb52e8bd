import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createListen, type Listen, type ListenInit, MAX_BACKLOG_BYTES } from '../../src/playback/listen.ts';
import { createPlayback } from '../../src/playback/playback.ts';
import type { PlayableTrack, Playback } from '../../src/playback/types.ts';
import { find } from '../sound-lab/correlate.ts';
import { listenContract } from '../web/ports-contract.ts';
import { decode, keptLog, mono, TestClock, until } from './support.ts';
import { type MadeTrack, MemoryStore, makeTrack } from './tracks.ts';

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'starling-listen-'));
const store = new MemoryStore();
let mp3: MadeTrack;
let flac: MadeTrack;
let whole: { mp3: Int16Array; flac: Int16Array };

beforeAll(async () => {
  mp3 = await makeTrack(store, { codec: 'mp3', seconds: 30, seed: 31 });
  flac = await makeTrack(store, { codec: 'flac', seconds: 20, seed: 32 });
  whole = { mp3: await decode(store, mp3.track, 0), flac: await decode(store, flac.track, 0) };
});
afterAll(() => rmSync(dir, { recursive: true }));

let playback: Playback;
let listen: Listen;
let clock: TestClock;
afterEach(async () => {
  listen?.stop();
  await playback?.stop();
});

async function make(init: ListenInit = {}, filler: () => PlayableTrack | null = () => null): Promise<void> {
  clock = new TestClock();
  const log = keptLog();
  playback = createPlayback({ clock, content: store, filler, log }, { output: 'null' });
  listen = createListen({ clock, content: store, filler, playback, log }, init);
  await playback.start();
}

/** Reads a stream until it has so many seconds of sound. */
async function read(stream: AsyncIterable<Uint8Array>, seconds: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= seconds * 16_000) break;
  }
  return Buffer.concat(chunks);
}

/** What a phone makes of it. */
async function heard(bytes: Buffer): Promise<Int16Array> {
  const path = join(dir, `stream-${bytes.length}.mp3`);
  writeFileSync(path, bytes);
  const args = ['-v', 'error', '-f', 'mp3', '-i', path, '-f', 's16le', '-ar', '48000', '-ac', '2', '-'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 });
  return new Int16Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + (stdout.length & ~3)));
}

/** No test plays farther into a track. */
const SEARCHED_FRAMES = 14 * 48_000;

/** Frame of `source` that is heard at a frame of what came out. */
function placeIn(source: Int16Array, out: Int16Array, at: number) {
  const { lag, correlation } = find(mono(out, at, 12_000), mono(source, 0, SEARCHED_FRAMES));
  return { frame: lag, correlation };
}

/** ffmpeg processes of this one that encode. */
function encoders(): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const isChild = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid;
      return isChild && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('libmp3lame');
    } catch {
      return false;
    }
  }).length;
}

describe('listening from a phone', () => {
  it('is the programme as MP3 from the middle of a track on, sound for sound, with a second of it at once', async () => {
    await make();
    const startMs = Math.floor(clock.stationNowMs()) - 5_000;
    playback.schedule({ slot: 3, startMs, durationMs: 30_000, track: mp3.track });
    const opened = listen.open()!;
    expect(opened.type).toBe('audio/mpeg');
    const openedMs = clock.stationNowMs();
    const bytes = await read(opened.stream, 6);
    expect(bytes[0]).toBe(0xff);
    const out = await heard(bytes);
    const { frame, correlation } = placeIn(whole.mp3, out, 4 * 48_000);
    expect(correlation).toBeGreaterThan(0.99);
    // It began 2 s before the moment at which it was ready, which is no more than the warm-up after the opening.
    const beganMs = startMs + frame / 48 - 4_000;
    expect(beganMs).toBeGreaterThan(openedMs - 2_200);
    expect(beganMs).toBeLessThan(openedMs + 4_000);
    // No frame is lost or repeated on the way.
    const later = placeIn(whole.mp3, out, 5 * 48_000);
    expect(Math.abs(later.frame - frame - 48_000)).toBeLessThan(0.5);
  });

  it('plays what this box plays in place of the flock, and takes in a second phone at a whole frame', async () => {
    await make();
    const startMs = Math.floor(clock.stationNowMs()) - 2_000;
    const slot = { slot: 3, startMs, durationMs: 30_000 };
    playback.schedule({ ...slot, track: mp3.track });
    const first = listen.open()!;
    const reading = read(first.stream, 8);
    await sleep(1_500);
    const trackStartMs = Math.ceil(clock.stationNowMs()) + 1_500;
    playback.schedule({ ...slot, track: flac.track, trackStartMs, reason: 'moderation' });
    await sleep(2_500);
    const second = read(listen.open()!.stream, 4);
    expect(encoders()).toBe(1);
    for (const [bytes, at] of [
      [await reading, 7 * 48_000],
      [await second, 3 * 48_000],
    ] as const) {
      expect([bytes[0], bytes[1]! & 0xe0]).toEqual([0xff, 0xe0]);
      expect(placeIn(whole.flac, await heard(bytes), at).correlation).toBeGreaterThan(0.98);
    }
    await until('no encoder any more', () => encoders() === 0);
    expect(listen.status().listeners).toBe(0);
  });

  it('has room for few, forgets for a slow phone, and lets go of one that does not read', async () => {
    await make({ maxListeners: 2, patienceMs: 3_000 }, () => flac.track);
    const quick = listen.open()!;
    const dead = listen.open()!;
    expect(listen.open()).toBeNull();
    const reading = read(quick.stream, 6);
    await until('the dead one is gone', () => listen.status().listeners === 1);
    expect((await dead.stream[Symbol.asyncIterator]().next()).done).toBe(true);
    expect((await reading).length).toBeLessThan(MAX_BACKLOG_BYTES);
    expect(listen.status().listeners).toBe(0);
    listen.stop();
    expect(listen.open()).toBeNull();
  });
});

listenContract('the stream of src/playback', async () => {
  await make({ maxListeners: 3 }, () => flac.track);
  return { part: listen, places: 3 };
});
