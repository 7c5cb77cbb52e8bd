import type { ConsensusView, QueueEntry, ScheduledTrack } from '../consensus/events.ts';
import { STATUS_VERSION, type StatusSnapshot, type TrackStatus } from '../web/snapshot.ts';
import type { StarlingNode } from './node.ts';
import type { ConnectedPeer, LibraryFigures, PlaybackFigures, TrackPlan } from './ports.ts';

type Notice = StatusSnapshot['notices'][number];

/** The model's initial queue. */
const INITIAL_SLOTS = 5;
/** Longer between two readings of the clock means that the process was not running in between. */
const READING_LIMIT_MS = 0.1;
const READING_ATTEMPTS = 4;

/** What the snapshot is put together from, beyond the node itself. */
export interface SnapshotSources {
  node: StarlingNode;
  nodeId: string;
  version: string;
  name: string;
  station: { name: string; closed: boolean };
  output: string;
  startedMonoMs: number;
  monoMs(): number;
  /** This box's own wall clock, milliseconds since 1970. */
  wallMs(): number;
  addresses(): string[];
  peers(): ConnectedPeer[];
  networkCounters(): Record<string, number>;
  library(): LibraryFigures & { sources: string[]; catalog: string | null; playlistHash: string | null };
  host(): HostReading;
  /** What the light shows; null when nobody knows. */
  light?(): NonNullable<StatusSnapshot['light']> | null;
  /** What people should know of the radio as a whole, such as a restart that failed. */
  notices?(): Notice[];
}

/** What src/system tells of the machine. */
export interface HostReading {
  rssBytes: number;
  childrenRssBytes: number;
  heapUsedBytes: number;
  systemTotalBytes: number;
  systemAvailableBytes: number;
  model: string | null;
  temperatureC: number | null;
  load1m: number | null;
}

/** The picture of this moment, made anew at each call. */
export function buildSnapshot(sources: SnapshotSources): StatusSnapshot {
  const { node } = sources;
  const view = node.view();
  const names = new Map(view.roster.map((entry) => [entry.nodeId, entry.name]));
  const { playback, atMonoMs } = readPlayback(sources);
  const clock = node.clockStatus();
  const library = sources.library();
  return {
    version: STATUS_VERSION,
    node: {
      id: sources.nodeId,
      name: sources.name,
      version: sources.version,
      uptime_ms: Math.round(sources.monoMs() - sources.startedMonoMs),
      addresses: sources.addresses(),
    },
    station: stationStatus(sources, view),
    now: nowStatus(sources, view, { ...playback, atMonoMs }, names),
    queue: view.queue.map((entry) => queueStatus(node, entry, names)),
    history: historyStatus(node),
    peers: peerStatus(sources, view, names),
    library: libraryStatus(library),
    sync: {
      offset_ms: playback.offsetMs,
      clock_offset_ms: toThousandths(sources.wallMs() - node.stationNowMs()),
      clock_error_ms: clock.errorMs,
      synced: clock.synced,
      drift_ppm: playback.driftPpm,
      corrections: playback.corrections,
      underruns: playback.underruns,
      filler_ms: playback.fillerMs,
      silent_ms: playback.silentMs,
    },
    output: {
      wanted: sources.output,
      device: playback.output,
      state: playback.state,
      silent: playback.silent,
      reason: playback.reason,
    },
    diverged: view.diverged,
    diverged_reason: view.reason,
    figures: figureStatus(node),
    counters: { ...sources.networkCounters(), ...view.counters },
    ...hostStatus(sources.host()),
    light: sources.light?.() ?? { pattern: null },
    notices: [...(sources.notices?.() ?? []), ...notices(sources, view, playback, library)],
  };
}

/** Two clocks can only be set against each other when nothing came between their readings: such a pair is read again. */
function readPlayback(sources: SnapshotSources): { playback: PlaybackFigures; atMonoMs: number } {
  for (let attempt = 1; ; attempt++) {
    const beforeMs = sources.monoMs();
    const playback = sources.node.playbackStatus();
    const afterMs = sources.monoMs();
    if (afterMs - beforeMs <= READING_LIMIT_MS || attempt === READING_ATTEMPTS) {
      return { playback, atMonoMs: (beforeMs + afterMs) / 2 };
    }
  }
}

function stationStatus(sources: SnapshotSources, view: ConsensusView): StatusSnapshot['station'] {
  return {
    id: view.stationId,
    name: sources.station.name,
    closed: sources.station.closed,
    phase: view.phase,
    genesis: view.genesis,
    head: view.head,
    head_slot: view.headSlot,
    slot: view.slot,
    time_ms: Math.floor(sources.node.stationNowMs()),
    rules_hash: view.rulesHash,
    roster: view.roster.length,
  };
}

/** What really sounds here, which is not always what the log says. */
function nowStatus(
  sources: SnapshotSources,
  view: ConsensusView,
  playback: PlaybackFigures & { atMonoMs: number },
  names: ReadonlyMap<string, string>,
): StatusSnapshot['now'] {
  const { node } = sources;
  const { now } = view;
  if (now === null) return null;
  const playing = node.playing;
  const place = node.placeOf(now.slot);
  const stead = now.track === null ? null : (place?.stead ?? null);
  const isFlock = playing?.slot === now.slot && playing.actual !== null && playing.actual === now.track?.track_hash;
  const isOwn = playing?.slot === now.slot && playing.actual !== null && !isFlock;
  const sounding = isOwn ? node.ownSounding(now.slot) : null;
  const shownPlan = sounding?.plan ?? (stead === null ? (place?.plan ?? null) : stead.plan);
  const isElse = isOwn || (stead !== null && !isFlock);
  const endMs = now.startMs + now.durationMs;
  const startMs = isElse ? (sounding?.startMs ?? stead?.startMs ?? place?.fromMs ?? now.startMs) : now.startMs;
  return {
    slot: now.slot,
    track: isElse ? ownTrack(shownPlan) : now.track === null ? null : describe(node, now.slot, now.track),
    source: isFlock ? 'flock' : isOwn ? 'own' : 'filler',
    ...(isElse ? { node_id: null, node_name: null } : broughtBy(now, names)),
    position_ms: playback.positionMs,
    duration_ms: endMs - startMs,
    start_ms: startMs,
    measured_mono_ms: playback.positionMs === null ? null : playback.atMonoMs,
    moderation: stead?.cause ?? null,
    skipped_until_ms: stead === null ? null : endMs,
  };
}

function ownTrack(plan: TrackPlan | null): TrackStatus | null {
  if (plan === null) return null;
  return { hash: plan.track.trackHash, name: plan.track.name, ...tags(plan) };
}

function describe(node: StarlingNode, slot: number, track: ScheduledTrack): TrackStatus {
  const plan = node.planOf(slot);
  const said = node.tagsOf(slot);
  const known = tags(plan);
  return {
    hash: track.track_hash,
    name: track.track_name,
    ...known,
    explicit: said === null && plan === null ? null : said?.explicit === true || known.explicit === true,
    genre: known.genre || said?.genre || null,
  };
}

type Tags = Pick<TrackStatus, 'artist' | 'title' | 'album' | 'cover' | 'explicit' | 'genre'>;

function tags(plan: TrackPlan | null): Tags {
  if (plan === null) return { artist: null, title: null, album: null, cover: null, explicit: null, genre: null };
  const { artist, title, album, cover, explicit, genre } = plan.meta;
  return { artist, title, album, cover, explicit, genre };
}

/** The winner of the draw; for the queue that a station begins with, whoever deployed it. Nobody for a fallback. */
function broughtBy(
  entry: QueueEntry,
  names: ReadonlyMap<string, string>,
): { node_id: string | null; node_name: string | null } {
  const deployer = entry.slot < INITIAL_SLOTS ? entry.track?.owners[0] : undefined;
  const nodeId = entry.nodeId ?? deployer ?? null;
  return { node_id: nodeId, node_name: nodeId === null ? null : (names.get(nodeId) ?? null) };
}

function queueStatus(
  node: StarlingNode,
  entry: QueueEntry,
  names: ReadonlyMap<string, string>,
): StatusSnapshot['queue'][number] {
  return {
    slot: entry.slot,
    start_ms: entry.startMs,
    duration_ms: entry.durationMs,
    track: entry.track === null ? null : describe(node, entry.slot, entry.track),
    ...broughtBy(entry, names),
    final: entry.final,
    ready: node.isReady(entry.slot),
    ticket: entry.ticket,
    proposals: node.proposalsOf(entry.slot) ?? (entry.ticket === null ? 0 : 1),
    moderation: node.placeOf(entry.slot)?.stead?.cause ?? null,
  };
}

function historyStatus(node: StarlingNode): StatusSnapshot['history'] {
  return node.history().map(({ slot, hash, startMs, track, nodeId, fallback, proposals }) => ({
    slot,
    hash,
    start_ms: startMs,
    track: track === null ? null : { hash: track.track_hash, name: track.track_name },
    node_id: nodeId,
    fallback,
    proposals,
  }));
}

function toThousandths<T extends number | null>(value: T): T {
  return (value === null ? null : Math.round(value * 1_000) / 1_000) as T;
}

function peerStatus(
  sources: SnapshotSources,
  view: ConsensusView,
  names: ReadonlyMap<string, string>,
): StatusSnapshot['peers'] {
  const connected = new Map(sources.peers().map((peer) => [peer.nodeId, peer]));
  const heard = new Map(view.peers.map((peer) => [peer.nodeId, peer]));
  const nowMs = sources.node.stationNowMs();
  return [...new Set([...heard.keys(), ...connected.keys()])].map((nodeId) => {
    const state = heard.get(nodeId);
    return {
      node_id: nodeId,
      name: names.get(nodeId) ?? `…${nodeId.slice(-6)}`,
      state: state === undefined ? 'unknown' : state.diverged ? 'diverged' : 'sync',
      reason: state?.reason ?? null,
      slot: state?.slot ?? null,
      head: state?.head ?? null,
      track: state?.track ?? null,
      offset_ms: toThousandths(sources.node.peerOffsetMs(nodeId)),
      rtt_ms: connected.get(nodeId)?.rttMs ?? null,
      connected: connected.has(nodeId),
      heard_ago_ms: state === undefined ? null : Math.max(0, Math.round(nowMs - state.lastHeardMs)),
      ...catalogStatus(sources.node, nodeId),
    };
  });
}

function catalogStatus(node: StarlingNode, nodeId: string): { catalog: string | null; tracks: number | null } {
  const { cid, tracks } = node.catalogNoteOf(nodeId);
  return { catalog: cid, tracks };
}

function libraryStatus(library: ReturnType<SnapshotSources['library']>): StatusSnapshot['library'] {
  return {
    tracks: library.tracks,
    ready: library.ready,
    scanning: library.scanning,
    done_files: library.doneFiles,
    total_files: library.totalFiles,
    realtime_x: library.realtimeX,
    sources: library.sources,
    catalog: library.catalog,
    playlist_hash: library.playlistHash,
    skipped: library.skipped,
    skipped_total: library.skipped.length,
  };
}

function figureStatus(node: StarlingNode): StatusSnapshot['figures'] {
  const { fetchedTracks, fallbacks, keptTracks, faults } = node.figures();
  return { fetched_tracks: fetchedTracks, fallbacks, kept_tracks: keptTracks, faults };
}

function hostStatus(host: HostReading): Pick<StatusSnapshot, 'memory' | 'host'> {
  return {
    memory: {
      rss_bytes: host.rssBytes,
      children_rss_bytes: host.childrenRssBytes,
      heap_used_bytes: host.heapUsedBytes,
      system_total_bytes: host.systemTotalBytes,
      system_available_bytes: host.systemAvailableBytes,
    },
    host: { model: host.model, temperature_c: host.temperatureC, load_1m: host.load1m },
  };
}

function notices(
  { node }: SnapshotSources,
  view: ConsensusView,
  playback: PlaybackFigures,
  library: LibraryFigures,
): Notice[] {
  const found: Notice[] = [];
  const stead = view.now === null ? null : node.placeOf(view.now.slot)?.stead;
  if (stead != null && stead.plan === null) {
    found.push({
      level: 'warning',
      code: 'nothingToPlay',
      text: 'This track is not played here, and the box has no music of its own to play in its place.',
    });
  }
  if (view.phase === 'stopped') {
    found.push({
      level: 'error',
      code: 'stopped',
      text: 'This box no longer takes part: it was asked to leave, or another box speaks with its identity.',
    });
  }
  // Silent by choice has no reason, and needs no telling.
  if (playback.silent && playback.reason !== null) {
    found.push({
      level: 'warning',
      code: 'silent',
      text: `No sound here: ${playback.reason}.`,
    });
  }
  if (!library.scanning && library.ready === 0) {
    found.push({ level: 'warning', code: 'noMusic', text: 'No music of its own: plug in a stick with music.' });
  }
  if (library.skipped.length > 0) {
    found.push({ level: 'info', code: 'skippedFiles', text: `${library.skipped.length} files could not be used.` });
  }
  return found;
}
