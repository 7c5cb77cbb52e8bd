import type { Logger } from './ports.ts';
import type { LoadedSettings, Settings } from './settings.ts';
import type { SettingsJson } from './settings-file.ts';

export interface RadioComponents {
  /** Starts a starling. What it began before it failed, it ends itself. @returns the way to stop it */
  run(settings: Settings): Promise<() => Promise<void>>;
  /** Command line and settings file, read anew. */
  load(): LoadedSettings;
  /** Puts the settings file back as it was; null: there was none. */
  putBack(before: SettingsJson | null): void;
  /** Nothing plays, and nothing can be done about it here. */
  giveUp(error: Error): void;
  log: Logger;
}

/** The answer to whoever asked for a restart leaves before the server goes. */
const RESTART_AFTER_MS = 500;
/** A radio that does not end is given up: the process ends, and whoever keeps it running starts it anew. */
const STOP_LIMIT_MS = 15_000;

/** The radio that was playing did not end in time. */
export class RadioHangsError extends Error {
  constructor() {
    super(`the radio did not stop within ${STOP_LIMIT_MS / 1_000} s`);
    this.name = 'RadioHangsError';
  }
}

/**
 * The radio of this process: started, stopped, and started anew with other settings. A start that fails with new
 * settings comes back with the old ones.
 */
export class Radio {
  readonly #components: RadioComponents;
  #stopRun: (() => Promise<void>) | null = null;
  #work: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  /** The settings file before the changes that the next restart is for; undefined: there is nothing to go back to. */
  #before: SettingsJson | null | undefined;
  #failure: string | null = null;
  #ended = false;

  constructor(components: RadioComponents) {
    this.#components = components;
  }

  /** Why the last restart came back with the old settings; null when it did not. */
  get failure(): string | null {
    return this.#failure;
  }

  /** @throws whatever keeps it from starting */
  start(settings: Settings): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#ended) this.#stopRun ??= await this.#components.run(settings);
    });
  }

  /**
   * Starts anew soon, with the settings as they are then.
   *
   * @param before - the settings file to go back to if that fails; left out: nothing to go back to
   */
  restart(before?: SettingsJson | null): void {
    // Of several changes in a row the first one knows what worked.
    if (this.#timer === null || before === undefined) this.#before = before;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#inTurn(() => this.#restart()).catch((error) => this.#components.giveUp(error as Error));
    }, RESTART_AFTER_MS);
  }

  /** For good. */
  stop(): Promise<void> {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    return this.#inTurn(() => this.#stopNow());
  }

  async #restart(): Promise<void> {
    if (this.#ended) return;
    const { log, putBack } = this.#components;
    log.info('starting anew');
    await inTime(this.#stopNow());
    const before = this.#before;
    this.#before = undefined;
    try {
      await this.#runAsWritten();
      this.#failure = null;
    } catch (error) {
      if (before === undefined) throw error;
      this.#failure = (error as Error).message;
      log.error('the new settings do not work: back to the old ones', { cause: this.#failure });
      putBack(before);
      await this.#runAsWritten();
    }
  }

  async #runAsWritten(): Promise<void> {
    const loaded = this.#components.load();
    if (loaded.kind !== 'run') throw new Error(loaded.text.trim());
    this.#stopRun = await this.#components.run(loaded.settings);
  }

  async #stopNow(): Promise<void> {
    const stop = this.#stopRun;
    this.#stopRun = null;
    await stop?.();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => {});
    return result;
  }
}

/** @throws RadioHangsError */
async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RadioHangsError()), STOP_LIMIT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
