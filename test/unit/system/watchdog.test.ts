import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  LOOK_MS,
  PLAYER_PATIENCE_MS,
  PROGRAMME_PATIENCE_MS,
  START_PATIENCE_MS,
  WATCHDOG_FEEDS,
} from '../../../src/system/limits.ts';
import type { Notify } from '../../../src/system/notify.ts';
import { createWatchdog, judge, type RadioReading, type WatchState } from '../../../src/system/watchdog.ts';

type Story = (elapsedMs: number) => RadioReading | null;

/** Looks at a story for so long. @returns when each look found what, by seconds */
function watch(story: Story, forMs: number, lookMs = LOOK_MS): { atMs: number; cause: string | null }[] {
  let state: WatchState | null = null;
  const told: { atMs: number; cause: string | null }[] = [];
  for (let atMs = 0; atMs <= forMs; atMs += lookMs) {
    const judgement = judge(state, { monoMs: 5_000_000 + atMs, radio: story(atMs) });
    state = judgement.state;
    told.push({ atMs, cause: judgement.cause });
  }
  return told;
}

const firstTrouble = (story: Story, forMs: number, lookMs?: number) =>
  watch(story, forMs, lookMs).find(({ cause }) => cause !== null) ?? null;

/** A radio whose player plays 48 frames a millisecond. */
function playing(elapsedMs: number, over: Partial<RadioReading> = {}): RadioReading {
  const heardFrames = 48 * elapsedMs;
  return { player: { player: 1, heardFrames, writtenFrames: heardFrames + 38_400 }, slot: 7, isMember: true, ...over };
}

describe('the watchdog is fed while', () => {
  it('player and programme advance', () => {
    expect(firstTrouble((ms) => playing(ms), 3_600_000)).toBeNull();
  });

  it('the player is replaced, and begins at frame 0', () => {
    const story: Story = (ms) => {
      const heardFrames = 48 * (ms % 30_000);
      return playing(ms, { player: { player: Math.floor(ms / 30_000), heardFrames, writtenFrames: heardFrames + 9 } });
    };
    expect(firstTrouble(story, 3_600_000)).toBeNull();
  });

  it('a box that has not joined yet has no programme', () => {
    expect(firstTrouble((ms) => playing(ms, { slot: null, isMember: false }), 3_600_000)).toBeNull();
  });

  it('a start takes its time', () => {
    expect(firstTrouble((ms) => (ms < START_PATIENCE_MS ? null : playing(ms)), 3_600_000)).toBeNull();
  });

  it('the radio starts anew in the process, however often', () => {
    const story: Story = (ms) => (ms % 120_000 < 90_000 ? null : playing(0, { player: null, slot: null }));
    expect(firstTrouble(story, 30 * 120_000)).toBeNull();
  });

  it('the programme has a hole as long as a split takes to settle', () => {
    const story: Story = (ms) => playing(ms, { slot: ms % 300_000 < PROGRAMME_PATIENCE_MS ? null : 7 });
    expect(firstTrouble(story, 3_600_000)).toBeNull();
  });

  it('this process was stopped, or starved, and nothing moved meanwhile: from the second look on', () => {
    const { state } = judge(null, { monoMs: 0, radio: playing(0) });
    const late = judge(state, { monoMs: 100_000, radio: playing(0) });
    expect(late.cause).toBe('nobody looked for 100 s');
    expect(judge(late.state, { monoMs: 100_000 + LOOK_MS, radio: playing(0) }).cause).toBeNull();
  });
});

describe('the watchdog is fed no more when', () => {
  it('the player stands still', () => {
    const trouble = firstTrouble((ms) => playing(Math.min(ms, 100_000)), 600_000);
    expect(trouble).toEqual({ atMs: 150_000, cause: 'the player stands still for 50 s' });
  });

  it('frames come out, but none go in, or the other way round', () => {
    const stuck = { heardFrames: 48_000, writtenFrames: 48_000 };
    const noneIn: Story = (ms) => playing(ms, { player: { ...stuck, player: 1, heardFrames: ms } });
    const noneOut: Story = (ms) => playing(ms, { player: { ...stuck, player: 1, writtenFrames: ms } });
    for (const story of [noneIn, noneOut]) {
      expect(firstTrouble(story, 600_000)?.atMs).toBe(Math.ceil((PLAYER_PATIENCE_MS + 1) / LOOK_MS) * LOOK_MS);
    }
  });

  it('there is no player at all', () => {
    expect(firstTrouble((ms) => playing(ms, { player: null }), 600_000)?.cause).toMatch(/player stands still/);
  });

  it('a member has nothing to play', () => {
    const trouble = firstTrouble((ms) => playing(ms, { slot: ms < 60_000 ? 7 : null }), 600_000);
    expect(trouble).toEqual({ atMs: 180_000, cause: 'the programme has ended 130 s ago' });
  });

  it('a start does not end', () => {
    expect(firstTrouble(() => null, 3_600_000)?.atMs).toBe(START_PATIENCE_MS + LOOK_MS);
  });

  it('looks are always late, every 40 s instead of 10, whether the radio advances or not', () => {
    for (const story of [playing, () => playing(0), () => null]) {
      const told = watch(story, 3_600_000, 4 * LOOK_MS).slice(1);
      expect(new Set(told.map(({ cause }) => cause))).toEqual(new Set(['nobody looked for 40 s']));
    }
  });

  it('and is again once all advances', () => {
    const told = watch((ms) => playing(ms < 200_000 ? 0 : ms), 300_000);
    expect(told.find(({ atMs }) => atMs === 190_000)?.cause).not.toBeNull();
    expect(told.filter(({ atMs, cause }) => atMs >= 200_000 && cause !== null)).toEqual([]);
  });
});

describe('the feeder', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function feeder(read: () => RadioReading | null, watchdogMs: number | null = 120_000) {
    const beganMs = Date.now();
    const monoMs = () => Date.now() - beganMs;
    const fedAtMs: number[] = [];
    const said: string[] = [];
    const errors: unknown[] = [];
    const notify: Notify = {
      watchdogMs,
      ready: () => said.push('ready'),
      alive: () => fedAtMs.push(monoMs()),
      status: (text) => said.push(text),
      stopping: () => said.push('stopping'),
    };
    const log = { error: (...words: unknown[]) => errors.push(words) };
    return { watchdog: createWatchdog({ notify, read, monoMs, log }), monoMs, fedAtMs, said, errors };
  }

  it('feeds four times within the time that systemd waits', () => {
    const made = feeder(() => playing(made.monoMs()));
    made.watchdog.start();
    made.watchdog.start();
    vi.advanceTimersByTime(240_000);
    made.watchdog.stop();
    const pauses = made.fedAtMs.slice(1).map((atMs, index) => atMs - made.fedAtMs[index]!);
    expect(new Set(pauses)).toEqual(new Set([120_000 / WATCHDOG_FEEDS]));
    vi.advanceTimersByTime(240_000);
    expect(made.fedAtMs.length).toBe(8);
  });

  it('says once what stands still, starves the watchdog, and says when it is over', () => {
    let stuck = false;
    const made = feeder(() => playing(stuck ? 0 : made.monoMs()));
    made.watchdog.start();
    vi.advanceTimersByTime(100_000);
    stuck = true;
    vi.advanceTimersByTime(300_000);
    expect(made.watchdog.cause).toMatch(/player stands still/);
    expect(made.errors.length).toBe(1);
    expect(made.fedAtMs.at(-1)).toBeLessThanOrEqual(160_000);
    stuck = false;
    vi.advanceTimersByTime(LOOK_MS);
    made.watchdog.stop();
    expect(made.watchdog.cause).toBeNull();
    expect(made.fedAtMs.at(-1)).toBe(410_000);
    expect(made.said).toEqual([expect.stringMatching(/stands still/), 'The radio advances again.']);
  });

  it('begins with the radio, and feeds on while that starts anew', () => {
    let radio: RadioReading | null = null;
    const made = feeder(() => radio);
    made.watchdog.start();
    vi.advanceTimersByTime(300_000);
    expect(made.fedAtMs).toEqual([]);
    radio = playing(1);
    vi.advanceTimersByTime(LOOK_MS);
    radio = null;
    vi.advanceTimersByTime(60_000);
    made.watchdog.stop();
    expect(made.fedAtMs).toEqual([310_000, 340_000, 370_000]);
  });

  it('does not feed while its looks come late', () => {
    let blockedMs = 0;
    const made = feeder(() => {
      vi.setSystemTime(Date.now() + blockedMs);
      return playing(made.monoMs());
    });
    made.watchdog.start();
    vi.advanceTimersByTime(LOOK_MS);
    expect(made.fedAtMs).toEqual([LOOK_MS]);
    blockedMs = 40_000;
    vi.advanceTimersByTime(2 * LOOK_MS);
    const before = made.fedAtMs.length;
    vi.advanceTimersByTime(60 * LOOK_MS);
    expect([made.fedAtMs.length, made.watchdog.cause, made.errors.length]).toEqual([
      before,
      'nobody looked for 50 s',
      1,
    ]);
    blockedMs = 0;
    vi.advanceTimersByTime(2 * LOOK_MS);
    made.watchdog.stop();
    expect([made.fedAtMs.length, made.watchdog.cause]).toEqual([before + 1, null]);
  });

  it('does not feed for a radio that cannot be asked', () => {
    const made = feeder(() => {
      throw new Error('no such room');
    });
    made.watchdog.start();
    vi.advanceTimersByTime(60_000);
    made.watchdog.stop();
    expect(made.fedAtMs).toEqual([]);
    expect(made.watchdog.cause).toBe('the radio cannot be asked: no such room');
  });

  it('knows how the radio is also where nobody waits for it', () => {
    const made = feeder(() => playing(0), null);
    made.watchdog.start();
    vi.advanceTimersByTime(120_000);
    made.watchdog.stop();
    expect(made.fedAtMs).toEqual([]);
    expect(made.watchdog.cause).toMatch(/player stands still/);
  });
});
