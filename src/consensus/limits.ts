/** Every bound of the wire, with its reason. Bounds of tables stand beside the tables they bound. */

/** Wire version: the `v` of every body. */
export const WIRE_VERSION = 1;

/**
 * Largest message of a topic. A PROPOSAL is about 1 KB, its operations 12 KB at most, and 64 endorsements of 120 bytes;
 * a STATE about 1 KB; the largest operation is EVIDENCE with two whole proposals, or a SUBJECT with rules.
 */
export const MAX_MESSAGE_BYTES = { proposal: 32_768, state: 4_096, op: 65_536 } as const;
/** Largest question of the catch-up stream: a `settled` with 256 content hashes. */
export const MAX_SYNC_REQUEST_BYTES = 24_576;
/** Largest answer: 64 records with their proposals, or a checkpoint of a roster of 5,000. */
export const MAX_SYNC_RESPONSE_BYTES = 2_097_152;
/** Records in one answer. */
export const MAX_RECORDS_PER_ANSWER = 64;
/** Content hashes in one `settled` question: more than the proposals of the open slots. */
export const MAX_WANTED_HASHES = 256;

/** Text fields, in UTF-8 bytes. */
export const MAX_TRACK_NAME_BYTES = 256;
export const MAX_NODE_NAME_BYTES = 64;
export const MAX_GENRE_BYTES = 64;
export const MAX_CID_BYTES = 128;
/** RFC 8785 form of the rules: about 1 KB, and 64 genres of 64 bytes. */
export const MAX_RULES_BYTES = 8_192;
/** Ed25519 peer ids in base58 have 52 characters. */
export const MAX_NODE_ID_BYTES = 64;

/** The model's queue. */
export const MAX_QUEUE = 5;
/** Protocol, section 4: R is at most 64, and so is a chain of endorsements. */
export const MAX_ENDORSEMENTS = 64;
/** Operations that ride in one proposal. */
export const MAX_OPS = 16;
/** Largest time and slot on the wire: whole numbers stay exact in every implementation. */
export const MAX_TIME_MS = 8_640_000_000_000_000;
export const MAX_SLOT = 2_147_483_647;
/** Longest slot: four hours, the upper end of the rule `max_track_ms`. */
export const MAX_DURATION_MS = 14_400_000;
/** Number of tracks in one box. */
export const MAX_TRACK_INDEX = 1_000_000;
/** Nodes in a Bootstrap: the deployer, and those it invites. */
export const MAX_BOOTSTRAP_ROSTER = 64;

export const SIGNATURE_BYTES = 64;
export const VRF_KEY_BYTES = 32;
export const VRF_PROOF_BYTES = 80;
export const BEACON_BYTES = 32;
