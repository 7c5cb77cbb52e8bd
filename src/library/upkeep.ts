import { CID } from 'multiformats/cid';
import type { ContentStore } from './content-store.ts';
import { PIN_RETRY_MS, RETIRE_AFTER_MS } from './limits.ts';
import { decodeManifest } from './manifest.ts';
import type { TrackIndex } from './track-index.ts';
import type { Logger, TrackManifest } from './types.ts';

/** Keeps a whole DAG from being collected. Repeating a pin is no error. */
export interface Pinner {
  pin(root: string): Promise<void>;
  unpin(root: string): Promise<void>;
}

export interface UpkeepComponents {
  store: ContentStore;
  pinner: Pinner;
  index: TrackIndex;
  log: Logger;
}

/** Tracks whose blocks are looked at after a start: what may have been written shortly before a power cut. */
const DOUBTFUL_TRACKS = 200;
/** Tracks dropped in one go when the card is full. */
const RECLAIM_TRACKS = 20;
/** Pins made between two looks at the index. */
const PIN_BATCH = 50;

/** Pins new tracks, drops those that are gone for good, and finds out what a power cut took. */
export class Upkeep {
  readonly #components: UpkeepComponents;
  #pinning: Promise<void> | null = null;
  #again = false;
  #retry: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(components: UpkeepComponents) {
    this.#components = components;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    await this.#pinning;
  }

  /** Begins to pin whatever is not pinned. Failures (the network is not up yet) are tried again later. */
  pinNew(): void {
    if (this.#stopped) return;
    if (this.#pinning !== null) {
      this.#again = true;
      return;
    }
    this.#pinning = this.#pinAll().finally(() => {
      this.#pinning = null;
      if (this.#again) {
        this.#again = false;
        this.pinNew();
      }
    });
  }

  /** Forgets the newest tracks that are not whole, so that they are made again. Returns how many. */
  async checkNewest(): Promise<number> {
    const { index, log } = this.#components;
    let broken = 0;
    for (const manifest of index.newest(DOUBTFUL_TRACKS)) {
      if (this.#stopped || (await this.#isWhole(manifest))) continue;
      index.forget(manifest);
      broken += 1;
    }
    if (broken > 0) log.warn('tracks were not whole on disk and are made again', { tracks: broken });
    return broken;
  }

  /** Drops what has been gone for a long time. */
  async retireOld(): Promise<void> {
    for (const manifest of this.#components.index.retired(Date.now() - RETIRE_AFTER_MS, RECLAIM_TRACKS)) {
      await this.#drop(manifest);
    }
  }

  /** Makes room: drops tracks whose files are not there now, the ones gone longest first. Returns how many. */
  async reclaim(): Promise<number> {
    const manifests = this.#components.index.retired(Number.MAX_SAFE_INTEGER, RECLAIM_TRACKS);
    for (const manifest of manifests) await this.#drop(manifest);
    return manifests.length;
  }

  async #pinAll(): Promise<void> {
    const { index, pinner, log } = this.#components;
    for (let batch = index.unpinned(PIN_BATCH); batch.length > 0; batch = index.unpinned(PIN_BATCH)) {
      for (const manifest of batch) {
        if (this.#stopped) return;
        try {
          await pinner.pin(manifest);
          if (!this.#stopped) index.setPinned(manifest);
        } catch (error) {
          log.debug('a track will be pinned later', { manifest, cause: (error as Error).message });
          this.#retry ??= setTimeout(() => {
            this.#retry = null;
            this.pinNew();
          }, PIN_RETRY_MS).unref();
          return;
        }
      }
    }
  }

  async #isWhole(manifest: string): Promise<boolean> {
    const { store } = this.#components;
    const track = await this.#read(manifest);
    if (track === null) return false;
    for (const { cid, bytes } of track.segments) if ((await store.size(cid)) !== bytes) return false;
    for (const cid of [track.init, track.cover]) if (cid !== null && !(await store.has(cid))) return false;
    return true;
  }

  /**
   * Unpins a track and deletes its blocks, but for those that another track needs. The init part stays: all tracks of
   * one format and rate share it, and it has a few hundred bytes.
   */
  async #drop(manifest: string): Promise<void> {
    const { store, pinner, index, log } = this.#components;
    try {
      const track = await this.#read(manifest);
      await pinner.unpin(manifest);
      if (track !== null) {
        const needed = new Set<string>();
        for (const sibling of index.siblings(manifest)) {
          const other = await this.#read(sibling);
          if (other !== null) for (const cid of blocksOf(other)) needed.add(cid.toString());
        }
        for (const cid of blocksOf({ ...track, init: null })) {
          const text = cid.toString();
          const shared = needed.has(text) || index.coverIsShared(text, manifest);
          if (!shared) await store.delete(cid);
        }
        await store.delete(CID.parse(manifest));
      }
      index.forget(manifest);
    } catch (error) {
      log.warn('a track that is gone could not be dropped', { manifest, cause: (error as Error).message });
    }
  }

  async #read(manifest: string): Promise<TrackManifest | null> {
    try {
      const bytes = await this.#components.store.getBytes(CID.parse(manifest));
      return bytes === null ? null : decodeManifest(bytes);
    } catch {
      return null;
    }
  }
}

function blocksOf(track: TrackManifest): CID[] {
  return [track.init, track.cover, ...track.segments.map(({ cid }) => cid)].filter((cid) => cid !== null);
}
