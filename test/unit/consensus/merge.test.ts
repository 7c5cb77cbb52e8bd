import { describe, expect, it } from 'vitest';
import { VirtualFlock } from '../../simulation/network.ts';
import { isOneLog } from '../../simulation/run.ts';

/** Virtual time at which all honest members stand on one log; Infinity when that is never so up to `untilMs`. */
function untilOneLog(flock: VirtualFlock, untilMs: number): number {
  while (flock.nowMs < untilMs) {
    flock.run(flock.nowMs + 500);
    if (flock.nodes.every((node) => !node.online || node.state.phase === 'member') && isOneLog(flock))
      return flock.nowMs;
  }
  return Number.POSITIVE_INFINITY;
}

/** Two stations of one name that were deployed at once, and meet. */
function twoStations(seed: number, size: number, connects: (a: number, b: number) => boolean): VirtualFlock {
  const flock = new VirtualFlock({ nodes: 2 * size, seed });
  const all = flock.nodes.map(({ index }) => index);
  flock.partition(all.slice(0, size), all.slice(size));
  for (const index of all) flock.start(index);
  flock.run(120_000);
  expect(new Set(flock.nodes.map((node) => node.state.chain!.genesis)).size).toBe(2);
  flock.connects = connects;
  flock.heal();
  return flock;
}

describe('stations that meet', () => {
  it.each([1, 2, 3])('become one where everybody hears everybody (seed %i)', (seed) => {
    const flock = twoStations(seed, 3, () => true);
    expect(untilOneLog(flock, 300_000) - 120_000).toBeLessThan(120_000);
  });

  it.each([1, 2, 3, 4])('do not change places for ever where each sees more of the other (seed %i)', (seed) => {
    const size = 3;
    const flock = twoStations(seed, size, (a, b) => a < size !== b < size);
    expect(untilOneLog(flock, 420_000) - 120_000).toBeLessThan(180_000);
    flock.run(flock.nowMs + 120_000);
    expect(isOneLog(flock)).toBe(true);
    for (const node of flock.nodes) expect(node.state.moves.count).toBeLessThanOrEqual(2);
  });

  it('become one along a chain of boxes that hear only their neighbours', () => {
    const flock = twoStations(5, 4, (a, b) => Math.abs(a - b) === 1);
    expect(untilOneLog(flock, 600_000)).toBeLessThan(600_000);
  });
});

describe('logs that no record connects', () => {
  it.each([1, 2, 3])('become one again: a newcomer’s checkpoint began after the fork (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 5, seed });
    for (const index of [0, 1, 2]) flock.start(index);
    flock.run(700_000);
    flock.partition([0, 1], [2, 3, 4]);
    flock.run(1_400_000);
    // Members of the part alone, whose log begins with a checkpoint of that part; then the one who knows more leaves.
    for (const index of [3, 4]) flock.start(index);
    flock.run(1_900_000);
    flock.stop(2);
    flock.run(1_960_000);
    const [here, there] = [flock.nodes[0]!.state.chain!, flock.nodes[3]!.state.chain!];
    expect(there.links[0]!.record.slot).toBeGreaterThan(5);
    expect(here.links.some((link) => link.hash === there.links[0]!.hash)).toBe(false);
    flock.heal();
    expect(untilOneLog(flock, 2_200_000) - 1_960_000).toBeLessThan(100_000);
    expect(flock.nodes[3]!.state.counters.rejoins).toBe(1);
    expect(flock.nodes[0]!.state.counters.rejoins).toBeUndefined();
    // And back on the air: it proposes again.
    const before = flock.nodes[3]!.state.counters.proposed ?? 0;
    flock.run(flock.nowMs + 300_000);
    expect(flock.nodes[3]!.state.counters.proposed ?? 0).toBeGreaterThan(before);
    expect(isOneLog(flock)).toBe(true);
    for (const node of flock.nodes) expect(node.state.phase === 'member' || !node.online).toBe(true);
  });
});
