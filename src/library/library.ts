import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { CID } from 'multiformats/cid';
import type { ContentStore } from './content-store.ts';
import type { SkippedFileError } from './errors.ts';
import { Ffmpeg, type FfmpegInit } from './ffmpeg.ts';
import {
  KEPT_CATALOGS,
  MAX_SKIPPED_LISTED,
  MAX_SOURCES,
  PUBLISH_COST_FACTOR,
  PUBLISH_INTERVAL_MS,
  WATCH_INTERVAL_MS,
} from './limits.ts';
import { makeCatalog, playlistHash, toPlaylist } from './playlist.ts';
import { Preparer } from './preparer.ts';
import { Scan } from './scan.ts';
import { isUnchanged, lookAt, type RootState } from './sources.ts';
import { showPath } from './text.ts';
import { type Content, type Place, TrackIndex } from './track-index.ts';
import type { HashText, Library, LibraryStatus, LibraryTrack, Logger, SkippedFile } from './types.ts';
import { type Pinner, Upkeep } from './upkeep.ts';
import { joinPath } from './walk.ts';

export interface LibraryComponents {
  store: ContentStore;
  pinner: Pinner;
  log: Logger;
}

export interface LibraryInit {
  /** Folders of music, the first ones first. */
  sources: string[];
  /** Where the index is kept. */
  dataDir: string;
  /** Files prepared at a time; half of the cores, at most two, by default. */
  concurrency?: number;
  ffmpeg?: FfmpegInit;
  /** How often it is looked whether a stick came or went; 0: never. */
  watchIntervalMs?: number;
}

export function createLibrary(components: LibraryComponents, init: LibraryInit): Library {
  return new MusicLibrary(components, init);
}

/** Tracks that are published one by one before batches begin. */
const FIRST_TRACKS = 3;
/** Least time between two catalogs while a scan runs. */
const CATALOG_INTERVAL_MS = 20_000;

/** Keeps the folders of music, the index of what they hold, and the list of tracks in step. */
export class MusicLibrary implements Library {
  readonly #components: LibraryComponents;
  readonly #init: LibraryInit;
  readonly #handlers: (() => void)[] = [];
  #sources: string[];
  #roots = new Map<string, RootState | null>();
  #parts: Parts | null = null;
  #scan: Scan | null = null;
  #scanning: Promise<void> = Promise.resolve();
  #rescan = false;
  #stopping = false;
  #watch: NodeJS.Timeout | null = null;
  /** By track hash: the first place where a track lies. */
  #offered = new Map<HashText, Offered>();
  /** Track hash by the path it is offered from. */
  #offeredAt = new Map<string, HashText>();
  /** Something is not where it was: the offer has to be made up anew at the end of the scan. */
  #gone = false;
  #skipped = new Map<string, SkippedFile>();
  #tracks: readonly LibraryTrack[] = [];
  #playlistHash: HashText = playlistHash([]);
  #catalog: { cid: string; of: HashText; atMs: number } | null = null;
  #catalogWork: Promise<void> = Promise.resolve();
  #publishTimer: NodeJS.Timeout | null = null;
  #publishCostMs = 0;
  #lastScan: { found: number; done: number; realtimeX: number } = { found: 0, done: 0, realtimeX: 0 };

  constructor(components: LibraryComponents, init: LibraryInit) {
    this.#components = components;
    this.#init = init;
    this.#sources = tidySources(init.sources);
  }

  /** @throws IndexVersionError */
  async start(): Promise<void> {
    if (this.#parts !== null) return;
    const { store, log, pinner } = this.#components;
    this.#stopping = false;
    await store.start();
    const index = new TrackIndex(this.#init.dataDir);
    const ffmpeg = new Ffmpeg(this.#init.ffmpeg);
    const upkeep = new Upkeep({ store, pinner, index, log });
    this.#parts = { index, ffmpeg, upkeep, preparer: new Preparer({ ffmpeg, store }) };
    await upkeep.checkNewest();
    await this.#lookAtRoots();
    this.#reload();
    if (this.#offered.size > 0) this.#publish();
    this.#beginScan();
    const watchMs = this.#init.watchIntervalMs ?? WATCH_INTERVAL_MS;
    if (watchMs > 0) this.#watch = setInterval(() => void this.#watchRoots(), watchMs).unref();
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    if (parts === null) return;
    this.#stopping = true;
    if (this.#watch !== null) clearInterval(this.#watch);
    if (this.#publishTimer !== null) clearTimeout(this.#publishTimer);
    this.#watch = null;
    this.#publishTimer = null;
    this.#scan?.stop();
    await this.#scanning;
    await this.#catalogWork;
    await parts.upkeep.stop();
    this.#parts = null;
    parts.index.close();
  }

  onChanged(handler: () => void): void {
    this.#handlers.push(handler);
  }

  tracks(): readonly LibraryTrack[] {
    return this.#tracks;
  }

  playlistHash(): HashText {
    return this.#playlistHash;
  }

  catalogCid(): string | null {
    return this.#catalog?.cid ?? null;
  }

  async setSources(directories: string[]): Promise<void> {
    const sources = tidySources(directories);
    if (sources.join('\0') === this.#sources.join('\0')) return;
    this.#sources = sources;
    if (this.#parts === null) return;
    await this.#lookAtRoots();
    this.#reload();
    this.#publish();
    this.#beginScan();
  }

  async settled(): Promise<void> {
    for (let work = this.#scanning; ; work = this.#scanning) {
      await work;
      await this.#catalogWork;
      if (work === this.#scanning) return;
    }
  }

  status(): LibraryStatus {
    const scan = this.#scan;
    const totalFiles = scan?.found ?? this.#lastScan.found;
    return {
      tracks: Math.max(this.#offered.size, totalFiles - this.#skipped.size),
      ready: this.#tracks.length,
      scanning: scan !== null,
      doneFiles: scan?.done ?? this.#lastScan.done,
      totalFiles,
      skipped: [...this.#skipped.values()],
      realtimeX: scan === null ? this.#lastScan.realtimeX : realtimeX(scan),
      stalled: scan?.stalled ?? null,
      absent: this.#sources.filter((source) => (this.#roots.get(source) ?? null) === null),
    };
  }

  async #lookAtRoots(): Promise<void> {
    const states = await Promise.all(this.#sources.map((source) => lookAt(source)));
    this.#roots = new Map(this.#sources.map((source, i) => [source, states[i]!]));
  }

  /** Offers what the index knows of the sources that are there, without reading any file. */
  #reload(): void {
    this.#offered = new Map();
    this.#offeredAt = new Map();
    this.#skipped = new Map();
    for (const source of this.#sources) {
      if ((this.#roots.get(source) ?? null) === null) continue;
      for (const { place, content } of this.#parts!.index.present(source)) this.#note(place, content);
    }
  }

  /** Takes in what lies at a place. True when that changes the offer. */
  #note(place: Place, content: Content): boolean {
    const order = this.#sources.indexOf(place.source);
    if (order < 0) return false;
    const path = showPath(joinPath(Buffer.from(place.source), place.path));
    const withdrawn = this.#withdraw(path, content.track?.manifest ?? null);
    if (content.track === null) {
      this.#skip(path, content.reason, content.note);
      return withdrawn;
    }
    this.#skipped.delete(path);
    const { track } = content;
    const there = this.#offered.get(track.trackHash);
    if (there !== undefined && (there.order < order || (there.order === order && there.path <= path))) return withdrawn;
    if (there !== undefined) this.#offeredAt.delete(there.path);
    this.#offered.set(track.trackHash, { ...track, path, order, index: 0 });
    this.#offeredAt.set(path, track.trackHash);
    return true;
  }

  /** What lay at a place before is not offered any more, unless it is the same still. */
  #withdraw(path: string, manifest: string | null): boolean {
    const hash = this.#offeredAt.get(path);
    if (hash === undefined || this.#offered.get(hash)!.manifest === manifest) return false;
    this.#offered.delete(hash);
    this.#offeredAt.delete(path);
    // the same audio may lie at another place as well: found out at the end of the scan
    this.#gone = true;
    return true;
  }

  #skip(path: string, reason: string, text: string): void {
    if (this.#skipped.size >= MAX_SKIPPED_LISTED) this.#skipped.delete(this.#skipped.keys().next().value!);
    this.#skipped.set(path, { path, reason, text });
  }

  #beginScan(): void {
    this.#rescan = true;
    this.#scan?.stop();
    if (this.#scan !== null) return;
    this.#scanning = this.#scanAll();
  }

  async #scanAll(): Promise<void> {
    while (this.#rescan && !this.#stopping) {
      this.#rescan = false;
      const scan = this.#makeScan();
      this.#scan = scan;
      try {
        await scan.run();
        if (!this.#stopping && !this.#rescan) await this.#afterScan(scan);
      } catch (error) {
        this.#components.log.error('the scan ended early', { cause: (error as Error).stack });
      }
      this.#lastScan = { found: scan.found, done: scan.done, realtimeX: realtimeX(scan) };
    }
    this.#scan = null;
    if (!this.#stopping) this.#publish();
  }

  #makeScan(): Scan {
    const { index, preparer, upkeep } = this.#parts!;
    return new Scan(
      {
        index,
        preparer,
        log: this.#components.log,
        reclaim: () => upkeep.reclaim(),
        onFile: (place, content) => {
          if (this.#note(place, content)) this.#publishSoon();
        },
        onTrouble: (source, path, error) => this.#trouble(source, path, error),
        onGone: () => {
          this.#gone = true;
        },
      },
      { sources: this.#sources, concurrency: this.#init.concurrency ?? defaultConcurrency() },
    );
  }

  #trouble(source: string, path: Buffer, error: SkippedFileError): void {
    this.#skip(showPath(joinPath(Buffer.from(source), path)), error.reason, error.message);
  }

  async #afterScan(scan: Scan): Promise<void> {
    const { log } = this.#components;
    if (scan.limited) log.warn('a source holds more files than are kept; some were left out');
    if (this.#gone) {
      this.#gone = false;
      await this.#lookAtRoots();
      const troubles = [...this.#skipped.values()].filter(
        ({ reason }) => reason === 'unreadable' || reason === 'timeout',
      );
      this.#reload();
      for (const { path, reason, text } of troubles) this.#skip(path, reason, text);
    }
    await this.#parts!.upkeep.retireOld();
    log.info('music scanned', { tracks: this.#offered.size, files: scan.found, skipped: this.#skipped.size });
  }

  async #watchRoots(): Promise<void> {
    if (this.#stopping || this.#parts === null) return;
    const before = this.#roots;
    await this.#lookAtRoots();
    if (this.#stopping || this.#parts === null) return;
    const changed = this.#sources.filter(
      (source) => !isUnchanged(before.get(source) ?? null, this.#roots.get(source) ?? null),
    );
    if (changed.length === 0) return;
    this.#components.log.info('a source of music changed', { sources: changed });
    this.#reload();
    this.#publish();
    this.#beginScan();
  }

  /** The first tracks at once, so that the radio can begin; later ones in batches. */
  #publishSoon(): void {
    if (this.#publishTimer !== null || this.#stopping) return;
    const first = this.#tracks.length < FIRST_TRACKS;
    const waitMs = first ? 0 : Math.max(PUBLISH_INTERVAL_MS, this.#publishCostMs * PUBLISH_COST_FACTOR);
    this.#publishTimer = setTimeout(() => this.#publish(), waitMs);
  }

  #publish(): void {
    if (this.#publishTimer !== null) clearTimeout(this.#publishTimer);
    this.#publishTimer = null;
    if (this.#parts === null) return;
    const startedMs = performance.now();
    const tracks = toPlaylist([...this.#offered.values()].map(({ order: _, ...track }) => track));
    const hash = playlistHash(tracks);
    const changed = hash !== this.#playlistHash || !sameManifests(tracks, this.#tracks);
    this.#tracks = tracks;
    this.#playlistHash = hash;
    this.#publishCostMs = performance.now() - startedMs;
    this.#parts.upkeep.pinNew();
    this.#makeCatalog();
    if (!changed) return;
    for (const handler of this.#handlers) handler();
  }

  /** At the end of a scan, and now and then during one: a catalog of a large stick costs time. */
  #makeCatalog(): void {
    const [hash, tracks] = [this.#playlistHash, this.#tracks];
    if (tracks.length === 0 || this.#catalog?.of === hash) return;
    const atMs = performance.now();
    if (this.#scan !== null && this.#catalog !== null && atMs - this.#catalog.atMs < CATALOG_INTERVAL_MS) return;
    this.#catalogWork = this.#catalogWork
      .then(async () => {
        if (hash !== this.#playlistHash || this.#parts === null) return;
        const blocks = await makeCatalog(tracks, hash);
        for (const { cid, bytes } of blocks) await this.#components.store.put(cid, bytes);
        const cids = blocks.map(({ cid }) => cid.toString());
        for (const old of this.#parts.index.addCatalog(cids, KEPT_CATALOGS)) {
          await this.#components.store.delete(CID.parse(old));
        }
        this.#catalog = { cid: cids.at(-1)!, of: hash, atMs };
        for (const handler of this.#handlers) handler();
      })
      .catch((error: Error) => this.#components.log.warn('the catalog could not be made', { cause: error.message }));
  }
}

interface Parts {
  index: TrackIndex;
  ffmpeg: Ffmpeg;
  upkeep: Upkeep;
  preparer: Preparer;
}

/** A track with the place of its source in the list of sources. */
type Offered = LibraryTrack & { order: number };

function tidySources(directories: readonly string[]): string[] {
  return [...new Set(directories.map((directory) => resolve(directory)))].slice(0, MAX_SOURCES);
}

function defaultConcurrency(): number {
  return Math.max(1, Math.min(2, availableParallelism() >> 1));
}

function realtimeX(scan: Scan): number {
  return scan.workedMs === 0 ? 0 : Math.round((scan.seconds * 1_000) / scan.workedMs);
}

function sameManifests(a: readonly LibraryTrack[], b: readonly LibraryTrack[]): boolean {
  return a.length === b.length && a.every((track, i) => track.manifest === b[i]!.manifest);
}
