/** What the controls need of a machine's pins: two inputs with edges, one output that plays a pattern. */

export type ButtonName = 'skip' | 'never';
export const BUTTON_NAMES: readonly ButtonName[] = ['skip', 'never'];

/** One line of a GPIO chip. */
export interface Line {
  /** Its number within the chip; on a Raspberry Pi the BCM number. */
  offset: number;
  /** A low voltage means pressed (a button to ground), or lit. */
  activeLow: boolean;
}

/** Which lines are what. A part that is null is not wired. */
export interface Wiring {
  /** Labels of the chips that may carry these lines, the first one found is used: "pinctrl-bcm2711". */
  chips: readonly string[];
  skip: Line | null;
  never: Line | null;
  light: Line | null;
}

/** A contact opened or closed, bounces and all. */
export interface Edge {
  button: ButtonName;
  pressed: boolean;
  /** CLOCK_MONOTONIC, milliseconds, by the kernel where it tells. */
  atMs: number;
}

export interface GpioListener {
  onEdge(edge: Edge): void;
  /** Lines are gone for good: `buttons` must be opened anew, `light` may come back with the next pattern. */
  onLost(part: 'buttons' | 'light', cause: Error): void;
}

export interface GpioPort {
  /**
   * Takes the lines.
   * @throws {GpioError} with a message for people
   */
  open(wiring: Wiring, listener: GpioListener): Promise<GpioLines>;
}

/** Lines that are held. Nothing here throws. */
export interface GpioLines {
  /** Buttons that were down when the lines were taken. */
  readonly pressed: readonly ButtonName[];
  /**
   * Plays on from the beginning, over and over, until the next call.
   * @param steps milliseconds lit, dark, lit, dark ...; a pair with a zero is steady; empty is dark
   */
  play(steps: readonly number[]): void;
  /** Gives the lines back, the light dark. Idempotent. */
  close(): Promise<void>;
}

export interface ControlsLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
}
