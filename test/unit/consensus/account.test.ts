import { describe, expect, it } from 'vitest';
import { type SimNode, VirtualFlock } from '../../simulation/network.ts';

/** A flock of four whose node 3 refused one track, and has played along since. */
function afterOneRefusal(seed: number): { flock: VirtualFlock; node: SimNode; others: SimNode[] } {
  const flock = new VirtualFlock({ nodes: 4, seed });
  for (const { index } of flock.nodes) flock.start(index);
  flock.run(400_000);
  const node = flock.nodes[3]!;
  const others = flock.nodes.filter((other) => other !== node);
  play(flock, node, 'moderation');
  flock.run(flock.nowMs + 38_000);
  play(flock, node, null);
  flock.run(flock.nowMs + 60_000);
  for (const other of others) expect(other.state.divergedStates.has(node.nodeId)).toBe(true);
  return { flock, node, others };
}

function play(flock: VirtualFlock, node: SimNode, reason: 'moderation' | null): void {
  const nowMs = flock.stationMs(node);
  const isPlaying = ({ start_ms, duration_ms }: { start_ms: number; duration_ms: number }): boolean =>
    nowMs >= start_ms && nowMs < start_ms + duration_ms;
  const { slot, track } = node.state.chain!.links.find(({ record }) => isPlaying(record))!.record;
  const actual = reason === null ? track!.track_hash : `sha256:${'a'.repeat(64)}`;
  flock.feed(node, { type: 'playback', slot, actual, reason });
}

function expectGoodStanding(node: SimNode, others: SimNode[]): void {
  for (const { state } of others) {
    expect(state.counters.falseReports).toBeUndefined();
    expect(state.chain!.links.at(-1)!.log.exclusions.has(node.nodeId)).toBe(false);
  }
}

describe('a box that refused a track once', () => {
  it.each([3, 5])('and lost its journal denies nothing that it said before (seed %i)', (seed) => {
    const { flock, node, others } = afterOneRefusal(seed);
    flock.stop(node.index);
    node.disk.clear();
    flock.run(flock.nowMs + 300);
    flock.start(node.index);
    const before = node.state.counters.proposed ?? 0;
    flock.run(flock.nowMs + 300_000);
    expect(node.state.counters.proposed ?? 0).toBeGreaterThan(before);
    expect(node.state.divergence.lastSlot).toBeGreaterThan(0);
    expectGoodStanding(node, others);
  });

  it.each([3, 4])('and slept for longer than the queue owns up to it still (seed %i)', (seed) => {
    const { flock, node, others } = afterOneRefusal(seed);
    const { lastSlot } = node.state.divergence;
    flock.stall(node, 400_000);
    flock.run(flock.nowMs + 700_000);
    expect(node.state.counters.deadLogs).toBe(1);
    expect(node.state.phase).toBe('member');
    expect(node.state.divergence.lastSlot).toBeGreaterThanOrEqual(lastSlot);
    expectGoodStanding(node, others);
  });

  it('begins a new account with another genesis, and keeps it on its disk no longer', () => {
    const { flock, node } = afterOneRefusal(3);
    expect(node.disk.has('divergence')).toBe(true);
    flock.feed(node, { type: 'command', command: { kind: 'redeploy' } });
    const { genesis } = node.state.chain!;
    expect(node.state.divergence).toMatchObject({ genesis, lastSlot: -1, run: 0, bannedAt: -1 });
    expect(node.disk.has('divergence')).toBe(false);
  });

  it('counts a refusal of what played when it came back with nothing', () => {
    const { flock, node } = afterOneRefusal(4);
    flock.stop(node.index);
    node.disk.clear();
    flock.run(flock.nowMs + 300);
    flock.start(node.index);
    for (let i = 0; i < 60 && node.state.phase !== 'member'; i++) flock.run(flock.nowMs + 500);
    expect(node.state.divergence.run).toBe(0);
    play(flock, node, 'moderation');
    expect(node.state.divergence.run).toBe(1);
  });
});
