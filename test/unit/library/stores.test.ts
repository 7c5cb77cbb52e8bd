import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Key } from 'interface-datastore';
import { CID } from 'multiformats/cid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cidOf, DAG_CBOR, RAW } from '../../../src/library/cid.ts';
import { type ContentStore, createContentStore, digestOf } from '../../../src/library/content-store.ts';
import { createDatastore, type SqliteDatastore } from '../../../src/library/datastore.ts';
import { TrackIndex } from '../../../src/library/track-index.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'starling-stores-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function all<T>(from: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of from) found.push(one);
  return found;
}

describe('content store', () => {
  let store: ContentStore;
  const bytes = Buffer.from('six seconds of music');
  const cid = cidOf(RAW, bytes);
  const fileOf = (of: CID) => join(directory, digestOf(of).slice(0, 2), digestOf(of).slice(2));

  beforeEach(() => {
    store = createContentStore({ dir: directory });
  });

  it('keeps a block and gives it back, under any codec', async () => {
    expect(await store.put(cid, bytes)).toBe(cid);
    expect(await store.has(cid)).toBe(true);
    expect(await store.size(cid)).toBe(bytes.length);
    expect(Buffer.concat(await all(store.get(cid)))).toEqual(bytes);
    expect(await store.getBytes(CID.createV1(DAG_CBOR, cid.multihash))).toEqual(bytes);
  });

  it('takes blocks in parts, many at a time, and lists them', async () => {
    const blocks = Array.from({ length: 20 }, (_, i) => Buffer.from(`block ${i}`));
    const pairs = blocks.map((block) => ({ cid: cidOf(RAW, block), bytes: [block.subarray(0, 3), block.subarray(3)] }));
    expect((await all(store.putMany(pairs))).length).toBe(20);
    const listed = await all(store.getAll());
    expect(listed.map((pair) => pair.cid.toString()).sort()).toEqual(pairs.map((pair) => pair.cid.toString()).sort());
    expect((await all(store.deleteMany(pairs.map((pair) => pair.cid)))).length).toBe(20);
    expect(await all(store.getAll())).toEqual([]);
  });

  it('says that a block is not here, and deletes what is not here without fuss', async () => {
    expect(await store.has(cid)).toBe(false);
    expect(await store.getBytes(cid)).toBeNull();
    await expect(all(store.get(cid))).rejects.toMatchObject({ name: 'NotFoundError' });
    await store.delete(cid);
  });

  it.each([
    ['an empty file', ''],
    ['a changed one', 'six seconds of nuisc'],
  ])('never gives out %s', async (_, content) => {
    await store.put(cid, bytes);
    writeFileSync(fileOf(cid), content);
    expect(await store.getBytes(cid)).toBeNull();
    expect(await store.has(cid)).toBe(false);
    await store.put(cid, bytes);
    expect(await store.getBytes(cid)).toEqual(bytes);
  });

  it('writes a block again whose file a power cut left empty', async () => {
    await store.put(cid, bytes);
    writeFileSync(fileOf(cid), '');
    await store.put(cid, bytes);
    expect(await store.getBytes(cid)).toEqual(bytes);
  });

  it('removes what a killed process left half written', async () => {
    await store.put(cid, bytes);
    writeFileSync(join(directory, 'parts', '1-old-1'), 'half a bl');
    await store.start();
    expect(readdirSync(join(directory, 'parts'))).toEqual([]);
    expect(await store.has(cid)).toBe(true);
  });

  it('refuses what is too large, before it is all read, and hashes it does not know', async () => {
    const large = Buffer.alloc((2 << 20) + 1);
    await expect(store.put(cidOf(RAW, large), large)).rejects.toMatchObject({ code: 'ERR_BLOCK_TOO_LARGE' });
    function* endless() {
      while (true) yield Buffer.alloc(1 << 20);
    }
    await expect(store.put(cid, endless())).rejects.toMatchObject({ code: 'ERR_BLOCK_TOO_LARGE' });
    const identity = CID.parse('bafkqaaik');
    await expect(store.put(identity, bytes)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_CID' });
  });

  it('keeps its reserve of free space', async () => {
    const full = createContentStore({ dir: directory, minFreeBytes: Number.MAX_SAFE_INTEGER });
    await expect(full.put(cid, bytes)).rejects.toMatchObject({ code: 'ERR_STORE_FULL' });
    expect(await full.has(cid)).toBe(false);
  });

  it('asks other sources, and checks what they say', async () => {
    store.addSource({ has: () => true, get: async () => Buffer.from('something else') });
    expect(await store.getBytes(cid)).toBeNull();
    store.addSource({ has: () => true, get: async () => bytes });
    expect(await store.has(cid)).toBe(true);
    expect(await store.getBytes(cid)).toEqual(bytes);
  });

  it('takes the same block from many at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => store.put(cid, bytes)));
    expect(await store.getBytes(cid)).toEqual(bytes);
    expect(readdirSync(join(directory, 'parts'))).toEqual([]);
  });
});

describe('the index of tracks', () => {
  it('of a newer version is made again', () => {
    const first = new TrackIndex(directory);
    first.close();
    const newer = new DatabaseSync(join(directory, 'library.db'));
    newer.exec('DROP TABLE places; CREATE TABLE places(other TEXT); PRAGMA user_version = 99');
    newer.close();
    const back = new TrackIndex(directory);
    back.close();
    const read = new DatabaseSync(join(directory, 'library.db'));
    expect(read.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
    expect(read.prepare('SELECT count(*) AS n FROM places p WHERE p.print IS NOT NULL').get()).toEqual({ n: 0 });
    read.close();
  });
});

describe('datastore', () => {
  let store: SqliteDatastore;
  beforeEach(() => {
    store = createDatastore({ path: join(directory, 'deep', 'store.db') });
  });
  afterEach(() => store.close());

  it('keeps values over a restart', async () => {
    await store.put(new Key('/pins/a'), Buffer.from([1, 2]));
    store.close();
    const again = createDatastore({ path: join(directory, 'deep', 'store.db') });
    expect(Buffer.from(await again.get(new Key('/pins/a')))).toEqual(Buffer.from([1, 2]));
    expect(await again.has(new Key('/pins/b'))).toBe(false);
    again.close();
  });

  it('answers NotFoundError, and deletes', async () => {
    await store.put(new Key('/a'), Buffer.from('x'));
    await store.delete(new Key('/a'));
    expect(() => store.get(new Key('/a'))).toThrow(expect.objectContaining({ name: 'NotFoundError' }));
  });

  it('queries by prefix, in order, over more than one page', async () => {
    for (let i = 0; i < 600; i++)
      await store.put(new Key(`/peers/${String(i).padStart(4, '0')}`), Buffer.from([i & 255]));
    await store.put(new Key('/pins/x'), Buffer.from('p'));
    await store.put(new Key('/peerz/x'), Buffer.from('p'));
    const keys = await all(store.queryKeys({ prefix: '/peers/' }));
    expect(keys.length).toBe(600);
    expect(keys[599]!.toString()).toBe('/peers/0599');
    const some = await all(
      store.query({ prefix: '/peers/', offset: 10, limit: 2, filters: [({ value }) => value[0]! % 2 === 0] }),
    );
    expect(some.map(({ key }) => key.toString())).toEqual(['/peers/0020', '/peers/0022']);
    expect((await all(store.query({}))).length).toBe(602);
  });

  it('may be written to while it is queried', async () => {
    for (let i = 0; i < 300; i++) await store.put(new Key(`/k/${i}`), Buffer.from('v'));
    for await (const key of store.queryKeys({ prefix: '/k/' })) await store.delete(key);
    expect(await all(store.queryKeys({ prefix: '/k/' }))).toEqual([]);
  });

  it('commits a batch whole', async () => {
    await store.put(new Key('/old'), Buffer.from('x'));
    const batch = store.batch();
    batch.put(new Key('/new'), Buffer.from('y'));
    batch.delete(new Key('/old'));
    expect(await store.has(new Key('/new'))).toBe(false);
    await batch.commit();
    expect([await store.has(new Key('/new')), await store.has(new Key('/old'))]).toEqual([true, false]);
  });
});
