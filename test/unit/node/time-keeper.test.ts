import { describe, expect, it } from 'vitest';
import type { TimeSample } from '../../../src/node/ports.ts';
import { type ClockFilter, TimeKeeper } from '../../../src/node/time-keeper.ts';
import { quiet } from './fakes.ts';

/** Counts samples and is synchronised after eight; the real filter has tests of its own. */
class CountingClock implements ClockFilter {
  samples = 0;
  resets: (string | null)[] = [];
  removed: string[] = [];
  origin = false;
  offsetMs = 1_000;

  addSample(): void {
    this.samples += 1;
    if (this.samples === 8) this.offsetMs = 5_000;
  }
  nowMs(monoMs: number): number {
    return monoMs + this.offsetMs;
  }
  reset(domain: string | null): void {
    this.resets.push(domain);
    this.samples = 0;
  }
  becomeOrigin(): void {
    this.origin = true;
  }
  removePeer(peer: string): void {
    this.removed.push(peer);
  }
  peerOffsetMs(): null {
    return null;
  }

  status() {
    return { offsetMs: this.offsetMs, errorMs: 0.5, peers: 1, synced: this.samples >= 8, driftPpm: 0 };
  }
}

function setUp(exchange: () => Promise<TimeSample>) {
  const clock = new CountingClock();
  const synced: (string | null)[] = [];
  let steps = 0;
  const keeper = new TimeKeeper({
    clock,
    exchangeTime: exchange,
    monoMs: () => performance.now(),
    onSynced: (domain) => synced.push(domain),
    onStep: () => {
      steps += 1;
    },
    log: quiet,
  });
  return { clock, keeper, synced, steps: () => steps };
}

const sample = (domain?: string | null): TimeSample => ({ t1: 0, t2: 0, t3: 0, t4: 0, domain });
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('TimeKeeper', () => {
  it('is an origin of time at once when there is nobody to follow', () => {
    const { keeper, synced, clock } = setUp(async () => sample());
    keeper.follow('genesis', []);
    expect(clock.origin).toBe(true);
    expect(synced).toEqual(['genesis']);
    expect(keeper.domain).toBe('genesis');
  });

  it('announces a followed domain after the first burst, and tells of the step', async () => {
    const { keeper, synced, steps } = setUp(async () => sample('genesis'));
    keeper.follow('genesis', ['a']);
    expect(keeper.domain).toBeNull();
    await wait(1_000);
    keeper.stop();
    expect(synced).toEqual(['genesis']);
    expect(steps()).toBe(1);
  });

  it('takes no time of another domain', async () => {
    const { keeper, clock, synced } = setUp(async () => sample('elsewhere'));
    keeper.follow('genesis', ['a']);
    await wait(700);
    keeper.stop();
    expect(clock.samples).toBe(0);
    expect(synced).toEqual([]);
  });

  it('goes on when peers do not answer', async () => {
    let calls = 0;
    const { keeper, synced } = setUp(async () => {
      calls += 1;
      if (calls % 2 === 0) throw new Error('gone');
      return sample('genesis');
    });
    keeper.follow('genesis', ['a', 'b']);
    await wait(1_000);
    keeper.stop();
    expect(synced).toEqual(['genesis']);
  });

  it('begins anew in a new domain and keeps going in the old one', async () => {
    const { keeper, clock } = setUp(async () => sample());
    keeper.follow('one', ['a']);
    keeper.follow('one', ['a', 'b']);
    keeper.follow('one', ['b']);
    expect(clock.removed).toEqual(['a']);
    keeper.follow('two', ['a']);
    keeper.stop();
    expect(clock.resets).toEqual(['one', 'two']);
  });
});
