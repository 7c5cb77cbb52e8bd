import { describe, expect, it } from 'vitest';
import { signMessage } from '../../../src/consensus/canonical.ts';
import { packLink } from '../../../src/consensus/checkpoint.ts';
import type { ConsensusCrypto, SyncResponse } from '../../../src/consensus/events.ts';
import type { Link } from '../../../src/consensus/link.ts';
import { deriveLink, hashRecord, makeRoster, sealLog } from '../../../src/consensus/log.ts';
import { epochAt } from '../../../src/consensus/state.ts';
import { type SimNode, simulatedCrypto, VirtualFlock } from '../../simulation/network.ts';

/** Epochs for which a log of its own genesis is held out to the victim: several tracks, and past every patience. */
const EPOCHS = 60;

/** A flock of four whose deployer has gone, and one of the three that are left. */
function orphans(seed: number): { flock: VirtualFlock; deployer: SimNode; victim: SimNode } {
  const flock = new VirtualFlock({ nodes: 4, seed });
  for (const { index } of flock.nodes) flock.start(index);
  flock.run(400_000);
  const deployer = flock.node(flock.nodes[0]!.state.chain!.bootstrap.body.node_id)!;
  flock.stop(deployer.index);
  flock.run(500_000);
  return { flock, deployer, victim: flock.nodes.find((node) => node !== deployer)! };
}

/** Two records of the flock's, 16 back: as they are, or with a roster of the forger alone. */
function baseOf(victim: SimNode, forger: ConsensusCrypto, forged: boolean): Link[] {
  const [a, b] = victim.state.chain!.links.slice(-16, -14) as [Link, Link];
  if (!forged) return [a, b];
  const entry = [...a.log.roster.entries.values()][0]!;
  const own = { ...entry, node_id: forger.nodeId, vrf_key: forger.vrfKey };
  const change = ({ log, record: { proposal: _, ...rest } }: Link, prev: string): Link => {
    const { hash: __, ...state } = log;
    const sealed = sealLog({ ...state, roster: makeRoster(new Map([[forger.nodeId, own]])) });
    const record = { ...rest, proposal: null, prev, log: sealed.hash };
    return { record, hash: hashRecord(record, null), log: sealed, output: null };
  };
  const one = change(a, a.record.prev);
  return [one, change(b, one.hash)];
}

/** A neighbour with one key that holds out a log of fallback records; true when the victim ever stood on it. */
function lure(flock: VirtualFlock, victim: SimNode, forger: ConsensusCrypto, forged: boolean): boolean {
  const fake = baseOf(victim, forger, forged);
  const extend = () => {
    while (fake.at(-1)!.record.start_ms < flock.stationMs(victim) + 120_000)
      fake.push(deriveLink(flock.memo, fake.at(-1)!, null));
  };
  const rows = (links: Link[]) =>
    links.map(({ record: { slot, prev }, hash }) => ({ slot, prev, hash, proposal: null }));
  flock.feed(victim, { type: 'peers', peers: [...victim.state.peers, forger.nodeId] });
  flock.onEffect = (node, effect) => {
    if (node !== victim || effect.type !== 'ask' || effect.peer !== forger.nodeId) return;
    const { kind, from_slot: from } = effect.request as { kind: string; from_slot?: number };
    const { genesis, bootstrap } = victim.state.chain!;
    let response: SyncResponse = { kind: 'refused' };
    const nothing = { slot: Math.max(5, from ?? 0), prev: '0'.repeat(64), hash: '1'.repeat(64), proposal: null };
    if (kind === 'records') response = { kind, genesis, records: [nothing] };
    if (kind === 'checkpoint') {
      const base = fake.slice(0, 2).map((link) => packLink(flock.memo, link));
      response = { kind, bootstrap, base, records: rows(fake.slice(2)) };
    }
    flock.later(victim, 20, { type: 'answer', requestId: effect.requestId, from: forger.nodeId, response });
  };
  const lured = new Set(fake.slice(2).map(({ hash }) => hash));
  for (let i = 0; i < EPOCHS; i++) {
    extend();
    for (const { hash } of fake.slice(2)) lured.add(hash);
    const { links } = victim.state.chain!;
    if (links.some(({ hash }) => lured.has(hash))) return true;
    const own = victim.state.heard.get(victim.nodeId)!.state.body;
    const head = fake.findLast(({ record }) => record.slot <= links.at(-1)!.record.slot)!;
    const epoch = epochAt(victim.state, flock.stationMs(victim));
    const body = { ...own, node_id: forger.nodeId, epoch, head: head.hash, head_slot: head.record.slot };
    flock.feed(victim, { type: 'message', message: signMessage(forger, body), from: forger.nodeId });
    flock.run(flock.nowMs + flock.rules.state_epoch_ms);
  }
  return false;
}

describe('a log of our own genesis that no record connects', () => {
  it.each([
    [false, 1],
    [true, 2],
  ])('draws nobody away that a stranger with one key stands on (forged base: %s)', (forged, seed) => {
    const { flock, victim } = orphans(seed);
    // Below every honest id: a tie must not be won by trying keys.
    const forger = simulatedCrypto(`12D3KooW${'1'.repeat(44)}`);
    expect(lure(flock, victim, forger, forged)).toBe(false);
    expect(victim.state.counters.rejoins).toBeUndefined();
    expect(victim.state.counters.deepForks).toBeGreaterThan(0);
  });

  it.each([
    [false, 3],
    [true, 4],
  ])(
    'draws nobody away that a single member stands on, though it deployed the station (forged base: %s)',
    (forged, seed) => {
      const { flock, deployer, victim } = orphans(seed);
      expect(lure(flock, victim, deployer.crypto, forged)).toBe(false);
      expect(victim.state.counters.rejoins).toBeUndefined();
      expect(victim.state.counters.deepForks).toBeGreaterThan(0);
    },
  );
});
