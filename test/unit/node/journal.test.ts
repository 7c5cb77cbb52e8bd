import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Persisted } from '../../../src/consensus/events.ts';
import { IdentityError, loadIdentity } from '../../../src/node/identity.ts';
import { DataDirectoryInUseError, Journal } from '../../../src/node/journal.ts';

const SOURCE = resolve(import.meta.dirname, '../../../src/node/journal.ts');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'starling-journal-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('Journal', () => {
  it('gives back what was written, bytes and all, and forgets what was deleted', () => {
    const journal = new Journal(directory);
    journal.write([
      { key: 'a', value: { v: 1, bytes: new Uint8Array([1, 2]), nested: { n: 5 } } },
      { key: 'b', value: { v: 1 } },
    ]);
    journal.write([{ key: 'b', value: null }]);
    journal.close();
    const again = new Journal(directory);
    expect(again.read()).toEqual({ a: { v: 1, bytes: new Uint8Array([1, 2]), nested: { n: 5 } } });
    again.close();
  });

  it('writes a batch whole or not at all', () => {
    const journal = new Journal(directory);
    const bad = { v: 1, f: () => 1 } as unknown as { v: 1 };
    expect(() =>
      journal.write([
        { key: 'a', value: { v: 1 } },
        { key: 'b', value: bad },
      ]),
    ).toThrow();
    expect(journal.read()).toEqual({});
    journal.close();
  });

  it('hands a row that cannot be read over empty, and tells it', () => {
    const journal = new Journal(directory);
    journal.write([{ key: 'a', value: { v: 1 } }]);
    journal.close();
    const database = new DatabaseSync(join(directory, 'journal.db'));
    // No CBOR; a number; and a map without its version.
    database.exec("INSERT INTO entries(key, value) VALUES ('b', x'ff00ff'), ('c', x'07'), ('d', x'a0')");
    database.close();
    const again = new Journal(directory);
    expect(again.read()).toEqual({ a: { v: 1 }, b: { v: 1 }, c: { v: 1 }, d: { v: 1 } });
    expect(again.damage).toHaveLength(3);
    again.close();
  });

  it('moves a file aside that is no journal, and begins anew', () => {
    writeFileSync(join(directory, 'journal.db'), 'no database at all'.repeat(500));
    const journal = new Journal(directory);
    journal.write([{ key: 'a', value: { v: 1 } }]);
    expect(journal.read()).toEqual({ a: { v: 1 } });
    expect(journal.damage).toHaveLength(1);
    expect(statSync(join(directory, 'journal.db.damaged')).size).toBe(9_000);
    journal.close();
  });

  it('names the data directory when another process holds it', async () => {
    const script = `const { Journal } = await import(${JSON.stringify(SOURCE)}); new Journal(${JSON.stringify(directory)}); console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout!, 'data');
    expect(() => new Journal(directory)).toThrow(DataDirectoryInUseError);
    child.kill('SIGKILL');
    await once(child, 'exit');
    new Journal(directory).close();
  });

  it('keeps everything acknowledged when it is killed in the middle of writing', async () => {
    const script = `const { Journal } = await import(${JSON.stringify(SOURCE)}); const j = new Journal(${JSON.stringify(directory)});
      for (let i = 0; ; i++) { j.write([{ key: 'x', value: { v: 1, i } }, { key: 'y', value: { v: 1, i } }]); process.stdout.write(i + '\\n'); }`;
    for (const runMs of [150, 230, 310]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let acknowledged = '';
      child.stdout!.on('data', (chunk) => (acknowledged += chunk));
      await once(child.stdout!, 'data');
      await new Promise((resolve) => setTimeout(resolve, runMs));
      child.kill('SIGKILL');
      await once(child, 'close');
      const last = Number(acknowledged.trim().split('\n').slice(0, -1).at(-1) ?? 0);
      const journal = new Journal(directory);
      const { x, y } = journal.read() as unknown as Record<string, { i: number }>;
      journal.close();
      expect(x!.i).toBeGreaterThanOrEqual(last);
      expect(y!.i).toBe(x!.i);
    }
  });

  it('of a newer version is set aside, told, and kept for it', () => {
    const first = new Journal(directory);
    first.write([{ key: 'k', value: { v: 1, i: 1 } as Persisted }]);
    first.close();
    const database = new DatabaseSync(join(directory, 'journal.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    const back = new Journal(directory);
    expect(back.read()).toEqual({});
    expect(back.damage.join()).toMatch(/format 99.*journal\.db\.newer/);
    back.close();
    const kept = new DatabaseSync(join(directory, 'journal.db.newer'));
    expect(kept.prepare('SELECT count(*) AS n FROM entries').get()).toEqual({ n: 1 });
    kept.close();
  });
});

describe('identity', () => {
  it('is made once, for its owner’s eyes only', () => {
    const first = loadIdentity(directory);
    expect(loadIdentity(directory)).toEqual(first);
    expect(first.signingSeed).not.toEqual(first.vrfSeed);
    expect(statSync(join(directory, 'identity.json')).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['not JSON', '{'],
    ['not a JSON object', 'null'],
    ['version 2', '{"version":2}'],
    ['bad signing_seed', '{"version":1,"signing_seed":"x","vrf_seed":"y"}'],
  ])('is never replaced in silence: %s', (cause, text) => {
    writeFileSync(join(directory, 'identity.json'), text);
    expect(() => loadIdentity(directory)).toThrow(IdentityError);
    expect(() => loadIdentity(directory)).toThrow(cause);
  });

  it('of a newer version gives way to the copy that it left of this one', () => {
    const identity = loadIdentity(directory);
    const path = join(directory, 'identity.json');
    const newer = '{"version":2,"seeds":"elsewhere"}';
    renameSync(path, `${path}.v1.bak`);
    writeFileSync(path, newer);
    expect(loadIdentity(directory)).toEqual(identity);
    expect(loadIdentity(directory)).toEqual(identity);
    expect(readFileSync(`${path}.v2.bak`, 'utf8')).toBe(newer);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
