/** Which pins: the map in `hardware/pins.json`, and what a setting changes of it. Pure. */
import { WiringError } from './errors.ts';
import type { Line, Wiring } from './ports.ts';

/** What can be wired. */
export const PART_NAMES = ['skip', 'never', 'light'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** One part and its place on the header. */
export interface Pin {
  bcm: number;
  /** Number on the 40-pin header. */
  physical: number;
  /** The ground pin beside it. */
  ground: number;
  /** "in" with a pull-up, or "out". */
  direction: 'in' | 'out';
  activeLow: boolean;
}

export interface PinMap {
  /** Labels of the chips of all boards in the map. */
  chips: readonly string[];
  parts: Readonly<Record<PartName, Pin>>;
}

/** What `gpio` in the settings may be. */
export const GPIO_SETTING_HELP =
  '"auto", "none", or parts of "skip=5,never=6,light=12,chip=LABEL": BCM numbers or "none"; ":high" or ":low" after a number for what pressed or lit is';
/** What the setting may look like; what it means is checked against the machine. */
export const GPIO_SETTING_PATTERN =
  /^(auto|none|(skip|never|light|chip)=[\w.:@-]{1,64}(,(skip|never|light|chip)=[\w.:@-]{1,64}){0,3})$/;

const MAP_VERSION = 1;
/** The largest chip of a Pi has 58 lines; no number above this is one. */
const MAX_OFFSET = 511;

/**
 * @param json content of `hardware/pins.json`
 * @throws {WiringError} naming what is wrong
 */
export function parsePinMap(json: unknown): PinMap {
  const { version, boards, parts } = (json ?? {}) as Record<string, unknown>;
  if (version !== MAP_VERSION) throw new WiringError(`pins.json: version must be ${MAP_VERSION}`);
  if (!Array.isArray(boards) || boards.length === 0) throw new WiringError('pins.json: boards must be a list');
  const chips = boards.map((board) => (board as { chip?: unknown })?.chip);
  if (!chips.every((chip) => typeof chip === 'string' && chip !== ''))
    throw new WiringError('pins.json: every board needs the label of its GPIO chip');
  const entries = PART_NAMES.map((name) => [name, parsePin(name, (parts as Record<string, unknown>)?.[name])] as const);
  return { chips: [...new Set(chips as string[])], parts: Object.fromEntries(entries) as Record<PartName, Pin> };
}

function parsePin(name: PartName, value: unknown): Pin {
  const { bcm, physical, ground, direction, active_low: activeLow } = (value ?? {}) as Record<string, unknown>;
  for (const [key, number] of Object.entries({ bcm, physical, ground }))
    if (!Number.isInteger(number) || Number(number) < 0 || Number(number) > MAX_OFFSET)
      throw new WiringError(`pins.json: ${key} of "${name}" must be a number from 0 to ${MAX_OFFSET}`);
  const wanted = name === 'light' ? 'out' : 'in';
  if (direction !== wanted) throw new WiringError(`pins.json: direction of "${name}" must be "${wanted}"`);
  if (typeof activeLow !== 'boolean') throw new WiringError(`pins.json: active_low of "${name}" must be true or false`);
  return { bcm, physical, ground, direction, activeLow } as Pin;
}

/**
 * @param setting see `GPIO_SETTING_HELP`
 * @returns null for "none": no buttons and no light, by choice
 * @throws {WiringError} naming the part that is wrong and what it may be
 */
export function resolveWiring(setting: string, map: PinMap): Wiring | null {
  if (setting === 'none') return null;
  const wiring = {
    chips: map.chips,
    skip: lineOf(map.parts.skip),
    never: lineOf(map.parts.never),
    light: lineOf(map.parts.light),
  } as { chips: readonly string[] } & Record<PartName, Line | null>;
  if (setting !== 'auto') for (const part of setting.split(',')) override(wiring, part, map);
  refuseDoubles(wiring);
  return PART_NAMES.every((name) => wiring[name] === null) ? null : wiring;
}

function lineOf(pin: Pin): Line {
  return { offset: pin.bcm, activeLow: pin.activeLow };
}

function override(wiring: { chips: readonly string[] } & Record<PartName, Line | null>, text: string, map: PinMap) {
  const [key = '', value = ''] = text.split(/=(.*)/s);
  if (key === 'chip' && value !== '') {
    wiring.chips = [value];
    return;
  }
  const name = PART_NAMES.find((part) => part === key);
  if (name === undefined) throw new WiringError(`gpio: "${text}" is not understood (allowed: ${GPIO_SETTING_HELP})`);
  if (value === 'none') {
    wiring[name] = null;
    return;
  }
  const match = /^(\d{1,3})(?::(high|low))?$/.exec(value);
  const offset = Number(match?.[1] ?? Number.NaN);
  if (match === null || offset > MAX_OFFSET)
    throw new WiringError(`gpio: "${text}" names no line (allowed: ${GPIO_SETTING_HELP})`);
  const activeLow = match[2] === undefined ? map.parts[name].activeLow : match[2] === 'low';
  wiring[name] = { offset, activeLow };
}

function refuseDoubles(wiring: Record<PartName, Line | null>): void {
  for (const [index, name] of PART_NAMES.entries()) {
    const twin = PART_NAMES.slice(0, index).find((other) => {
      return wiring[name] !== null && wiring[other]?.offset === wiring[name].offset;
    });
    if (twin !== undefined)
      throw new WiringError(`gpio: ${twin} and ${name} cannot both be line ${wiring[name]?.offset}`);
  }
}
