/** Checks one configuration of settling.pml with spin, exhaustively. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODEL = join(import.meta.dirname, 'settling.pml');
const MAX_DEPTH = 100_000;
/** Of the checker's tables: the largest configuration here takes a third. */
const MAX_MEMORY_MB = 1_024;
const TIMEOUT_MS = 60_000;

export interface Configuration {
  honest: number;
  faulty: number;
  proposers: number;
  /** R. */
  rounds: number;
  /** M. */
  relayed: number;
  /** A wrong variant of the rules, see settling.pml. */
  variant?: 'BEYOND' | 'ONE_VALUE' | 'NO_WORD';
}

export interface Verdict {
  /** Two honest nodes decided differently in some run. */
  splits: boolean;
  states: number;
}

/** Why the model cannot be checked here; null when it can. */
export function whyNotHere(): string | null {
  const missing = [
    ['spin', '-V'],
    ['cc', '--version'],
  ].filter(([program, flag]) => spawnSync(program!, [flag!]).error !== undefined);
  if (missing.length === 0) return null;
  return `${missing.map(([program]) => program).join(' and ')} not found: apt-get install spin gcc libc6-dev`;
}

/**
 * @param quick - compile fast rather than search fast
 * @throws Error when the model does not compile or was not searched to its end
 */
export function check(configuration: Configuration, quick = false): Verdict {
  const directory = mkdtempSync(join(tmpdir(), 'starling-model-'));
  try {
    execFileSync('spin', ['-a', ...definitions(configuration), MODEL], { cwd: directory });
    // A run that splits is found in an instant: there the compiler is what takes time.
    const flags = [quick ? '-O0' : '-O1', '-DSAFETY', '-DCOLLAPSE', `-DMEMLIM=${MAX_MEMORY_MB}`];
    execFileSync('cc', [...flags, '-o', 'pan', 'pan.c'], { cwd: directory, stdio: 'pipe' });
    const output = execFileSync(join(directory, 'pan'), [`-m${MAX_DEPTH}`, '-w22', '-n'], {
      cwd: directory,
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    return read(output);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function definitions({ honest, faulty, proposers, rounds, relayed, variant }: Configuration): string[] {
  const numbers = { HON: honest, FAULTY: faulty, PROPOSERS: proposers, R: rounds, M: relayed };
  const defined = Object.entries(numbers).map(([name, value]) => `-D${name}=${value}`);
  return variant === undefined ? defined : [...defined, `-D${variant}`];
}

function read(output: string): Verdict {
  const errors = /errors: (\d+)/.exec(output);
  const states = /(\d+) states, stored/.exec(output);
  if (errors === null || states === null) throw new Error(`the checker said nothing that can be read:\n${output}`);
  const splits = errors[1] !== '0';
  if (splits !== output.includes('assertion violated')) throw new Error(`another error than a split:\n${output}`);
  if (!splits && /max search depth too small|out of memory|aborting/.test(output))
    throw new Error(`cut short:\n${output}`);
  return { splits, states: Number(states[1]) };
}
