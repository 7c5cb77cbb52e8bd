/** What one node holds: the log it stands on, the slots that are settling, and whom it has heard. */
import { clipText } from './canonical.ts';
import type { Draw } from './drawn.ts';
import type { Command, ConsensusCrypto, Effect, Phase, SyncRequest, TrackOffer } from './events.ts';
import { smallHash } from './hash.ts';
import { MAX_NODE_NAME_BYTES } from './limits.ts';
import type { FoldMemo, Link } from './link.ts';
import { createMemo } from './link.ts';
import type {
  Bootstrap,
  DivergenceReason,
  HashText,
  NodeId,
  Op,
  Proposal,
  RecordHash,
  Signed,
  StateMessage,
} from './messages.ts';
import type { Rules } from './rules.ts';
import type { SlotPhases } from './timeline.ts';

export type { Command };

/** The log this node stands on. `links[i]` is record `links[0].slot + i`. */
export interface Chain {
  genesis: RecordHash;
  bootstrap: Signed<Bootstrap>;
  links: Link[];
}

/** All that was accepted from one proposer for one slot: two different values void each other. */
export interface Candidate {
  nodeId: NodeId;
  /** Order among proposers: the same for every value of one proposer, so that it cannot be chosen. */
  nodeTicket: string;
  values: Value[];
}

export interface Value {
  /** With the endorsements that made it acceptable here. */
  message: Signed<Proposal>;
  hash: string;
  /** Final ticket, with the sub-tickets of the rules. */
  ticket: string;
  output: Uint8Array;
  /** It came within its deadline, so this node may vouch for it. */
  inTime: boolean;
}

/** A slot between the decision of its basis and its own. */
export interface Settling {
  slot: number;
  /** Record s-2, which proposals stand on. */
  basis: Link;
  phases: SlotPhases;
  /** R. */
  rounds: number;
  /** When the basis was known here, and proposals could be judged. */
  openedMs: number;
  candidates: Map<NodeId, Candidate>;
  /** Body hash to value, of everything that was accepted. */
  values: Map<string, Value>;
  /** Something was accepted since the likely winner was last looked at. */
  changed: boolean;
  /** Manifest that was asked for as a likely winner's; null before. */
  likely: string | null;
  /** When this node proposes. */
  proposeAtMs: number;
  /** Own proposal was made, or will not be. */
  proposed: boolean;
  /** Digests of peers were asked for after T1: mends what was lost on the last metres. */
  mended: boolean;
}

/** The newest STATE of a node on our genesis. */
export interface Heard {
  state: Signed<StateMessage>;
  monoMs: number;
  /** Epoch up to which its voice counts for nothing, because it spoke with two tongues. */
  mutedUntil: number;
}

export interface PendingRequest {
  peer: NodeId;
  request: SyncRequest;
  askedMonoMs: number;
  /** Head that a records request is after, null for other kinds. */
  target: RecordHash | null;
}

/** A neighbour's answer to `status`. */
export interface PeerStatus {
  genesis: RecordHash | null;
  /** The genesis that it is about to join, at the end of the track that plays there. */
  toward: RecordHash | null;
  head: RecordHash | null;
  headSlot: number;
  offers: number;
  phase: string;
  monoMs: number;
}

/** What sounds here, as the player last said. */
export interface Playing {
  slot: number;
  actual: HashText | null;
  reason: DivergenceReason | null;
}

/** A node's account of its own divergence by choice. Persisted: a restart must not deny what was said before. */
export interface DivergenceAccount {
  /** Genesis whose slots it speaks of; null before there was one. */
  genesis: RecordHash | null;
  /** Newest slot in which this node diverged by choice; -1: never. */
  lastSlot: number;
  /** Slots in a row up to and with lastSlot. */
  run: number;
  bannedAt: number;
  /** Length of the newest uninterrupted divergence, up to `sinceMs`. */
  divergedMs: number;
  /** Station time since which it diverges, null while in sync. */
  sinceMs: number | null;
}

/** An attempt to enter a log that others stand on. */
export interface Joining {
  genesis: RecordHash;
  /** Chain under construction; null before a checkpoint was accepted. */
  chain: Chain | null;
  clockAsked: boolean;
  startedMonoMs: number;
  /** Peers that failed to give a usable checkpoint. */
  failed: Set<NodeId>;
  /** The log is of our own genesis, and these stand on it: ours left it further back than we can look. */
  onto: ReadonlySet<NodeId> | null;
}

/**
 * This node is in the roster of a log that it has just entered from outside: an earlier life of it may have signed what
 * this one knows nothing of (a lost journal, a card put back from a copy).
 */
export interface Recalling {
  /** Slots up to this one may have been proposed for. */
  untilSlot: number;
  /** Epoch in which the log was entered. */
  sinceEpoch: number;
  /** Nothing is said up to this epoch. */
  untilEpoch: number;
}

/** A branch that competes with ours, by its first record after the fork point. */
export interface Conflict {
  /** Epochs in a row in which the other branch weighed enough to switch. */
  streak: number;
  /** Epoch in which the conflict was first seen. */
  since: number;
  /** Epoch in which the other branch was last weighed. */
  seen: number;
}

export interface ConsensusState {
  readonly crypto: ConsensusCrypto;
  readonly stationId: string;
  readonly nodeName: string;
  /** Rules for a station that this node deploys; a station that is joined brings its own. */
  readonly ownRules: Rules;
  readonly deployAfterMs: number;
  readonly pinnedGenesis: RecordHash | null;
  readonly memo: FoldMemo;

  phase: Phase;
  started: boolean;
  startedMonoMs: number;
  random: Uint8Array;
  nowMs: number;
  monoMs: number;
  /** When `tick` work is next due; an event before both skips it. */
  dueMs: number;
  dueMonoMs: number;

  peers: NodeId[];
  offers: readonly TrackOffer[];
  playlistHash: HashText;
  clock: { genesis: RecordHash | null; synced: boolean; errorMs: number } | null;

  chain: Chain | null;
  joining: Joining | null;
  settling: Map<number, Settling>;
  /** How the last slots were drawn, for people; null: nobody asks. */
  draws: Map<number, Draw> | null;
  early: Signed<Proposal>[];
  pendingOps: Map<string, Signed<Op>>;
  /** Operations that were fetched and found useless under the newest record: not asked for again before the next. */
  refusedOps: { head: RecordHash; names: Set<string> };
  /** Own proposals by slot and basis: signed once, published again rather than signed anew. */
  ownProposals: Map<string, Signed<Proposal>>;
  /** This node's place in every spreading of load. */
  readonly ownLot: number;
  ownEpoch: number;
  /** Genesis that `ownEpoch` belongs to. */
  ownEpochGenesis: RecordHash | null;
  /** Something that this node signed may not be on its disk any more. */
  forgetful: boolean;
  /** What an earlier life of this node signed is listened for; null when that is over. */
  recalling: Recalling | null;
  /** Station time since which this node has heard everything. */
  presentSinceMs: number;

  heard: Map<NodeId, Heard>;
  /** Geneses other than ours, and when somebody last spoke of them. */
  foreign: Map<RecordHash, number>;
  /** Roster members heard in epochs far from ours: the newest such epoch, and when it was heard. */
  dissent: Map<NodeId, { epoch: number; monoMs: number }>;
  foreignStreak: { genesis: RecordHash; epochs: number } | null;
  /** Verified records off our chain. */
  branches: Map<RecordHash, Link>;
  /** Heads to which no records led, and how often that was tried lately. */
  failedHeads: Map<RecordHash, number>;
  conflicts: Map<RecordHash, Conflict>;
  conflictEpoch: number;
  /** Who was found to stand on a log that left ours before our oldest record, or never was on it. */
  strayed: Set<NodeId>;
  /** How long their log has weighed more than ours; null while it does not. */
  strayedConflict: Conflict | null;
  /** Changes of genesis in this life, and when the last one was: each makes the next one slower. */
  moves: { count: number; monoMs: number };
  /** Epoch in which the chores of an epoch were last done; -1: do them now. */
  choreEpoch: number;
  /** Somebody stands on a record that this node lacks and will not decide by itself. */
  wantsRecords: boolean;
  /** The track of a log that we left still sounds, up to `atMs`; then playing crosses over. */
  crossing: { atMs: number; slot: number; trackHash: HashText | null } | null;

  playing: Playing;
  /** Final fetches under way: slot to the instant they were asked for. */
  fetching: Map<number, number>;
  /** How long the newest track of another node took to arrive; 0: none yet. */
  fetchMs: number;
  /** The newest STATE in which a node owned up to diverging by choice: refutes a report that denies it. */
  divergedStates: Map<NodeId, Signed<StateMessage>>;
  divergence: DivergenceAccount;
  joinSaidMonoMs: number | null;
  digestMonoMs: number;
  requests: Map<number, PendingRequest>;
  /** Neighbours that left a question without an answer, or refused it, and when: they are not pressed. */
  unanswered: Map<NodeId, number>;
  nextRequestId: number;
  /** What connected peers say of themselves, over connections that prove who they are. */
  statuses: Map<NodeId, PeerStatus>;
  statusMonoMs: number | null;
  firstVoiceMonoMs: number | null;
  /** Peers named by the last syncTime, joined; to see a change. */
  timePeers: string;
  /** Tracks named by the last `keep`, joined; to see a change. */
  keeping: string;
  /** Why the last answer of a peer was refused: for people who look into a join that fails. */
  lastRefusal: string | null;
  counters: Record<string, number>;
}

export interface ConsensusInit {
  crypto: ConsensusCrypto;
  stationId: string;
  nodeName: string;
  rules: Rules;
  /** How long a box listens in vain before it deploys a station of its own. */
  deployAfterMs: number;
  /** Stand on this genesis alone: never merge into another. */
  pinnedGenesis?: RecordHash | null;
  memo?: FoldMemo;
  /** Keep how slots were drawn, for `drawOf`: a table a slot, which a simulated flock can do without. */
  keepDraws?: boolean;
}

const NEVER = Number.MAX_SAFE_INTEGER;

/** A node's consensus before its `start` event. */
export function createConsensus(init: ConsensusInit): ConsensusState {
  return {
    crypto: init.crypto,
    stationId: init.stationId,
    nodeName: clipText(init.nodeName, MAX_NODE_NAME_BYTES),
    ownRules: init.rules,
    deployAfterMs: init.deployAfterMs,
    pinnedGenesis: init.pinnedGenesis ?? null,
    memo: init.memo ?? createMemo(),
    phase: 'listening',
    started: false,
    startedMonoMs: 0,
    random: new Uint8Array(32),
    nowMs: 0,
    monoMs: 0,
    dueMs: 0,
    dueMonoMs: 0,
    peers: [],
    offers: [],
    playlistHash: '',
    clock: null,
    chain: null,
    joining: null,
    settling: new Map(),
    draws: init.keepDraws === true ? new Map() : null,
    early: [],
    pendingOps: new Map(),
    refusedOps: { head: '', names: new Set() },
    ownProposals: new Map(),
    ownLot: smallHash(init.crypto.nodeId),
    ownEpoch: -1,
    ownEpochGenesis: null,
    forgetful: false,
    recalling: null,
    presentSinceMs: NEVER,
    heard: new Map(),
    foreign: new Map(),
    dissent: new Map(),
    foreignStreak: null,
    branches: new Map(),
    failedHeads: new Map(),
    conflicts: new Map(),
    conflictEpoch: -1,
    strayed: new Set(),
    strayedConflict: null,
    moves: { count: 0, monoMs: 0 },
    choreEpoch: -1,
    wantsRecords: false,
    crossing: null,
    playing: { slot: -1, actual: null, reason: null },
    fetching: new Map(),
    fetchMs: 0,
    divergedStates: new Map(),
    divergence: { genesis: null, lastSlot: -1, run: 0, bannedAt: -1, divergedMs: 0, sinceMs: null },
    joinSaidMonoMs: null,
    digestMonoMs: 0,
    requests: new Map(),
    unanswered: new Map(),
    nextRequestId: 1,
    statuses: new Map(),
    statusMonoMs: null,
    firstVoiceMonoMs: null,
    timePeers: '',
    keeping: '',
    lastRefusal: null,
    counters: {},
  };
}

/** One call of `step`: the state, the instant, and the effects so far. */
export interface Turn {
  readonly state: ConsensusState;
  readonly nowMs: number;
  readonly monoMs: number;
  readonly effects: Effect[];
}

export function count(state: ConsensusState, what: string): void {
  state.counters[what] = (state.counters[what] ?? 0) + 1;
}

export const headOf = (chain: Chain): Link => chain.links[chain.links.length - 1]!;

/** The link of a slot, undefined outside of what is kept. */
export function linkAt(chain: Chain, slot: number): Link | undefined {
  return chain.links[slot - chain.links[0]!.record.slot];
}

/** Whether a record is one of ours. */
export function isOnChain(chain: Chain, slot: number, hash: RecordHash): boolean {
  return linkAt(chain, slot)?.hash === hash;
}

/** The link whose slot plays at `nowMs`; undefined before the first and after the last. */
export function playingLink(chain: Chain, nowMs: number): Link | undefined {
  for (let i = chain.links.length - 1; i >= 0; i--) {
    const link = chain.links[i]!;
    if (nowMs >= link.record.start_ms) return nowMs < endOf(link) ? link : undefined;
  }
  return undefined;
}

export const endOf = (link: Link): number => link.record.start_ms + link.record.duration_ms;

/** Rules in force here and now: the log's, or the own ones before there is a log. */
export const rulesNow = (state: ConsensusState): Rules =>
  state.chain === null ? state.ownRules : headOf(state.chain).log.rules;

/** Number of the epoch of STATEs at an instant. */
export const epochAt = (state: ConsensusState, nowMs: number): number =>
  Math.floor(nowMs / rulesNow(state).state_epoch_ms);
