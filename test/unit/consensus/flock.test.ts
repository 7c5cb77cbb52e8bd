import { describe, expect, it } from 'vitest';
import { FAST_RULES } from '../../../src/consensus/rules.ts';
import { view } from '../../../src/consensus/view.ts';
import { type SimNode, VirtualFlock } from '../../simulation/network.ts';

const boot = (flock: VirtualFlock): void => {
  for (const node of flock.nodes) flock.start(node.index);
};
const look = (flock: VirtualFlock, node: SimNode) => view(node.state, flock.stationMs(node));
const seeds = [1, 2, 3];

/** Everybody stands on one log, knows everybody, and plays one programme without gap or overlap. */
function expectOneFlock(flock: VirtualFlock, nodes: SimNode[] = flock.nodes): void {
  const views = nodes.map((node) => look(flock, node));
  expect(new Set(views.map((v) => v.phase))).toEqual(new Set(['member']));
  expect(new Set(views.map((v) => v.genesis)).size).toBe(1);
  expect(new Set(views.map((v) => v.slot)).size).toBe(1);
  for (const node of nodes) {
    const slots = [...node.scheduled].sort(([a], [b]) => a - b).slice(-6);
    for (const [i, [slot, { startMs, durationMs }]] of slots.entries()) {
      const next = slots[i + 1];
      if (next === undefined) continue;
      expect(next[0]).toBe(slot + 1);
      expect(next[1].startMs).toBe(startMs + durationMs);
    }
  }
}

describe('a flock', () => {
  it.each(seeds)('boots at once, agrees on every slot and takes everybody in (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 3, seed, wire: true });
    boot(flock);
    flock.run(400_000);
    expectOneFlock(flock);
    expect(flock.disagreements()).toEqual([]);
    const [first] = flock.nodes.map((node) => look(flock, node));
    expect(first!.roster).toHaveLength(3);
    expect(first!.roster.every((entry) => entry.eligibleFrom <= 11)).toBe(true);
    expect(first!.headSlot).toBeGreaterThan(12);
    expect(first!.queue.length).toBeGreaterThanOrEqual(4);
  });

  it.each(seeds)('agrees although one message in twenty is lost and clocks differ (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 8, seed, loss: 0.05, skewMs: 150 });
    boot(flock);
    flock.run(900_000);
    expectOneFlock(flock);
    expect(flock.disagreements()).toEqual([]);
    for (const node of flock.nodes) expect(node.state.counters.fallbacks ?? 0).toBe(0);
  });

  it.each(seeds)('lets a node that lost power come back, and another join in mid-track (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 5, seed, wire: true });
    for (const index of [0, 1, 2, 3]) flock.start(index);
    flock.run(200_000);
    flock.stop(2);
    flock.run(217_000);
    flock.start(2);
    flock.start(4);
    flock.run(230_000);
    expectOneFlock(flock);
    flock.run(600_000);
    expectOneFlock(flock);
    expect(flock.disagreements()).toEqual([]);
    expect(look(flock, flock.nodes[0]!).roster).toHaveLength(5);
    expect(flock.nodes[4]!.state.counters.proposed).toBeGreaterThan(3);
  });

  it.each(seeds)('survives a power cut of the whole house (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 4, seed });
    boot(flock);
    flock.run(300_000);
    for (const node of flock.nodes) flock.stop(node.index);
    flock.run(312_000);
    boot(flock);
    flock.run(600_000);
    expectOneFlock(flock);
    expect(flock.disagreements()).toEqual([]);
    expect(flock.nodes.every((node) => node.state.counters.resumed === 1)).toBe(true);
  });

  it('plays the winner of a proposer that died after it proposed', () => {
    const flock = new VirtualFlock({ nodes: 4, seed: 5 });
    boot(flock);
    flock.run(300_000);
    const { queue } = look(flock, flock.nodes[0]!);
    const next = queue.find((entry) => entry.nodeId !== null)!;
    const proposer = flock.nodes.find((node) => node.nodeId === next.nodeId)!;
    flock.stop(proposer.index);
    const rest = flock.nodes.filter((node) => node !== proposer);
    flock.run(next.startMs - flock.stationMs(rest[0]!) + flock.nowMs + 1_000);
    for (const node of rest) {
      expect(look(flock, node).now?.track?.track_hash).toBe(next.track!.track_hash);
      expect(node.scheduled.get(next.slot)?.hash).toBe(next.track!.track_hash);
    }
    flock.run(700_000);
    expectOneFlock(flock, rest);
    expect(flock.disagreements()).toEqual([]);
  });

  it('is the same to the byte for one seed', () => {
    const run = () => {
      const flock = new VirtualFlock({ nodes: 4, seed: 7, loss: 0.1, skewMs: 50 });
      boot(flock);
      flock.run(300_000);
      return flock.nodes.map((node) => [...node.decided.values()]);
    };
    expect(run()).toEqual(run());
  });

  it('keeps a lone box on the air with fewer tracks than its rules would like', () => {
    const flock = new VirtualFlock({ nodes: 1, seed: 9, tracksPerNode: 3, rules: { ...FAST_RULES, repeat_slots: 50 } });
    boot(flock);
    flock.run(600_000);
    const only = look(flock, flock.nodes[0]!);
    expect(only.slot).toBeGreaterThan(10);
    expect(only.queue.length).toBeGreaterThanOrEqual(4);
    expect(only.counters.fallbacks ?? 0).toBe(0);
  });
});

describe('forks', () => {
  it.each(seeds)('heal to the larger part after a partition (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 5, seed });
    boot(flock);
    flock.run(300_000);
    flock.partition([0, 1], [2, 3, 4]);
    flock.run(420_000);
    const kept = look(flock, flock.nodes[2]!).head;
    flock.heal();
    flock.run(600_000);
    expectOneFlock(flock);
    expect(flock.nodes[2]!.state.counters.heals ?? 0).toBe(0);
    expect(flock.nodes[0]!.state.counters.heals).toBeGreaterThan(0);
    expect(flock.nodes[0]!.state.chain!.links.some((link) => link.hash === kept)).toBe(true);
  });

  it.each(seeds)('heal after an even split too (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 4, seed });
    boot(flock);
    flock.run(300_000);
    flock.partition([0, 1], [2, 3]);
    flock.run(420_000);
    flock.heal();
    flock.run(600_000);
    expectOneFlock(flock);
  });

  it.each(seeds)('merge stations that were deployed at once under one name (seed %i)', (seed) => {
    const flock = new VirtualFlock({ nodes: 4, seed });
    flock.partition([0], [1], [2, 3]);
    boot(flock);
    flock.run(60_000);
    expect(new Set(flock.nodes.map((node) => look(flock, node).genesis)).size).toBe(3);
    flock.heal();
    flock.run(300_000);
    expectOneFlock(flock);
    expect(look(flock, flock.nodes[0]!).roster).toHaveLength(4);
  });
});
