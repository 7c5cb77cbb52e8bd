import { GpioError } from './errors.ts';
import {
  BUTTON_NAMES,
  type ButtonName,
  type Edge,
  type GpioLines,
  type GpioListener,
  type GpioPort,
  type Wiring,
} from './ports.ts';

/** Pins that a test holds in its hand: it opens and closes contacts and sees the light. Passes the suite of the real ones. */
export class FakeGpio implements GpioPort {
  /** What the light was last told to play, null while its line is not held. */
  playing: readonly number[] | null = null;
  #playingSinceMs = 0;
  /** How often the lines were taken. */
  opened = 0;
  /** Set: opening fails with it. */
  failure: GpioError | null = null;
  readonly #init: { labels: readonly string[]; lines: number; nowMs: () => number };
  readonly #down = new Set<ButtonName>();
  #listener: GpioListener | null = null;
  #wiring: Wiring | null = null;

  constructor(init: { labels?: readonly string[]; lines?: number; nowMs: () => number }) {
    this.#init = { labels: init.labels ?? ['pinctrl-fake'], lines: init.lines ?? 54, nowMs: init.nowMs };
  }

  async open(wiring: Wiring, listener: GpioListener): Promise<GpioLines> {
    if (this.failure !== null) throw this.failure;
    if (!wiring.chips.some((label) => this.#init.labels.includes(label)))
      throw new GpioError('absent', 'This machine has no such pins.');
    for (const line of [wiring.skip, wiring.never, wiring.light])
      if (line !== null && line.offset >= this.#init.lines)
        throw new GpioError(
          'pins',
          `There is no line ${line.offset}: the chip has lines 0 to ${this.#init.lines - 1}.`,
        );
    if (this.#wiring !== null) throw new GpioError('busy', 'The lines are taken by another program.');
    this.#wiring = wiring;
    this.#listener = listener;
    this.playing = [];
    this.opened += 1;
    return {
      pressed: BUTTON_NAMES.filter((button) => wiring[button] !== null && this.#down.has(button)),
      play: (steps) => {
        if (this.#wiring !== wiring || wiring.light === null) return;
        this.playing = [...steps];
        this.#playingSinceMs = this.#init.nowMs();
      },
      close: async () => {
        if (this.#wiring === wiring) this.#release();
      },
    };
  }

  /** Whether the light is lit at this moment. */
  lit(): boolean {
    const steps = this.playing ?? [];
    const lengthMs = steps.reduce((sum, ms) => sum + ms, 0);
    if (lengthMs === 0) return false;
    let leftMs = (this.#init.nowMs() - this.#playingSinceMs) % lengthMs;
    const index = steps.findIndex((ms) => {
      leftMs -= ms;
      return leftMs < 0;
    });
    return index % 2 === 0;
  }

  /** A contact closes or opens, at once or (`atMs`) in the past. */
  contact(button: ButtonName, pressed: boolean, atMs = this.#init.nowMs()): void {
    if (pressed) this.#down.add(button);
    else this.#down.delete(button);
    const edge: Edge = { button, pressed, atMs };
    if (this.#wiring?.[button]) this.#listener?.onEdge(edge);
  }

  /** The lines are torn away, as by a tool that was killed. */
  lose(part: 'buttons' | 'light'): void {
    const listener = this.#listener;
    if (part === 'buttons') this.#release();
    listener?.onLost(part, new GpioError('lost', 'gpiomon ended.'));
  }

  #release(): void {
    this.#wiring = null;
    this.#listener = null;
    this.playing = null;
  }
}
