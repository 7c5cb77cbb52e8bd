import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PlaybackInputError } from '../../src/playback/errors.ts';
import { FADE_FRAMES, MAX_SLOTS, Timeline } from '../../src/playback/timeline.ts';
import type { PlayableTrack, PlaybackSlot, Playing } from '../../src/playback/types.ts';
import { find } from '../sound-lab/correlate.ts';
import { decode, keptLog, lagBetween, mono, until } from './support.ts';
import { type MadeTrack, MemoryStore, makeTrack } from './tracks.ts';

const START_MS = 1_800_000_000_000;
const START = START_MS * 48;
const STEP_FRAMES = 1_200;
/** Decoded frames that a step waits for: more than any rule of the timeline asks for. */
const ENOUGH_FRAMES = 120_000;
/** Of 2 ms: so that nothing hangs where frames never come. */
const MAX_PAUSES = 500;

const store = new MemoryStore();
let mp3: MadeTrack;
let flac: MadeTrack;
let local: MadeTrack;
let whole: { mp3: Int16Array; flac: Int16Array };

beforeAll(async () => {
  mp3 = await makeTrack(store, { codec: 'mp3', seconds: 25.0004, seed: 11 });
  flac = await makeTrack(store, { codec: 'flac', seconds: 7.3, seed: 12 });
  local = await makeTrack(store, { codec: 'opus', seconds: 6, seed: 13 });
  whole = { mp3: await decode(store, mp3.track, 0), flac: await decode(store, flac.track, 0) };
});

/** In real time a decoder is seconds ahead of what is heard; this long is enough for it to be done. */
const DECODER_PAUSE_MS = 400;

/** Drives a timeline faster than time: waits for what can come, not for what is missing. */
class Stage {
  readonly log = keptLog();
  readonly changes: Playing[] = [];
  readonly timeline: Timeline;
  position = START;
  readonly filled: boolean;
  #starving = false;

  constructor(filler: PlayableTrack | (() => PlayableTrack | null) | null = null) {
    this.filled = filler !== null;
    const choose = typeof filler === 'function' ? filler : () => filler;
    this.timeline = new Timeline({ content: store, filler: choose, log: this.log }, {});
  }

  slot(slot: number, fromMs: number, durationMs: number, track: PlayableTrack, more: Partial<PlaybackSlot> = {}): void {
    this.timeline.set({ slot, startMs: START_MS + fromMs, durationMs, track, ...more });
  }

  /** Renders up to a time. */
  async play(untilMs: number): Promise<Int16Array> {
    const frames = START + untilMs * 48 - this.position;
    const out = new Int16Array(frames * 2);
    for (let done = 0; done < frames; ) {
      const run = Math.min(STEP_FRAMES, frames - done);
      await this.#supplied();
      this.timeline.render(this.position, run, out.subarray(done * 2));
      if (this.changes.at(-1) !== this.timeline.playing) this.changes.push(this.timeline.playing);
      this.position += run;
      done += run;
    }
    return out;
  }

  /** Renders at the pace of time, waiting for nothing: what is not decoded by then is missing. */
  async live(forMs: number): Promise<Int16Array> {
    const frames = forMs * 48;
    const out = new Int16Array(frames * 2);
    const begin = performance.now() - this.position / 48;
    for (let done = 0; done < frames; done += STEP_FRAMES) {
      this.timeline.prepare(this.position, this.position / 48);
      this.timeline.render(this.position, STEP_FRAMES, out.subarray(done * 2));
      if (this.changes.at(-1) !== this.timeline.playing) this.changes.push(this.timeline.playing);
      this.position += STEP_FRAMES;
      await sleep(Math.max(0, begin + this.position / 48 - performance.now()));
    }
    return out;
  }

  async #supplied(): Promise<void> {
    for (let pauses = 0; pauses < MAX_PAUSES; pauses++) {
      // The timeline's time is the programme's own, however fast this runs.
      this.timeline.prepare(this.position, this.position / 48);
      await this.#settled();
      if (this.#isSupplied(this.position) && this.#isSupplied(this.position + STEP_FRAMES)) return;
      await sleep(2);
    }
  }

  /** A missing segment is known as soon as it is asked for; what came before it may still be in the decoder then. */
  async #settled(): Promise<void> {
    const { frames, starved } = this.timeline.supply(this.position);
    const starving = starved || this.timeline.supply(this.position + frames).starved;
    if (starving && !this.#starving) await sleep(DECODER_PAUSE_MS);
    this.#starving = starving;
  }

  /** All that can come for a place is there: the track, or else the filler. */
  #isSupplied(position: number): boolean {
    const { frames, rest, starved, fillerFrames } = this.timeline.supply(position);
    if (rest > 0 && !starved) {
      return frames >= Math.min(rest, ENOUGH_FRAMES) || this.timeline.supply(position + frames).starved;
    }
    return !this.filled || fillerFrames >= FADE_FRAMES;
  }
}

/** Frames of one timeline are another's, bit for bit. */
function expectSame(actual: Int16Array, from: number, expected: Int16Array, at: number, frames: number): void {
  let differing = 0;
  for (let i = 0; i < frames * 2; i++) if (actual[from * 2 + i] !== expected[at * 2 + i]) differing++;
  expect(differing, `samples that differ in ${frames} frames from ${from}`).toBe(0);
}

function loudest(pcm: Int16Array, from: number, frames: number): number {
  let peak = 0;
  for (let i = from * 2; i < (from + frames) * 2; i++) peak = Math.max(peak, Math.abs(pcm[i]!));
  return peak;
}

/** The least loud tenth of a second. */
function quietest(pcm: Int16Array): number {
  let least = Number.POSITIVE_INFINITY;
  for (let from = 0; from + 4_800 <= pcm.length / 2; from += 4_800) least = Math.min(least, loudest(pcm, from, 4_800));
  return least;
}

/** ffmpeg processes that this one has started. */
function decoders(): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat.includes('(ffmpeg)') && Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid;
    } catch {
      return false;
    }
  }).length;
}

describe('Timeline', () => {
  let stage: Stage;
  afterEach(() => {
    stage.timeline.close();
    store.missing.clear();
  });

  it('holds each track sample for sample, gapless over the change', async () => {
    stage = new Stage();
    stage.slot(1, 100, 25_001, mp3.track);
    stage.slot(2, 25_101, 7_300, flac.track);
    const out = await stage.play(33_000);
    const [a, b] = [100 * 48, 25_101 * 48];
    expect(loudest(out, 0, a)).toBe(0);
    expectSame(out, a, whole.mp3, 0, whole.mp3.length / 2);
    // Less than a millisecond of rest, then the next track's first sample.
    expect(b - a - whole.mp3.length / 2).toBeLessThan(48);
    expectSame(out, b, whole.flac, 0, whole.flac.length / 2);
    expect(stage.changes).toEqual([
      { slot: null, actual: null, reason: null, filler: false },
      { slot: 1, actual: mp3.track.trackHash, reason: null, filler: false },
      { slot: 2, actual: flac.track.trackHash, reason: null, filler: false },
      { slot: null, actual: null, reason: null, filler: false },
    ]);
  });

  it('joins in the middle, at the right sample', async () => {
    stage = new Stage();
    stage.slot(1, -13_137, 25_001, mp3.track);
    const out = await stage.play(3_000);
    const from = FADE_FRAMES + STEP_FRAMES;
    expectSame(out, from, whole.mp3, 13_137 * 48 + from, 3_000 * 48 - from);
  });

  it('cuts a track at the end of its slot, without a click', async () => {
    stage = new Stage();
    stage.slot(1, 0, 3_000, mp3.track);
    stage.slot(2, 3_000, 7_300, flac.track);
    const out = await stage.play(6_000);
    expectSame(out, 0, whole.mp3, 0, 3_000 * 48 - FADE_FRAMES);
    expect(loudest(out, 3_000 * 48 - 48, 48)).toBeLessThan(loudest(whole.mp3, 3_000 * 48 - 4_800, 4_800) / 20);
    expectSame(out, 3_000 * 48, whole.flac, 0, 3_000 * 48);
  });

  it('fills a missing segment with local music and is back at the right sample', async () => {
    stage = new Stage(local.track);
    store.missing.add(mp3.track.segments[1]!.cid);
    stage.slot(1, 0, 25_001, mp3.track);
    const out = await stage.play(15_000);
    const [gap, back] = [6_008 * 48, 12_500 * 48];
    expectSame(out, 0, whole.mp3, 0, gap - 2 * FADE_FRAMES);
    // Never silent in between: in each quarter of a second something sounds.
    for (let from = gap - 12_000; from < back; from += 12_000) expect(loudest(out, from, 12_000)).toBeGreaterThan(300);
    expectSame(out, back, whole.mp3, back, 15_000 * 48 - back);
    const reasons = stage.changes.map(({ actual, reason }) => (actual === null ? reason : 'track'));
    expect(reasons).toEqual(['track', 'fetch', 'track']);
    expect(stage.timeline.fillerFrames).toBeGreaterThan(5 * 48_000);
  });

  it('is back when the segment comes while it is due', async () => {
    stage = new Stage(local.track);
    store.missing.add(mp3.track.segments[1]!.cid);
    stage.slot(1, 0, 25_001, mp3.track);
    await stage.play(7_500);
    store.missing.clear();
    await sleep(700);
    const out = await stage.play(12_000);
    const from = 8_000 * 48;
    expectSame(out, 500 * 48, whole.mp3, from, 12_000 * 48 - from);
  });

  it('fills times without a slot, and a rest that is long enough', async () => {
    stage = new Stage(local.track);
    stage.slot(1, 4_000, 9_300, flac.track);
    const out = await stage.play(15_000);
    for (const from of [3_000, 12_300, 14_000]) expect(loudest(out, from * 48, 12_000), `${from}`).toBeGreaterThan(300);
    expectSame(out, 4_000 * 48 + FADE_FRAMES, whole.flac, FADE_FRAMES, whole.flac.length / 2 - FADE_FRAMES);
    expect(stage.changes.map(({ slot, actual }) => [slot, actual !== null])).toEqual([
      [null, false],
      [1, true],
      [1, false],
      [null, false],
    ]);
    // The filler itself is the local track, and goes on with it from its beginning when it ends.
    expect(lagBetween(whole.flac, out, 48_000, 96_000, 0).correlation).toBeLessThan(0.1);
  });

  it('says once that there is nothing to fill with, and is silent', async () => {
    stage = new Stage();
    const out = await stage.play(1_000);
    expect(loudest(out, 0, 48_000)).toBe(0);
    expect(stage.log.lines.filter(({ message }) => /no local track/.test(message))).toHaveLength(1);
  });

  it('replaces the track that plays at once, and takes the same word twice as one', async () => {
    stage = new Stage();
    stage.slot(1, 0, 25_001, mp3.track);
    await stage.play(2_000);
    stage.slot(1, 0, 25_001, mp3.track);
    const same = await stage.play(3_000);
    expectSame(same, 0, whole.mp3, 2_000 * 48, 48_000);
    stage.slot(1, 0, 25_001, { ...flac.track }, { reason: 'moderation' });
    const out = await stage.play(7_000);
    expectSame(out, 500 * 48, whole.flac, 3_500 * 48, 3_000 * 48);
    expect(stage.changes.at(-1)).toEqual({
      slot: 1,
      actual: flac.track.trackHash,
      reason: 'moderation',
      filler: false,
    });
  });

  it('lets a track take over within a slot, from its own beginning, and gives the slot back at the right sample', async () => {
    stage = new Stage(local.track);
    stage.slot(1, 0, 25_001, mp3.track);
    const before = await stage.play(2_000);
    expectSame(before, 0, whole.mp3, 0, 2_000 * 48);
    stage.slot(1, 0, 25_001, flac.track, { trackStartMs: START_MS + 3_000, reason: 'moderation' });
    const own = await stage.play(8_000);
    // The track before sounds on up to the change, and fades under the first moments of the other.
    expectSame(own, 0, whole.mp3, 2_000 * 48, 1_000 * 48);
    expectSame(own, 1_000 * 48 + FADE_FRAMES, whole.flac, FADE_FRAMES, 4_500 * 48);
    stage.slot(1, 0, 25_001, mp3.track);
    const back = await stage.play(12_000);
    expectSame(back, 2_000 * 48, whole.mp3, 10_000 * 48, 2_000 * 48);
    expect(stage.changes.map(({ actual, reason, filler }) => [actual, reason, filler])).toEqual([
      [mp3.track.trackHash, null, false],
      [flac.track.trackHash, 'moderation', false],
      [mp3.track.trackHash, null, false],
    ]);
    expect(stage.timeline.fillerFrames).toBe(0);
    expect(stage.timeline.silentFrames).toBe(0);
  });

  it('lets the track before sound on when its slot is said again with a later start', async () => {
    stage = new Stage(local.track);
    stage.slot(1, 0, 25_001, mp3.track);
    await stage.play(2_000);
    stage.slot(1, 3_000, 22_001, flac.track, { reason: 'moderation' });
    const own = await stage.play(8_000);
    expectSame(own, 0, whole.mp3, 2_000 * 48, 1_000 * 48);
    expectSame(own, 1_000 * 48 + FADE_FRAMES, whole.flac, FADE_FRAMES, 4_500 * 48);
    expect(stage.changes.map(({ slot, actual, reason, filler }) => [slot, actual, reason, filler])).toEqual([
      [1, mp3.track.trackHash, null, false],
      [1, flac.track.trackHash, 'moderation', false],
    ]);
    expect(stage.timeline.fillerFrames).toBe(0);
    expect(stage.timeline.silentFrames).toBe(0);
  });

  it('takes another filler when the one that sounds is not wanted any more, under a fade', async () => {
    let wished: PlayableTrack | null = local.track;
    stage = new Stage(() => wished);
    await stage.play(3_000);
    wished = flac.track;
    stage.timeline.refreshFiller();
    const out = await stage.live(2_000);
    expect(quietest(out)).toBeGreaterThan(300);
    const { correlation } = find(mono(out, 72_000, 24_000), mono(whole.flac));
    expect(correlation).toBeGreaterThan(0.99);
    wished = null;
    stage.timeline.refreshFiller();
    expect(loudest(await stage.live(500), 12_000, 12_000)).toBe(0);
  });

  it('goes silent where the programme was taken away and there is nothing else', async () => {
    stage = new Stage();
    stage.slot(1, 0, 25_001, mp3.track);
    await stage.play(2_000);
    stage.timeline.dropFrom(1);
    const out = await stage.play(4_000);
    expectSame(out, 0, whole.mp3, 2_000 * 48, 48_000 - STEP_FRAMES);
    expect(loudest(out, 48_000 + FADE_FRAMES + STEP_FRAMES, 36_000)).toBe(0);
    expect(stage.timeline.silentFrames).toBe(0);
  });

  it('fills what a short track of its own leaves of the slot', async () => {
    stage = new Stage(local.track);
    stage.slot(1, 0, 25_001, mp3.track);
    await stage.play(2_000);
    stage.slot(1, 0, 25_001, flac.track, { trackStartMs: START_MS + 3_000, reason: 'moderation' });
    const out = await stage.play(12_000);
    expect(quietest(out)).toBeGreaterThan(300);
    expect(stage.changes.at(-1)).toEqual({ slot: 1, actual: null, reason: 'moderation', filler: true });
  });

  it('drops slots that are void, and what a newer slot overlaps', async () => {
    stage = new Stage();
    stage.slot(1, 0, 2_000, flac.track);
    stage.slot(2, 2_000, 2_000, flac.track);
    stage.slot(3, 4_000, 2_000, flac.track);
    stage.timeline.dropFrom(3);
    stage.slot(7, 1_500, 600, mp3.track);
    expect([1, 2, 3, 7].map((slot) => stage.timeline.trackStartOf(slot))).toEqual([null, null, null, START_MS + 1_500]);
  });

  it('refuses nonsense and more slots than it keeps', () => {
    stage = new Stage();
    expect(() => stage.slot(1, 0.5, 1_000, mp3.track)).toThrow(PlaybackInputError);
    expect(() => stage.slot(-1, 0, 1_000, mp3.track)).toThrow(PlaybackInputError);
    expect(() => stage.slot(1, 0, 0, mp3.track)).toThrow(PlaybackInputError);
    for (const trackStartMs of [START_MS - 1, START_MS + 1_000, START_MS + 0.5]) {
      expect(() => stage.slot(1, 0, 1_000, mp3.track, { trackStartMs })).toThrow('outside of the slot');
    }
    expect(() => stage.slot(1, 0, 1_000, { ...mp3.track, segments: [] })).toThrow(PlaybackInputError);
    for (let slot = 0; slot < MAX_SLOTS; slot++) stage.slot(slot, slot * 1_000, 1_000, flac.track);
    expect(() => stage.slot(MAX_SLOTS, MAX_SLOTS * 1_000, 1_000, flac.track)).toThrow(`${MAX_SLOTS} slots`);
  });

  it('goes on with the filler where a track is damaged', async () => {
    stage = new Stage(local.track);
    const junk = store.add(new Uint8Array(50_000).fill(0x5a));
    const segments = flac.track.segments.map((segment, i) => (i === 0 ? { ...segment, cid: junk } : segment));
    stage.slot(1, 0, 7_300, { ...flac.track, segments });
    stage.slot(2, 7_300, 7_300, flac.track);
    const out = await stage.play(9_000);
    expect(loudest(out, 2_000 * 48, 12_000)).toBeGreaterThan(300);
    expectSame(out, 7_500 * 48, whole.flac, 200 * 48, 1_500 * 48);
  });
});

/** What comes without warning: nothing is waited for here, every frame is due at its time. */
describe('Timeline, surprised', () => {
  let stage: Stage;
  afterEach(() => stage.timeline.close());

  it('keeps the filler ready without a process, and fills at once when the programme is gone', async () => {
    stage = new Stage(local.track);
    stage.slot(1, 0, 25_001, mp3.track);
    await stage.play(14_000);
    await until('no filler decoder', () => {
      stage.timeline.prepare(stage.position, stage.position / 48);
      return decoders() <= 1;
    });
    expect(stage.timeline.supply(stage.position).fillerFrames).toBeGreaterThan(3 * 48_000);
    stage.timeline.dropFrom(0);
    const out = await stage.live(1_000);
    expect(quietest(out)).toBeGreaterThan(300);
    // The decoder goes on behind what was ready, seamlessly, and the next track behind this one.
    const filled = await stage.play(30_000);
    expect(quietest(filled)).toBeGreaterThan(300);
    expect(stage.timeline.silentFrames).toBe(0);
  });

  it.each([
    ['forward within the slot', 15_000],
    ['back within the slot', -11_000],
    ['into another slot', 23_000],
  ])('bridges a jump %s with what is decoded at the old place', async (_, byMs) => {
    stage = new Stage();
    stage.slot(1, -12_000, 25_001, mp3.track);
    stage.slot(2, 13_001, 25_001, { ...mp3.track, trackHash: 'sha256:other' });
    const before = await stage.play(500);
    const old = 12_500 * 48;
    expectSame(before, 9_600, whole.mp3, 12_000 * 48 + 9_600, 14_400);
    stage.position += byMs * 48;
    const out = await stage.live(3_000);
    // At first the old place sounds on, sample for sample; a second later at the latest the new one is in.
    expectSame(out, 0, whole.mp3, old, STEP_FRAMES);
    expect(quietest(out)).toBeGreaterThan(300);
    expect(stage.timeline.silentFrames).toBe(0);
    const at = stage.position - 24_000;
    const place = at < START + 13_001 * 48 ? at - START + 12_000 * 48 : at - START - 13_001 * 48;
    expectSame(out, 3_000 * 48 - 24_000, whole.mp3, place, 24_000);
    expect(stage.changes.map(({ actual, filler }) => actual !== null || filler)).not.toContain(false);
  });

  it('bridges another programme at another time, as when two stations become one', async () => {
    stage = new Stage(local.track);
    stage.slot(7, -12_000, 25_001, mp3.track);
    await stage.play(500);
    stage.timeline.dropFrom(0);
    stage.position += 3_600_000 * 48;
    stage.slot(1, 3_600_500 - 3_000, 7_300, flac.track);
    const out = await stage.live(3_000);
    expect(quietest(out)).toBeGreaterThan(300);
    expectSame(out, 2_500 * 48, whole.flac, 5_500 * 48, 24_000);
    expect(stage.timeline.silentFrames).toBe(0);
  });

  it('counts what it could not help', async () => {
    stage = new Stage();
    stage.slot(1, -12_000, 25_001, mp3.track);
    await stage.play(500);
    const missing = mp3.track.segments.map(({ samples }) => ({ cid: 'missing', samples }));
    stage.timeline.dropFrom(0);
    stage.slot(1, 0, 25_001, { ...mp3.track, trackHash: 'sha256:gone', segments: missing });
    await stage.live(9_000);
    const silentMs = stage.timeline.silentFrames / 48;
    // The old track's six to eight seconds, and then nothing.
    expect(silentMs).toBeGreaterThan(500);
    expect(silentMs).toBeLessThan(3_500);
    expect(stage.changes.at(-1)).toEqual({ slot: 1, actual: null, reason: 'fetch', filler: false });
  });
});
