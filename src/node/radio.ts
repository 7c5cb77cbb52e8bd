import type { Logger } from './ports.ts';
import type { LoadedSettings, Settings } from './settings.ts';
import type { SettingsJson } from './settings-file.ts';

export interface RadioComponents {
  /** Starts a starling. What it began before it failed, it ends itself. @returns the way to stop it */
  run(settings: Settings): Promise<() => Promise<void>>;
  /** Command line and settings file, read anew. */
  load(): LoadedSettings;
  /** The settings file as it is; null: there is none. @throws when it cannot be read */
  readFile(): SettingsJson | null;
  /** Writes the settings file; null: there is to be none. */
  putBack(file: SettingsJson | null): void;
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
 * settings comes back without them: first the keys that were changed are as they were when it last started, and if
 * that does not help, the whole settings file is.
 */
export class Radio {
  readonly #components: RadioComponents;
  #stopRun: (() => Promise<void>) | null = null;
  #work: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  /** The settings file that the radio last started with; undefined: it cannot be told. */
  #started: SettingsJson | null | undefined;
  /** Keys that were changed since; null: there is no way back. */
  #changed: Set<string> | null = new Set();
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
      if (this.#ended || this.#stopRun !== null) return;
      const file = this.#fileNow();
      this.#stopRun = await this.#components.run(settings);
      this.#started = file;
    });
  }

  /**
   * Starts anew soon, with the settings as they are then.
   *
   * @param changed - keys of the settings file to put back if that fails; left out: there is no way back
   */
  restart(changed?: readonly string[]): void {
    if (changed === undefined) this.#changed = null;
    for (const key of changed ?? []) this.#changed?.add(key);
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
    const { log } = this.#components;
    log.info('starting anew');
    await inTime(this.#stopNow());
    const changed = this.#takeChanged();
    try {
      await this.#runAsWritten();
      this.#failure = null;
    } catch (error) {
      if (changed === null || this.#started === undefined) throw error;
      this.#failure = (error as Error).message;
      log.error('the new settings do not work: back to the old ones', { cause: this.#failure });
      // What was changed while it tried to start goes back as well: it was never tried.
      for (const key of this.#takeChanged() ?? []) changed.add(key);
      await this.#goBack(this.#started, changed);
    }
  }

  /** From here on, what is changed is for the next restart. */
  #takeChanged(): Set<string> | null {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  async #goBack(started: SettingsJson | null, changed: ReadonlySet<string>): Promise<void> {
    const { log, putBack } = this.#components;
    try {
      putBack(without(changed, this.#components.readFile(), started));
      await this.#runAsWritten();
    } catch (error) {
      log.error('the other settings do not work either: all of them back', { cause: (error as Error).message });
      putBack(started);
      await this.#runAsWritten();
    }
  }

  async #runAsWritten(): Promise<void> {
    const loaded = this.#components.load();
    if (loaded.kind !== 'run') throw new Error(loaded.text.trim());
    const file = this.#fileNow();
    this.#stopRun = await this.#components.run(loaded.settings);
    this.#started = file;
  }

  #fileNow(): SettingsJson | null | undefined {
    try {
      return this.#components.readFile();
    } catch {
      return undefined;
    }
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

/** A settings file with these keys as they were. */
function without(
  changed: ReadonlySet<string>,
  now: SettingsJson | null,
  started: SettingsJson | null,
): SettingsJson | null {
  if (now === null) return started;
  const kept = Object.entries(now).filter(([key]) => !changed.has(key));
  const back = Object.entries(started ?? {}).filter(([key]) => changed.has(key));
  // A file with nothing in it but its version is as good as none.
  if (started === null && kept.every(([key]) => key === 'version')) return null;
  return Object.fromEntries([...kept, ...back]);
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
