/** Growing and replacing the log this node stands on, with what has to reach the disk for it. */

import { packLink } from './checkpoint.ts';
import { keepDraw } from './drawn.ts';
import type { Persisted, ScheduledTrack } from './events.ts';
import { forgetStrangers } from './gossip.ts';
import type { Link } from './link.ts';
import type { RecordHash } from './messages.ts';
import { dropStaleOps } from './pending.ts';
import { openSettling, ownersOf } from './settle.ts';
import type { Chain, ConsensusState, Settling, Turn } from './state.ts';
import { endOf, headOf, isOnChain, linkAt } from './state.ts';

/** Records kept: over a day of music, so that a partition of a night still finds its fork point. */
export const LINKS_KEPT = 576;
/** Records dropped at once, so that the base on disk is rewritten seldom. */
const LINKS_DROPPED_AT_ONCE = 64;
/** Verified records off our chain that are kept: a few branches of some length. */
export const MAX_BRANCH_LINKS = 512;

/** Newest records among which the playing one and the queue are. */
const QUEUE_LINKS = 16;

const recordKey = (slot: number): string => `record:${slot}`;

function persist(turn: Turn, key: string, value: Persisted | null): void {
  turn.effects.push({ type: 'persist', key, value });
}

/** A record as it is stored: what cannot be derived from its parent, and what is slow to. */
function packRecord(link: Link): Persisted {
  const { slot, proposal, ticket } = link.record;
  return { v: 1, slot, hash: link.hash, proposal, ticket, output: link.output };
}

/** Stands on a new log, whole: persists it and opens the settling of what follows it. */
export function enterChain(turn: Turn, chain: Chain): void {
  const { state } = turn;
  // What this node signed on another branch of its log stays signed, and what it owned up to stays true.
  if (state.chain?.genesis === chain.genesis) forgetRecords(turn);
  else if (state.chain !== null) forgetChain(turn);
  else state.recalling = null;
  ownAccount(turn, chain.genesis);
  state.chain = chain;
  persist(turn, 'bootstrap', { v: 1, body: chain.bootstrap.body, sig: chain.bootstrap.sig });
  const derivable = chain.links[0]!.record.slot === 0;
  if (!derivable) persistBase(turn, chain);
  const from = derivable ? chain.bootstrap.body.initial_queue.length : 2;
  for (const link of chain.links.slice(from)) persist(turn, recordKey(link.record.slot), packRecord(link));
  afterGrowth(turn);
}

/** The account of own divergence lasts as long as its genesis, however often the log is left: slots of another are other slots. */
export function ownAccount(turn: Turn, genesis: RecordHash): void {
  const { state } = turn;
  if (state.divergence.genesis === genesis) return;
  if (state.divergence.genesis !== null) persist(turn, 'divergence', null);
  state.divergence = { genesis, lastSlot: -1, run: 0, bannedAt: -1, divergedMs: 0, sinceMs: null };
}

/** Leaves the log. What this node owned up to stays true: it may come back. */
export function forgetChain(turn: Turn): void {
  const { state } = turn;
  if (state.chain === null) return;
  forgetRecords(turn);
  state.recalling = null;
  for (const key of state.ownProposals.keys()) persist(turn, key, null);
  state.ownProposals.clear();
  state.divergedStates.clear();
}

function forgetRecords(turn: Turn): void {
  const { state } = turn;
  for (const link of state.chain!.links) persist(turn, recordKey(link.record.slot), null);
  persist(turn, 'base', null);
  persist(turn, 'bootstrap', null);
  state.chain = null;
  state.pendingOps.clear();
  state.settling.clear();
  state.early = [];
  state.heard.clear();
  state.branches.clear();
  state.conflicts.clear();
  state.strayed.clear();
  state.strayedConflict = null;
}

function persistBase(turn: Turn, chain: Chain): void {
  const [older, newer] = [chain.links[0]!, chain.links[1]!];
  persist(turn, 'base', { v: 1, older: packLink(turn.state.memo, older), newer: packLink(turn.state.memo, newer) });
}

/** Adds the next record to the log. */
export function appendLink(turn: Turn, link: Link): void {
  const chain = turn.state.chain!;
  chain.links.push(link);
  persist(turn, recordKey(link.record.slot), packRecord(link));
  if (chain.links.length > LINKS_KEPT + LINKS_DROPPED_AT_ONCE) dropOldest(turn, chain);
  turn.state.branches.delete(link.hash);
  afterGrowth(turn);
}

function dropOldest(turn: Turn, chain: Chain): void {
  const dropped = chain.links.splice(0, LINKS_DROPPED_AT_ONCE);
  persistBase(turn, chain);
  for (const link of dropped) persist(turn, recordKey(link.record.slot), null);
  for (const link of chain.links.slice(0, 2)) persist(turn, recordKey(link.record.slot), null);
}

/** Replaces everything after `forkSlot` by another branch's records; the old ones stay known as a branch. */
export function switchBranch(turn: Turn, forkSlot: number, path: readonly Link[]): void {
  const { state } = turn;
  const chain = state.chain!;
  const left = chain.links.splice(forkSlot - chain.links[0]!.record.slot + 1);
  for (const link of left) {
    rememberBranch(state, link);
    persist(turn, recordKey(link.record.slot), null);
  }
  state.settling.clear();
  for (const link of path) appendLink(turn, link);
}

export function rememberBranch(state: ConsensusState, link: Link): void {
  if (state.branches.size >= MAX_BRANCH_LINKS) dropIdleBranches(state);
  state.branches.set(link.hash, link);
}

/** Makes room: first what no member of the roster stands on, then the oldest. */
function dropIdleBranches(state: ConsensusState): void {
  const { entries } = headOf(state.chain!).log.roster;
  const alive = new Set<RecordHash>();
  for (const [id, { state: signed }] of state.heard) {
    if (!entries.has(id)) continue;
    for (let link = state.branches.get(signed.body.head); link !== undefined && !alive.has(link.hash); ) {
      alive.add(link.hash);
      link = state.branches.get(link.record.prev);
    }
  }
  for (const hash of state.branches.keys()) if (!alive.has(hash)) state.branches.delete(hash);
  if (state.branches.size >= MAX_BRANCH_LINKS) state.branches.delete(state.branches.keys().next().value!);
}

function afterGrowth(turn: Turn): void {
  const { state } = turn;
  openSettling(state);
  dropStaleOps(turn);
  forgetStrangers(state);
  state.dueMs = 0;
}

/** A link by its hash, on our chain or beside it. */
export function findLink(state: ConsensusState, slot: number, hash: RecordHash): Link | undefined {
  const own = state.chain === null ? undefined : linkAt(state.chain, slot);
  return own?.hash === hash ? own : state.branches.get(hash);
}

/** The records from our chain (exclusive) up to `tip`, oldest first, and where they leave it. Null if not connected. */
export function pathFromChain(state: ConsensusState, tip: Link): { forkSlot: number; path: Link[] } | null {
  const chain = state.chain!;
  const path: Link[] = [];
  for (let link: Link | undefined = tip; link !== undefined; link = state.branches.get(link.record.prev)) {
    if (isOnChain(chain, link.record.slot, link.hash)) return { forkSlot: link.record.slot, path };
    path.unshift(link);
    if (isOnChain(chain, link.record.slot - 1, link.record.prev)) return { forkSlot: link.record.slot - 1, path };
  }
  return null;
}

/** Tells player and fetcher of a decided slot. */
export function announce(turn: Turn, link: Link, settling: Settling | undefined): void {
  const { slot, start_ms: startMs, duration_ms: durationMs, proposal } = link.record;
  keepDraw(turn.state, slot, settling);
  const track = trackWithOwners(link, proposal === null ? undefined : settling);
  if (track !== null) {
    turn.effects.push({ type: 'fetch', slot, track, neededAtMs: startMs, final: true });
    if (track.owners[0] !== turn.state.crypto.nodeId) noteFetch(turn, slot);
  }
  // While a track of the log that was left still sounds, the player waits with the new one.
  if (turn.state.crossing === null) turn.effects.push({ type: 'schedule', slot, track, startMs, durationMs });
}

/** Fetches timed at once: the queue. */
const MAX_FETCHES = 16;

function noteFetch(turn: Turn, slot: number): void {
  const { fetching } = turn.state;
  if (fetching.has(slot)) return;
  if (fetching.size >= MAX_FETCHES) fetching.delete(fetching.keys().next().value!);
  fetching.set(slot, turn.monoMs);
}

function trackWithOwners(link: Link, settling: Settling | undefined): ScheduledTrack | null {
  const { track, proposal } = link.record;
  if (track === null || proposal === null) return track;
  return { ...track, owners: ownersOf(settling, proposal) };
}

/** Everything that is still to be played. */
export function announceFrom(turn: Turn, fromMs: number, fromSlot = 0): void {
  for (const link of turn.state.chain!.links.slice(-QUEUE_LINKS)) {
    if (endOf(link) > fromMs && link.record.slot >= fromSlot) announce(turn, link, undefined);
  }
}
