import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSmallBundles } from '../../src/setup/bundle.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
/** They start at every boot, or while the radio plays: a card reads some 20 MB a second. */
const MAX_BYTES = 512 * 1024;

let dir: string;
let made: Awaited<ReturnType<typeof makeSmallBundles>>;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'starling-small-'));
  made = await makeSmallBundles(ROOT, { outDir: dir });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the small programs of the card', () => {
  it('are small, and hold no network', () => {
    expect(made.length).toBeGreaterThan(0);
    for (const { path, bytes, packages } of made) {
      expect(bytes, path).toBeLessThan(MAX_BYTES);
      expect(
        packages.map(([name]) => name).filter((name) => /libp2p|helia|express/.test(name)),
        path,
      ).toEqual([]);
    }
  });

  it('apply a starling.txt', () => {
    const card = join(dir, 'card');
    for (const place of ['boot/firmware', 'data', 'var/lib/starling'])
      mkdirSync(join(card, place), { recursive: true });
    writeFileSync(join(card, 'boot/firmware/starling.txt'), 'name = Kitchen\r\nstation : Zuhause\r\n');
    execFileSync(process.execPath, [join(dir, 'card.mjs'), '--root', card], { stdio: ['ignore', 'ignore', 'inherit'] });
    const settings = JSON.parse(readFileSync(join(card, 'var/lib/starling/settings.json'), 'utf8'));
    expect(settings).toEqual({ version: 1, name: 'Kitchen', station: 'Zuhause' });
  });
});
