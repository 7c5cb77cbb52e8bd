import { GpioError, WiringError } from './errors.ts';
import {
  type Gesture,
  type GestureEvent,
  type GestureState,
  initialGestures,
  stepGestures,
  wakeAtMs,
} from './gestures.ts';
import { type HardwareFiles, readHardwareFiles } from './hardware-files.ts';
import { choosePattern, type Doing, type LightPattern, type PatternName } from './light.ts';
import {
  ACKNOWLEDGE_MS,
  LIGHT_LOOK_MS,
  LIGHT_REFRESH_MS,
  MAX_EDGES_PER_SECOND,
  REOPEN_FIRST_MS,
  REOPEN_LAST_MS,
  REPORT_LAG_MS,
  UDEV_PATIENCE_MS,
  UDEV_RETRY_MS,
} from './limits.ts';
import { resolveWiring } from './pins.ts';
import type { ControlsLogger, Edge, GpioLines, GpioPort, Wiring } from './ports.ts';

/** What came of a wish. */
export type Outcome = { ok: true } | { ok: false; text: string };

/** What the buttons may ask of the box. */
export interface ButtonActions {
  /** Plays something else of this box's own until the next slot. */
  skip(): Outcome;
  /** Bans what plays for good. */
  never(): { ok: true; value: { hash: string } } | { ok: false; text: string };
  /** Takes a ban back. */
  allow(hash: string): Outcome;
  reset(what: 'wifi' | 'all'): Promise<Outcome>;
}

export interface ControlsComponents {
  gpio: GpioPort;
  actions: ButtonActions;
  /** What the light tells. Cheap: asked a few times a second while things change. */
  doing(): Doing;
  /** Something of `doing` may have changed. @returns the way to stop listening */
  onChange(handler: () => void): () => void;
  log: ControlsLogger;
}

export interface ControlsInit {
  /** The project's `hardware/`: pins.json and light-patterns.json. */
  hardwareDir: string;
  /** The setting `gpio`: see `GPIO_SETTING_HELP`. */
  setting: string;
  /** CLOCK_MONOTONIC in milliseconds; another clock only in tests. */
  nowMs?: () => number;
}

export interface Controls {
  /** Takes the pins. Never fails: without pins a line in the log says why, and everything else works. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A person at the box itself, for pairing. */
  readonly presence: { readonly hasButton: boolean; onHold(handler: () => void): () => void };
  /** What the light shows, or would show if there were one. */
  pattern(): PatternName;
  /** That pattern with its steps and words, for a light on a page; null when the table could not be read. */
  light(): LightPattern | null;
}

export function createControls(components: ControlsComponents, init: ControlsInit): Controls {
  return new BoxControls(components, { nowMs: monotonicMs, ...init });
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

class BoxControls implements Controls {
  readonly presence: Controls['presence'];
  readonly #components: ControlsComponents;
  readonly #init: Required<ControlsInit>;
  readonly #holdHandlers = new Set<() => void>();
  #running = false;
  #hardware: HardwareFiles | null = null;
  #wiring: Wiring | null = null;
  #lines: GpioLines | null = null;
  /** One at a time: taking lines and giving them back. */
  #changing: Promise<void> = Promise.resolve();
  #gestures: GestureState | null = null;
  #gestureTimer: NodeJS.Timeout | NodeJS.Immediate | null = null;
  #reopenTimer: NodeJS.Timeout | null = null;
  #reopenMs = REOPEN_FIRST_MS;
  #startedMs = 0;
  /** Why it failed last, so that each cause is told once. */
  #toldFailure: string | null = null;
  #openedMs = 0;
  #lightTimer: NodeJS.Timeout | null = null;
  #lightDueMs = 0;
  #shown: PatternName | null = null;
  /** Shown instead of what the box is doing: an answer to a hand. */
  #overlay: { pattern: PatternName; untilMs: number | null } | null = null;
  #stopListening: (() => void) | null = null;
  #lastBanned: string | null = null;
  #edgesSinceMs = 0;
  #edges = 0;

  constructor(components: ControlsComponents, init: Required<ControlsInit>) {
    this.#components = components;
    this.#init = init;
    const buttonIsThere = () => this.#lines !== null && this.#wiring?.skip != null;
    this.presence = {
      get hasButton() {
        return buttonIsThere();
      },
      onHold: (handler) => {
        this.#holdHandlers.add(handler);
        return () => this.#holdHandlers.delete(handler);
      },
    };
  }

  async start(): Promise<void> {
    if (this.#running) return this.#changing;
    this.#running = true;
    this.#reopenMs = REOPEN_FIRST_MS;
    this.#startedMs = this.#init.nowMs();
    this.#toldFailure = null;
    try {
      this.#hardware = readHardwareFiles(this.#init.hardwareDir);
      this.#wiring = resolveWiring(this.#init.setting, this.#hardware.pins);
    } catch (error) {
      if (!(error instanceof WiringError)) throw error;
      this.#components.log.warn(`No buttons and no light: ${error.message}`);
      this.#wiring = null;
    }
    if (this.#wiring === null) return;
    this.#stopListening = this.#components.onChange(() => this.#planLight(LIGHT_REFRESH_MS));
    await this.#inTurn(() => this.#open());
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#stopListening?.();
    this.#stopListening = null;
    if (this.#reopenTimer !== null) clearTimeout(this.#reopenTimer);
    this.#reopenTimer = null;
    // What is being opened now notices by itself that it is not wanted any more.
    await this.#close();
    await this.#changing;
  }

  pattern(): PatternName {
    return this.#currentOverlay() ?? this.#patternOfDoing();
  }

  light(): LightPattern | null {
    return this.#hardware?.patterns[this.pattern()] ?? null;
  }

  #patternOfDoing(): PatternName {
    try {
      return choosePattern(this.#components.doing());
    } catch (error) {
      // Asked by a timer, too: a light must not end the radio.
      this.#components.log.warn('The light does not know what the box is doing', { cause: (error as Error).message });
      return 'boot';
    }
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    this.#changing = this.#changing.then(change).catch((error: Error) => {
      this.#components.log.warn('The pins misbehaved', { cause: error.message });
    });
    return this.#changing;
  }

  async #open(): Promise<void> {
    if (!this.#running || this.#wiring === null || this.#lines !== null) return;
    const { gpio, log } = this.#components;
    let lines: GpioLines;
    let lostAlready = false;
    try {
      lines = await gpio.open(this.#wiring, {
        onEdge: (edge) => this.#onEdge(edge),
        onLost: (part, cause) => {
          lostAlready = part === 'buttons';
          this.#onLost(part, cause);
        },
      });
    } catch (error) {
      this.#openFailed(error as Error);
      return;
    }
    if (!this.#running || lostAlready) {
      await lines.close();
      if (this.#running) this.#planReopen();
      return;
    }
    this.#lines = lines;
    this.#toldFailure = null;
    this.#openedMs = this.#init.nowMs();
    this.#gestures = initialGestures(lines.pressed, this.#init.nowMs());
    this.#shown = null;
    const { skip, never, light } = this.#wiring;
    log.info('Buttons and light are there', { skip: skip?.offset, never: never?.offset, light: light?.offset });
    for (const button of lines.pressed) log.warn('A button is down from the start: ignored until let go', { button });
    this.#showLight();
  }

  /**
   * Wrong pins stay wrong; lines that others hold may come free. A machine without pins grows none, and a user without
   * rights gets none, once udev had its time.
   */
  #openFailed(error: Error): void {
    const reason = error instanceof GpioError ? error.reason : 'lost';
    this.#tellFailure(`No buttons and no light: ${error.message}`, reason);
    if (reason === 'tools' || reason === 'pins') return;
    if (reason !== 'absent' && reason !== 'denied') {
      this.#planReopen();
      return;
    }
    const leftMs = this.#startedMs + UDEV_PATIENCE_MS - this.#init.nowMs();
    if (leftMs > 0) this.#reopenIn(Math.min(UDEV_RETRY_MS, Math.ceil(leftMs)));
  }

  #tellFailure(line: string, reason: GpioError['reason']): void {
    if (line === this.#toldFailure) return;
    this.#toldFailure = line;
    // On a PC nobody asked for pins.
    const isExpected = this.#init.setting === 'auto' && (reason === 'absent' || reason === 'tools');
    if (isExpected) this.#components.log.info(line);
    else this.#components.log.warn(line);
  }

  /** Deaf and dumb at once, whenever the lines are really given back. */
  #close(): Promise<void> {
    if (this.#lightTimer !== null) clearTimeout(this.#lightTimer);
    this.#lightTimer = null;
    const lines = this.#lines;
    this.#lines = null;
    this.#gestures = null;
    this.#overlay = null;
    this.#clearGestureTimer();
    return this.#inTurn(async () => lines?.close());
  }

  #onLost(part: 'buttons' | 'light', cause: Error): void {
    const { log } = this.#components;
    if (part === 'light') {
      log.warn('The light went out', { cause: cause.message });
      return;
    }
    if (this.#lines === null) return;
    log.warn('The buttons are lost for now', { cause: cause.message });
    if (this.#init.nowMs() - this.#openedMs >= REOPEN_LAST_MS) this.#reopenMs = REOPEN_FIRST_MS;
    this.#loseLines();
  }

  #loseLines(): void {
    void this.#close();
    this.#planReopen();
  }

  /** Later each time: what keeps failing must not cost much. */
  #planReopen(): void {
    if (!this.#reopenIn(this.#reopenMs)) return;
    this.#reopenMs = Math.min(this.#reopenMs * 4, REOPEN_LAST_MS);
  }

  /** @returns whether it will: false when it is planned already, or nobody wants it any more */
  #reopenIn(waitMs: number): boolean {
    if (!this.#running || this.#reopenTimer !== null) return false;
    this.#reopenTimer = setTimeout(() => {
      this.#reopenTimer = null;
      void this.#inTurn(() => this.#open());
    }, waitMs);
    this.#reopenTimer.unref();
    return true;
  }

  #onEdge(edge: Edge): void {
    if (this.#gestures === null || this.#isFlood()) return;
    this.#dispatch({ kind: 'edge', ...edge });
  }

  /** A wire in the wind must not cost the music its processor. */
  #isFlood(): boolean {
    const nowMs = this.#init.nowMs();
    if (nowMs - this.#edgesSinceMs >= 1_000) {
      this.#edgesSinceMs = nowMs;
      this.#edges = 0;
    }
    this.#edges += 1;
    if (this.#edges <= MAX_EDGES_PER_SECOND) return false;
    if (this.#edges === MAX_EDGES_PER_SECOND + 1) {
      this.#components.log.warn(
        'The buttons flicker hundreds of times a second: a loose wire? Not looked at for a while',
      );
      this.#reopenMs = REOPEN_LAST_MS;
      this.#loseLines();
    }
    return true;
  }

  #dispatch(event: GestureEvent): void {
    if (this.#gestures === null) return;
    const { state, wishes } = stepGestures(this.#gestures, event);
    this.#gestures = state;
    for (const wish of wishes) this.#fulfil(wish);
    this.#planGesture();
  }

  #planGesture(): void {
    this.#clearGestureTimer();
    if (this.#gestures === null) return;
    const dueMs = wakeAtMs(this.#gestures);
    if (dueMs === null) return;
    // Rounded up: a timer may be early by a part of a millisecond, and would be set again for nothing.
    const waitMs = Math.max(0, Math.ceil(dueMs + REPORT_LAG_MS - this.#init.nowMs()));
    this.#gestureTimer = setTimeout(() => {
      // Edges that wait in the pipe come first: after a stall of this process a short press would look like a long one.
      this.#gestureTimer = setImmediate(() =>
        this.#dispatch({ kind: 'time', atMs: this.#init.nowMs() - REPORT_LAG_MS }),
      );
    }, waitMs);
    this.#gestureTimer.unref();
  }

  #clearGestureTimer(): void {
    if (this.#gestureTimer === null) return;
    clearTimeout(this.#gestureTimer as NodeJS.Timeout);
    clearImmediate(this.#gestureTimer as NodeJS.Immediate);
    this.#gestureTimer = null;
  }

  #fulfil(wish: Gesture): void {
    const { log } = this.#components;
    if (wish.kind === 'stuck') log.warn('A button hangs: ignored until let go', { button: wish.button });
    else if (wish.kind === 'freed') log.info('A button was let go', { button: wish.button });
    else if (wish.kind === 'armed') this.#overlayLight(wish.what === 'wifi' ? 'armed_wifi' : 'armed_all', null);
    else if (wish.kind === 'disarmed') this.#overlayLight(null, null);
    else this.#act(wish);
  }

  #act(wish: Exclude<Gesture, { kind: 'stuck' | 'freed' | 'armed' | 'disarmed' }>): void {
    const { log } = this.#components;
    const name = wish.kind === 'reset' ? `reset ${wish.what}` : wish.kind;
    this.#overlayLight(null, null);
    let outcome: Outcome | Promise<Outcome>;
    try {
      outcome = this.#carryOut(wish);
    } catch (error) {
      outcome = { ok: false, text: (error as Error).message };
    }
    // A wish that was refused gets no sign: the eye sees that nothing was taken.
    const tell = (done: Outcome) => {
      log.info('Button', { wish: name, refused: done.ok ? undefined : done.text });
      if (done.ok) this.#overlayLight('pressed', ACKNOWLEDGE_MS);
    };
    if (!(outcome instanceof Promise)) tell(outcome);
    else outcome.then(tell, (error: Error) => tell({ ok: false, text: error.message }));
  }

  #carryOut(wish: { kind: 'skip' | 'never' | 'undo' | 'pair' } | { kind: 'reset'; what: 'wifi' | 'all' }) {
    const { actions } = this.#components;
    if (wish.kind === 'skip') return actions.skip();
    if (wish.kind === 'never') return this.#never();
    if (wish.kind === 'undo') return this.#undo();
    if (wish.kind === 'reset') return actions.reset(wish.what);
    for (const handler of [...this.#holdHandlers]) handler();
    return { ok: true } as const;
  }

  #never(): Outcome {
    this.#lastBanned = null;
    try {
      const outcome = this.#components.actions.never();
      if (outcome.ok) this.#lastBanned = outcome.value.hash;
      return outcome;
    } finally {
      if (this.#lastBanned === null && this.#gestures !== null) {
        const refused = { kind: 'neverRefused', atMs: this.#gestures.atMs } as const;
        this.#gestures = stepGestures(this.#gestures, refused).state;
      }
    }
  }

  #undo(): Outcome {
    const hash = this.#lastBanned;
    this.#lastBanned = null;
    return hash === null ? { ok: false, text: 'nothing to take back' } : this.#components.actions.allow(hash);
  }

  #currentOverlay(): PatternName | null {
    const overlay = this.#overlay;
    if (overlay === null) return null;
    return overlay.untilMs !== null && this.#init.nowMs() >= overlay.untilMs ? null : overlay.pattern;
  }

  #overlayLight(pattern: PatternName | null, forMs: number | null): void {
    const untilMs = forMs === null ? null : this.#init.nowMs() + forMs;
    this.#overlay = pattern === null ? null : { pattern, untilMs };
    this.#showLight();
  }

  /** Many changes, one look; the earliest that was asked for. */
  #planLight(waitMs: number): void {
    if (!this.#running || this.#lines === null || this.#wiring?.light == null) return;
    const dueMs = this.#init.nowMs() + waitMs;
    if (this.#lightTimer !== null) {
      if (this.#lightDueMs <= dueMs) return;
      clearTimeout(this.#lightTimer);
    }
    this.#lightDueMs = dueMs;
    this.#lightTimer = setTimeout(() => {
      this.#lightTimer = null;
      this.#showLight();
    }, waitMs);
    this.#lightTimer.unref();
  }

  /** Tells the line only what is new to it; the pattern then plays by itself. */
  #showLight(): void {
    if (this.#lines === null || this.#hardware === null || this.#wiring?.light == null) return;
    const pattern = this.pattern();
    if (pattern !== this.#shown) {
      this.#shown = pattern;
      this.#lines.play(this.#hardware.patterns[pattern].steps);
    }
    const untilMs = this.#overlay?.untilMs ?? null;
    this.#planLight(LIGHT_LOOK_MS);
    if (untilMs !== null && this.#currentOverlay() !== null)
      this.#planLight(Math.max(0, Math.ceil(untilMs - this.#init.nowMs())));
  }
}
