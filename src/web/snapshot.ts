/**
 * The picture of a node that `GET /api/status` answers with and that the page draws: plain JSON, names in snake_case,
 * units in the names, station time unless a name says otherwise. `src/web/README.md` explains it field by field.
 *
 * The node makes a fresh one on demand and never changes it afterwards. Lists may be longer than what is shown: the
 * web room cuts them to the bounds of `limits.ts`.
 */

/** Version of this format. Raised when a field changes its meaning or goes away; new fields do not raise it. */
export const STATUS_VERSION = 1;

export interface StatusSnapshot {
  /** `STATUS_VERSION`. */
  version: number;
  node: NodeStatus;
  station: StationStatus;
  /** What sounds here. Null while nothing does. */
  now: NowStatus | null;
  /** The next five slots, the nearest first. */
  queue: QueueStatus[];
  /** The last decided slots, oldest first, at most 50. */
  history: HistoryStatus[];
  /** The other nodes of the station that were heard lately. */
  peers: PeerStatus[];
  library: LibraryStatus;
  sync: SyncStatus;
  output: OutputStatus;
  /** This box plays something other than what the station decided. */
  diverged: boolean;
  diverged_reason: DivergedReason | null;
  figures: FigureStatus;
  /** Events by name since the start, among them refused messages by cause. */
  counters: Record<string, number>;
  memory: MemoryStatus;
  host: HostStatus;
  light?: LightStatus;
  /** What a person should know or do, the most urgent first. */
  notices: NoticeStatus[];
}

export type DivergedReason = 'moderation' | 'fetch';
/** skip: of this one time; never: blacklisted here; filter: of a kind that is not played here. */
export type ModerationKind = 'skip' | 'never' | 'filter';

export interface NodeStatus {
  /** libp2p peer id. */
  id: string;
  name: string;
  /** Of the software, "0.1.0". */
  version: string;
  uptime_ms: number;
  /** Multiaddrs at which this node listens. */
  addresses: string[];
}

export interface StationStatus {
  /** 64 hex digits, from name and key. */
  id: string;
  name: string;
  /** True when a station key is set. The key itself is never told. */
  closed: boolean;
  phase: 'listening' | 'joining' | 'member' | 'stopped';
  /** Hash of the bootstrap that this station's log stands on. */
  genesis: string | null;
  /** Hash of the newest record. */
  head: string | null;
  /** Slot of the newest record, -1 for none. */
  head_slot: number;
  /** Slot that plays now, -1 for none. */
  slot: number;
  /** Station time of this snapshot, integer milliseconds. */
  time_ms: number;
  rules_hash: string;
  /** Nodes in the roster. */
  roster: number;
}

/** What people see of a track. Every text here was written by strangers. */
export interface TrackStatus {
  /** "sha256:" and 64 hex digits, over the audio. */
  hash: string;
  /** "Artist – Title". */
  name: string;
  artist?: string | null;
  title?: string | null;
  album?: string | null;
  /** Marked as explicit by its tags or by who proposed it; absent or null while unknown. */
  explicit?: boolean | null;
  /** As its tags have it; '' or null while unknown. */
  genre?: string | null;
  /** CID for `GET /cover/<cid>`. */
  cover?: string | null;
}

export interface NowStatus {
  /** -1 before the first slot. */
  slot: number;
  /** What sounds; null for silence. */
  track: TrackStatus | null;
  /** flock: what the station decided; own: of this box alone; filler: bridges a gap. */
  source: 'flock' | 'own' | 'filler';
  /** Who brought it (the deployer, in the initial queue); null in a fallback and for a box's own programme. */
  node_id: string | null;
  node_name: string | null;
  /** Where in the track the sound is. Null while unknown. */
  position_ms: number | null;
  duration_ms: number;
  /** Station time at which the slot began, or what plays in its stead; `duration_ms` counts from here to its end. */
  start_ms: number;
  /** Why this box plays something of its own in place of the flock's track; null: it does not. */
  moderation?: ModerationKind | null;
  /** Station time at which it is back in the programme by itself; null while it is in it. */
  skipped_until_ms?: number | null;
  /** CLOCK_MONOTONIC of this machine, in ms, at which `position_ms` held: compares two nodes of one machine. */
  measured_mono_ms: number | null;
}

export interface QueueStatus {
  slot: number;
  start_ms: number;
  duration_ms: number;
  /** Null: every box plays its own. */
  track: TrackStatus | null;
  node_id: string | null;
  node_name: string | null;
  /** False while the slot is settling: the likely winner may still change. */
  final: boolean;
  /** All its blocks are here. */
  ready: boolean;
  /** The winner's ticket, 64 hex digits; null without winner. */
  ticket: string | null;
  /** Proposals in the draw, as far as known here; `GET /api/draw/<slot>` lists them. */
  proposals?: number;
  /** Why this box will play something of its own there; null: it plays along. */
  moderation?: ModerationKind | null;
}

export interface HistoryStatus {
  slot: number;
  /** Hash of the record. */
  hash: string;
  start_ms: number;
  track: { hash: string; name: string } | null;
  node_id: string | null;
  /** Nobody's proposal won. */
  fallback: boolean;
  /** Proposals in the draw, as far as known here. */
  proposals?: number;
}

export interface PeerStatus {
  node_id: string;
  name: string;
  /** sync: plays what the station decided; diverged: says that it does not; unknown: nothing heard from it yet. */
  state: 'sync' | 'diverged' | 'unknown';
  reason: DivergedReason | null;
  /** Slot it plays, null while unknown. */
  slot: number | null;
  /** Its newest record. */
  head: string | null;
  track: { hash: string; name: string } | null;
  /** Its station time minus ours, null while unmeasured. */
  offset_ms: number | null;
  /** Round trip to it, null while unmeasured or not connected. */
  rtt_ms: number | null;
  connected: boolean;
  /** How long ago it was last heard; null for never. */
  heard_ago_ms: number | null;
  /** CID of its catalog; null while it has not said. Its tracks: `GET /api/peers/<node_id>/catalog`. */
  catalog?: string | null;
  /** How many tracks it says it offers. */
  tracks?: number | null;
}

export interface SkippedFile {
  /** As below its source. */
  path: string;
  /** Short name of the cause, such as "corrupt" or "empty". */
  reason: string;
  /** The cause in words. */
  text: string;
}

export interface LibraryStatus {
  /** Music files found. */
  tracks: number;
  /** Of those, the ones that can be proposed. */
  ready: number;
  scanning: boolean;
  done_files: number;
  total_files: number;
  /** Seconds of music prepared in one second. */
  realtime_x: number;
  /** Folders and sticks in use. */
  sources: string[];
  catalog: string | null;
  playlist_hash: string | null;
  /** The first of them; all of them at `GET /api/library/skipped`. */
  skipped: SkippedFile[];
  skipped_total: number;
}

export interface SyncStatus {
  /** Measured sound against station time: positive, the sound is ahead. */
  offset_ms: number | null;
  /** This box's own clock against the flock's. */
  clock_offset_ms: number | null;
  /** Half width of what is known about it. */
  clock_error_ms: number | null;
  synced: boolean;
  /** Sound card against station time. */
  drift_ppm: number | null;
  corrections: number;
  underruns: number;
  filler_ms: number;
  /** Silence, after the first sound, where the programme or the filler should have sounded. */
  silent_ms: number;
}

export interface OutputStatus {
  /** As chosen in the settings: "auto", "null", "alsa:...". */
  wanted: string;
  /** What is in use. */
  device: string | null;
  state: string;
  /** Plays on without sound. */
  silent: boolean;
  /** Why, in words. */
  reason: string | null;
}

export interface FigureStatus {
  fetched_tracks: number;
  fallbacks: number;
  kept_tracks: number;
  faults: number;
}

export interface MemoryStatus {
  rss_bytes: number;
  /** Of ffmpeg, mpv and whatever else this node started. */
  children_rss_bytes: number;
  heap_used_bytes: number;
  system_total_bytes: number;
  system_available_bytes: number;
}

export interface HostStatus {
  /** "Raspberry Pi 3 Model B Plus Rev 1.3", null where the machine does not tell. */
  model: string | null;
  temperature_c: number | null;
  load_1m: number | null;
}

export interface LightStatus {
  /** Name of the pattern that the light shows, or would show if there were one: as in hardware/light-patterns.json. */
  pattern: string | null;
  /** The pattern itself, milliseconds lit, dark, lit, dark ...; a pair with a zero is steady. */
  steps?: readonly number[];
  /** In English, as in that table: how it looks, what it means, what to do about it. */
  looks?: string;
  text?: string;
  help?: string;
}

export interface NoticeStatus {
  level: 'info' | 'warning' | 'error';
  /** Short name, for translations and tests. */
  code: string;
  /** In English, for a code that the page does not know. */
  text: string;
}
