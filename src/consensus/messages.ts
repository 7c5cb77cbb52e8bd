/**
 * The messages of the protocol as values: the field names are the model's, the units are fixed here.
 *
 * Every number on the wire is an integer. Times and durations (`timestamp`, `duration`, `position`, `start_time`) are
 * whole milliseconds of station time. Hashes of tracks and playlists are written `sha256:<64 hex>`, CIDs in their
 * default text form (base32 CIDv1). Bytes on the wire: canonical DAG-CBOR of `Signed<Body>` (see canonical.ts).
 */

/** Text form of an Ed25519 libp2p peer id (`12D3Koo…`); the public key is inside it. */
export type NodeId = string;
/** `sha256:` and 64 hex digits. */
export type HashText = string;
/** 64 hex digits: SHA-256 of a record's canonical bytes. The hash of the newest record is a log's head. */
export type RecordHash = string;

/** Why a node plays something else than the flock agreed on. */
export type DivergenceReason = 'moderation' | 'fetch';

/** Where proposals, states and operations are gossiped. */
export type Topic = 'proposal' | 'state' | 'op';

/** What a node says of its own playback; rides in STATE and in PROPOSAL, under the author's signature. */
export interface PlaybackReport {
  /** SHA-256 of the `track_hash` the log has for the slot that is playing, hex; null while no slot plays. */
  consensus_hash: string | null;
  /** SHA-256 of the `track_hash` that really sounds here, hex; null when it is filler or nothing. */
  actual_hash: string | null;
  diverged: boolean;
  reason: DivergenceReason | null;
}

/**
 * A proposal's account of its author's own divergence by choice (reason `moderation`), over whole slots. Eligibility is
 * read from it, and a false one is refuted by the author's own STATEs. Times out of `fetch` are no offence.
 */
export interface ProposalReport extends PlaybackReport {
  /** The last slot that had ended when this was signed: `target_slot - 6` in time; -1 before the first. */
  slot: number;
  /** Slots in a row, up to and with `slot`, in which the author diverged by choice; 0: in sync. */
  run: number;
  /** Length of the newest uninterrupted divergence by choice. */
  diverged_ms: number;
  /** Whole slots in sync since that divergence ended; -1: never diverged. */
  synced_slots: number;
  /** Slot in which a run last reached `ban_after`; -1: never. */
  banned_at: number;
}

interface BodyBase {
  /** Wire version. */
  v: 1;
  /** Station id (64 hex): binds the signature to one station. */
  station: string;
  node_id: NodeId;
  /** Station time at signing. */
  timestamp: number;
}

/** A node's offer of one own track for one slot. At most one per node and slot. */
export interface Proposal extends BodyBase {
  type: 'PROPOSAL';
  target_slot: number;
  track_name: string;
  track_hash: HashText;
  /** Length of the slot this track fills. */
  duration: number;
  /** The manifest's CID, alone: the manifest lists the segments. */
  segments: string[];
  playlist_hash: HashText;
  track_index: number;
  /** Genre in lower case, '' when the tags have none. */
  genre: string;
  explicit: boolean;
  /** Hash of record `target_slot - 2`: the log this proposal stands on, and whose beacon the ticket is drawn from. */
  prev: RecordHash;
  rules_hash: string;
  /** RFC 9381 proof, 80 bytes; its output is the ticket. */
  vrf_proof: Uint8Array;
  report: ProposalReport;
  /** How long the newest track of another node took to arrive here, whole; 0: none yet. */
  fetch_ms: number;
  /** SHA-256 of the canonical bytes of `ops`: signed in their place. */
  ops_root: string;
  /**
   * Operations that enter the log if this proposal wins. Left out of what is signed, so that evidence need not carry
   * them: in evidence the list is empty.
   */
  ops: Signed<Op>[];
}

/** What a node is doing, once an epoch. */
export interface StateMessage extends BodyBase, PlaybackReport {
  type: 'STATE';
  epoch: number;
  /** Newest final record known. */
  head: RecordHash;
  head_slot: number;
  /** Slot that plays now, -1 before the first. */
  slot: number;
  current_track: { name: string; hash: HashText } | null;
  position: number;
  /** Track hashes of the next five slots, as far as known. */
  queue: HashText[];
  rules_hash: string;
  genesis: RecordHash;
}

export interface JoinOp extends BodyBase {
  type: 'JOIN';
  /** VRF public key, 32 bytes. */
  vrf_key: Uint8Array;
  name: string;
}
export interface LeaveOp extends BodyBase {
  type: 'LEAVE';
}
/** Two statements under one key that cannot both be honest. */
export interface EvidenceOp extends BodyBase {
  type: 'EVIDENCE';
  kind: 'proposals' | 'states' | 'report' | 'rules';
  accused: NodeId;
  first: Signed<Proposal | StateMessage>;
  second: Signed<Proposal | StateMessage>;
}
export interface SubjectOp extends BodyBase {
  type: 'SUBJECT';
  /** The new rules, whole, RFC 8785 JSON. */
  rules: string;
}
export interface VoteOp extends BodyBase {
  type: 'VOTE';
  /** Hash of the SUBJECT's signed bytes. */
  subject: string;
  approve: boolean;
}
/** A listener of this node likes a track: weighs the draw where the rules say so. */
export interface LikeOp extends BodyBase {
  type: 'LIKE';
  track_hash: HashText;
}
export type Op = JoinOp | LeaveOp | EvidenceOp | SubjectOp | VoteOp | LikeOp;

/** A relaying node's word that a proposal reached it within its deadline (protocol, section 4). */
export interface Endorsement {
  node_id: NodeId;
  sig: Uint8Array;
}

/**
 * A body with its author's Ed25519 signature (64 bytes) over the domain, the station and the body's canonical bytes.
 * `endorsements` belongs to PROPOSAL alone and is outside of the author's signature.
 */
export interface Signed<B> {
  body: B;
  sig: Uint8Array;
  endorsements?: Endorsement[];
}

export type Body = Proposal | StateMessage | Op;
export type SignedMessage = Signed<Body>;

/** One entry of the deployer's first queue. */
export interface InitialTrack {
  /** The track's name, as in a PROPOSAL's `track_name`. */
  track: string;
  start_time: number;
  track_hash: HashText;
  duration: number;
  segments: string[];
}

/** The first deployment: five tracks, one node in the roster, the rules and the first beacon. */
export interface Bootstrap extends BodyBase {
  type: 'BOOTSTRAP';
  bootstrap: true;
  initial_queue: InitialTrack[];
  roster: { node_id: NodeId; vrf_key: Uint8Array; name: string }[];
  /** RFC 8785 JSON of the rules. */
  rules: string;
  /** 32 random bytes. */
  beacon0: Uint8Array;
}
