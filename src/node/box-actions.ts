import { type Answer, done, refused } from './answers.ts';
import type { Logger, PlaybackPort } from './ports.ts';
import type { Problem, Settings } from './settings.ts';
import type { SettingsJson } from './settings-file.ts';
import { type PathContext, SETTINGS, type SettingSpec } from './settings-schema.ts';

/** The settings that a phone may see and change. */
export interface SettingsView {
  name: string;
  station: string;
  closed: boolean;
  output: string;
  /** Outputs to choose from. */
  outputs: string[];
  volume: number;
  trim_ms: number;
  /** Given on the command line: they cannot be changed from a phone. */
  fixed: string[];
}

/** A change of settings, of any shape: it comes from a phone. */
export type SettingsChange = { [key: string]: unknown };

/** What the page calls a setting, and what the settings file does. */
const KEYS: Readonly<Record<string, string>> = {
  name: 'name',
  station: 'station',
  station_key: 'station_key',
  output: 'output',
  volume: 'volume',
  trim_ms: 'trim',
};
/** These are told to the flock or open the sound card: the radio begins anew to follow them. */
const RESTARTING = new Set(['name', 'station', 'station_key', 'output']);

export interface BoxActionsComponents {
  playback: Pick<PlaybackPort, 'setVolume' | 'setTrim' | 'testTone'>;
  /** Outputs of this machine. */
  outputs(): string[];
  /** Changes keys of it, null removes one. @returns problems; then nothing was written */
  save(changes: SettingsJson): Problem[];
  /** The radio begins anew within a second; when it cannot, with these keys of the settings file as they were. */
  restart(changed: readonly string[]): void;
  /** Everything but the music is forgotten at the restart that this asks for. @throws when it cannot be ordered */
  resetAll(): void;
  /** Forgets the networks; null where this box has nothing to do with Wi-Fi. */
  resetWifi: (() => Promise<Answer>) | null;
  diagnostics(): Promise<string>;
  paths: PathContext;
  log: Logger;
}

/** The box itself, as its people see and change it. */
export class BoxSettings {
  readonly #components: BoxActionsComponents;
  #settings: Settings;

  constructor(components: BoxActionsComponents, init: { settings: Settings }) {
    this.#components = components;
    this.#settings = init.settings;
  }

  settings(): SettingsView {
    const { name, station, stationKey, output, volume, trimMs } = this.#settings;
    const outputs = [...new Set([...this.#components.outputs(), output])];
    const fixed = Object.keys(KEYS).filter((key) => this.#isFixed(key));
    return { name, station, closed: stationKey !== null, output, outputs, volume, trim_ms: trimMs, fixed };
  }

  /** All of it or nothing. `restarts`: the radio begins anew within seconds to follow. */
  change(change: SettingsChange): Answer<{ applied: string[]; restarts: boolean }> {
    const wanted = new Map<string, unknown>();
    for (const [key, value] of Object.entries(change)) {
      const checked = this.#check(key, value);
      if (!checked.ok) return checked;
      if (!isSame(checked.value, this.#valueOf(key))) wanted.set(key, checked.value);
    }
    const applied = [...wanted.keys()];
    if (applied.length === 0) return done({ applied, restarts: false });
    const saved = this.#save(change, applied);
    if (!saved.ok) return saved;
    this.#settings = { ...this.#settings, ...valuesOf(wanted) };
    const restarts = applied.some((key) => RESTARTING.has(key)) || !this.#applyLive(wanted);
    this.#components.log.info('settings changed', { keys: applied.join(', ') });
    if (restarts) this.#components.restart(applied.map((key) => KEYS[key]!));
    return done({ applied, restarts });
  }

  /** Text that lets another box tune in, key included. */
  invitation(): string {
    const { station, stationKey } = this.#settings;
    const key = stationKey === null ? '' : `&key=${Buffer.from(stationKey).toString('base64url')}`;
    return `starling://station?name=${encodeURIComponent(station)}${key}`;
  }

  testTone(): Answer {
    const { playback } = this.#components;
    const answer = playback.testTone?.() ?? 'absent';
    if (answer === 'playing') return done(null);
    if (answer === 'too_soon') return refused('too_soon', 'The tone still plays.');
    return refused('no_sound', 'This box has no output that could be heard.');
  }

  async reset(what: 'wifi' | 'all'): Promise<Answer> {
    const { resetWifi, resetAll, log } = this.#components;
    if (what === 'wifi') {
      return resetWifi === null ? refused('not_on_this_box', 'This box has no Wi-Fi of its own.') : await resetWifi();
    }
    log.warn('reset: everything but the music is forgotten');
    try {
      resetAll();
    } catch (error) {
      log.error('the reset could not be ordered', { cause: (error as Error).message });
      return refused('not_written', 'The card of this box cannot be written: nothing was forgotten.');
    }
    // The networks last: the phone that asked may be on one of them.
    await resetWifi?.().catch((error) => log.error('the networks stay', { cause: String(error) }));
    return done(null);
  }

  diagnostics(): Promise<string> {
    return this.#components.diagnostics();
  }

  #isFixed(key: string): boolean {
    const spec = specOf(key);
    return spec !== null && this.#settings.source[spec.field] === 'command line';
  }

  #valueOf(key: string): unknown {
    const spec = specOf(key);
    return spec === null ? undefined : this.#settings[spec.field];
  }

  /** One field of a change, as the settings know it. */
  #check(key: string, value: unknown): Answer<unknown> {
    const spec = specOf(key);
    if (spec === null) {
      const field = key.slice(0, 40);
      return refused('unknown_field', 'There is no such setting.', { field, allowed: Object.keys(KEYS).join(', ') });
    }
    if (key === 'station_key' && value === null) return this.#unlessFixed(key, null);
    const { allowed } = spec;
    const fits = spec.json.some((type) => typeof value === type);
    if (!fits || value === null) return refused('bad_value', `${key} is of another kind.`, { field: key, allowed });
    if (key === 'output') return this.#checkOutput(value as string);
    const checked = spec.check(value, this.#components.paths);
    if (!checked.ok) return refused('bad_value', `${key} ${checked.cause}.`, { field: key, allowed });
    return this.#unlessFixed(key, checked.value);
  }

  /** Only what is on offer: a device's or a file's name typed on a phone could write anywhere on this box. */
  #checkOutput(value: string): Answer<unknown> {
    const { outputs } = this.settings();
    if (outputs.includes(value)) return this.#unlessFixed('output', value);
    const allowed = outputs.join(', ');
    return refused('bad_value', 'This box has no such output.', { field: 'output', allowed });
  }

  #unlessFixed(key: string, value: unknown): Answer<unknown> {
    // What is there already needs no change.
    if (!this.#isFixed(key) || isSame(value, this.#valueOf(key))) return done(value);
    return refused('fixed_by_command_line', `${key} was given on the command line that started this box.`, {
      field: key,
      allowed: 'nothing else until it is started without it',
    });
  }

  #save(change: SettingsChange, applied: readonly string[]): Answer {
    const { save, log } = this.#components;
    try {
      const [problem] = save(Object.fromEntries(applied.map((key) => [KEYS[key]!, change[key]])));
      if (problem === undefined) return done(null);
      const { where, cause, allowed } = problem;
      return refused('bad_value', `${where} ${cause}.`, { field: applied[0], allowed });
    } catch (error) {
      log.error('the settings cannot be written', { cause: (error as Error).message });
      return refused('not_written', 'The card of this box cannot be written: nothing was changed.');
    }
  }

  /** False when the player can take it at its next start only. */
  #applyLive(wanted: ReadonlyMap<string, unknown>): boolean {
    const { playback } = this.#components;
    const volume = wanted.get('volume');
    if (typeof volume === 'number') playback.setVolume(volume);
    const trimMs = wanted.get('trim_ms');
    if (typeof trimMs !== 'number') return true;
    if (playback.setTrim === undefined) return false;
    // Later sound here is samples sent out less early there.
    playback.setTrim(0 - trimMs);
    return true;
  }
}

function specOf(key: string): SettingSpec | null {
  const fileKey = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  return SETTINGS.find((spec) => spec.key === fileKey) ?? null;
}

function valuesOf(wanted: ReadonlyMap<string, unknown>): Partial<Settings> {
  return Object.fromEntries([...wanted].map(([key, value]) => [specOf(key)!.field, value]));
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return a === b;
}
