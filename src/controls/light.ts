/** The light: which pattern says what the box is doing, and the table that tells how each one looks. Pure. */
import { WiringError } from './errors.ts';
import { MAX_PATTERNS, MAX_STEP_MS, MAX_STEPS, MIN_STEP_MS } from './limits.ts';

/** Every pattern that the code asks for; `hardware/light-patterns.json` says how it looks. */
export const PATTERN_NAMES = [
  'boot',
  'hotspot',
  'joining',
  'in_the_flock',
  'alone',
  'diverged',
  'updating',
  'pairing',
  'error_1',
  'error_2',
  'error_3',
  'pressed',
  'armed_wifi',
  'armed_all',
] as const;
export type PatternName = (typeof PATTERN_NAMES)[number];

/** What the box is doing, as far as the light tells it. Whoever knows fills it in. */
export interface Doing {
  /** Of the station; null before the radio runs. */
  phase: 'listening' | 'joining' | 'member' | 'stopped' | null;
  /** Other boxes of the station that are connected. */
  peers: number;
  /** Plays something other than what the station decided. */
  diverged: boolean;
  /** The hotspot is open, or a network is being tried. */
  wifi: 'hotspot' | 'trying' | null;
  updating: boolean;
  /** A phone asked to be paired, and a hand on the button would let it. */
  pairing: boolean;
  /** No sound card, or it fails: not when silence was chosen. */
  noSound: boolean;
  /** The card is full, or fails. */
  noStorage: boolean;
}

/** The most urgent first: what somebody waits for, then what is wrong, then what goes on. */
export function choosePattern(doing: Doing): PatternName {
  if (doing.updating) return 'updating';
  if (doing.pairing) return 'pairing';
  if (doing.wifi === 'hotspot') return 'hotspot';
  if (doing.phase === null) return 'boot';
  if (doing.phase === 'stopped') return 'error_3';
  if (doing.noStorage) return 'error_2';
  if (doing.noSound) return 'error_1';
  if (doing.wifi === 'trying' || doing.phase !== 'member') return 'joining';
  if (doing.diverged) return 'diverged';
  return doing.peers > 0 ? 'in_the_flock' : 'alone';
}

export interface LightPattern {
  name: PatternName;
  /** Milliseconds lit, dark, lit, dark ...; a single pair with a zero is steady. */
  steps: readonly number[];
  /** How it looks. */
  looks: string;
  /** What it means. */
  text: string;
  /** What to do about it. */
  help: string;
}

export type LightTable = Readonly<Record<PatternName, LightPattern>>;

const TABLE_VERSION = 1;

/**
 * @param json content of `hardware/light-patterns.json`
 * @throws {WiringError} naming the entry that is wrong
 */
export function parseLightTable(json: unknown): LightTable {
  const { version, patterns } = (json ?? {}) as { version?: unknown; patterns?: unknown };
  if (version !== TABLE_VERSION) throw new WiringError(`light-patterns.json: version must be ${TABLE_VERSION}`);
  if (!Array.isArray(patterns) || patterns.length > MAX_PATTERNS)
    throw new WiringError(`light-patterns.json: patterns must be a list of at most ${MAX_PATTERNS}`);
  const table = new Map<string, LightPattern>();
  for (const entry of patterns) {
    const pattern = parsePattern(entry);
    if (table.has(pattern.name)) throw new WiringError(`light-patterns.json: "${pattern.name}" is there twice`);
    table.set(pattern.name, pattern);
  }
  const missing = PATTERN_NAMES.filter((name) => !table.has(name));
  if (missing.length > 0) throw new WiringError(`light-patterns.json: no pattern for ${missing.join(', ')}`);
  return Object.fromEntries(table) as LightTable;
}

function parsePattern(entry: unknown): LightPattern {
  const { name, steps, looks, text, help } = (entry ?? {}) as Record<string, unknown>;
  if (!PATTERN_NAMES.includes(name as PatternName))
    throw new WiringError(
      `light-patterns.json: "${String(name)}" is no pattern's name (allowed: ${PATTERN_NAMES.join(', ')})`,
    );
  const wrong = stepsProblem(steps);
  if (wrong !== null) throw new WiringError(`light-patterns.json: steps of "${String(name)}" ${wrong}`);
  for (const [key, value] of Object.entries({ looks, text, help }))
    if (typeof value !== 'string' || value === '')
      throw new WiringError(`light-patterns.json: "${key}" of "${String(name)}" must be a text`);
  return { name, steps, looks, text, help } as LightPattern;
}

function stepsProblem(steps: unknown): string | null {
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > MAX_STEPS || steps.length % 2 !== 0)
    return `must be a list of 2 to ${MAX_STEPS} numbers, lit and dark in turn`;
  if (isSteady(steps) && steps.some((ms) => ms > 0)) return null;
  const isStep = (ms: unknown) => Number.isInteger(ms) && Number(ms) >= MIN_STEP_MS && Number(ms) <= MAX_STEP_MS;
  return steps.every(isStep)
    ? null
    : `must be whole numbers from ${MIN_STEP_MS} to ${MAX_STEP_MS}, or one pair with a zero`;
}

/** Always lit or always dark: nothing has to be done to keep it so. */
export function isSteady(steps: readonly number[]): boolean {
  return steps.length === 0 || (steps.length === 2 && (steps[0] === 0 || steps[1] === 0));
}

/** Whether a steady pattern is lit, and how any other begins. */
export function beginsLit(steps: readonly number[]): boolean {
  return (steps[0] ?? 0) > 0;
}
