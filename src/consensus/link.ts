/**
 * The log as values. A `Link` is a record with everything that follows from it; links are immutable and are shared
 * between branches of one node and, through `FoldMemo`, between the nodes of a simulation.
 */
import type { ScheduledTrack, SlotRecord } from './events.ts';
import type { HashText, NodeId, RecordHash } from './messages.ts';
import type { Rules } from './rules.ts';

/** A member of the flock, as of a record. */
export interface RosterEntry {
  node_id: NodeId;
  /** 32 bytes. */
  vrf_key: Uint8Array;
  name: string;
  /** Slot whose record took the first JOIN in. */
  since: number;
  /** Slot whose record took the newest JOIN in: an entry that is not renewed lapses. */
  renewed: number;
  /** `timestamp` of the newest JOIN: older words of this node are replays. */
  said: number;
  /** First slot that the node may propose for. */
  eligible_from: number;
}

export interface Roster {
  entries: ReadonlyMap<NodeId, RosterEntry>;
  /** Hash of the entries in order of node id. */
  hash: string;
}

export interface Exclusion {
  /** Slot whose record logged the newest offence; older acts are paid for with it. */
  since: number;
  /** Last slot that the node may not propose for. */
  until: number;
  /** How often it was excluded; the length doubles each time. */
  count: number;
}

/** A motion for new rules, or for the admission of a node. */
export interface Subject {
  /** Who put it; the node itself for an admission. */
  by: NodeId;
  /** RFC 8785 JSON of the proposed rules; null for an admission. */
  rules: string | null;
  /** The node to be admitted; null for rules. */
  admit: RosterEntry | null;
  opened: number;
  /** Who may vote: the roster as it stood at the opening. */
  electorate: readonly NodeId[];
  yes: readonly NodeId[];
  no: readonly NodeId[];
}

/** A track that played, with the newest slot it played in. At most one entry a track, oldest first. */
export interface HistoryEntry {
  slot: number;
  track: ScheduledTrack;
  genre: string;
  explicit: boolean;
  /** Who won that slot; null for a fallback or the first queue. */
  winner: NodeId | null;
}

/** Everything that later decisions depend on: a pure fold over the records. */
export interface LogState {
  readonly slot: number;
  readonly genesis: RecordHash;
  readonly rules: Rules;
  readonly rulesHash: string;
  /** Slot whose record put these rules in force. */
  readonly rulesSince: number;
  /** Voted rules that are not in force yet. */
  readonly coming: readonly { from_slot: number; rules: string }[];
  readonly roster: Roster;
  /** Nodes that left: the `timestamp` of their LEAVE, so that no older JOIN brings them back. */
  readonly departed: ReadonlyMap<NodeId, number>;
  readonly exclusions: ReadonlyMap<NodeId, Exclusion>;
  /** Slots of logged proposals under other rules, a node. */
  readonly violations: ReadonlyMap<NodeId, readonly number[]>;
  readonly subjects: ReadonlyMap<string, Subject>;
  /** Roster nodes whose listeners like a track, with the slot of the newest like. */
  readonly likes: ReadonlyMap<HashText, { slot: number; nodes: readonly NodeId[] }>;
  readonly history: readonly HistoryEntry[];
  /** Hashes of the newest records before this one, oldest first: what evidence may refer to. */
  readonly heads: readonly RecordHash[];
  /** Slots that the programme is proposed ahead, from the next basis on. */
  readonly lookahead: number;
  /** `fetch_ms` of the newest winners, oldest first. */
  readonly fetches: readonly number[];
  readonly hash: string;
}

export interface Link {
  readonly record: SlotRecord;
  readonly hash: RecordHash;
  readonly log: LogState;
  /** VRF output of the winner, 64 bytes: kept so that a restart need not verify its own past again. */
  readonly output: Uint8Array | null;
}

/** What a proposal is worth under a certain log; the same for everybody who looks. */
export type Appraisal =
  | {
      ok: true;
      /** 64 hex digits, lower wins; the lowest of the sub-tickets where rules give several. */
      ticket: string;
      /** As `ticket`, but the same for all proposals of one author. */
      nodeTicket: string;
      /** VRF output, 64 bytes. */
      output: Uint8Array;
    }
  | { ok: false; cause: string; provable: boolean };

/**
 * Results of pure functions, kept. A node has its own; a simulation hands one to all its nodes, which then fold every
 * record and check every signature once instead of once a node.
 */
export interface FoldMemo {
  links: Map<string, Link>;
  bodyHashes: WeakMap<object, string>;
  appraisals: WeakMap<object, { at: RecordHash; appraisal: Appraisal }>;
  /** Signed values whose signature was found good, by their body. */
  verified: WeakMap<object, Uint8Array>;
}

/** Links kept in a memo: the open slots of some branches; more would only be replays of the past. */
export const MAX_MEMO_LINKS = 512;

export function createMemo(): FoldMemo {
  return { links: new Map(), bodyHashes: new WeakMap(), appraisals: new WeakMap(), verified: new WeakMap() };
}
