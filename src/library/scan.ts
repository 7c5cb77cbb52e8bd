import { FfmpegMissingError, SkippedFileError, StoreFullError, StoreWriteError } from './errors.ts';
import { FULL_RETRY_MS } from './limits.ts';
import { openFile, type Preparer } from './preparer.ts';
import { isSamePlace, lookAt, type RootState } from './sources.ts';
import type { Content, Place, TrackIndex } from './track-index.ts';
import type { Logger } from './types.ts';
import { type FoundFile, joinPath, walk } from './walk.ts';

export interface ScanComponents {
  index: TrackIndex;
  preparer: Preparer;
  log: Logger;
  /** Makes room on a full card. Returns how many tracks it dropped. */
  reclaim(): Promise<number>;
  /** A file is (still, or newly) what it is. */
  onFile(place: Place, content: Content): void;
  /** A file could not be read this time; nothing is kept of it. */
  onTrouble(source: string, path: Buffer, error: SkippedFileError): void;
  /** Files noted earlier are not there any more, or a source went away. */
  onGone(): void;
}

interface Job {
  source: Source;
  file: FoundFile;
  /** The place was read before, and looks different now. */
  changed: boolean;
}

interface Source {
  root: string;
  state: RootState;
  gone: boolean;
}

/** One pass over all sources: finds the files, leaves alone what is known, prepares the rest. */
export class Scan {
  readonly #components: ScanComponents;
  readonly #init: { sources: readonly string[]; concurrency: number };
  readonly #abort = new AbortController();
  readonly #jobs: Job[] = [];
  readonly #waiting: (() => void)[] = [];
  #walking = true;
  #startedMs = 0;
  #busy = 0;
  found = 0;
  done = 0;
  /** Seconds of music prepared. */
  seconds = 0;
  /** Time with at least one file in preparation. */
  workedMs = 0;
  /** For people, while the scan stands still. */
  stalled: string | null = null;
  /** Some files were not looked at: too many of them. */
  limited = false;

  constructor(components: ScanComponents, init: { sources: readonly string[]; concurrency: number }) {
    this.#components = components;
    this.#init = init;
  }

  /** Resolves at the end, also after `stop`. Rejects only for what should never happen. */
  async run(): Promise<void> {
    const workers = Array.from({ length: this.#init.concurrency }, () => this.#work());
    try {
      for (const root of this.#init.sources) await this.#walk(root);
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    } finally {
      this.#walking = false;
      this.#wakeAll();
      await Promise.all(workers);
    }
  }

  /** Breaks off; what was prepared so far stays. */
  stop(): void {
    this.#abort.abort(new ScanStoppedError());
    this.#wakeAll();
  }

  async #walk(root: string): Promise<void> {
    const { index } = this.#components;
    const { signal } = this.#abort;
    const state = await lookAt(root);
    if (state === null) return;
    const source: Source = { root, state, gone: false };
    const seen = new Set<string>();
    const result = await walk(Buffer.from(root), signal, (file) => {
      seen.add(file.path.toString('latin1'));
      this.#meet(source, file);
    });
    this.limited ||= result.limited;
    if (!result.complete || result.limited || !(await this.#isThere(source))) return;
    let gone = 0;
    for (const page of index.present(root)) {
      await breath(signal);
      for (const { place } of page) {
        if (seen.has(place.path.toString('latin1'))) continue;
        index.setPresent(root, place.path, false, Date.now());
        gone += 1;
      }
    }
    if (gone > 0) this.#components.onGone();
  }

  /** A file that looks as it did when it was read is not read again. */
  #meet(source: Source, file: FoundFile): void {
    const { index } = this.#components;
    this.found += 1;
    const known = index.place(source.root, file.path);
    const unchanged = known !== null && known.place.size === file.size && known.place.mtimeUs === file.mtimeUs;
    if (unchanged && known.content !== null) {
      if (!known.present) index.setPresent(source.root, file.path, true, 0);
      this.#components.onFile(known.place, known.content);
      this.done += 1;
      return;
    }
    this.#jobs.push({ source, file, changed: known !== null });
    this.#waiting.shift()?.();
  }

  async #work(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const job = this.#jobs.shift();
      if (job !== undefined) await this.#attempt(job);
      else if (!this.#walking) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Tries until the file is done with: a full card is waited for, other trouble is not. */
  async #attempt(job: Job): Promise<void> {
    const { signal } = this.#abort;
    this.#enter();
    try {
      while (!signal.aborted && !job.source.gone) {
        try {
          await this.#process(job);
          break;
        } catch (error) {
          if (signal.aborted) return;
          if (!(await this.#handle(job, error as Error))) break;
        }
      }
      this.done += 1;
    } finally {
      this.#leave();
    }
  }

  /** True: try again. */
  async #handle(job: Job, error: Error): Promise<boolean> {
    const { log, reclaim } = this.#components;
    if (error instanceof StoreFullError && (await reclaim()) > 0) return true;
    if (error instanceof StoreFullError || error instanceof StoreWriteError || error instanceof FfmpegMissingError) {
      if (this.stalled === null) log.error('music cannot be prepared', { cause: error.message });
      this.stalled = error.message;
      await pause(FULL_RETRY_MS, this.#abort.signal);
      this.stalled = null;
      return true;
    }
    if (!(await this.#isThere(job.source))) return false;
    const skipped =
      error instanceof SkippedFileError ? error : new SkippedFileError('corrupt', error.message.slice(0, 200));
    if (skipped !== error) log.warn('a file could not be prepared', { cause: error.stack ?? error.message });
    this.#components.onTrouble(job.source.root, job.file.path, skipped);
    return false;
  }

  async #process(job: Job): Promise<void> {
    const { index } = this.#components;
    const path = joinPath(Buffer.from(job.source.root), job.file.path);
    const opened = await openFile(path);
    try {
      const place: Place = {
        source: job.source.root,
        path: job.file.path,
        size: opened.reader.size,
        mtimeUs: opened.mtimeUs,
        print: opened.print,
      };
      // tags may have changed where the fingerprint does not look; a new place with a known one is the same file moved
      const known = job.changed ? null : index.content(opened.print);
      const content = known ?? (await this.#prepare(job, opened));
      if (this.#abort.signal.aborted) return;
      index.put(place, content);
      this.#components.onFile(place, content);
    } finally {
      await opened.close().catch(() => {});
    }
  }

  async #prepare(job: Job, opened: Awaited<ReturnType<typeof openFile>>): Promise<Content> {
    const root = Buffer.from(job.source.root);
    const cover = job.file.folderCover === null ? null : joinPath(root, job.file.folderCover);
    try {
      const { track, seconds } = await this.#components.preparer.prepare(
        opened,
        joinPath(root, job.file.path),
        cover,
        this.#abort.signal,
      );
      this.seconds += seconds;
      return { track, reason: null, note: null };
    } catch (error) {
      // what a stick in trouble answers today says nothing about the file
      if (!(error instanceof SkippedFileError) || error.reason === 'unreadable' || error.reason === 'timeout')
        throw error;
      if (!(await this.#isThere(job.source))) throw error;
      return { track: null, reason: error.reason, note: error.message };
    }
  }

  /** False once the source has gone, or another file system lies in its place. */
  async #isThere(source: Source): Promise<boolean> {
    if (source.gone) return false;
    if (isSamePlace(await lookAt(source.root), source.state)) return true;
    source.gone = true;
    this.#components.onGone();
    return false;
  }

  #enter(): void {
    if (this.#busy === 0) this.#startedMs = performance.now();
    this.#busy += 1;
  }

  #leave(): void {
    this.#busy -= 1;
    if (this.#busy === 0) this.workedMs += performance.now() - this.#startedMs;
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

class ScanStoppedError extends Error {
  override readonly name = 'ScanStoppedError';
}

async function breath(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
