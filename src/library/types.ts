/** The surface of the library room: what it is given, what it tells. */
import type { CID } from 'multiformats/cid';

export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** `sha256:` and 64 hex digits. */
export type HashText = string;

/** Codecs whose packets are passed on as they are; everything else becomes FLAC. */
export type SegmentCodec = 'mp3' | 'aac' | 'alac' | 'flac' | 'opus' | 'vorbis';

/** Tags after tidying: bounded, without control characters, '' where the file says nothing. */
export interface TrackTags {
  artist: string;
  title: string;
  album: string;
  year: number | null;
  genre: string;
  explicit: boolean;
  /** Integrated loudness in thousandths of LUFS as the file's own tags state it, null if they do not. */
  loudnessMlufs: number | null;
}

export interface ManifestSegment {
  cid: CID;
  /** What a decoder puts out from the start of this segment to the start of the next, in samples a channel. */
  samples: number;
  bytes: number;
}

/**
 * One track: the DAG-CBOR block that names everything needed to play it. README.md of this room holds the decoding
 * recipe.
 */
export interface TrackManifest {
  v: 1;
  kind: 'starling-track';
  /** SHA-256 over the source's audio packets, in order: the same audio under other tags has the same hash. */
  track_hash: HashText;
  /** "Artist – Title", or the file's name where the tags are silent. */
  name: string;
  artist: string;
  title: string;
  album: string;
  year: number | null;
  genre: string;
  explicit: boolean;
  cover: CID | null;
  codec: string;
  container: string;
  /** Of the decoder's output, Hz. */
  sample_rate: number;
  channels: number;
  /** To be heard, a channel. */
  samples: number;
  /** Decoder output to drop before the first sample that is heard. */
  skip_samples: number;
  init: CID | null;
  segments: ManifestSegment[];
  loudness_mlufs: number | null;
}

/** A track that this box can propose. */
export interface LibraryTrack {
  trackHash: HashText;
  name: string;
  artist: string;
  title: string;
  album: string;
  year: number | null;
  genre: string;
  explicit: boolean;
  durationMs: number;
  /** CID of the manifest. */
  manifest: string;
  /** Place in the playlist: the tracks in the order of their hashes. */
  index: number;
  /** Where it lies; for showing only, names need not be valid text. */
  path: string;
  cover: string | null;
}

export interface SkippedFile {
  path: string;
  reason: string;
  text: string;
}

export interface LibraryStatus {
  /** Music files that are, or may become, tracks. */
  tracks: number;
  /** Tracks that can be proposed. */
  ready: number;
  scanning: boolean;
  doneFiles: number;
  totalFiles: number;
  skipped: SkippedFile[];
  /** Seconds of music prepared in a second of this scan; 0 when nothing had to be prepared. */
  realtimeX: number;
  /** Set while the scan stands still, such as on a full card; for people. */
  stalled: string | null;
  /** Sources that are not there now (a stick that was taken out). */
  absent: string[];
}

export interface Library {
  /** Idempotent. Begins to scan; does not wait for it. */
  start(): Promise<void>;
  /** Idempotent; ends every child process. */
  stop(): Promise<void>;
  /** Called after the list of tracks changed; several handlers may be set. */
  onChanged(handler: () => void): void;
  /** The playlist, in order. The array is never changed, a new one takes its place. */
  tracks(): readonly LibraryTrack[];
  playlistHash(): HashText;
  /** CID of the newest catalog block, null before the first track. */
  catalogCid(): string | null;
  status(): LibraryStatus;
  /** Other folders from now on. A scan under way is broken off; what it had done is kept. */
  setSources(directories: string[]): Promise<void>;
  /** Resolves when no scan is under way. */
  settled(): Promise<void>;
}
