import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { CID } from 'multiformats/cid';
import type { ContentStore } from './content-store.ts';
import { Ffmpeg, type FfmpegInit } from './ffmpeg.ts';
import { KEPT_CATALOGS, MAX_SOURCES, PUBLISH_COST_FACTOR, PUBLISH_INTERVAL_MS, WATCH_INTERVAL_MS } from './limits.ts';
import { Offer } from './offer.ts';
import { makeCatalog, playlistHash } from './playlist.ts';
import { Preparer } from './preparer.ts';
import { Scan } from './scan.ts';
import { isUnchanged, lookAt, type RootState } from './sources.ts';
import { TrackIndex } from './track-index.ts';
import type { HashText, Library, LibraryStatus, LibraryTrack, Logger } from './types.ts';
import { type Pinner, Upkeep } from './upkeep.ts';

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
  #looping = false;
  #starting: Promise<void> | null = null;
  /** Another scan is wanted; `reload`: after the offer was made up anew. */
  #wanted: 'nothing' | 'scan' | 'reload' = 'nothing';
  #stopping = false;
  #watch: NodeJS.Timeout | null = null;
  #offer = new Offer([]);
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

  async start(): Promise<void> {
    this.#starting ??= this.#begin();
    await this.#starting;
  }

  async stop(): Promise<void> {
    if (this.#starting === null) return;
    this.#stopping = true;
    await this.#starting.catch(() => {});
    this.#starting = null;
    if (this.#watch !== null) clearInterval(this.#watch);
    if (this.#publishTimer !== null) clearTimeout(this.#publishTimer);
    this.#watch = null;
    this.#publishTimer = null;
    this.#scan?.stop();
    await this.#scanning;
    await this.#catalogWork;
    const parts = this.#parts;
    this.#parts = null;
    await parts?.upkeep.stop();
    parts?.index.close();
  }

  async #begin(): Promise<void> {
    const { store, log, pinner } = this.#components;
    this.#stopping = false;
    await store.start();
    const index = new TrackIndex(this.#init.dataDir);
    const ffmpeg = new Ffmpeg(this.#init.ffmpeg);
    const upkeep = new Upkeep({ store, pinner, index, log });
    this.#parts = { index, ffmpeg, upkeep, preparer: new Preparer({ ffmpeg, store }) };
    await upkeep.checkNewest();
    await this.#reload();
    if (this.#stopping) return;
    if (this.#offer.size > 0) this.#publish();
    this.#want('scan');
    const watchMs = this.#init.watchIntervalMs ?? WATCH_INTERVAL_MS;
    if (watchMs > 0) this.#watch = setInterval(() => void this.#watchRoots(), watchMs).unref();
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
    if (this.#parts === null || this.#stopping) return;
    this.#offer = this.#offer.restrictedTo(sources);
    this.#publish();
    this.#want('reload');
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
      tracks: Math.max(this.#offer.size, totalFiles - this.#offer.skippedCount),
      ready: this.#tracks.length,
      scanning: this.#looping,
      doneFiles: scan?.done ?? this.#lastScan.done,
      totalFiles,
      skipped: this.#offer.skipped,
      realtimeX: scan === null ? this.#lastScan.realtimeX : realtimeX(scan),
      stalled: scan?.stalled ?? null,
      absent: this.#sources.filter((source) => (this.#roots.get(source) ?? null) === null),
    };
  }

  /** Which sources are there, and what the index knows of them. */
  async #reload(): Promise<void> {
    const sources = this.#sources;
    const states = await Promise.all(sources.map((source) => lookAt(source)));
    this.#roots = new Map(sources.map((source, i) => [source, states[i]!]));
    const there = sources.filter((_, i) => states[i] !== null);
    const ended = () => this.#stopping || this.#sources !== sources;
    const offer = await Offer.load(this.#parts!.index, there, ended);
    if (ended()) return;
    offer.keepTrouble(this.#offer);
    this.#offer = offer;
  }

  /** Breaks off the scan that runs, and begins another. */
  #want(what: 'scan' | 'reload'): void {
    if (this.#wanted !== 'reload') this.#wanted = what;
    this.#scan?.stop();
    if (this.#looping) return;
    this.#looping = true;
    this.#scanning = this.#scanAll().finally(() => {
      this.#looping = false;
    });
  }

  async #scanAll(): Promise<void> {
    while (this.#wanted !== 'nothing' && !this.#stopping) {
      const reload = this.#wanted === 'reload';
      this.#wanted = 'nothing';
      try {
        if (reload) {
          await this.#reload();
          this.#publish();
        }
        if (!this.#isDisturbed()) await this.#scanOnce();
      } catch (error) {
        this.#components.log.error('the scan ended early', { cause: (error as Error).stack });
      }
    }
    if (!this.#stopping) this.#publish();
  }

  /** Asked by a function, because it changes while something is waited for. */
  #isDisturbed(): boolean {
    return this.#stopping || this.#wanted !== 'nothing';
  }

  async #scanOnce(): Promise<void> {
    const scan = this.#makeScan();
    this.#scan = scan;
    try {
      await scan.run();
      if (!this.#isDisturbed()) await this.#afterScan(scan);
    } finally {
      this.#lastScan = { found: scan.found, done: scan.done, realtimeX: realtimeX(scan) };
      this.#scan = null;
    }
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
          if (this.#offer.note(place, content)) this.#publishSoon();
        },
        onTrouble: (source, path, error) => this.#offer.trouble(source, path, error),
        onGone: () => {
          this.#offer.stale = true;
        },
      },
      { sources: this.#offer.sources, concurrency: this.#init.concurrency ?? defaultConcurrency() },
    );
  }

  async #afterScan(scan: Scan): Promise<void> {
    const { log } = this.#components;
    if (scan.limited) log.warn('a source holds more files than are kept; some were left out');
    if (this.#offer.stale) await this.#reload();
    await this.#parts!.upkeep.retireOld();
    log.info('music scanned', { tracks: this.#offer.size, files: scan.found, skipped: this.#offer.skippedCount });
  }

  async #watchRoots(): Promise<void> {
    if (this.#stopping || this.#parts === null) return;
    const sources = this.#sources;
    const states = await Promise.all(sources.map((source) => lookAt(source)));
    if (this.#stopping || this.#parts === null || this.#sources !== sources) return;
    const changed = sources.filter((source, i) => !isUnchanged(this.#roots.get(source) ?? null, states[i]!));
    if (changed.length === 0) return;
    this.#components.log.info('a source of music changed', { sources: changed });
    this.#roots = new Map(sources.map((source, i) => [source, states[i]!]));
    this.#offer = this.#offer.restrictedTo(sources.filter((_, i) => states[i] !== null));
    this.#publish();
    this.#want('reload');
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
    const tracks = this.#offer.playlist();
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
