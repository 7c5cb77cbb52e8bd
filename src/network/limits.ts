/** Every bound of the network room, with its reason. What bounds the messages themselves stands in the consensus room. */

/** Connections this node looks for by itself. Gossip's mesh needs 6 to 12; the rest survives churn and lying peers. */
export const TARGET_CONNECTIONS = 24;
/** Connections held at most, inbound ones included: about 150 kB each, 20 MB of a 512 MB box. */
export const MAX_CONNECTIONS = 128;
/** A flock behind one address (NAT, a test machine) may arrive at once; libp2p's 5 a second would silence it. */
export const INBOUND_CONNECTIONS_PER_SECOND = 100;
/** Handshakes in progress: a flock that wakes up after a power cut dials everybody at once. */
export const MAX_PENDING_HANDSHAKES = 64;

/** Addresses known for dialling: enough for the whole neighbourhood, too few to be filled up to harm. */
export const MAX_CANDIDATES = 512;
/** Addresses of one peer: interfaces times protocols of a normal box stay far below. */
export const MAX_ADDRESSES_PER_PEER = 8;
/** Dials in progress: after a partition most of them wait for their timeout, and one of them heals it. */
export const MAX_PARALLEL_DIALS = 8;
export const DIAL_TIMEOUT_MS = 5_000;
export const FIRST_REDIAL_MS = 1_000;
/** A peer that was there (or a bootstrap address) is looked for this often: a partition heals within seconds of its end. */
export const LONGEST_PATIENT_REDIAL_MS = 10_000;
/** After ten minutes of that it is looked for seldom. */
export const PATIENT_REDIALS = 60;
export const LONGEST_REDIAL_MS = 60_000;
/** An address that never answered is forgotten after so many dials: about ten minutes. */
export const MAX_FAILED_DIALS = 12;
/** With enough connections, a bootstrap address is dialled this seldom. */
export const SATISFIED_BOOTSTRAP_MS = 60_000;
/** How often the table of addresses is looked through. */
export const DIAL_TICK_MS = 500;

/** A peer that has not said what it speaks this long after it connected is hung up on, and left alone for a moment. */
export const IDENTIFY_GRACE_MS = 10_000;
export const SILENT_PEER_MS = 15_000;
/** How long a peer of another station is not talked to. It may be tuned to ours soon; a handshake a minute costs little. */
export const FOREIGN_PEER_MS = 60_000;
/** How long a peer that floods is not talked to. */
export const ABUSIVE_PEER_MS = 60_000;
/** Peers remembered as foreign or abusive. */
export const MAX_SHUNNED_PEERS = 1_024;

/** One RPC of gossip: a heartbeat's worth of messages. libp2p's 4 MiB would let one peer hold too much memory. */
export const MAX_GOSSIP_RPC_BYTES = 1_048_576;
/** Gossip that waits for a slow peer; beyond it is dropped, and the digest mends it. */
export const MAX_GOSSIP_BACKLOG_BYTES = 1_048_576;
/** How long gossip itself drops a repetition; afterwards the replay table does. */
export const GOSSIP_SEEN_MS = 120_000;
/** Content hashes remembered against replays: 20 minutes of a flock of 64 at 13 messages a second, 3 MB. */
export const MAX_REPLAY_HASHES = 16_384;
/** Topic names a peer may subscribe to before it is ignored: three are ours. */
export const MAX_SUBSCRIPTIONS_PER_RPC = 64;

/** Requests of the catch-up stream one peer may have open: a joiner pulls records and proposals side by side. */
export const MAX_SYNC_PER_PEER = 4;
/** Requests of all peers in work at once: each may read records from disk. */
export const MAX_SYNC_TOTAL = 16;
/** Token bucket of one peer: a joiner's burst, then a steady pace above any honest need (one digest in 10 s). */
export const SYNC_BURST = 64;
export const SYNC_PER_SECOND = 8;
/** Refusals, less the requests served, after which the peer is cut off: an honest one waits when it is told to. */
export const SYNC_STRIKES = 64;
/** Asking peers whose allowance is remembered: several times those that can be connected. */
export const MAX_ASKERS = 1_024;
/** A request must be here this soon after its stream: it is one small frame. */
export const SYNC_READ_TIMEOUT_MS = 5_000;
/** Time for the answer to be made and taken by a slow link. */
export const SYNC_ANSWER_TIMEOUT_MS = 20_000;

/** A question to a peer that is gone fails after this and not at once: its asker must hear first that the peer is gone. */
export const UNREACHABLE_PAUSE_MS = 100;

/** Exchanges on one time stream in the sliding second: the filter's first burst has 8 at 60 ms. */
export const TIME_FRAMES_BURST = 64;
export const TIME_FRAMES_PER_SECOND = 20;
export const TIME_TIMEOUT_MS = 3_000;
/** Exchanges under way with one peer. */
export const MAX_TIME_PENDING = 4;
/** A time stream that answers nothing this often in a row is opened anew. */
export const TIME_STREAM_FAILURES = 3;

/** Data of one stream that its reader has not taken yet: 7 MB/s at 300 ms, and a bound to what a peer can pile up. */
export const STREAM_WINDOW_BYTES = 2_097_152;
/** Bytes of one stream that wait to be read or sent: an answer of the catch-up stream, twice. A slow peer's stream ends there. */
export const STREAM_BUFFER_BYTES = 4_194_304;
/** A stream on which nothing moves ends: the open time stream has an exchange in a few seconds. */
export const STREAM_IDLE_MS = 120_000;
/** Streams a peer may open on one connection: all our protocols' bounds together stay below. */
export const MAX_STREAMS_PER_CONNECTION = 256;

/** Largest block that is fetched or served: one segment (protocol: <= 1 MiB; largest FLAC segment seen 752 kB). */
export const MAX_BLOCK_BYTES = 1_048_576;
/** One bitswap message: a block and its framing. */
export const MAX_BITSWAP_MESSAGE_BYTES = MAX_BLOCK_BYTES + 65_536;
/** Blocks asked for at once over all: throughput is flat from 8 on, memory is not. */
export const MAX_PARALLEL_FETCHES = 8;
/** Blocks asked of one peer at once: it reads all of them into memory before it sends the first. */
export const MAX_WANTS_PER_PROVIDER = 4;
/** Wants of one peer that are kept while serving it; the rest of a greedy list is dropped. */
export const MAX_WANTS_SERVED = 8;
/** Fetches that wait for their turn: several tracks of 40 to 700 segments. */
export const MAX_QUEUED_FETCHES = 4_096;
/** No block from the first provider by then: the next one is asked beside it. */
export const FETCH_HEDGE_MS = 3_000;
/** A provider has this long for one block: 1 MiB at 50 kB/s. */
export const FETCH_ATTEMPT_MS = 20_000;
/** A silent provider is asked again after this: longer than the time in which bitswap takes a wish for a repetition. */
export const FETCH_AGAIN_MS = 6_500;
export const RESEND_WINDOW_MS = 5_000;
/** A want that is older is nobody's any more: longer than an attempt. And how often that is looked after. */
export const STALE_WANT_MS = 25_000;
export const SWEEP_WANTS_MS = 1_000;
/** A peer that said it has not got the block is asked again for this long only: it answers if it has it by now. */
export const FETCH_REPEAT_MS = 1_500;
/** How long such a word is remembered, and how many of them. */
export const LACK_MS = 5 * 60_000;
export const MAX_LACKS = 8_192;
/** Providers asked beside each other for one block: each of them may send it whole. */
export const MAX_HEDGED_PROVIDERS = 2;
/** Rounds over all providers before a fetch gives up; its caller decides whether to come back. */
export const FETCH_ROUNDS = 2;
export const FETCH_ROUND_PAUSE_MS = 500;

/** Peers told in one exchange of addresses, and how often one peer may ask. */
export const MAX_EXCHANGED_PEERS = 16;
export const MAX_EXCHANGE_BYTES = 32_768;
export const EXCHANGE_INTERVAL_MS = 20_000;
/** After somebody joined, things are moving: ask again soon. */
export const EXCHANGE_AFTER_JOIN_MS: readonly number[] = [2_000, 5_000];
export const EXCHANGE_MIN_INTERVAL_MS = 2_000;
export const EXCHANGE_TIMEOUT_MS = 5_000;

/** A new link is asked this often (pauses before each turn); then boxes only say that they are there. */
export const MDNS_QUERY_DELAYS_MS: readonly number[] = [0, 1_000, 3_000, 7_000];
/** Fifty boxes on a link: three small packets a second. */
export const MDNS_ANNOUNCE_INTERVAL_MS = 15_000;
/** How often links are looked for: a cable plugged in is heard of within this and the first query. */
export const MDNS_RESCAN_MS = 3_000;
/** RFC 6762, section 6: a record is multicast at most once a second on a link. */
export const MDNS_ANSWER_INTERVAL_MS = 1_000;
/** The name that all boxes share is told after a moment of chance, milliseconds (RFC 6762, section 6), */
export const LOCAL_NAME_WAIT_MS: readonly [number, number] = [20, 120];
/** and not once so many others have told it: a phone needs one box, and fifty answers to each question help nobody. */
export const LOCAL_NAME_ENOUGH = 2;
/** A box that was switched off is asked for no longer than this. */
export const LOCAL_NAME_TTL_S = 30;
/** Plain resolvers are answered one by one, so seldom that nobody's traffic can be made of it. */
export const UNICAST_ANSWER_INTERVAL_MS = 100;
/** Links that are served: a box has two or three; containers bring dozens. */
export const MDNS_MAX_LINKS = 16;

/** Changes of the list of peers are told at most this often. */
export const PEERS_DEBOUNCE_MS = 50;
/** A stop that takes longer leaves the rest to the process's end. */
export const STOP_TIMEOUT_MS = 5_000;
