/** The pins of a Linux machine through libgpiod's own programs: no native code, no sysfs, any Node. */
import { readdir } from 'node:fs/promises';
import { GpioError } from './errors.ts';
import { type Bias, type Chip, chipsOf, type Dialect, dialectOf, levelsOf } from './gpiod-dialect.ts';
import { MAX_EDGE_AGE_MS, SETTLE_UNANNOUNCED_MS, TOOL_TIMEOUT_MS } from './limits.ts';
import {
  BUTTON_NAMES,
  type ButtonName,
  type GpioLines,
  type GpioListener,
  type GpioPort,
  type Line,
  type Wiring,
} from './ports.ts';
import { StepPlayer } from './step-player.ts';
import { type HeldTool, holdTool, runTool } from './tool.ts';

/** @param init `toolDir`: where gpiodetect and the others are; by default where PATH says */
export function createGpiod(init: { toolDir?: string | null } = {}): GpioPort {
  const toolDir = init.toolDir ?? null;
  return { open: (wiring, listener) => openLines(toolDir, wiring, listener) };
}

/** A button with its line. */
interface Button extends Line {
  name: ButtonName;
}

async function openLines(toolDir: string | null, wiring: Wiring, listener: GpioListener): Promise<GpioLines> {
  if (toolDir === null && !(await hasChips())) throw new GpioError('absent', 'This machine has no GPIO.');
  const dialect = dialectOf(await runTool(toolDir, 'gpiodetect', ['--version']));
  if (dialect === null) throw new GpioError('tools', 'This version of libgpiod is not known: 1.6 or 2 is needed.');
  const chip = chooseChip(chipsOf(await runTool(toolDir, 'gpiodetect', [])), wiring.chips);
  refuseBeyond(chip, wiring);
  const buttons = BUTTON_NAMES.flatMap((name) => {
    const line = wiring[name];
    return line === null ? [] : [{ name, ...line }];
  });
  const held = new ButtonLines(toolDir, dialect, chip, listener);
  const light = wiring.light === null ? null : new Light(toolDir, dialect, chip, wiring.light, listener);
  try {
    const pressed = await held.take(buttons);
    // Before anything is played: a line that cannot be had is to be known now.
    await light?.take();
    return {
      pressed,
      play: (steps) => light?.play(steps),
      close: async () => void (await Promise.all([held.release(), light?.release()])),
    };
  } catch (error) {
    await Promise.all([held.release(), light?.release()]);
    throw error;
  }
}

/** Where there are none, nobody has to install anything. */
async function hasChips(): Promise<boolean> {
  const devices = await readdir('/dev').catch(() => []);
  return devices.some((name) => /^gpiochip\d/.test(name));
}

function chooseChip(chips: readonly Chip[], labels: readonly string[]): Chip {
  if (chips.length === 0) throw new GpioError('absent', 'This machine has no GPIO.');
  const found = labels.flatMap((label) => chips.filter((chip) => chip.label === label || chip.name === label))[0];
  if (found !== undefined) return found;
  const there = chips.map((chip) => chip.label).join(', ');
  throw new GpioError('absent', `No GPIO chip here is called ${labels.join(' or ')} (there is: ${there}).`);
}

function refuseBeyond(chip: Chip, wiring: Wiring): void {
  for (const line of [wiring.skip, wiring.never, wiring.light])
    if (line !== null && line.offset >= chip.lines)
      throw new GpioError(
        'pins',
        `There is no line ${line.offset}: the chip ${chip.label} has lines 0 to ${chip.lines - 1}.`,
      );
}

/** The inputs: one gpiomon for all buttons that are pulled the same way. */
class ButtonLines {
  readonly #toolDir: string | null;
  readonly #dialect: Dialect;
  readonly #chip: Chip;
  readonly #listener: GpioListener;
  readonly #monitors: HeldTool[] = [];
  /** As last told. */
  readonly #down = new Map<ButtonName, boolean>();
  #released = false;

  constructor(toolDir: string | null, dialect: Dialect, chip: Chip, listener: GpioListener) {
    this.#toolDir = toolDir;
    this.#dialect = dialect;
    this.#chip = chip;
    this.#listener = listener;
  }

  /** @returns the buttons that are down */
  async take(buttons: readonly Button[]): Promise<ButtonName[]> {
    const pressed: ButtonName[] = [];
    for (const bias of ['pull-up', 'pull-down'] as const) {
      const group = buttons.filter(({ activeLow }) => activeLow === (bias === 'pull-up'));
      if (group.length > 0) pressed.push(...(await this.#takeGroup(group, bias)));
    }
    return pressed;
  }

  async release(): Promise<void> {
    this.#released = true;
    await Promise.all(this.#monitors.map((monitor) => monitor.end()));
  }

  async #takeGroup(group: readonly Button[], bias: Bias): Promise<ButtonName[]> {
    const offsets = group.map(({ offset }) => offset);
    const args = this.#dialect.get(this.#chip.name, offsets, bias);
    const levels = levelsOf(await runTool(this.#toolDir, 'gpioget', args), offsets.length);
    if (levels === null) throw new GpioError('lost', 'gpioget did not tell the levels of the lines.');
    const isDown = group.map(({ activeLow }, index) => levels[index] !== activeLow);
    for (const [index, { name }] of group.entries()) this.#down.set(name, isDown[index] === true);
    await this.#monitor(group, bias);
    return group.filter((_, index) => isDown[index]).map(({ name }) => name);
  }

  /** Resolves when the kernel reports edges. */
  #monitor(group: readonly Button[], bias: Bias): Promise<void> {
    const { announces } = this.#dialect;
    const args = this.#dialect.monitor(
      this.#chip.name,
      group.map(({ offset }) => offset),
      bias,
    );
    return new Promise((resolve, reject) => {
      let isReady = false;
      const ready = () => {
        clearTimeout(patience);
        isReady = true;
        resolve();
      };
      const slow = () => reject(new GpioError('lost', 'gpiomon did not begin in time.'));
      const patience = announces ? setTimeout(slow, TOOL_TIMEOUT_MS) : setTimeout(ready, SETTLE_UNANNOUNCED_MS);
      const monitor = holdTool(this.#toolDir, 'gpiomon', args, {
        onLine: (line) => {
          if (!isReady && announces) ready();
          else this.#report(group, line);
        },
        onEnd: (cause) => {
          clearTimeout(patience);
          if (!isReady) reject(cause);
          else if (!this.#released) this.#listener.onLost('buttons', cause);
        },
      });
      this.#monitors.push(monitor);
    });
  }

  #report(group: readonly Button[], line: string): void {
    const edge = this.#dialect.edge(line);
    const button = group.find(({ offset }) => offset === edge?.offset);
    if (edge === null || button === undefined || this.#released) return;
    const pressed = edge.high === !button.activeLow;
    // Some chips report an edge of before the lines were taken; it tells nothing new.
    if (this.#down.get(button.name) === pressed) return;
    this.#down.set(button.name, pressed);
    this.#listener.onEdge({ button: button.name, pressed, atMs: credible(edge.atMs) });
  }
}

/** Kernels and tools have stamped edges with other clocks before. */
function credible(atMs: number): number {
  const nowMs = Number(process.hrtime.bigint()) / 1e6;
  return Math.abs(nowMs - atMs) > MAX_EDGE_AGE_MS ? nowMs : Math.min(atMs, nowMs);
}

/** The output: a gpioset that is held; libgpiod 2 plays patterns in it, for 1.6 a new one holds every level. */
class Light {
  readonly #toolDir: string | null;
  readonly #dialect: Dialect;
  readonly #chip: Chip;
  readonly #line: Line;
  readonly #listener: GpioListener;
  readonly #player = new StepPlayer((lit) => this.#want(this.#hold(lit)));
  #tool: HeldTool | null = null;
  #wanted: string[] | null = null;
  #turning: Promise<void> | null = null;
  #released = false;

  constructor(toolDir: string | null, dialect: Dialect, chip: Chip, line: Line, listener: GpioListener) {
    this.#toolDir = toolDir;
    this.#dialect = dialect;
    this.#chip = chip;
    this.#line = line;
    this.#listener = listener;
  }

  /** Dark. @throws {GpioError} when the line cannot be had */
  async take(): Promise<void> {
    const { name } = this.#chip;
    await runTool(this.#toolDir, 'gpioset', this.#dialect.darken(name, this.#line.offset, this.#line.activeLow));
  }

  play(steps: readonly number[]): void {
    if (this.#released) return;
    const { play } = this.#dialect;
    if (play === null) this.#player.play(steps);
    else this.#want(play(this.#chip.name, this.#line.offset, this.#line.activeLow, steps));
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#player.stop();
    this.#released = true;
    this.#wanted = null;
    while (this.#turning !== null) await this.#turning;
    if (this.#tool === null) return;
    await this.#tool.end();
    this.#tool = null;
    // A line that is given back may keep its level. If it cannot be had any more, its new owner knows better.
    await this.take().catch(() => {});
  }

  #hold(lit: boolean): string[] {
    return this.#dialect.hold(this.#chip.name, this.#line.offset, this.#line.activeLow, lit);
  }

  /** The latest wish wins; the one before must have given the line back. */
  #want(args: string[]): void {
    if (this.#released) return;
    this.#wanted = args;
    this.#turning ??= this.#turn().finally(() => {
      this.#turning = null;
    });
  }

  async #turn(): Promise<void> {
    while (this.#wanted !== null) {
      const args = this.#wanted;
      this.#wanted = null;
      await this.#tool?.end();
      this.#tool = this.#start(args, (cause) => this.#lost(cause));
    }
  }

  /** Comes back with the next pattern, not with the next step: a line that is gone must not fill the log. */
  #lost(cause: GpioError): void {
    this.#player.stop();
    this.#listener.onLost('light', cause);
  }

  #start(args: string[], onEnd: (cause: GpioError) => void): HeldTool {
    const tool = holdTool(this.#toolDir, 'gpioset', args, {
      onLine: () => {},
      onEnd: (cause) => {
        if (this.#tool === tool) this.#tool = null;
        if (!this.#released) onEnd(cause);
      },
    });
    return tool;
  }
}
