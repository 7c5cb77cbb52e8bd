import { afterEach, describe, expect, it } from 'vitest';
import type { ScheduledTrack } from '../../../src/consensus/events.ts';
import { MAX_KEPT_TRACKS, MIN_KEPT_TRACKS } from '../../../src/node/bounds.ts';
import { CrossSeeder } from '../../../src/node/cross-seeder.ts';
import { KeptTracks } from '../../../src/node/kept-tracks.ts';
import { MemoryBlocks, MemoryPeers, own, plan, quiet, readPlan, stock } from './fakes.ts';

const running: CrossSeeder[] = [];
afterEach(() => {
  for (const seeder of running.splice(0)) seeder.stop();
});

function setUp(ownTracks: string[] = []) {
  const blocks = new MemoryBlocks();
  const content = new MemoryPeers(blocks);
  const way = { isBusy: false };
  const kept = new KeptTracks({
    content,
    blocks,
    readManifest: readPlan,
    ownTracks: () => ownTracks.map((name) => own(name)),
    write: () => {},
    log: quiet,
  });
  const seeder = new CrossSeeder(
    {
      content,
      blocks,
      readManifest: readPlan,
      isBusy: () => way.isBusy,
      reserve: (manifests) => kept.reserve(manifests),
      enter: (manifest, value) => kept.enterReserved(manifest, value),
      isKept: (manifest) => kept.has(manifest),
      discard: (manifest, value, brought) => kept.discard(manifest, value, brought),
      log: quiet,
    },
    { pauseMs: 1, retryMs: 5 },
  );
  running.push(seeder);
  return { seeder, kept, blocks, content, way };
}

const named = (name: string): ScheduledTrack => ({
  track_hash: `sha256:${name}`,
  track_name: name,
  duration_ms: 24_000,
  manifest: `m-${name}`,
  owners: ['peer'],
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isTrue(); i++) await pause(10);
  expect(isTrue()).toBe(true);
}

describe('CrossSeeder', () => {
  it('brings what the rule names, whole, one block at a time, and pins it', async () => {
    const { seeder, kept, blocks, content } = setUp();
    for (const name of ['a', 'b']) stock(content.held, plan(name));
    seeder.keep([named('a'), named('b')]);
    await until(() => content.pinned.size === 2);
    expect(blocks.held.size).toBe(10);
    expect(content.mostOpen).toBe(1);
    expect(kept.size).toBe(2);
  });

  it('waits while anything of the queue is on its way', async () => {
    const { seeder, content, way } = setUp();
    stock(content.held, plan('a'));
    way.isBusy = true;
    seeder.keep([named('a')]);
    await pause(30);
    expect(content.asked).toEqual([]);
    way.isBusy = false;
    await until(() => content.asked.length > 1);
    way.isBusy = true;
    await pause(20);
    const before = content.asked.length;
    await pause(30);
    expect(content.asked.length).toBe(before);
    way.isBusy = false;
    await until(() => content.pinned.has('m-a'));
  });

  it('replaces the earlier list: what was not here yet comes no more', async () => {
    const { seeder, content, way } = setUp();
    for (const name of ['a', 'b']) stock(content.held, plan(name));
    way.isBusy = true;
    seeder.keep([named('a')]);
    seeder.keep([named('b')]);
    way.isBusy = false;
    await until(() => content.pinned.has('m-b'));
    expect(content.asked.some((cid) => cid.includes('a'))).toBe(false);
  });

  it('tries again what failed, and asks for nothing twice that is here', async () => {
    const { seeder, content } = setUp();
    stock(content.held, plan('a'));
    content.failures.set('a-2', 2);
    seeder.keep([named('a')]);
    await until(() => content.pinned.has('m-a'));
    expect(content.asked.filter((cid) => cid === 'a-1')).toEqual(['a-1']);
    expect(content.asked.filter((cid) => cid === 'a-2')).toHaveLength(3);
  });

  it('leaves nothing of own tracks, or of manifests that are of another track, behind', async () => {
    const { seeder, kept, blocks, content } = setUp(['mine']);
    stock(content.held, plan('mine'));
    stock(content.held, plan('other'));
    content.held.set('m-lie', content.held.get('m-other')!);
    seeder.keep([named('mine'), named('lie')]);
    await until(() => content.asked.length === 2);
    await until(() => blocks.held.size === 0);
    expect(kept.size).toBe(0);
  });

  it('leaves neither blocks nor a pin of a track that the books drop while it comes', async () => {
    const { seeder, kept, blocks, content, way } = setUp();
    for (let i = 0; i < MIN_KEPT_TRACKS; i++) {
      stock(blocks.held, plan(`b${i}`));
      await kept.keep(`m-b${i}`, plan(`b${i}`));
    }
    const before = [...blocks.held.keys()];
    stock(content.held, plan('a'));
    const fetch = content.fetch.bind(content);
    content.fetch = async (cid, options) => {
      if (cid === 'a-1') way.isBusy = true;
      return await fetch(cid, options);
    };
    seeder.keep([named('a')]);
    await until(() => blocks.held.has('a-1'));
    expect(seeder.isOrdered('m-a')).toBe(true);
    expect(await kept.makeRoom()).toBe(true);
    way.isBusy = false;
    await until(() => !seeder.isOrdered('m-a'));
    expect([...blocks.held.keys()]).toEqual(before);
    expect(content.pinned.size).toBe(0);
    expect(kept.has('m-a')).toBe(false);
  });

  it('takes back the pin of a track that the books drop while it is pinned', async () => {
    const { seeder, kept, blocks, content } = setUp();
    for (let i = 0; i < MIN_KEPT_TRACKS; i++) await kept.keep(`m-b${i}`, plan(`b${i}`));
    stock(content.held, plan('a'));
    const pin = content.pin.bind(content);
    content.pin = async (root) => {
      await kept.makeRoom();
      await pin(root);
    };
    seeder.keep([named('a')]);
    await until(() => kept.has('m-a'));
    await until(() => !seeder.isOrdered('m-a'));
    expect([blocks.held.size, content.pinned.size, kept.has('m-a')]).toEqual([0, 0, false]);
  });

  it('keeps what another word brought back into the books meanwhile', async () => {
    const { kept, blocks, content } = setUp(['mine']);
    stock(blocks.held, plan('a'));
    await content.pin('m-a');
    await kept.keep('m-a', plan('a'));
    await kept.discard('m-a', plan('a'), ['a-0']);
    expect([blocks.held.has('a-0'), content.pinned.has('m-a')]).toEqual([true, true]);
    stock(blocks.held, plan('mine'));
    await kept.discard('m-mine', plan('mine'), ['mine-0', 'm-mine']);
    expect(blocks.held.has('mine-0')).toBe(true);
  });

  it('gives up after some rounds what nobody has', async () => {
    const { seeder, content } = setUp();
    seeder.keep([named('gone')]);
    await until(() => content.asked.length === 6);
    await pause(400);
    expect(content.asked.length).toBe(6);
  });
});

describe('KeptTracks with reserved tracks', () => {
  it('drops every other old track before a reserved one, and a reserved one before what plays', async () => {
    const { kept, blocks } = setUp();
    kept.reserve(['m-seed']);
    expect(await kept.enterReserved('m-seed', plan('seed'))).toBe(true);
    stock(blocks.held, plan('seed'));
    for (let i = 0; i < MAX_KEPT_TRACKS + 3; i++) {
      await kept.keep(`m-t${i}`, plan(`t${i}`));
      stock(blocks.held, plan(`t${i}`));
    }
    expect(kept.size).toBe(MAX_KEPT_TRACKS);
    expect(blocks.held.has('seed-0')).toBe(true);
    expect(blocks.held.has('t0-0')).toBe(false);
    while (kept.size > MIN_KEPT_TRACKS) expect(await kept.makeRoom()).toBe(true);
    expect(blocks.held.has('seed-0')).toBe(false);
    expect(blocks.held.has(`t${MAX_KEPT_TRACKS + 2}-0`)).toBe(true);
  });

  it('lets no list of the rule push out what was used last', async () => {
    const { kept, blocks } = setUp();
    const seeds = Array.from({ length: MAX_KEPT_TRACKS }, (_, i) => `s${i}`);
    kept.reserve(seeds.map((name) => `m-${name}`));
    for (let i = 0; i < MIN_KEPT_TRACKS; i++) {
      await kept.keep(`m-t${i}`, plan(`t${i}`));
      stock(blocks.held, plan(`t${i}`));
    }
    for (const name of seeds) await kept.enterReserved(`m-${name}`, plan(name));
    expect(kept.size).toBe(MAX_KEPT_TRACKS);
    for (let i = 0; i < MIN_KEPT_TRACKS; i++) expect(blocks.held.has(`t${i}-0`)).toBe(true);
  });

  it('treats a track that is named no longer like any other old one', async () => {
    const { kept, blocks } = setUp();
    kept.reserve(['m-seed']);
    await kept.enterReserved('m-seed', plan('seed'));
    stock(blocks.held, plan('seed'));
    kept.reserve([]);
    expect(await kept.enterReserved('m-late', plan('late'))).toBe(false);
    for (let i = 0; i < MAX_KEPT_TRACKS; i++) await kept.keep(`m-t${i}`, plan(`t${i}`));
    expect(blocks.held.has('seed-0')).toBe(false);
  });
});
