import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { OutputNameError, PlaybackInputError } from '../../src/playback/errors.ts';
import { createPlayback } from '../../src/playback/playback.ts';
import type { PlayableTrack, Playback, PlaybackInit, Playing } from '../../src/playback/types.ts';
import { decode, type KeptLog, keptLog, lagBetween, TestClock, until } from './support.ts';
import { type MadeTrack, MemoryStore, makeTrack } from './tracks.ts';

const dir = mkdtempSync(join(tmpdir(), 'starling-room-'));
const store = new MemoryStore();
let mp3: MadeTrack;
let flac: MadeTrack;

beforeAll(async () => {
  mp3 = await makeTrack(store, { codec: 'mp3', seconds: 30, seed: 21 });
  flac = await makeTrack(store, { codec: 'flac', seconds: 13, seed: 22 });
});
afterAll(() => rmSync(dir, { recursive: true }));

let playback: Playback;
let clock: TestClock;
let log: KeptLog;
let heard: Playing[];
afterEach(() => playback?.stop());

function make(init: PlaybackInit, filler: () => PlayableTrack | null = () => null): Playback {
  clock = new TestClock();
  log = keptLog();
  heard = [];
  playback = createPlayback({ clock, content: store, filler, log }, init);
  playback.onPlaying((playing) => heard.push(playing));
  return playback;
}

/** Schedules one slot that began a while ago. */
function scheduleMid(agoMs = 5_000): number {
  const startMs = Math.floor(clock.stationNowMs()) - agoMs;
  playback.schedule({ slot: 4, startMs, durationMs: 30_000, track: mp3.track });
  return startMs;
}

/** The status, and that its position was right at some instant of the time it took: this process may be held up in between. */
function statusInTime(startMs: number) {
  const beforeMs = clock.stationNowMs();
  const status = playback.status();
  const afterMs = clock.stationNowMs();
  expect(status.positionMs).toBeGreaterThan(beforeMs - startMs - 5);
  expect(status.positionMs).toBeLessThan(afterMs - startMs + 5);
  return status;
}

/** The mpv processes that this one has started. */
function players(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return stat.includes('(mpv)') && Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

const playing = () => playback.status().state === 'playing';

describe('settings', () => {
  it('refuses outputs and numbers that cannot be, naming what can', () => {
    expect(() => make({ output: 'jack' })).toThrow(OutputNameError);
    expect(() => make({ output: 'jack' })).toThrow('alsa:DEVICE');
    expect(() => make({ output: 'null', volume: 101 })).toThrow(PlaybackInputError);
    expect(() => make({ output: 'null', trimMs: Number.NaN })).toThrow('-2000 to 2000');
  });
});

describe('without a sound card', () => {
  it('plays on silently, in time, and says why in one line', async () => {
    make({ output: 'alsa:no-such-device' });
    await playback.start();
    const startMs = scheduleMid();
    await until('playing', playing);
    const status = statusInTime(startMs);
    expect(status.silent).toBe(true);
    expect(status.output).toBe('null');
    expect(status.reason).toMatch(/no-such-device/);
    expect(Math.abs(status.offsetMs!)).toBeLessThan(1);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('tells how to get the player where there is none', async () => {
    make({ output: 'auto', env: { PATH: dir } });
    await playback.start();
    expect(playback.status().silent).toBe(true);
    expect(playback.status().reason).toBe('mpv is not installed (Debian: apt install mpv)');
  });
});

describe('playing', () => {
  it('tells what is heard, where it is, and follows a clock that is set anew, either way', async () => {
    make({ output: 'null' });
    expect(playback.status().state).toBe('stopped');
    await playback.start();
    await playback.start();
    let startMs = scheduleMid();
    await until('playing', playing);
    for (const step of [1_500, -700]) {
      clock.offsetMs += step;
      playback.clockStepped();
      await sleep(1_000);
      expect(Math.abs(statusInTime(startMs).offsetMs!)).toBeLessThan(1);
    }
    expect(playback.status().corrections).toBe(2);
    startMs = Math.floor(clock.stationNowMs());
    playback.unschedule(4);
    await until('idle', () => playback.status().state === 'idle');
    expect(heard.at(-1)).toMatchObject({ slot: null, actual: null, reason: null });
    await playback.stop();
    await playback.stop();
    expect(playback.status().state).toBe('stopped');
    await playback.start();
    scheduleMid();
    await until('playing again', playing);
  });

  it('goes from filler to the first slot at its start, never idle in between', async () => {
    let library: PlayableTrack | null = null;
    make({ output: 'null' }, () => library);
    await playback.start();
    await until('the hole noticed', () => log.lines.some(({ message }) => /no local track/.test(message)));
    expect(playback.status().state).toBe('starting');
    library = flac.track;
    await until('filler', () => playback.status().state === 'filler');
    const startMs = Math.ceil(clock.stationNowMs()) + 3_000;
    playback.schedule({ slot: 0, startMs, durationMs: 30_000, track: mp3.track });
    const states = new Set<string>();
    let first: number | null = null;
    await until('the slot a while on', () => {
      const { state, positionMs } = playback.status();
      states.add(state);
      if (state === 'playing') first ??= positionMs;
      return positionMs !== null && positionMs > 1_500;
    });
    expect([...states]).toEqual(['filler', 'playing']);
    // From its first moment on; what is heard is told ten times a second.
    expect(first).toBeLessThan(1_000);
    expect(playback.status().fillerMs).toBeGreaterThan(2_000);
  });

  it('writes the programme to a file, sample for sample', async () => {
    const path = join(dir, 'programme.wav');
    make({ output: `file:${path}` });
    await playback.start();
    const startMs = Math.ceil(clock.stationNowMs()) + 3_000;
    playback.schedule({ slot: 1, startMs, durationMs: 2_000, track: flac.track });
    playback.schedule({ slot: 2, startMs: startMs + 2_000, durationMs: 13_000, track: mp3.track });
    await until('the second slot', () => playback.status().slot === 2);
    await sleep(1_500);
    const { slips } = playback.status();
    await playback.stop();
    const bytes = readFileSync(path);
    const file = new Int16Array(bytes.buffer.slice(bytes.byteOffset + 44, bytes.byteOffset + bytes.length));
    const first = await decode(store, flac.track, 0);
    const second = await decode(store, mp3.track, 0);
    let begin = 0;
    while (file[2 * begin] === 0 && file[2 * begin + 1] === 0) begin++;
    const a = lagBetween(first, file.subarray(2 * begin), 20_000, 40_000, 1_000);
    expect(a.correlation).toBeGreaterThan(0.999);
    const start = begin + Math.round(a.lag);
    const change = lagBetween(second, file.subarray(2 * (start + 96_000)), 2_000, 40_000, 1_000);
    expect(change.correlation).toBeGreaterThan(0.999);
    // The second track begins exactly 2,000 ms after the first.
    if (slips === 0) expect(Math.abs(change.lag)).toBeLessThan(0.05);
    expect(Math.abs(change.lag)).toBeLessThan(slips + 1);
  });
});

describe('for a watchdog', () => {
  it('tells how far the player has come, in frames that came out and went in', async () => {
    make({ output: 'null' });
    expect(playback.progress()).toBeNull();
    await playback.start();
    await until('frames', () => (playback.progress()?.heardFrames ?? 0) > 0);
    const before = playback.progress()!;
    await sleep(1_000);
    const after = playback.progress()!;
    expect(after.player).toBe(before.player);
    for (const end of ['heardFrames', 'writtenFrames'] as const) {
      expect((after[end] - before[end]) / 48_000).toBeGreaterThan(0.5);
      expect((after[end] - before[end]) / 48_000).toBeLessThan(3);
    }
    expect(after.writtenFrames).toBeGreaterThan(after.heardFrames);
    await playback.stop();
    expect(playback.progress()).toBeNull();
    await playback.start();
    await until('another player', () => playback.progress()!.player > after.player);
  });
});

describe('for people', () => {
  it('moves the sound when the trim is set, without a new start: a jump for much, a glide for little', async () => {
    make({ output: 'null' });
    await playback.start();
    const startMs = scheduleMid();
    await until('playing', playing);
    const ahead = () => playback.status().positionMs! - (clock.stationNowMs() - startMs);
    playback.setTrim(200);
    await until('200 ms ahead', () => Math.abs(ahead() - 200) < 3);
    expect(Math.abs(playback.status().offsetMs!)).toBeLessThan(1);
    expect(playback.status().corrections).toBe(1);
    const { slips } = playback.status();
    playback.setTrim(198);
    await until('2 ms back', () => playback.status().slips - slips >= 95);
    expect(playback.status()).toMatchObject({ corrections: 1, restarts: 0, silentMs: 0 });
    expect(() => playback.setTrim(2_001)).toThrow(PlaybackInputError);
    expect(() => playback.setTrim(Number.NaN)).toThrow('-2000 to 2000');
  });

  it('beeps three times over whatever plays, and over nothing', async () => {
    const path = join(dir, 'tone.raw');
    make({ output: `file:${path}` });
    expect(playback.testTone()).toBe('not_playing');
    await playback.start();
    await until('the file in use', () => playback.status().output.startsWith('file:'));
    expect(playback.testTone()).toBe('playing');
    expect(playback.testTone()).toBe('too_soon');
    await sleep(2_100);
    expect(playback.testTone()).toBe('playing');
    await sleep(2_100);
    await playback.stop();
    const bytes = readFileSync(path);
    const file = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~3)));
    const beeps = burstsOf(file);
    expect(beeps).toHaveLength(6);
    for (const [i, { frames, peak }] of beeps.entries()) {
      expect(Math.abs(frames - 7_200), `beep ${i}`).toBeLessThan(100);
      expect(Math.abs(20 * Math.log10(peak / 32_768) + 20), `beep ${i}`).toBeLessThan(0.1);
    }
  });

  it('says that nobody would hear the tone', async () => {
    make({ output: 'null' });
    await playback.start();
    expect(playback.testTone()).toBe('not_playing');
  });
});

/** Stretches of sound between silences of more than 50 ms. */
function burstsOf(pcm: Int16Array): { frames: number; peak: number }[] {
  const found: { from: number; to: number; peak: number }[] = [];
  for (let i = 0; i < pcm.length; i += 2) {
    if (pcm[i] === 0) continue;
    const frame = i / 2;
    const last = found.at(-1);
    if (last === undefined || frame - last.to > 2_400) found.push({ from: frame, to: frame, peak: Math.abs(pcm[i]!) });
    else Object.assign(last, { to: frame, peak: Math.max(last.peak, Math.abs(pcm[i]!)) });
  }
  return found.map(({ from, to, peak }) => ({ frames: to - from + 1, peak }));
}

describe('mpv', () => {
  it('is started anew after it was killed, and is back in time', async () => {
    make({ output: 'mpv-null' });
    await playback.start();
    expect(playback.status().output).toBe('mpv-null');
    const startMs = scheduleMid();
    await until('playing', playing);
    const [pid, ...others] = players();
    expect(others).toEqual([]);
    process.kill(pid!, 'SIGKILL');
    await until('noticed', () => playback.status().restarts === 1);
    // In between it is silent, but the programme passes as it should.
    await until('playing silently or again', () => playback.status().positionMs !== null);
    statusInTime(startMs);
    await until('back', () => playback.status().output === 'mpv-null' && playback.status().offsetMs !== null);
    expect(Math.abs(playback.status().offsetMs!)).toBeLessThan(5);
    expect(players()).toHaveLength(1);
    await playback.stop();
    expect(players()).toEqual([]);
  });

  it('is replaced when it hangs', async () => {
    make({ output: 'mpv-null' });
    await playback.start();
    scheduleMid();
    await until('playing', playing);
    process.kill(players()[0]!, 'SIGSTOP');
    await until('noticed', () => playback.status().restarts === 1);
    await until('back', () => playback.status().output === 'mpv-null' && playing());
    expect(players()).toHaveLength(1);
  });
});
