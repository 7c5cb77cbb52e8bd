import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MUTANTS } from './mutants.ts';

const ROOM = join(import.meta.dirname, '..', '..', 'src', 'consensus');

/** The faults themselves are tried by `node test/mutants/main.ts`, which takes minutes. */
describe('the list of mutants', () => {
  it('holds at least twenty, each under a name of its own', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(20);
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  it.each(MUTANTS)('still applies: $file, $name', ({ file, find, replace }) => {
    const parts = readFileSync(join(ROOM, file), 'utf8').split(find);
    expect(parts.length - 1).toBe(1);
    expect(replace).not.toBe(find);
  });
});
