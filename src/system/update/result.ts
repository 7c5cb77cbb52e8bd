/**
 * What became of an update: `result.json`, written by root, read by the radio. It lies in a folder of root's own and not in
 * the radio's: a program with all rights that writes into a folder which somebody else can change may be led anywhere.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isSlot, type Slot } from './boot-state.ts';
import type { Started } from './kernel-line.ts';
import { MAX_RESULT_BYTES } from './limits.ts';

const RESULT_FILE = 'result.json';

/** How the box was before, as far as it must be so again. */
export interface Before {
  /** Another box was connected. */
  company: boolean;
  /** It had an address in a network. */
  linked: boolean;
  /** It had a sound card that worked. */
  sound: boolean;
  /** It had music of its own. */
  music: boolean;
}

/**
 * installing, then refused, or restarting; after the restart confirmed, or gave_up when the trial failed and the box goes
 * back.
 */
export type ResultState = 'installing' | 'refused' | 'restarting' | 'confirmed' | 'gave_up';
const STATES: readonly unknown[] = ['installing', 'refused', 'restarting', 'confirmed', 'gave_up'];

export interface UpdateResult {
  state: ResultState;
  /** Of the update, null before it was read. */
  version: string | null;
  /** That ran when it was installed. */
  from: string;
  /** Where it went, null before it was written. */
  slot: Slot | null;
  percent: number;
  /** Which start of the machine this was written in. */
  bootId: string;
  /** Cause of a refusal or failure, for programs and in English. */
  code: string | null;
  text: string | null;
  /** Wall clock, milliseconds since 1970: a box without a network may be wrong about it. */
  atMs: number;
  before: Before | null;
}

/** @returns null when there is none, or none that can be read */
export function readResult(folder: string): UpdateResult | null {
  try {
    const path = join(folder, RESULT_FILE);
    if (statSync(path).size > MAX_RESULT_BYTES) return null;
    return parseResult(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

function parseResult(json: unknown): UpdateResult | null {
  const {
    version: format,
    state,
    update,
    from,
    slot,
    percent,
    boot_id,
    code,
    text,
    at_ms,
    before,
  } = (json ?? {}) as Record<string, unknown>;
  if (format !== 1 || !STATES.includes(state)) return null;
  const textOr = (value: unknown) => (typeof value === 'string' ? value : null);
  return {
    state: state as ResultState,
    version: textOr(update),
    from: textOr(from) ?? '',
    slot: isSlot(slot) ? slot : null,
    percent: Number(percent) || 0,
    bootId: textOr(boot_id) ?? '',
    code: textOr(code),
    text: textOr(text),
    atMs: Number(at_ms) || 0,
    before: parseBefore(before),
  };
}

function parseBefore(json: unknown): Before | null {
  if (typeof json !== 'object' || json === null) return null;
  const { company, linked, sound, music } = json as Record<string, unknown>;
  // Not told by an older version: then it is asked for.
  return { company: company === true, linked: linked === true, sound: sound === true, music: music !== false };
}

/** Old or new after a power cut, never a part. Readable by everybody on the box. */
export function writeResult(folder: string, result: UpdateResult): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const { version, bootId, atMs, ...rest } = result;
  const json = { version: 1, ...rest, update: version, boot_id: bootId, at_ms: atMs };
  const path = join(folder, RESULT_FILE);
  const part = `${path}.new`;
  const file = openSync(part, 'w', 0o644);
  try {
    writeSync(file, `${JSON.stringify(json)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(part, path);
  const directory = openSync(folder, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** What the last update means for who looks at the box now. */
export type Outcome =
  | { kind: 'none' }
  | { kind: 'installing' | 'restarting' | 'trying' }
  /** The new version runs, and stays. */
  | { kind: 'confirmed' }
  /** It was not taken: why is in the result. */
  | { kind: 'refused' }
  /** Power went while it was written; the version from before runs. */
  | { kind: 'interrupted' }
  /** It was tried and did not come up; the version from before runs. */
  | { kind: 'fell_back' };

/** @param bootId of the running start; a result from another one is over */
export function outcomeOf(result: UpdateResult | null, started: Started, bootId: string): Outcome {
  if (result === null) return { kind: 'none' };
  const isOfThisBoot = result.bootId === bootId;
  switch (result.state) {
    case 'installing':
      return { kind: isOfThisBoot ? 'installing' : 'interrupted' };
    case 'refused':
    case 'confirmed':
      return { kind: result.state };
    case 'gave_up':
      return { kind: isOfThisBoot ? 'restarting' : 'fell_back' };
    case 'restarting':
      if (isOfThisBoot) return { kind: 'restarting' };
      return { kind: started.onTrial && started.slot === result.slot ? 'trying' : 'fell_back' };
  }
}
