import type { MusicSources } from './music-sources.ts';
import type { Logger } from './ports.ts';

export interface MusicWatchComponents {
  /** Looks what there is. May take long: a box without music makes some first. On abort nobody waits for it any more. */
  choose(signal: AbortSignal): Promise<MusicSources>;
  /** Told to the library. */
  use(directories: string[]): Promise<void>;
  log: Logger;
}

/**
 * Follows sticks as they come and go. One look at a time, and always one after the last change: else a slow look (music
 * is being made) would end after a quick one (a stick is back) and have the last word. A look that a change has overtaken
 * is told to give up: the music that was put in comes first.
 */
export class MusicWatch {
  readonly #components: MusicWatchComponents;
  #sources: MusicSources = { kind: 'chosen', directories: [] };
  #looking: Promise<void> | null = null;
  #again = false;
  #started = false;
  /** Of the look that is under way. */
  #overtaken = new AbortController();
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
      this.#sources = await this.#choose();
    } while (this.#again && !this.#stopped);
    this.#started = true;
    return this.#sources;
  }

  /** Something changed. Resolves when the library knows. */
  changed(): Promise<void> {
    this.#again = true;
    this.#overtaken.abort();
    if (!this.#started) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  stop(): void {
    this.#stopped = true;
    this.#overtaken.abort();
  }

  #choose(): Promise<MusicSources> {
    this.#again = false;
    this.#overtaken = new AbortController();
    return this.#components.choose(this.#overtaken.signal);
  }

  async #look(): Promise<void> {
    while (this.#again && !this.#stopped) {
      try {
        const sources = await this.#choose();
        if (this.#again || this.#stopped) continue;
        this.#sources = sources;
        await this.#components.use(sources.directories);
      } catch (error) {
        this.#components.log.error('the sources of music could not be changed', { cause: String(error) });
      }
    }
  }
}
