/**
 * `node test/mutants/main.ts [NAME ...]`: puts each fault of mutants.ts into a copy of the project and runs the tests of
 * the consensus room and the simulation on it. A fault that no test finds is a hole in the tests; exit code 1 then.
 * NAME picks the mutants whose name contains it. Takes some seconds a mutant.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MUTANTS, type Mutant } from './mutants.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COPIED = ['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
/** Tried in this order: most faults are found by the quick ones. */
const QUICK = ['rounds', 'timeline', 'eligibility', 'evidence', 'log', 'fold', 'draw', 'canonical'];
/** And these find most of the rest, in some seconds. */
const NEXT = ['node', 'hostile', 'memory', 'merge', 'fork', 'adversary'];
const inRoom = (names: readonly string[]): string[] => names.map((name) => `test/unit/consensus/${name}.test.ts`);
const TESTS = [inRoom(QUICK), inRoom(NEXT), ['test/unit/consensus', 'test/simulation']];
/** A mutant that hangs has been found too: nothing here takes that long, on a busy machine either. */
const TIMEOUT_MS = 900_000;

type Outcome = { kind: 'found'; by: string } | { kind: 'missed' } | { kind: 'stale' };

function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), 'starling-mutants-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Runs the tests up to the first failure; its name, or null when all pass. */
function firstFailure(copy: string): string | null {
  for (const tests of TESTS) {
    const failure = failureIn(copy, tests);
    if (failure !== null) return failure;
  }
  return null;
}

function failureIn(copy: string, tests: readonly string[]): string | null {
  const vitest = join(copy, 'node_modules', 'vitest', 'vitest.mjs');
  const run = spawnSync(
    process.execPath,
    [vitest, 'run', '--project', 'unit', '--no-isolate', '--bail', '1', ...tests],
    {
      cwd: copy,
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      env: { ...process.env, NO_COLOR: '1', STARLING_RUNS: '25' },
    },
  );
  if (run.status === 0) return null;
  const failed = /FAIL\s+(?:unit\s+)?(.+)/.exec(`${run.stdout}${run.stderr}`);
  return failed?.[1]?.trim() ?? (run.signal === null ? 'a run that ended badly' : 'a run that did not end');
}

function tryMutant(copy: string, { file, find, replace }: Mutant): Outcome {
  const path = join(copy, 'src', 'consensus', file);
  if (!existsSync(path)) return { kind: 'stale' };
  const whole = readFileSync(path, 'utf8');
  if (whole.split(find).length !== 2) return { kind: 'stale' };
  writeFileSync(
    path,
    whole.replace(find, () => replace),
  );
  try {
    const by = firstFailure(copy);
    return by === null ? { kind: 'missed' } : { kind: 'found', by };
  } finally {
    writeFileSync(path, whole);
  }
}

function main(names: readonly string[]): number {
  const chosen = MUTANTS.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)));
  if (chosen.length === 0) {
    console.error(`no mutant is called so; there are:\n${MUTANTS.map(({ name }) => `  ${name}`).join('\n')}`);
    return 2;
  }
  const copy = copyProject();
  try {
    const broken = firstFailure(copy);
    if (broken !== null) {
      console.error(`the tests fail without any fault: ${broken}`);
      return 2;
    }
    const holes: string[] = [];
    for (const mutant of chosen) {
      const outcome = tryMutant(copy, mutant);
      if (outcome.kind !== 'found') holes.push(mutant.name);
      const word = outcome.kind === 'stale' ? 'DOES NOT APPLY' : outcome.kind === 'missed' ? 'MISSED' : 'found';
      console.log(
        `${word.padEnd(15)} ${mutant.file}: ${mutant.name}${outcome.kind === 'found' ? `\n${' '.repeat(16)}by ${outcome.by}` : ''}`,
      );
    }
    console.log(`\n${chosen.length - holes.length} of ${chosen.length} found`);
    return holes.length === 0 ? 0 : 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

process.exitCode = main(process.argv.slice(2));
