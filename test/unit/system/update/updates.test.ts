/** The radio's part of updates with root's part beside it, on files: found, uploaded, asked for, shown. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  FREE_BESIDE_UPLOAD_BYTES,
  MAX_FOUND,
  MAX_UPDATE_BYTES,
  PICK_UP_MS,
  PROGRESS_POLL_MS,
  STALE_AFTER_MS,
} from '../../../../src/system/update/limits.ts';
import { parseRequest } from '../../../../src/system/update/request.ts';
import { type UpdateResult, writeResult } from '../../../../src/system/update/result.ts';
import { createUpdates, type Updates, type UpdatesComponents } from '../../../../src/system/update/updates.ts';
import { updateContract } from '../../../web/ports-contract.ts';
import { someContent, Workshop } from './card-of-files.ts';

let shop: Workshop;
let update: string;
beforeAll(() => {
  shop = new Workshop();
  update = shop.makeUpdate(someContent());
});
afterAll(() => shop.end());

let nowMs = 0;
/** Under a stick's name as the card gives it. */
const stick = () => join(shop.dir, 'media/sda1');
const data = () => join(shop.dir, 'data');
const results = () => join(shop.dir, 'results');
const request = () => join(data(), 'update/request.json');

async function start(
  part: Partial<UpdatesComponents> = {},
  kernelLine = 'starling.slot=a starling.trial=0',
): Promise<Updates> {
  const log = { info() {}, warn() {} };
  const updates = createUpdates(
    { sticks: () => [{ path: stick() }], makeRoom: async () => false, monoMs: () => nowMs, log, ...part },
    {
      ...{ dataDir: data(), version: '1.1.0' },
      places: {
        keys: shop.keys,
        results: results(),
        sticks: join(shop.dir, 'media'),
        kernelLine,
        bootId: 'now',
        arch: 'arm64',
      },
    },
  );
  if (updates === null) throw new Error('no updates here');
  await updates.start();
  return updates;
}

function clear(): void {
  nowMs = 0;
  for (const folder of ['media', 'data', 'results']) rmSync(join(shop.dir, folder), { recursive: true, force: true });
  mkdirSync(stick(), { recursive: true });
  mkdirSync(data());
  copyFileSync(update, join(stick(), 'x.update'));
}

const tell = (part: Partial<UpdateResult>) =>
  writeResult(results(), {
    ...{ state: 'installing', version: '1.2.0', from: '1.1.0', slot: 'b', percent: 0, bootId: 'now' },
    ...{ code: null, text: null, atMs: 7, before: null },
    ...part,
  });

async function* pieces(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
}

updateContract('the card', async () => {
  clear();
  const part = await start();
  return { part, file: 'sda1/x.update', wrong: someContent().slot, end: () => part.stop() };
});

describe('updates on a card', () => {
  let updates: Updates;
  beforeEach(async () => {
    clear();
    updates = await start();
  });
  afterEach(() => updates.stop());

  const until = async (isSo: () => boolean | Promise<boolean>) => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const phase = async () => (await updates.view()).phase;

  it('are not there on a machine without slots', () => {
    const log = { info() {}, warn() {} };
    const components = { sticks: () => [], makeRoom: async () => false, monoMs: () => 0, log };
    expect(
      createUpdates(components, { dataDir: data(), version: '1.1.0', places: { kernelLine: 'quiet' } }),
    ).toBeNull();
  });

  it('are found at the top of sticks that the card has mounted, each with what is wrong with it', async () => {
    for (const name of ['music.flac', '.hidden.update', 'notes.txt']) writeFileSync(join(stick(), name), 'x');
    mkdirSync(join(stick(), 'folder.update'));
    symlinkSync(update, join(stick(), 'link.update'));
    writeFileSync(join(stick(), 'broken.update'), 'x'.repeat(10_000));
    copyFileSync(update, join(stick(), 'short.update'));
    truncateSync(join(stick(), 'short.update'), 40_000);
    copyFileSync(shop.makeUpdate(someContent(), { version: '1.0.0', name: 'o.update' }), join(stick(), 'older.update'));
    copyFileSync(shop.makeUpdate(someContent(), { arch: 'amd64', name: 'p.update' }), join(stick(), 'pc.update'));
    const { found } = await updates.view();
    expect(found.map(({ file, version, age, refused }) => [file, version, age, refused?.code ?? null])).toEqual([
      ['sda1/broken.update', null, null, 'not_an_update'],
      ['sda1/older.update', '1.0.0', 'older', null],
      ['sda1/pc.update', null, null, 'wrong_machine'],
      ['sda1/short.update', null, null, 'truncated'],
      ['sda1/x.update', '1.2.0', 'newer', null],
    ]);
    expect(found.at(-1)?.created).toBe('2026-11-25T12:00:00Z');
  });

  it('are not looked for elsewhere, nor without end', async () => {
    const elsewhere = await start({
      sticks: () => [{ path: join(shop.dir, 'data') }, { path: join(shop.dir, 'media/..') }],
    });
    writeFileSync(join(data(), 'y.update'), readFileSync(update));
    expect((await elsewhere.view()).found).toEqual([]);
    await elsewhere.stop();
    for (let at = 0; at < MAX_FOUND + 5; at++) copyFileSync(update, join(stick(), `more-${at}.update`));
    expect((await updates.view()).found).toHaveLength(MAX_FOUND);
  });

  it('are asked for by a file that root reads, and shown as they go', async () => {
    let changes = 0;
    updates.onChange(() => changes++);
    expect(await updates.install({ file: 'sda1/x.update', any_version: false })).toEqual({
      ok: true,
      value: { version: '1.2.0' },
    });
    expect(parseRequest(readFileSync(request(), 'utf8'))).toEqual({
      place: { kind: 'stick', stick: 'sda1', name: 'x.update' },
      anyVersion: false,
    });
    expect(readdirSync(join(data(), 'update'))).toEqual(['request.json']);
    expect([updates.isBusy(), await phase(), changes]).toEqual([true, 'waiting', 1]);
    rmSync(request());
    tell({ percent: 40 });
    await until(async () => (await phase()) === 'installing');
    expect(await updates.view()).toMatchObject({ percent: 40, target: '1.2.0', found: [], last: null });
    tell({ state: 'restarting', percent: 100 });
    await until(async () => (await phase()) === 'restarting');
    tell({ state: 'refused', code: 'bad_hash', text: 'Damaged.' });
    await until(async () => (await phase()) === 'idle');
    expect(updates.last()).toEqual({
      outcome: 'refused',
      version: '1.2.0',
      code: 'bad_hash',
      text: 'Damaged.',
      at_ms: 7,
    });
    expect(updates.isBusy()).toBe(false);
  });

  it('are not answered by a result that came since the last look', async () => {
    tell({ state: 'refused', code: 'unknown_key', text: 'Of another file.' });
    expect(await updates.install({ file: 'sda1/x.update', any_version: false })).toMatchObject({ ok: true });
    expect(await phase()).toBe('waiting');
    await pause(2 * PROGRESS_POLL_MS);
    expect(await phase()).toBe('waiting');
  });

  it('that are not newer are asked for only when that is said', async () => {
    rmSync(join(stick(), 'x.update'));
    copyFileSync(shop.makeUpdate(someContent(), { version: '1.0.0', name: 'q.update' }), join(stick(), 'x.update'));
    expect(await updates.install({ file: 'sda1/x.update', any_version: false })).toMatchObject({
      ok: false,
      code: 'not_newer',
    });
    expect(existsSync(request())).toBe(false);
    expect(await updates.install({ file: 'sda1/x.update', any_version: true })).toMatchObject({ ok: true });
    expect(parseRequest(readFileSync(request(), 'utf8')).anyVersion).toBe(true);
  });

  it('that nobody takes up are given up, and the request goes', async () => {
    await updates.install({ file: 'sda1/x.update', any_version: false });
    nowMs = PICK_UP_MS + 1;
    await until(async () => (await phase()) === 'idle');
    expect(updates.last()).toMatchObject({ outcome: 'refused', code: 'no_updater' });
    await until(() => !existsSync(request()));
    expect(await updates.install({ file: 'sda1/x.update', any_version: false })).toMatchObject({ ok: true });
    expect(updates.last()).toBeNull();
  });

  it('that are taken up after all, if late, are told as they go', async () => {
    await updates.install({ file: 'sda1/x.update', any_version: false });
    nowMs = PICK_UP_MS + 1;
    await until(async () => (await phase()) === 'idle');
    tell({ percent: 10 });
    await until(async () => (await phase()) === 'installing');
    tell({ state: 'refused', code: 'bad_hash', text: 'Damaged.' });
    await until(async () => (await phase()) === 'idle');
    expect(updates.last()).toMatchObject({ outcome: 'refused', code: 'bad_hash' });
  });

  it('that stop without a word are over after a while', async () => {
    tell({ percent: 10 });
    await until(async () => (await phase()) === 'installing');
    nowMs = STALE_AFTER_MS + 1;
    expect([await phase(), updates.last()?.outcome]).toEqual(['idle', 'interrupted']);
  });

  it.each<[string, Partial<UpdateResult>, string, string, string | undefined]>([
    ['power went while it was written', { bootId: 'before' }, 'starling.slot=a', 'idle', 'interrupted'],
    [
      'it is on trial',
      { state: 'restarting', bootId: 'before' },
      'starling.slot=b starling.trial=1',
      'trying',
      undefined,
    ],
    [
      'it did not come up',
      { state: 'restarting', bootId: 'before' },
      'starling.slot=a starling.trial=0',
      'idle',
      'fell_back',
    ],
    [
      'it was given up',
      { state: 'gave_up', bootId: 'before' },
      'starling.slot=a starling.trial=0',
      'idle',
      'fell_back',
    ],
    ['it works', { state: 'confirmed', bootId: 'before' }, 'starling.slot=b starling.trial=0', 'idle', 'confirmed'],
  ])('after a start tell that %s', async (_, result, line, expected, outcome) => {
    tell(result);
    const after = await start({}, line);
    expect([(await after.view()).phase, after.last()?.outcome]).toEqual([expected, outcome]);
    await after.stop();
  });

  it.each(['{', '[]', '{"version":2}', '{"version":1,"state":"done"}', 'x'.repeat(20_000), ''])(
    'do without a result that cannot be read: %.20s',
    async (text) => {
      mkdirSync(results(), { recursive: true });
      writeFileSync(join(results(), 'result.json'), text);
      const after = await start();
      expect([(await after.view()).phase, after.last()]).toEqual(['idle', null]);
      await after.stop();
    },
  );
});

describe('an upload to a card', () => {
  let updates: Updates;
  beforeEach(async () => {
    clear();
    updates = await start();
  });
  afterEach(() => updates.stop());
  const folder = () => readdirSync(join(data(), 'update'));

  it('is kept under one name, looked at, found, and asked for', async () => {
    const bytes = readFileSync(update);
    const answer = await updates.receive(bytes.length, pieces(bytes));
    expect(answer).toMatchObject({ ok: true, value: { file: 'upload', version: '1.2.0', age: 'newer' } });
    expect(folder()).toEqual(['upload.update']);
    expect(readFileSync(join(data(), 'update/upload.update')).equals(bytes)).toBe(true);
    expect((await updates.view()).found.map(({ file }) => file)).toEqual(['upload', 'sda1/x.update']);
    expect(await updates.install({ file: 'upload', any_version: false })).toMatchObject({ ok: true });
    expect(parseRequest(readFileSync(request(), 'utf8')).place).toEqual({ kind: 'upload' });
  });

  it('that is refused takes no room', async () => {
    const wrong = someContent().slot;
    expect(await updates.receive(wrong.length, pieces(wrong))).toMatchObject({ ok: false, code: 'not_an_update' });
    async function* breaking() {
      yield Buffer.alloc(10_000);
      throw new Error('aborted');
    }
    expect(await updates.receive(50_000, breaking())).toMatchObject({ ok: false, code: 'cut_off' });
    expect(folder()).toEqual([]);
  });

  it('shows how far it is, and shuts out another', async () => {
    const gate = Promise.withResolvers<void>();
    async function* slowly() {
      yield Buffer.alloc(30_000);
      await gate.promise;
    }
    const receiving = updates.receive(100_000, slowly());
    while ((await updates.view()).percent !== 30) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await updates.view()).toMatchObject({ phase: 'receiving', percent: 30 });
    expect(updates.isBusy()).toBe(true);
    expect(await updates.receive(10, pieces(Buffer.alloc(10)))).toMatchObject({ ok: false, code: 'update_busy' });
    expect(await updates.install({ file: 'sda1/x.update', any_version: true })).toMatchObject({ code: 'update_busy' });
    gate.resolve();
    expect(await receiving).toMatchObject({ ok: false, code: 'cut_off' });
    expect(updates.isBusy()).toBe(false);
  });

  it('that the card has no room for makes others’ tracks go, as long as there are any', async () => {
    const free = { bytes: FREE_BESIDE_UPLOAD_BYTES };
    let tracks = 3;
    const makeRoom = async () => {
      free.bytes += 10_000_000;
      return tracks-- > 0;
    };
    const full = await start({ makeRoom, freeBytes: async () => free.bytes });
    expect(await full.prepare(15_000_000)).toEqual({ ok: true, value: null });
    expect(tracks).toBe(1);
    expect(await full.prepare(40_000_001)).toMatchObject({ ok: false, code: 'no_room' });
    const stuck = await start({ makeRoom: async () => true, freeBytes: async () => 0 });
    expect(await stuck.prepare(1)).toMatchObject({ ok: false, code: 'no_room' });
    expect(await full.prepare(MAX_UPDATE_BYTES + 1)).toMatchObject({ ok: false, code: 'too_large' });
    await full.stop();
    await stuck.stop();
  });

  it('that was left from before is taken away at the start, but not under root’s hands', async () => {
    const bytes = readFileSync(update);
    await updates.receive(bytes.length, pieces(bytes));
    await updates.install({ file: 'upload', any_version: false });
    await (await start()).stop();
    expect(folder()).toContain('upload.update');
    rmSync(request());
    await (await start()).stop();
    expect(folder()).toEqual([]);
  });
});
