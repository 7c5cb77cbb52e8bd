/**
 * What goes into `step` and what comes out: the whole border of the consensus room.
 *
 * `step(state, event)` answers with effects, in the order in which they must be carried out (a Persist that stands
 * before a Publish is on disk before the Publish leaves). Nothing else enters: no clock, no randomness, no I/O.
 */
import type {
  Bootstrap,
  DivergenceReason,
  HashText,
  NodeId,
  Proposal,
  RecordHash,
  Signed,
  SignedMessage,
  Topic,
} from './messages.ts';

/** One place in the programme, as every node derives it alike. */
export interface SlotRecord {
  slot: number;
  /** Hash of record slot-1; of the Bootstrap for the first. */
  prev: RecordHash;
  start_ms: number;
  duration_ms: number;
  /** Null for a record without winner (fallback) and for the deployer's initial queue. */
  proposal: Signed<Proposal> | null;
  /** What plays. Null only when there was neither a proposal nor a history: each node then plays its own. */
  track: ScheduledTrack | null;
  /** 32 bytes, hex: the winner's ticket; null without winner. */
  ticket: string | null;
  /** 32 bytes, hex. */
  beacon: string;
  /** Hash of the log state after this record. */
  log: string;
}

/** What every box needs in order to fetch and play a slot. */
export interface ScheduledTrack {
  track_hash: HashText;
  track_name: string;
  duration_ms: number;
  /** Manifest CID. */
  manifest: string;
  /** Who proposed it, first; further owners (de-duplicated copies) after. Sources for the segments. */
  owners: NodeId[];
}

/** A track of this box that may be proposed; the node keeps this list fresh and short. */
export interface TrackOffer {
  track_hash: HashText;
  track_name: string;
  duration_ms: number;
  manifest: string;
  track_index: number;
  genre: string;
  explicit: boolean;
}

/** Requests of the catch-up stream, to one peer. Answers may be wrong or lies: step checks everything in them. */
export type SyncRequest =
  | { kind: 'status' }
  /** The bootstrap with its first records, or a checkpoint, and what follows. */
  | { kind: 'checkpoint' }
  /** Records from a slot on (at most `count`, bounded by limits). */
  | { kind: 'records'; from_slot: number; count: number }
  /** Proposals held for a slot that is not final (-1: pending operations); `want`: content hashes, empty for all. */
  | { kind: 'settled'; slot: number; want: string[] }
  /** Content hashes of the proposals held for the open slots, and of pending operations: mends what gossip lost. */
  | { kind: 'digest' };

/** Opaque to everybody but the consensus room; DAG-CBOR on the wire. */
export type SyncResponse = { kind: SyncRequest['kind'] | 'refused' } & Record<string, unknown>;

interface At {
  /** Station time, integer milliseconds. May step at boot. */
  nowMs: number;
  /** Local monotonic clock, integer milliseconds: for waiting. */
  monoMs: number;
  /**
   * How late the caller's own timers were when this event's turn came, where it matters: the process was stopped or
   * starved for about so long, and what reached it meanwhile is told only now. Absent: in time.
   */
  heldUpMs?: number;
}

export type ConsensusEvent = At &
  /** `restored`: every key that was ever persisted and not deleted, with its newest value; {} on a new box. */
  (
    | { type: 'start'; restored: Record<string, Persisted>; random: Uint8Array }
    /** Nothing happened but time. The caller sends one no later than `nextWakeMs(state)`. */
    | { type: 'tick' }
    /** The envelope has been checked: shape, station, signature. */
    | { type: 'message'; message: SignedMessage; from: NodeId }
    /** Who is connected and speaks our catch-up protocol. */
    | { type: 'peers'; peers: NodeId[] }
    | { type: 'answer'; requestId: number; from: NodeId; response: SyncResponse | null }
    | { type: 'asked'; requestId: number; from: NodeId; request: SyncRequest }
    /** What this box has to offer now, in the order in which it would like to propose. */
    | { type: 'library'; offers: TrackOffer[]; playlistHash: HashText }
    /** All segments of a slot's track are here (ok) or were given up (not ok). */
    | { type: 'fetched'; slot: number; ok: boolean }
    /** What really sounds: a report at each change. `actual` null is filler or silence. */
    | { type: 'playback'; slot: number; actual: HashText | null; reason: DivergenceReason | null }
    /** The node's clock now follows the peers that the last `syncTime` named (or, with none named, runs free). */
    | { type: 'clock'; genesis: RecordHash | null; synced: boolean; errorMs: number }
    /** The listener's wishes. They change what this box plays and says, never the log. */
    | { type: 'command'; command: Command }
  );

export type Command =
  | { kind: 'leave' }
  | { kind: 'redeploy' }
  /** Put new rules (RFC 8785 JSON, whole) to the vote. */
  | { kind: 'subject'; rules: string }
  | { kind: 'vote'; subject: string; approve: boolean }
  | { kind: 'like'; trackHash: HashText };

/** What must survive a power cut. Opaque to the node, which stores it atomically and gives it back at `start`. */
export type Persisted = { v: 1 } & Record<string, unknown>;

export type Effect =
  /**
   * Keep this value under this key, null: forget the key. All persist effects of one `step` are one transaction, on
   * disk before any other effect of that step is carried out. Keys in use: see README, "What survives a power cut".
   */
  | { type: 'persist'; key: string; value: Persisted | null }
  /** At most one for a `message` event: what gossip does with it. None means accept. */
  | { type: 'verdict'; verdict: 'accept' | 'ignore' | 'reject' }
  | { type: 'publish'; topic: Topic; message: SignedMessage }
  | { type: 'ask'; requestId: number; peer: NodeId; request: SyncRequest; timeoutMs: number }
  | { type: 'answer'; requestId: number; response: SyncResponse }
  /** Bring this track's blocks here, all of them, before `neededAtMs`. `final` false: a likely winner, fetch politely. */
  | { type: 'fetch'; slot: number; track: ScheduledTrack; neededAtMs: number; final: boolean }
  /** Rule `cross_seed`: bring these tracks here in quiet times and keep them, instead of those named before. */
  | { type: 'keep'; tracks: ScheduledTrack[] }
  | { type: 'cancelFetch'; slot: number; manifest: string }
  /** Play this track (null: own programme) in this slot. A repeated slot replaces the earlier word. */
  | { type: 'schedule'; slot: number; track: ScheduledTrack | null; startMs: number; durationMs: number }
  /** Slots from this one on are void (the log was switched). */
  | { type: 'unschedule'; fromSlot: number }
  /**
   * Every genesis is a time domain of its own: follow the station time of these peers (they stand on this genesis);
   * null: nobody to follow, run free. Answered by a `clock` event once it holds.
   */
  | { type: 'syncTime'; genesis: RecordHash | null; peers: NodeId[] }
  | { type: 'indicate'; indication: Indication };

/** What people should be told; text is made elsewhere. */
export type Indication =
  | { kind: 'phase'; phase: Phase }
  /** `healed`: it was decided elsewhere long ago, and came with the log that this node changed to. */
  | { kind: 'decided'; slot: number; record: SlotRecord; hash: RecordHash; proposals: number; healed?: true }
  | { kind: 'fallback'; slot: number }
  | { kind: 'noHistory'; slot: number }
  | { kind: 'equivocation'; accused: NodeId; slot: number }
  | { kind: 'ownKeyElsewhere' }
  | { kind: 'switchedLog'; fromSlot: number; genesis: RecordHash }
  | { kind: 'satOut'; slot: number; why: string };

/**
 * listening: hears whether a station is there; joining: catches up with it; member: in the roster or about to be;
 * stopped: own key heard elsewhere, or left.
 */
export type Phase = 'listening' | 'joining' | 'member' | 'stopped';

/** Signing and drawing, given to step by its user; pure functions of their arguments. */
export interface ConsensusCrypto {
  nodeId: NodeId;
  /** VRF public key, 32 bytes. */
  vrfKey: Uint8Array;
  /** Ed25519 over these bytes with the node's key: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  verify(nodeId: NodeId, bytes: Uint8Array, sig: Uint8Array): boolean;
  /** RFC 9381 ECVRF-EDWARDS25519-SHA512-TAI: 80-byte proof. */
  vrfProve(input: Uint8Array): Uint8Array;
  /** 64-byte output, or null when the proof does not hold or the key is of small order. */
  vrfVerify(vrfKey: Uint8Array, input: Uint8Array, proof: Uint8Array): Uint8Array | null;
}

/** One row of the queue as people see it. */
export interface QueueEntry {
  slot: number;
  track: ScheduledTrack | null;
  startMs: number;
  durationMs: number;
  nodeId: NodeId | null;
  /** False while the slot is settling: the likely winner may still change. */
  final: boolean;
  ticket: string | null;
}

/** Read-only picture of a node's consensus, for the status, the page and the tests. */
export interface ConsensusView {
  phase: Phase;
  stationId: string;
  genesis: RecordHash | null;
  head: RecordHash | null;
  headSlot: number;
  /** Slot that plays at `nowMs`, -1 if none. */
  slot: number;
  now: QueueEntry | null;
  /** The next five. */
  queue: QueueEntry[];
  roster: { nodeId: NodeId; name: string; eligibleFrom: number; excludedUntil: number | null }[];
  peers: {
    nodeId: NodeId;
    slot: number;
    head: RecordHash;
    diverged: boolean;
    reason: DivergenceReason | null;
    track: { name: string; hash: HashText } | null;
    lastHeardMs: number;
  }[];
  diverged: boolean;
  reason: DivergenceReason | null;
  rulesHash: string;
  counters: Record<string, number>;
  bootstrap: Signed<Bootstrap> | null;
}
