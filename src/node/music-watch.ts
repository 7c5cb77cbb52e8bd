import type { MusicSources } from './music-sources.ts';
import type { Logger } from './ports.ts';

export interface MusicWatchComponents {
  /** Looks what there is. May take long: a box without music makes some first. */
  choose(): Promise<MusicSources>;
  /** Told to the library. */
  use(directories: string[]): Promise<void>;
  log: Logger;
}

/**
 * Follows sticks as they come and go. One look at a time, and always one after the last change: else a slow look (music
 * is being made) would end after a quick one (a stick is back) and have the last word.
 */
export class MusicWatch {
  readonly #components: MusicWatchComponents;
  #sources: MusicSources = { kind: 'chosen', directories: [] };
  #looking: Promise<void> | null = null;
  #again = false;
  #started = false;
  #stopped = false;

  constructor(components: MusicWatchComponents) {
    this.#components = components;
  }

  get sources(): MusicSources {
    return this.#sources;
  }

  /** The first look, repeated when something changed meanwhile. The library is not told, it starts with this. */
  async start(): Promise<MusicSources> {
    do {
      this.#again = false;
      this.#sources = await this.#components.choose();
    } while (this.#again && !this.#stopped);
    this.#started = true;
    return this.#sources;
  }

  /** Something changed. Resolves when the library knows. */
  changed(): Promise<void> {
    this.#again = true;
    if (!this.#started) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #look(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        const sources = await this.#components.choose();
        if (this.#again || this.#stopped) continue;
        this.#sources = sources;
        await this.#components.use(sources.directories);
      } catch (error) {
        this.#components.log.error('the sources of music could not be changed', { cause: String(error) });
      }
    }
  }
}
