import type { MusicSources } from './music-sources.ts';
import type { Logger } from './ports.ts';

export interface MusicWatchComponents {
  /** Looks what there is. */
  choose(): Promise<MusicSources>;
  /**
   * Makes the pieces that a box without music plays, and returns their folder; null: it was given up. May take minutes on
   * a small board. On abort it makes no more.
   */
  makeDemo(signal: AbortSignal): Promise<string | null>;
  /** Told to the library. */
  use(directories: string[]): Promise<void>;
  log: Logger;
}

/**
 * Follows sticks as they come and go, one look after the other. Where there is nothing, it has some pieces made, and gives
 * that up when a stick comes: the music that was put in comes first.
 */
export class MusicWatch {
  readonly #components: MusicWatchComponents;
  #sources: MusicSources = { kind: 'chosen', directories: [] };
  #following = false;
  #looking: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  /** Of what the last look began. */
  #overtaken = new AbortController();

  constructor(components: MusicWatchComponents) {
    this.#components = components;
  }

  get sources(): MusicSources {
    return this.#sources;
  }

  /** What the library starts with. */
  async first(): Promise<MusicSources> {
    this.#sources = await this.#components.choose();
    return this.#sources;
  }

  /** From now on the library is told what changes; what changed since the first look, too. */
  follow(): Promise<void> {
    this.#following = true;
    return this.#again ? this.#look() : this.#run(() => this.#fill(this.#overtaken.signal));
  }

  /** Something changed. Resolves when the library knows. */
  changed(): Promise<void> {
    this.#again = true;
    this.#overtaken.abort();
    return this.#following ? this.#look() : Promise.resolve();
  }

  /** Resolves when nothing is being looked at or made any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#overtaken.abort();
    await this.#looking;
  }

  #look(): Promise<void> {
    return this.#run(async () => {});
  }

  /** One at a time, and always a look after the last change. */
  #run(before: () => Promise<void>): Promise<void> {
    this.#looking ??= this.#lookWhileChanging(before).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookWhileChanging(before: () => Promise<void>): Promise<void> {
    await this.#survive(before);
    while (this.#again && !this.#stopped) {
      this.#again = false;
      this.#overtaken = new AbortController();
      const { signal } = this.#overtaken;
      await this.#survive(async () => {
        const sources = await this.#components.choose();
        if (signal.aborted) return;
        await this.#take(sources);
        await this.#fill(signal);
      });
    }
  }

  async #survive(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#components.log.error('the sources of music could not be changed', { cause: String(error) });
    }
  }

  async #fill(signal: AbortSignal): Promise<void> {
    if (this.#sources.kind !== 'demo' || signal.aborted) return;
    const folder = await this.#components.makeDemo(signal);
    if (folder === null || signal.aborted) return;
    await this.#take({ kind: 'demo', directories: [folder] });
  }

  async #take(sources: MusicSources): Promise<void> {
    this.#sources = sources;
    await this.#components.use(sources.directories);
  }
}
