import { describe, expect, it } from 'vitest';
import { bootstrapLinks } from '../../../src/consensus/log.ts';
import { DEFAULT_RULES, type Rules } from '../../../src/consensus/rules.ts';
import { phasesOf, roundsOf, type SlotPhases } from '../../../src/consensus/timeline.ts';
import { makeStation, START_MS } from './station.ts';

/** Phases of slot 5 of a station whose first tracks have these lengths; instants in ms after its start. */
function phases(durationsMs: [number, number, number, number, number], rules: Partial<Rules> = {}): SlotPhases {
  const { body } = makeStation(4, rules).bootstrap;
  let startMs = START_MS;
  const queue = body.initial_queue.map((track, i) => {
    const placed = { ...track, start_time: startMs, duration: durationsMs[i]! };
    startMs += durationsMs[i]!;
    return placed;
  });
  const links = bootstrapLinks({ ...body, initial_queue: queue });
  const found = phasesOf((slot) => links[slot], 5)!;
  const { openMs, t1Ms, decideMs, lateMs } = found;
  return {
    ...found,
    openMs: openMs - START_MS,
    t1Ms: t1Ms - START_MS,
    decideMs: decideMs - START_MS,
    lateMs: lateMs - START_MS,
  };
}

describe('the timeline of the model', () => {
  it('gives 30 s to propose and 60 s to select while long tracks play', () => {
    const found = phases([240_000, 200_000, 180_000, 180_000, 180_000]);
    expect(found).toMatchObject({ openMs: 0, t1Ms: 30_000, decideMs: 300_000, lateMs: 440_000, deltaMs: 3_000 });
    expect(found.roundsThatFit).toBe(90);
  });

  it('gives a quarter and two fifths while short ones play', () => {
    const found = phases([60_000, 40_000, 40_000, 40_000, 40_000]);
    expect(found).toMatchObject({ openMs: 0, t1Ms: 15_000, decideMs: 76_000, deltaMs: 3_000, roundsThatFit: 20 });
  });

  it('keeps two Delta for proposing, however short the track', () => {
    const found = phases([20_000, 20_000, 20_000, 20_000, 20_000]);
    expect(found).toMatchObject({ t1Ms: 5_000, deltaMs: 2_500 });
    // Odd lengths: integers, rounded down.
    expect(phases([20_003, 20_001, 20_000, 20_000, 20_000])).toMatchObject({ t1Ms: 5_000, decideMs: 28_003 });
  });

  it('withstands R = min(roster - 1, rounds that fit, 64) faulty nodes', () => {
    const found = phases([240_000, 200_000, 180_000, 180_000, 180_000]);
    expect(roundsOf(DEFAULT_RULES, found, 1)).toBe(0);
    expect(roundsOf(DEFAULT_RULES, found, 10)).toBe(9);
    expect(roundsOf(DEFAULT_RULES, found, 1_000)).toBe(64);
    expect(roundsOf({ ...DEFAULT_RULES, max_rounds: 5 }, found, 1_000)).toBe(5);
    expect(roundsOf(DEFAULT_RULES, { ...found, roundsThatFit: 7 }, 1_000)).toBe(7);
    expect(roundsOf(DEFAULT_RULES, { ...found, roundsThatFit: -1 }, 1_000)).toBe(0);
  });

  it('is not known before the log is', () => {
    expect(phasesOf(() => undefined, 5)).toBeNull();
  });
});
