import { describe, expect, it } from 'vitest';
import { signMessage } from '../../../src/consensus/canonical.ts';
import type { StateMessage } from '../../../src/consensus/messages.ts';
import { epochAt } from '../../../src/consensus/state.ts';
import { type SimNode, VirtualFlock } from '../../simulation/network.ts';
import { isOneLog } from '../../simulation/run.ts';

const says = (node: SimNode, kind: string): boolean =>
  node.indications.some((e) => e.type === 'indicate' && e.indication.kind === kind);

/** A flock of four that has run for a while; node 3 is a member. */
function flockOf(seed: number): { flock: VirtualFlock; node: SimNode } {
  const flock = new VirtualFlock({ nodes: 4, seed });
  for (const { index } of flock.nodes) flock.start(index);
  flock.run(400_000);
  const node = flock.nodes[3]!;
  expect(node.state.chain!.links.at(-1)!.log.roster.entries.has(node.nodeId)).toBe(true);
  return { flock, node };
}

/** Station time of the end of what plays on a node, in virtual ms. */
const settle = (flock: VirtualFlock, ms: number): void => flock.run(flock.nowMs + ms);

/** Brings a node back with nothing on its disk, and waits until it is a member again. */
function comeBackEmpty(flock: VirtualFlock, node: SimNode): void {
  flock.stop(node.index);
  node.disk.clear();
  settle(flock, 300);
  flock.start(node.index);
  for (let i = 0; i < 60 && node.state.phase !== 'member'; i++) settle(flock, 500);
  expect(node.state.phase).toBe('member');
}

describe('a node that lost its journal', () => {
  it.each([1, 2, 3, 4, 5, 6])('takes what it hears of itself for its own last word (seed %i)', (seed) => {
    const { flock, node } = flockOf(seed);
    // Right after it proposed: its word is open for two slots yet.
    const before = node.state.counters.proposed ?? 0;
    for (let i = 0; i < 200 && (node.state.counters.proposed ?? 0) === before; i++) settle(flock, 250);
    settle(flock, seed * 700);
    comeBackEmpty(flock, node);
    settle(flock, 600_000);
    expect(says(node, 'ownKeyElsewhere')).toBe(false);
    expect(node.state.phase).toBe('member');
    for (const other of flock.nodes) expect(other.state.counters.equivocations).toBeUndefined();
    for (const other of flock.nodes) expect(other.state.counters.doubleStates).toBeUndefined();
    expect(node.state.counters.proposed).toBeGreaterThan(5);
    expect(isOneLog(flock)).toBe(true);
    expect(flock.disagreements()).toEqual([]);
  });

  it('keeps the word it heard: it stands on its disk, and it proposes nothing else', () => {
    let recalled = 0;
    for (const seed of [11, 12, 13, 14, 15]) {
      const { flock, node } = flockOf(seed);
      const before = node.state.counters.proposed ?? 0;
      for (let i = 0; i < 200 && (node.state.counters.proposed ?? 0) === before; i++) settle(flock, 250);
      settle(flock, 500);
      const said = [...node.state.ownProposals.keys()].at(-1)!;
      const { sig } = node.state.ownProposals.get(said)!;
      comeBackEmpty(flock, node);
      settle(flock, 6_000);
      if (node.state.counters.recalled === undefined) continue;
      recalled++;
      expect(node.state.ownProposals.get(said)?.sig).toEqual(sig);
      expect(node.disk.get(said)).toBeDefined();
    }
    expect(recalled).toBeGreaterThan(0);
  });

  it('says nothing until its last words are old, and stops when its key goes on speaking', () => {
    const { flock, node } = flockOf(7);
    const spoken: number[] = [];
    flock.onEffect = (who, effect) => {
      if (who === node && effect.type === 'publish' && effect.message.body.type === 'STATE') {
        spoken.push(effect.message.body.epoch);
      }
    };
    comeBackEmpty(flock, node);
    const { sinceEpoch, untilEpoch } = node.state.recalling!;
    expect(untilEpoch - sinceEpoch).toBe(flock.rules.state_fresh_epochs);
    // The clone: a box with the same key and a journal, which speaks of an epoch that this one never did.
    const [other] = flock.nodes;
    const say = (epoch: number) => {
      const own = other!.state.heard.get(other!.nodeId)!.state.body;
      const body: StateMessage = { ...own, node_id: node.nodeId, epoch };
      flock.feed(node, { type: 'message', message: signMessage(node.crypto, body), from: other!.nodeId });
    };
    say(sinceEpoch);
    say(sinceEpoch + 1);
    expect(says(node, 'ownKeyElsewhere')).toBe(false);
    while (epochAt(node.state, flock.stationMs(node)) < sinceEpoch + 2) settle(flock, 100);
    say(sinceEpoch + 2);
    expect(says(node, 'ownKeyElsewhere')).toBe(true);
    settle(flock, 60_000);
    expect(spoken).toEqual([]);
  });

  it('knows a clone by its proposals once its own last words are decided', () => {
    const { flock, node } = flockOf(8);
    comeBackEmpty(flock, node);
    const { untilSlot } = node.state.recalling!;
    for (let i = 0; i < 400 && ![...node.state.settling.keys()].includes(untilSlot + 1); i++) settle(flock, 500);
    const settling = node.state.settling.get(untilSlot + 1)!;
    const [other] = flock.nodes;
    for (let i = 0; i < 200 && !settling.candidates.has(other!.nodeId); i++) settle(flock, 250);
    const { body } = settling.candidates.get(other!.nodeId)!.values[0]!.message;
    const forged = signMessage(node.crypto, { ...body, node_id: node.nodeId });
    flock.feed(node, { type: 'message', message: forged, from: other!.nodeId });
    expect(says(node, 'ownKeyElsewhere')).toBe(true);
  });
});

describe('a node whose journal is damaged in part', () => {
  it('sits out the slots that it cannot remember, and goes on', () => {
    const { flock, node } = flockOf(9);
    flock.stop(node.index);
    for (const key of node.disk.keys()) if (key.startsWith('own:')) node.disk.set(key, { v: 1, body: 7, sig: null });
    settle(flock, 300);
    flock.start(node.index);
    expect(node.state.counters.resumed).toBe(1);
    expect(node.state.recalling).not.toBeNull();
    settle(flock, 400_000);
    expect(node.state.phase).toBe('member');
    expect(node.state.counters.proposed).toBeGreaterThan(3);
    for (const other of flock.nodes) expect(other.state.counters.equivocations).toBeUndefined();
  });

  it.each([
    ['epoch', 1],
    ['own:', 2],
    ['own:', 3],
    ['divergence', 4],
  ])('knows that it forgets when its row %s cannot be read, and starts clean the next time (seed %i)', (kind, seed) => {
    const { flock, node } = flockOf(seed);
    const { genesis } = node.state.chain!;
    const account = { v: 1 as const, genesis, lastSlot: 1, run: 1, bannedAt: -1, divergedMs: 0, sinceMs: null };
    // Right after it proposed: its word is open, and the others know it.
    const before = node.state.counters.proposed ?? 0;
    for (let i = 0; i < 200 && (node.state.counters.proposed ?? 0) === before; i++) settle(flock, 250);
    settle(flock, 200);
    flock.stop(node.index);
    node.disk.set('divergence', account);
    const damaged = [...node.disk.keys()].filter((key) => key.startsWith(kind));
    expect(damaged.length).toBeGreaterThan(0);
    for (const key of damaged) node.disk.set(key, { v: 1 });
    settle(flock, 100);
    flock.start(node.index);
    expect(node.state.counters.resumed).toBe(1);
    expect(node.state.forgetful).toBe(true);
    expect(node.state.recalling).not.toBeNull();
    for (const key of damaged) expect(node.disk.get(key)).not.toEqual({ v: 1 });
    settle(flock, 200_000);
    expect(says(node, 'ownKeyElsewhere')).toBe(false);
    expect(node.state.phase).toBe('member');
    for (const other of flock.nodes) {
      const { equivocations, doubleStates, falseReports } = other.state.counters;
      expect({ equivocations, doubleStates, falseReports }).toEqual({});
    }
    flock.stop(node.index);
    settle(flock, 100);
    flock.start(node.index);
    expect(node.state.forgetful).toBe(false);
  });

  it('proposes for no forgotten slot after a second restart either', () => {
    const { flock, node } = flockOf(12);
    const before = node.state.counters.proposed ?? 0;
    for (let i = 0; i < 200 && (node.state.counters.proposed ?? 0) === before; i++) settle(flock, 250);
    settle(flock, 200);
    const said = [...node.state.ownProposals.values()].at(-1)!.body.target_slot;
    for (let life = 0; life < 3; life++) {
      flock.stop(node.index);
      if (life === 0) for (const key of node.disk.keys()) if (key.startsWith('own:')) node.disk.set(key, { v: 1 });
      settle(flock, 100);
      flock.start(node.index);
      expect(node.state.counters.resumed).toBe(1);
      expect(node.state.forgetful).toBe(life === 0);
      expect(node.state.recalling!.untilSlot).toBeGreaterThanOrEqual(said);
      settle(flock, 1_500);
    }
    settle(flock, 200_000);
    expect(says(node, 'ownKeyElsewhere')).toBe(false);
    expect(node.state.counters.proposed).toBeGreaterThan(1);
    for (const other of flock.nodes) expect(other.state.counters.equivocations).toBeUndefined();
  });

  it('takes no word for its own that its key did not sign', () => {
    const { flock, node } = flockOf(10);
    flock.stop(node.index);
    const key = [...node.disk.keys()].find((name) => name.startsWith('own:'))!;
    const { body, sig } = node.disk.get(key) as unknown as { body: { timestamp: number }; sig: Uint8Array };
    node.disk.set(key, { v: 1, body: { ...body, timestamp: body.timestamp + 1 }, sig });
    flock.start(node.index);
    expect(node.state.forgetful).toBe(true);
    expect(node.state.ownProposals.has(key)).toBe(false);
  });
});
