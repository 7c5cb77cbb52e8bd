import { LOOK_MS, PLAYER_PATIENCE_MS, PROGRAMME_PATIENCE_MS, START_PATIENCE_MS, WATCHDOG_FEEDS } from './limits.ts';
import type { Notify } from './notify.ts';

/** How the radio is at one instant. */
export interface RadioReading {
  /** How far the player has come, read from it; null while there is none. Where nothing is heard, the silent one counts. */
  player: { player: number; heardFrames: number; writtenFrames: number } | null;
  /** What plays at this moment of station time; null where the log has nothing. */
  slot: number | null;
  /** The box is in a flock, or is one by itself: then its log has something for every moment. */
  isMember: boolean;
}

export interface Reading {
  /** Local monotonic clock; it stands still while the machine sleeps. */
  monoMs: number;
  /** Null while no radio runs in this process: it starts, starts anew, or ends. */
  radio: RadioReading | null;
}

/** What one look leaves for the next. */
export interface WatchState {
  monoMs: number;
  player: RadioReading['player'];
  /** Since when no radio runs; null while one does. */
  startingSinceMs: number | null;
  playerMovedAtMs: number;
  programmeAtMs: number;
}

export interface Judgement {
  state: WatchState;
  /** What stands still, or that nobody looked, in words; null: all is well. */
  cause: string | null;
}

/**
 * Whether the radio really advances, a pure function of one reading after the other: the player came further, and the
 * log has something for now. What stands still for good reasons has its own patience; a look that comes late (this
 * process was stopped, or starved) begins anew with all of them, and is itself a cause: else a radio whose looks are
 * always late would be well for ever.
 */
export function judge(before: WatchState | null, reading: Reading): Judgement {
  const { monoMs, radio } = reading;
  const last = before ?? fresh(monoMs);
  const pauseMs = monoMs - last.monoMs;
  if (pauseMs > LATE_LOOKS * LOOK_MS)
    return { ...judge(null, reading), cause: `nobody looked for ${Math.round(pauseMs / 1_000)} s` };
  if (radio === null) {
    const startingSinceMs = last.startingSinceMs ?? monoMs;
    const isLate = monoMs - startingSinceMs > START_PATIENCE_MS;
    const state = { ...fresh(monoMs), startingSinceMs };
    return { state, cause: isLate ? `the radio has not started for ${START_PATIENCE_MS / 60_000} minutes` : null };
  }
  const hasMoved = last.startingSinceMs !== null || moved(last.player, radio.player);
  const hasProgramme = last.startingSinceMs !== null || radio.slot !== null || !radio.isMember;
  const state: WatchState = {
    monoMs,
    player: radio.player,
    startingSinceMs: null,
    playerMovedAtMs: hasMoved ? monoMs : last.playerMovedAtMs,
    programmeAtMs: hasProgramme ? monoMs : last.programmeAtMs,
  };
  return { state, cause: causeIn(state) };
}

/** A look that comes after so many times its pause says nothing of what was before. */
const LATE_LOOKS = 3;

function fresh(monoMs: number): WatchState {
  return { monoMs, player: null, startingSinceMs: null, playerMovedAtMs: monoMs, programmeAtMs: monoMs };
}

/** Both ends of the player: frames come out, and frames go in. */
function moved(before: RadioReading['player'], now: RadioReading['player']): boolean {
  if (now === null) return false;
  if (before === null || before.player !== now.player) return true;
  return now.heardFrames > before.heardFrames && now.writtenFrames > before.writtenFrames;
}

function causeIn({ monoMs, playerMovedAtMs, programmeAtMs }: WatchState): string | null {
  const seconds = (sinceMs: number) => Math.round((monoMs - sinceMs) / 1_000);
  if (monoMs - playerMovedAtMs > PLAYER_PATIENCE_MS) return `the player stands still for ${seconds(playerMovedAtMs)} s`;
  if (monoMs - programmeAtMs > PROGRAMME_PATIENCE_MS) return `the programme has ended ${seconds(programmeAtMs)} s ago`;
  return null;
}

export interface WatchdogComponents {
  notify: Notify;
  /** The radio that runs; null while none does. */
  read(): RadioReading | null;
  monoMs(): number;
  log: { error(message: string, fields?: Record<string, unknown>): void };
}

export interface Watchdog {
  start(): void;
  stop(): void;
  /** What stood still at the last look, or that it came late, in words; null: nothing. */
  readonly cause: string | null;
}

/** Looks at the radio from time to time, and feeds systemd's watchdog as long as it advances. */
export function createWatchdog(components: WatchdogComponents): Watchdog {
  return new WatchdogFeeder(components);
}

class WatchdogFeeder implements Watchdog {
  readonly #components: WatchdogComponents;
  #state: WatchState | null = null;
  #cause: string | null = null;
  #fedAtMs = Number.NEGATIVE_INFINITY;
  /** Until it has run, systemd waits for its start; a first feed would begin the watchdog's time in the middle of that. */
  #hasRun = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(components: WatchdogComponents) {
    this.#components = components;
  }

  get cause(): string | null {
    return this.#cause;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const { notify, monoMs } = this.#components;
    const nowMs = monoMs();
    const cause = this.#causeNow(nowMs);
    this.#tell(cause);
    const isDue =
      this.#hasRun && notify.watchdogMs !== null && nowMs - this.#fedAtMs >= notify.watchdogMs / WATCHDOG_FEEDS;
    if (cause !== null || !isDue) return;
    this.#fedAtMs = nowMs;
    notify.alive();
  }

  #causeNow(monoMs: number): string | null {
    try {
      const radio = this.#components.read();
      this.#hasRun ||= radio !== null;
      const { state, cause } = judge(this.#state, { monoMs, radio });
      this.#state = state;
      return cause;
    } catch (error) {
      return `the radio cannot be asked: ${(error as Error).message}`;
    }
  }

  #tell(cause: string | null): void {
    const { notify, log } = this.#components;
    if ((cause === null) === (this.#cause === null)) return;
    this.#cause = cause;
    if (cause !== null) log.error('the watchdog is not fed any more', { cause });
    notify.status(cause ?? 'The radio advances again.');
  }
}
