import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setAsideIfDamaged } from '../../../src/node/damaged-file.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'starling-damaged-'));
  path = join(directory, 'some.db');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function makeDatabase(): void {
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE t(x TEXT); BEGIN');
  const put = database.prepare('INSERT INTO t VALUES (?)');
  for (let i = 0; i < 200; i++) put.run('x'.repeat(500));
  database.exec('COMMIT');
  database.close();
}

describe('setAsideIfDamaged', () => {
  it('leaves a sound database and a missing one alone', () => {
    expect(setAsideIfDamaged(path, true)).toBeNull();
    makeDatabase();
    expect(setAsideIfDamaged(path, true)).toBeNull();
    expect(existsSync(path)).toBe(true);
  });

  it('moves what is no database', () => {
    writeFileSync(path, 'garbage'.repeat(1_000));
    expect(setAsideIfDamaged(path, false)).toBe(`${path}.damaged`);
    expect(existsSync(path)).toBe(false);
  });

  it('finds a damaged page when it looks thoroughly, and keeps the newest damaged copy only', () => {
    writeFileSync(`${path}.damaged`, 'an older one');
    makeDatabase();
    const bytes = readFileSync(path);
    bytes.fill(0xee, 4_096 * 3, 4_096 * 5);
    writeFileSync(path, bytes);
    expect(setAsideIfDamaged(path, true)).toBe(`${path}.damaged`);
    expect(statSync(`${path}.damaged`).size).toBe(bytes.length);
  });
});
