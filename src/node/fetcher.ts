import type { ScheduledTrack } from '../consensus/events.ts';
import { MAX_BLOCK_BYTES, MAX_MANIFEST_BYTES } from './bounds.ts';
import type { BlocksPort, ContentPort, Logger, ReadManifest, TrackPlan } from './ports.ts';
import { planOfTrack, UnplayableTrackError } from './track-plan.ts';

/** Blocks asked for at once: bitswap is at its best with eight in flight, and a Pi's memory still holds them. */
const PARALLEL_BLOCKS = 8;
/** A likely winner is fetched politely: it may lose yet. */
const PARALLEL_BLOCKS_LIKELY = 2;
/** One want of one block; long enough for 1 MiB over a poor Wi-Fi, short enough to try another round in time. */
const BLOCK_TIMEOUT_MS = 20_000;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5_000;

export interface FetchOrder {
  slot: number;
  track: ScheduledTrack;
  /** Station time at which the track begins to play. */
  neededAtMs: number;
  /** Station time after which nobody needs it any more. */
  uselessAtMs: number;
  final: boolean;
}

export interface FetcherComponents {
  content: ContentPort;
  blocks: BlocksPort;
  readManifest: ReadManifest;
  stationNowMs(): number;
  /** The manifest is here and readable: playback may be told, the segments follow once this is done. */
  onManifest(order: FetchOrder, plan: TrackPlan): void | Promise<void>;
  /** Every block is here (and pinned), or the track was given up. */
  onDone(order: FetchOrder, ok: boolean): void;
  log: Logger;
}

interface Task {
  order: FetchOrder;
  abort: AbortController;
  /** Null while it runs. */
  ok: boolean | null;
}

/**
 * Brings the blocks of coming tracks into the local store: manifest first, then init and segments in playing order,
 * from the owners before anybody else, again and again until they are there or nobody needs them any more.
 *
 * Bounds: one task a slot, at most five slots ahead and the one that plays (the consensus asks for no more).
 */
export class Fetcher {
  readonly #components: FetcherComponents;
  readonly #tasks = new Map<number, Task>();

  constructor(components: FetcherComponents) {
    this.#components = components;
  }

  /** Begins, or sharpens an order that is under way; a different track for the slot replaces the old order. */
  fetch(order: FetchOrder): void {
    const running = this.#tasks.get(order.slot);
    if (running !== undefined) {
      if (running.order.track.manifest === order.track.manifest) {
        const becameFinal = order.final && !running.order.final;
        running.order = order;
        if (becameFinal && running.ok !== null) this.#components.onDone(order, running.ok);
        return;
      }
      running.abort.abort();
    }
    const task: Task = { order, abort: new AbortController(), ok: null };
    this.#tasks.set(order.slot, task);
    this.#run(task).catch((error) =>
      this.#components.log.error('fetch ended', { slot: order.slot, cause: String(error) }),
    );
  }

  cancel(slot: number, manifest: string): void {
    const task = this.#tasks.get(slot);
    if (task?.order.track.manifest === manifest) this.#drop(slot);
  }

  /** Forgets what lies before a slot and what lies from a slot on (a switched log). */
  forget(isStale: (slot: number) => boolean): void {
    for (const slot of [...this.#tasks.keys()]) if (isStale(slot)) this.#drop(slot);
  }

  /** Something is on its way. */
  get isBusy(): boolean {
    for (const task of this.#tasks.values()) if (task.ok === null) return true;
    return false;
  }

  /** An order for this manifest is open. */
  isOrdered(manifest: string): boolean {
    for (const { order } of this.#tasks.values()) if (order.track.manifest === manifest) return true;
    return false;
  }

  stop(): void {
    for (const slot of [...this.#tasks.keys()]) this.#drop(slot);
  }

  #drop(slot: number): void {
    this.#tasks.get(slot)?.abort.abort();
    this.#tasks.delete(slot);
  }

  async #run(task: Task): Promise<void> {
    const ok = await this.#bringEverything(task);
    if (task.abort.signal.aborted) return;
    task.ok = ok;
    this.#components.onDone(task.order, ok);
  }

  async #bringEverything(task: Task): Promise<boolean> {
    let waitMs = RETRY_FIRST_MS;
    while (!task.abort.signal.aborted && this.#components.stationNowMs() < task.order.uselessAtMs) {
      try {
        const plan = await this.#bringManifest(task);
        await this.#components.onManifest(task.order, plan);
        task.abort.signal.throwIfAborted();
        await this.#bringBlocks(task, plan);
        await this.#components.content.pin(task.order.track.manifest);
        return true;
      } catch (error) {
        if (task.abort.signal.aborted) return false;
        if (error instanceof UnplayableTrackError) {
          this.#components.log.warn('track cannot be played', { slot: task.order.slot, cause: error.message });
          return false;
        }
        this.#components.log.debug('fetch will be tried again', { slot: task.order.slot, cause: String(error) });
        await this.#pause(waitMs, task.abort.signal);
        waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
      }
    }
    return false;
  }

  async #bringManifest(task: Task): Promise<TrackPlan> {
    const { track } = task.order;
    const bytes = await this.#bring(task, track.manifest, MAX_MANIFEST_BYTES);
    return planOfTrack(track, bytes, this.#components.readManifest);
  }

  /** In playing order, starting with what sounds next when the track is playing already. */
  async #bringBlocks(task: Task, plan: TrackPlan): Promise<void> {
    const { order } = task;
    const behindMs = this.#components.stationNowMs() - order.neededAtMs;
    const pending = inOrderOfNeed(plan, behindMs);
    const width = order.final ? PARALLEL_BLOCKS : PARALLEL_BLOCKS_LIKELY;
    let failure: unknown = null;
    const worker = async () => {
      for (let next = pending.shift(); next !== undefined && !task.abort.signal.aborted; next = pending.shift()) {
        try {
          await this.#bring(task, next.cid, Math.min(next.bytes, MAX_BLOCK_BYTES));
        } catch (error) {
          failure = error;
        }
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
    if (failure !== null) throw failure;
  }

  async #bring(task: Task, cid: string, maxBytes: number): Promise<Uint8Array> {
    const here = await this.#components.blocks.get(cid);
    if (here !== null) return here;
    const signal = AbortSignal.any([task.abort.signal, AbortSignal.timeout(BLOCK_TIMEOUT_MS)]);
    return await this.#components.content.fetch(cid, { signal, providers: task.order.track.owners, maxBytes });
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    });
  }
}

function inOrderOfNeed(plan: TrackPlan, behindMs: number): TrackPlan['blocks'] {
  if (behindMs <= 0) return [...plan.blocks];
  const share = Math.min(1, behindMs / plan.durationMs);
  const first = plan.track.init === null ? 0 : 1;
  const segments = plan.track.segments.length;
  // One segment early: codecs need the one before the first that is heard.
  const from = first + Math.max(0, Math.floor(share * segments) - 1);
  return [...plan.blocks.slice(0, first), ...plan.blocks.slice(from), ...plan.blocks.slice(first, from)];
}
