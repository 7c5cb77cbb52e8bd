/**
 * What the node needs from the rooms around it. The adapters fit these shapes without knowing this file; main.ts
 * brings them together.
 */
import type { SyncRequest, SyncResponse } from '../consensus/events.ts';
import type { HashText, NodeId, SignedMessage, Topic } from '../consensus/messages.ts';

/** What gossip does with a message after the log has been asked. */
export type Verdict = 'accept' | 'ignore' | 'reject';

export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** Four timestamps in milliseconds: t1, t4 on the local monotonic clock, t2, t3 in the peer's station time. */
export interface TimeSample {
  t1: number;
  t2: number;
  t3: number;
  t4: number;
  /** The peer's time domain: the genesis its station time belongs to, null when it has none yet. */
  domain?: string | null;
}

export interface ConnectedPeer {
  nodeId: NodeId;
  addresses: string[];
  rttMs: number | null;
  /** Speaks this station's catch-up protocol. */
  sync: boolean;
}

/** Blocks of other nodes, by CID text. */
export interface ContentPort {
  /** @throws when no peer delivers the block before the signal aborts. */
  fetch(cid: string, options: { signal?: AbortSignal; providers?: string[]; maxBytes: number }): Promise<Uint8Array>;
  pin(root: string): Promise<void>;
  unpin(root: string): Promise<void>;
}

export interface NetworkPort {
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly nodeId: NodeId;
  addresses(): string[];
  publish(topic: Topic, message: SignedMessage): Promise<void>;
  onMessage(handler: (message: SignedMessage, from: NodeId, topic: Topic) => Verdict): void;
  onPeers(handler: (peers: ConnectedPeer[]) => void): void;
  peers(): ConnectedPeer[];
  request(peer: NodeId, request: SyncRequest, timeoutMs: number): Promise<SyncResponse>;
  onRequest(handler: (from: NodeId, request: SyncRequest) => Promise<SyncResponse>): void;
  exchangeTime(peer: NodeId, signal?: AbortSignal): Promise<TimeSample>;
  readonly content: ContentPort;
  counters(): Record<string, number>;
}

/** The local block store, by CID text. */
export interface BlocksPort {
  get(cid: string): Promise<Uint8Array | null>;
  has(cid: string): Promise<boolean>;
  delete(cid: string): Promise<void>;
}

export interface OwnTrack {
  trackHash: HashText;
  name: string;
  artist: string;
  title: string;
  album: string;
  genre: string;
  explicit: boolean;
  durationMs: number;
  /** Manifest CID. */
  manifest: string;
  index: number;
  cover: string | null;
}

export interface LibraryFigures {
  tracks: number;
  ready: number;
  scanning: boolean;
  doneFiles: number;
  totalFiles: number;
  skipped: { path: string; reason: string; text: string }[];
  realtimeX: number;
}

export interface LibraryPort {
  start(): Promise<void>;
  stop(): Promise<void>;
  onChanged(handler: () => void): void;
  tracks(): readonly OwnTrack[];
  playlistHash(): HashText;
  catalogCid(): string | null;
  status(): LibraryFigures;
  setSources(dirs: string[]): Promise<void>;
}

/** A track's manifest as the node needs it: what to play, and which blocks that takes. */
export interface TrackPlan {
  track: PlayableTrack;
  meta: {
    artist: string;
    title: string;
    album: string;
    year: number | null;
    genre: string;
    explicit: boolean;
    cover: string | null;
  };
  durationMs: number;
  /** Every block below the manifest, in playing order (init first), cover last. */
  blocks: { cid: string; bytes: number }[];
}

/** Reads a manifest block. @throws with the cause when it is not a manifest that can be played. */
export type ReadManifest = (bytes: Uint8Array) => TrackPlan;

export interface PlayableTrack {
  trackHash: HashText;
  name: string;
  codec: string;
  container: string;
  sampleRate: number;
  channels: number;
  /** Samples to be heard, per channel, at `sampleRate`. */
  samples: number;
  skipSamples: number;
  init: string | null;
  segments: { cid: string; samples: number }[];
}

export interface PlayingReport {
  /** Null where the programme has no slot. */
  slot: number | null;
  /** Track hash of what sounds, null for filler. */
  actual: HashText | null;
  reason: 'moderation' | 'fetch' | null;
}

export interface PlaybackFigures {
  state: string;
  output: string;
  slot: number | null;
  positionMs: number | null;
  offsetMs: number | null;
  driftPpm: number;
  corrections: number;
  underruns: number;
  fillerMs: number;
  silentMs: number;
  silent: boolean;
  reason: string | null;
}

export interface PlaybackPort {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** `reason`: why this box plays it in place of the flock's; comes back in the report. */
  schedule(slot: {
    slot: number;
    startMs: number;
    durationMs: number;
    track: PlayableTrack;
    reason?: 'moderation' | null;
  }): void;
  unschedule(fromSlot: number): void;
  onPlaying(handler: (report: PlayingReport) => void): void;
  clockStepped(): void;
  /** Percent, 0 to 100. */
  setVolume(percent: number): void;
  /** How much earlier the samples are sent out; a player without it takes a new trim at its next start. */
  setTrim?(trimMs: number): void;
  /** A few quiet beeps. @throws when there is no output to beep through */
  testTone?(): unknown;
  /** Drops the filler that sounds, and asks for another. */
  refreshFiller?(): void;
  status(): PlaybackFigures;
}
