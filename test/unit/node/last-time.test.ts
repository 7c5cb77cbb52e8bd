import { describe, expect, it } from 'vitest';
import { StationClock } from '../../../src/clock/station-clock.ts';
import { LastTime } from '../../../src/node/last-time.ts';

const WALL_OFFSET_MS = 1_000_000;

/** A clock in its flock's time, a minute from the wall clock's. */
function clockOf(start: ConstructorParameters<typeof StationClock>[0]): StationClock {
  const clock = new StationClock(start);
  clock.becomeOrigin();
  return clock;
}
const word = (clock: StationClock, monoMs: number) => ({ ...clock.status(monoMs), domain: clock.domain });

describe('LastTime', () => {
  it('begins at the wall clock', () => {
    expect(new LastTime().startOf('one', WALL_OFFSET_MS)).toEqual({ initialOffsetMs: WALL_OFFSET_MS });
  });

  it('goes on where the run before was, in the same domain', () => {
    const last = new LastTime();
    const before = clockOf({ initialOffsetMs: WALL_OFFSET_MS + 60_000, domain: 'genesis' });
    last.note('one', word(before, 500));
    const after = new StationClock(last.startOf('one', WALL_OFFSET_MS));
    expect(after.nowMs(900)).toBe(before.nowMs(900));
    expect(after.domain).toBe('genesis');
  });

  it('takes the wall clock for another station, and after a clock that was in nobody’s time', () => {
    const last = new LastTime();
    last.note('one', word(clockOf({ initialOffsetMs: 7 }), 500));
    expect(last.startOf('two', WALL_OFFSET_MS).initialOffsetMs).toBe(WALL_OFFSET_MS);
    last.note('one', word(new StationClock({ initialOffsetMs: 7 }), 500));
    expect(last.startOf('one', WALL_OFFSET_MS).initialOffsetMs).toBe(WALL_OFFSET_MS);
  });
});
