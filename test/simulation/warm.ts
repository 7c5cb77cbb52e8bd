/**
 * A flock that is already under way: a log with everybody in its roster, so that a run need not first take in a thousand
 * JOINs, sixteen a slot. The log is made by the room's own fold; only its first two records are given, as to a joiner.
 */

import { packLink } from '../../src/consensus/checkpoint.ts';
import type { Effect, SlotRecord } from '../../src/consensus/events.ts';
import { hashText } from '../../src/consensus/hash.ts';
import { resume } from '../../src/consensus/join.ts';
import type { HistoryEntry, Link, LogState, RosterEntry } from '../../src/consensus/link.ts';
import {
  bootstrapLinks,
  deriveLink,
  genesisHash,
  hashRecord,
  makeRoster,
  sealLog,
  trackFingerprint,
} from '../../src/consensus/log.ts';
import type { Bootstrap } from '../../src/consensus/messages.ts';
import { DEFAULT_RULES, rulesHash, rulesJson } from '../../src/consensus/rules.ts';
import { signBootstrap } from '../../src/consensus/signed.ts';
import type { Chain, Turn } from '../../src/consensus/state.ts';
import { digest } from './crypto.ts';
import { EPOCH_MS, type SimNode, type VirtualFlock } from './network.ts';

/** Slots of the log before the run: its history is full, and everybody has been eligible for long. */
const FIRST_SLOT = 100;
/** Records that lie ahead at the beginning: the queue. */
const QUEUE = 5;
/** The first of them starts so long after the beginning: time for everybody to be connected. */
const LEAD_MS = 4_000;

function bootstrapOf(flock: VirtualFlock): { body: Bootstrap; sig: Uint8Array } {
  const [deployer] = flock.nodes;
  const { crypto, offers, nodeId } = deployer!;
  const offer = offers[0]!;
  const body: Bootstrap = {
    type: 'BOOTSTRAP',
    bootstrap: true,
    v: 1,
    station: flock.stationId,
    node_id: nodeId,
    timestamp: EPOCH_MS - 3_600_000,
    initial_queue: Array.from({ length: QUEUE }, (_, i) => ({
      track: offer.track_name,
      start_time: EPOCH_MS - 3_600_000 + i * offer.duration_ms,
      track_hash: offer.track_hash,
      duration: offer.duration_ms,
      segments: [offer.manifest],
    })),
    roster: [{ node_id: nodeId, vrf_key: crypto.vrfKey, name: 'node 0' }],
    rules: rulesJson(DEFAULT_RULES),
    beacon0: digest(`beacon/${flock.init.seed}`),
  };
  return signBootstrap({ crypto, stationId: flock.stationId, memo: flock.memo }, body);
}

function rosterOf(members: readonly SimNode[]): LogState['roster'] {
  const entries = new Map<string, RosterEntry>();
  for (const { nodeId, crypto, index } of members) {
    const times = { since: 0, renewed: FIRST_SLOT, eligible_from: 0, said: 0 };
    entries.set(nodeId, { node_id: nodeId, vrf_key: crypto.vrfKey, name: `node ${index}`, ...times });
  }
  return makeRoster(entries);
}

function historyOf(flock: VirtualFlock): HistoryEntry[] {
  return Array.from({ length: 20 }, (_, i) => {
    const { track_hash, track_name, duration_ms, manifest } = flock.makeOffer(-1, i);
    const track = { track_hash, track_name, duration_ms, manifest, owners: [] };
    return { slot: FIRST_SLOT - 20 + i, track, genre: 'test', explicit: false, winner: null };
  });
}

function baseLink(slot: number, startMs: number, prev: string, log: Omit<LogState, 'hash'>): Link {
  const entry = log.history[slot - FIRST_SLOT]!;
  const sealed = sealLog({ ...log, slot });
  const record: SlotRecord = {
    slot,
    prev,
    start_ms: startMs,
    duration_ms: entry.track.duration_ms,
    proposal: null,
    track: entry.track,
    ticket: null,
    beacon: trackFingerprint(`${slot}/${prev}`),
    log: sealed.hash,
  };
  return { record, hash: hashRecord(record, null), log: sealed, output: null };
}

/** The log whose members are these nodes. */
export function warmChain(flock: VirtualFlock, members: readonly SimNode[]): Chain {
  const bootstrap = bootstrapOf(flock);
  const genesis = genesisHash(bootstrap.body);
  const [founded] = bootstrapLinks(bootstrap.body);
  const { hash: _, ...first } = founded!.log;
  const log: Omit<LogState, 'hash'> = {
    ...first,
    slot: FIRST_SLOT,
    // Not read from text: a bench may break a rule's bounds to show what the rule is for.
    rules: flock.rules,
    rulesHash: rulesHash(flock.rules),
    roster: rosterOf(members),
    history: historyOf(flock),
    heads: [hashText('the record before')],
  };
  const older = baseLink(FIRST_SLOT, EPOCH_MS + LEAD_MS, log.heads[0]!, log);
  const newer = baseLink(FIRST_SLOT + 1, older.record.start_ms + older.record.duration_ms, older.hash, {
    ...log,
    heads: [...log.heads, older.hash],
  });
  const links = [older, newer];
  while (links.length < QUEUE) links.push(deriveLink(flock.memo, links[links.length - 1]!, null));
  return { genesis, bootstrap, links };
}

/** Slot of the first record that the run itself decides. */
export const FIRST_DECIDED = FIRST_SLOT + QUEUE;

/** Starts all of these nodes as members of one log, with that log on their disks. */
export function startWarm(flock: VirtualFlock, members: readonly SimNode[] = flock.nodes): void {
  const chain = warmChain(flock, members);
  const [older, newer] = [packLink(flock.memo, chain.links[0]!), packLink(flock.memo, chain.links[1]!)];
  for (const node of members) {
    node.disk.set('bootstrap', { v: 1, ...chain.bootstrap });
    node.disk.set('base', { v: 1, older, newer });
    for (const { record, hash } of chain.links.slice(2)) {
      node.disk.set(`record:${record.slot}`, {
        v: 1,
        slot: record.slot,
        hash,
        proposal: null,
        ticket: null,
        output: null,
      });
    }
    const disk = new Map(node.disk);
    node.disk.clear();
    flock.start(node.index, () => enter(flock, node, chain, disk));
  }
}

function enter(flock: VirtualFlock, node: SimNode, chain: Chain, disk: SimNode['disk']): Effect[] {
  for (const [key, value] of disk) node.disk.set(key, value);
  const effects: Effect[] = [];
  const turn: Turn = { state: node.state, nowMs: flock.stationMs(node), monoMs: flock.nowMs, effects };
  resume(turn, { ...chain, links: [...chain.links] });
  return effects;
}
