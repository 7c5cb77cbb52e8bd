import type { Blockstore } from 'interface-blockstore';
import type { Datastore } from 'interface-datastore';
import type { ConsensusCrypto, SyncRequest, SyncResponse } from '../consensus/events.ts';
import type { NodeId, SignedMessage, Topic } from '../consensus/messages.ts';

/** What gossip does with a message: pass it on; drop it; drop it and hold it against the peer that passed it on. */
export type Verdict = 'accept' | 'ignore' | 'reject';

export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** Four timestamps in fractional milliseconds: t1, t4 on the local monotonic clock, t2, t3 in the peer's station time. */
export interface TimeSample {
  t1: number;
  t2: number;
  t3: number;
  t4: number;
  /** The genesis (64 hex) whose time the peer keeps, null while it keeps none. */
  domain: string | null;
}

export interface PeerInfo {
  nodeId: NodeId;
  /** Multiaddrs of the open connections. */
  addresses: string[];
  /** Round trip, fractional milliseconds; null before the first measurement. */
  rttMs: number | null;
  /** Speaks this station's catch-up protocol. */
  sync: boolean;
}

export interface FetchOptions {
  signal?: AbortSignal;
  /** Node ids that are likely to have the block: asked first. */
  providers?: string[];
  /** A larger block is refused. Never more than limits.MAX_BLOCK_BYTES. */
  maxBytes: number;
}

/** Blocks of other nodes, by the text of their CID. */
export interface Content {
  /**
   * Brings one block here, checks its hash, and leaves it in the blockstore.
   * @throws BadCidError, BlockTooLargeError, BlockUnavailableError, TooManyError, or the signal's reason.
   */
  fetch(cid: string, options: FetchOptions): Promise<Uint8Array>;
  /**
   * Pins a whole DAG (a manifest and its segments), all of whose blocks are here already; twice is once.
   * @throws BadCidError, PinIncompleteError
   */
  pin(root: string): Promise<void>;
  /** Takes the pin away; one that is not there is no error. The root block must still be here. */
  unpin(root: string): Promise<void>;
}

export interface NetworkComponents {
  blockstore: Blockstore;
  datastore: Datastore;
  /** Ed25519 check of a node's signature. */
  verify: ConsensusCrypto['verify'];
  log: Logger;
  /** Station time in fractional milliseconds, told to peers that ask. */
  stationNowMs(): number;
  /** Local monotonic clock in fractional milliseconds; performance.now() without it. */
  monoNowMs?(): number;
  /** Genesis whose time `stationNowMs` is, 64 hex; null or absent: none yet. */
  timeDomain?(): string | null;
}

export interface NetworkInit {
  /** Ed25519 seed, 32 bytes. */
  identitySeed: Uint8Array;
  /** 64 hex digits. */
  stationId: string;
  /** 32 bytes close the station (libp2p private network); null leaves it open. */
  stationKey: Uint8Array | null;
  /** Multiaddrs; an empty list dials only. */
  listen: string[];
  /** Multiaddrs, with or without /p2p/. */
  bootstrap: string[];
  /** Look for the station on the local links. */
  mdns: boolean;
  /** A name that this box answers to on the local links beside all others, "starling" for "starling.local"; needs `mdns`. */
  localName?: { name: string; ipv6: boolean } | null;
}

export type MessageHandler = (message: SignedMessage, from: NodeId, topic: Topic) => Verdict;
export type PeersHandler = (peers: PeerInfo[]) => void;
export type RequestHandler = (from: NodeId, request: SyncRequest) => Promise<SyncResponse>;

/** A node's way to the others of its station. */
export interface Network {
  readonly nodeId: NodeId;
  /** Idempotent. @throws AddressError, ListenError */
  start(): Promise<void>;
  /** Idempotent; never throws. */
  stop(): Promise<void>;
  /** Multiaddrs under which this node can be dialled, with its peer id. */
  addresses(): string[];
  /** Gossips a message of our own. With no peer there it goes nowhere, which is no error. @throws NotRunningError */
  publish(topic: Topic, message: SignedMessage): Promise<void>;
  /** One handler; called after the cheap checks, its verdict decides what gossip does. */
  onMessage(handler: MessageHandler): void;
  /** One handler; called with the whole list after changes. */
  onPeers(handler: PeersHandler): void;
  /** Connected peers; those of other stations are left out as soon as they are known as such. */
  peers(): PeerInfo[];
  /**
   * One question over the catch-up stream. A refusal comes back as `{ kind: 'refused', reason }`.
   * @throws NotRunningError, PeerUnreachableError, RequestTimeoutError, BadAnswerError
   */
  request(peer: NodeId, request: SyncRequest, timeoutMs: number): Promise<SyncResponse>;
  /** One handler; what it throws becomes a refusal. */
  onRequest(handler: RequestHandler): void;
  /**
   * One four-timestamp exchange over the peer's open time stream.
   * @throws NotRunningError, PeerUnreachableError, RequestTimeoutError, TooManyError, or the signal's reason
   */
  exchangeTime(peer: NodeId, signal?: AbortSignal): Promise<TimeSample>;
  readonly content: Content;
  /** How often each thing happened since the network was made; refusals by cause. */
  counters(): Record<string, number>;
}
