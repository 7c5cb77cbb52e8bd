import type { ScheduledTrack } from '../consensus/events.ts';
import { MAX_BLOCK_BYTES, MAX_MANIFEST_BYTES } from './bounds.ts';
import type { BlocksPort, ContentPort, Logger, ReadManifest, TrackPlan } from './ports.ts';
import { planOfTrack, UnplayableTrackError } from './track-plan.ts';

/** One want of one block: as patient as the fetcher, for nothing waits for it. */
const BLOCK_TIMEOUT_MS = 20_000;
/** Rounds through the tracks that did not come; their owners may be gone for good, and the next word names others. */
const MAX_ROUNDS = 6;

export interface CrossSeederComponents {
  content: ContentPort;
  blocks: BlocksPort;
  readManifest: ReadManifest;
  /** Something that is going to play is being fetched: it has the way. */
  isBusy(): boolean;
  /** Tells the books which manifests are kept for others, instead of those named before. */
  reserve(manifests: readonly string[]): void;
  /** Enters a track in the books before its blocks come. False: there is no room, or it is an own one. */
  enter(manifest: string, plan: TrackPlan): Promise<boolean>;
  /** Still in the books: a full card may drop a track while it comes. */
  isKept(manifest: string): boolean;
  /** Takes back the pin and the blocks (`brought`) of a track that is in the books no more. */
  discard(manifest: string, plan: TrackPlan, brought: readonly string[]): Promise<void>;
  log: Logger;
}

export interface CrossSeederInit {
  /** Between two looks whether the way is free, and between two blocks. */
  pauseMs?: number;
  /** Between two rounds for what did not come; doubled with each. */
  retryMs?: number;
}

interface Entered {
  plan: TrackPlan;
  /** Blocks that came for it here, or were asked for. */
  brought: string[];
}

/**
 * Cross-seeding (rule `cross_seed`): brings popular tracks here that others may want from this box, one block at a
 * time, and only while nothing of the queue is on its way.
 *
 * Bounds: one list at a time (the rule's 64 tracks at most), one block in flight, `MAX_ROUNDS` rounds a list.
 */
export class CrossSeeder {
  readonly #components: CrossSeederComponents;
  readonly #pauseMs: number;
  readonly #retryMs: number;
  #abort = new AbortController();
  #coming: string | null = null;

  constructor(components: CrossSeederComponents, init: CrossSeederInit = {}) {
    this.#components = components;
    this.#pauseMs = init.pauseMs ?? 500;
    this.#retryMs = init.retryMs ?? 60_000;
  }

  /** These tracks from now on, instead of those named before. */
  keep(tracks: readonly ScheduledTrack[]): void {
    this.stop();
    this.#abort = new AbortController();
    this.#components.reserve(tracks.map((track) => track.manifest));
    if (tracks.length === 0) return;
    this.#bringAll([...tracks], this.#abort.signal).catch((error) => {
      this.#components.log.warn('cross-seeding ended', { cause: String(error) });
    });
  }

  stop(): void {
    this.#abort.abort();
  }

  /** This manifest is on its way. */
  isOrdered(manifest: string): boolean {
    return this.#coming === manifest;
  }

  async #bringAll(tracks: ScheduledTrack[], signal: AbortSignal): Promise<void> {
    let missing = tracks;
    for (let round = 0; round < MAX_ROUNDS && missing.length > 0; round++) {
      if (round > 0) await pause(this.#retryMs * 2 ** (round - 1), signal);
      const failed: ScheduledTrack[] = [];
      for (const track of missing) {
        if (signal.aborted) return;
        this.#coming = track.manifest;
        if (!(await this.#bringOne(track, signal))) failed.push(track);
        if (!signal.aborted) this.#coming = null;
      }
      missing = failed;
    }
  }

  /** False: worth another try later. */
  async #bringOne(track: ScheduledTrack, signal: AbortSignal): Promise<boolean> {
    const { log } = this.#components;
    try {
      const entered = await this.#enter(track, signal);
      if (entered === null) return true;
      const isWhole = await this.#bringBlocks(track, entered, signal);
      log.debug(isWhole ? 'kept for others' : 'dropped again: no room', { track: track.track_name });
      return true;
    } catch (error) {
      if (!signal.aborted) log.debug('not kept yet', { track: track.track_name, cause: String(error) });
      return false;
    }
  }

  /**
   * All blocks of a track that was entered, and its pin; whatever comes while the track leaves the books goes again.
   *
   * @returns false when it left them
   */
  async #bringBlocks(track: ScheduledTrack, { plan, brought }: Entered, signal: AbortSignal): Promise<boolean> {
    const { blocks, content, isKept, discard } = this.#components;
    const { manifest } = track;
    try {
      for (const { cid, bytes } of plan.blocks) {
        if (await blocks.has(cid)) continue;
        if (!isKept(manifest)) return false;
        brought.push(cid);
        await this.#bring(track, cid, Math.min(bytes, MAX_BLOCK_BYTES), signal);
      }
      signal.throwIfAborted();
      if (isKept(manifest)) await content.pin(manifest);
      return isKept(manifest);
    } finally {
      if (!isKept(manifest)) await discard(manifest, plan, brought);
    }
  }

  /** A track that is in the books now; null for one that need not, or cannot, be kept. */
  async #enter(track: ScheduledTrack, signal: AbortSignal): Promise<Entered | null> {
    const { blocks, readManifest, enter, log } = this.#components;
    const here = await blocks.get(track.manifest);
    const bytes = here ?? (await this.#bring(track, track.manifest, MAX_MANIFEST_BYTES, signal));
    try {
      const plan = planOfTrack(track, bytes, readManifest);
      if (await enter(track.manifest, plan)) return { plan, brought: here === null ? [track.manifest] : [] };
    } catch (error) {
      if (!(error instanceof UnplayableTrackError)) throw error;
      log.debug('cannot be kept for others', { track: track.track_name, cause: error.message });
    }
    // In no book, so it must not stay.
    if (here === null) await blocks.delete(track.manifest);
    return null;
  }

  /** One block, once the way is free. @throws when nobody delivers it, or the list was replaced */
  async #bring(track: ScheduledTrack, cid: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    do await pause(this.#pauseMs, signal);
    while (this.#components.isBusy());
    const until = AbortSignal.any([signal, AbortSignal.timeout(BLOCK_TIMEOUT_MS)]);
    return await this.#components.content.fetch(cid, { signal: until, providers: track.owners, maxBytes });
  }
}

/** @throws when the signal aborts */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });
  signal.throwIfAborted();
}
