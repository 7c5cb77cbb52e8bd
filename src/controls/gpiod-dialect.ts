/**
 * libgpiod's tools speak two dialects: 1.6 (Debian 12) and 2 (Debian 13). What to call them with, and what their lines
 * mean; gpiodetect(1), gpioget(1), gpiomon(1), gpioset(1) of either. Pure.
 */

import { beginsLit, isSteady } from './light.ts';
import { KERNEL_DEBOUNCE_MS } from './limits.ts';

export type Bias = 'pull-up' | 'pull-down';

export interface RawEdge {
  offset: number;
  high: boolean;
  atMs: number;
}

export interface Dialect {
  /** Prints the levels as "1 0". */
  get(chip: string, offsets: readonly number[], bias: Bias): string[];
  /** Prints a line an edge. */
  monitor(chip: string, offsets: readonly number[], bias: Bias): string[];
  /** A first line says that the lines are held. */
  announces: boolean;
  edge(line: string): RawEdge | null;
  /** Makes it dark, and ends. */
  darken(chip: string, offset: number, activeLow: boolean): string[];
  /** Holds a level until it is ended. */
  hold(chip: string, offset: number, activeLow: boolean, lit: boolean): string[];
  /** Plays a pattern until it is ended; null: it cannot. */
  play: ((chip: string, offset: number, activeLow: boolean, steps: readonly number[]) => string[]) | null;
}

const numbers = (offsets: readonly number[]) => offsets.map(String);
const low = (activeLow: boolean) => (activeLow ? ['--active-low'] : []);

const VERSION_1: Dialect = {
  get: (chip, offsets, bias) => [`--bias=${bias}`, chip, ...numbers(offsets)],
  monitor: (chip, offsets, bias) => [
    '--line-buffered',
    `--bias=${bias}`,
    '--format=%o %e %s %n',
    chip,
    ...numbers(offsets),
  ],
  announces: false,
  edge: (line) => {
    const match = /^(\d{1,3}) ([01]) (\d{1,12}) (\d{1,9})$/.exec(line);
    if (match === null) return null;
    return { offset: Number(match[1]), high: match[2] === '1', atMs: Number(match[3]) * 1e3 + Number(match[4]) / 1e6 };
  },
  darken: (chip, offset, activeLow) => [...low(activeLow), '--mode=exit', chip, `${offset}=0`],
  hold: (chip, offset, activeLow, lit) => [...low(activeLow), '--mode=signal', chip, `${offset}=${lit ? 1 : 0}`],
  play: null,
};

const onChip = (chip: string) => ['--chip', chip];

const VERSION_2: Dialect = {
  get: (chip, offsets, bias) => [...onChip(chip), '--bias', bias, '--numeric', ...numbers(offsets)],
  monitor: (chip, offsets, bias) => [
    ...onChip(chip),
    '--banner',
    ...['--bias', bias, '--edges', 'both', '--debounce-period', `${KERNEL_DEBOUNCE_MS}ms`, '--format', '%o %e %S'],
    ...numbers(offsets),
  ],
  announces: true,
  edge: (line) => {
    const match = /^(\d{1,3}) ([12]) (\d{1,12}\.\d{1,9})$/.exec(line);
    return match === null ? null : { offset: Number(match[1]), high: match[2] === '1', atMs: Number(match[3]) * 1e3 };
  },
  darken: (chip, offset, activeLow) => [...onChip(chip), ...low(activeLow), '--toggle', '0', `${offset}=0`],
  hold: (chip, offset, activeLow, lit) => [...onChip(chip), ...low(activeLow), `${offset}=${lit ? 1 : 0}`],
  play: (chip, offset, activeLow, steps) => [
    ...onChip(chip),
    ...low(activeLow),
    ...(isSteady(steps) ? [] : ['--toggle', steps.map((ms) => `${ms}ms`).join(',')]),
    `${offset}=${beginsLit(steps) ? 1 : 0}`,
  ],
};

/** @param text what `gpiodetect --version` prints; @returns null for a version that nobody knows */
export function dialectOf(text: string): Dialect | null {
  const version = /libgpiod\)? v?(\d+)\.(\d+)/.exec(text);
  if (version?.[1] === '1') return VERSION_1;
  return version?.[1] === '2' ? VERSION_2 : null;
}

export interface Chip {
  name: string;
  label: string;
  lines: number;
}

/** @param text what `gpiodetect` prints: `gpiochip0 [pinctrl-bcm2711] (58 lines)` */
export function chipsOf(text: string): Chip[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\S{1,32}) \[(.{0,64})\] \((\d{1,4}) lines?\)$/.exec(line.trim());
    return match === null ? [] : [{ name: match[1] ?? '', label: match[2] ?? '', lines: Number(match[3]) }];
  });
}

/** @param text what gpioget prints; true is high. @returns null when that is no level for each line */
export function levelsOf(text: string, count: number): boolean[] | null {
  const words = text.trim().split(/\s+/);
  if (words.length !== count || !words.every((word) => word === '0' || word === '1')) return null;
  return words.map((word) => word === '1');
}
