import { describe, expect, it } from 'vitest';
import type { ScheduledTrack } from '../../../src/consensus/events.ts';
import { Fetcher, type FetchOrder } from '../../../src/node/fetcher.ts';
import type { TrackPlan } from '../../../src/node/ports.ts';
import { MemoryBlocks, MemoryPeers, plan, quiet, readPlan, stock } from './fakes.ts';

function setUp(nowMs = 0) {
  const blocks = new MemoryBlocks();
  const content = new MemoryPeers(blocks);
  const manifests: { slot: number; plan: TrackPlan }[] = [];
  const done: { slot: number; ok: boolean }[] = [];
  let now = nowMs;
  const fetcher = new Fetcher({
    content,
    blocks,
    readManifest: readPlan,
    stationNowMs: () => now,
    onManifest: ({ slot }, arrived) => {
      manifests.push({ slot, plan: arrived });
    },
    onDone: ({ slot }, ok) => {
      done.push({ slot, ok });
    },
    log: quiet,
  });
  const until = async (count: number) => {
    for (let i = 0; i < 500 && done.length < count; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    return done;
  };
  return { blocks, content, manifests, done, fetcher, until, setNow: (ms: number) => (now = ms) };
}

const scheduled = (name: string, durationMs = 24_000): ScheduledTrack => ({
  track_hash: `sha256:${name}`,
  track_name: name,
  duration_ms: durationMs,
  manifest: `m-${name}`,
  owners: ['peer'],
});

const order = (slot: number, name: string, over: Partial<FetchOrder> = {}): FetchOrder => ({
  slot,
  track: scheduled(name),
  neededAtMs: 60_000,
  uselessAtMs: 84_000,
  final: true,
  ...over,
});

describe('Fetcher', () => {
  it('brings manifest and all blocks, pins the track, and says so once', async () => {
    const { content, blocks, fetcher, until, manifests } = setUp();
    stock(content.held, plan('a'));
    expect(fetcher.isBusy).toBe(false);
    fetcher.fetch(order(7, 'a'));
    expect(fetcher.isBusy).toBe(true);
    expect(await until(1)).toEqual([{ slot: 7, ok: true }]);
    expect(fetcher.isBusy).toBe(false);
    expect(manifests.map((entry) => entry.slot)).toEqual([7]);
    expect([...blocks.held.keys()].sort()).toEqual(['a-0', 'a-1', 'a-2', 'a-3', 'm-a']);
    expect(content.pinned).toEqual(new Set(['m-a']));
  });

  it('asks nobody for what is here', async () => {
    const { content, blocks, fetcher, until } = setUp();
    stock(content.held, plan('a'));
    stock(blocks.held, plan('a'));
    fetcher.fetch(order(7, 'a'));
    await until(1);
    expect(content.asked).toEqual([]);
  });

  it('tries again what failed, and only that', async () => {
    const { content, fetcher, until } = setUp();
    stock(content.held, plan('a'));
    content.failures.set('a-2', 2);
    fetcher.fetch(order(7, 'a'));
    expect(await until(1)).toEqual([{ slot: 7, ok: true }]);
    expect(content.asked.filter((cid) => cid === 'a-2')).toHaveLength(3);
    expect(content.asked.filter((cid) => cid === 'a-1')).toHaveLength(1);
  });

  it('gives up when the slot is over', async () => {
    const { fetcher, until, setNow } = setUp();
    fetcher.fetch(order(7, 'gone'));
    setNow(90_000);
    expect(await until(1)).toEqual([{ slot: 7, ok: false }]);
  });

  it('gives up at once on a manifest of another track', async () => {
    const { content, fetcher, until } = setUp();
    stock(content.held, plan('b'));
    content.held.set('m-a', content.held.get('m-b')!);
    fetcher.fetch(order(7, 'a'));
    expect(await until(1)).toEqual([{ slot: 7, ok: false }]);
  });

  it('gives up at once on a manifest that cannot be read', async () => {
    const { content, fetcher, until } = setUp();
    content.held.set('m-a', new Uint8Array([1, 2, 3]));
    fetcher.fetch(order(7, 'a'));
    expect(await until(1)).toEqual([{ slot: 7, ok: false }]);
  });

  it('replaces the order when the slot gets another track, and says nothing of the first', async () => {
    const { content, fetcher, until } = setUp();
    stock(content.held, plan('b'));
    fetcher.fetch(order(7, 'never'));
    fetcher.fetch(order(7, 'b'));
    expect(await until(1)).toEqual([{ slot: 7, ok: true }]);
    expect(content.pinned).toEqual(new Set(['m-b']));
  });

  it('asks for few blocks at a time for a likely winner and for eight for a certain one', async () => {
    const likely = setUp();
    stock(likely.content.held, plan('a', 20));
    likely.fetcher.fetch(order(7, 'a', { final: false, track: scheduled('a', 120_000) }));
    await likely.until(1);
    expect(likely.content.mostOpen).toBe(2);
    const certain = setUp();
    stock(certain.content.held, plan('a', 20));
    certain.fetcher.fetch(order(7, 'a', { track: scheduled('a', 120_000) }));
    await certain.until(1);
    expect(certain.content.mostOpen).toBe(8);
  });

  it('says done again when a likely winner that is here already becomes final', async () => {
    const { content, fetcher, until } = setUp();
    stock(content.held, plan('a'));
    fetcher.fetch(order(7, 'a', { final: false }));
    await until(1);
    fetcher.fetch(order(7, 'a'));
    expect(await until(2)).toHaveLength(2);
  });

  it('says failed again when a likely winner that cannot be played becomes final', async () => {
    const { content, fetcher, until } = setUp();
    content.held.set('m-a', new Uint8Array([1, 2, 3]));
    fetcher.fetch(order(7, 'a', { final: false }));
    await until(1);
    fetcher.fetch(order(7, 'a'));
    expect(await until(2)).toEqual([
      { slot: 7, ok: false },
      { slot: 7, ok: false },
    ]);
  });

  it('gives up at once on a manifest of another length than was proposed', async () => {
    const { content, fetcher, until, manifests } = setUp();
    stock(content.held, plan('a', 2));
    fetcher.fetch(order(7, 'a'));
    expect(await until(1)).toEqual([{ slot: 7, ok: false }]);
    expect(manifests).toEqual([]);
  });

  it('begins with what sounds next when the track plays already', async () => {
    const { content, fetcher, until } = setUp(73_000);
    stock(content.held, plan('a', 6));
    fetcher.fetch(order(7, 'a', { track: scheduled('a', 36_000), uselessAtMs: 96_000 }));
    await until(1);
    expect(content.asked.slice(0, 2)).toEqual(['m-a', 'a-1']);
    expect(content.asked).toContain('a-0');
  });

  it('is silent after cancel', async () => {
    const { content, fetcher, done } = setUp();
    stock(content.held, plan('a'));
    fetcher.fetch(order(7, 'a'));
    fetcher.cancel(7, 'm-a');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(done).toEqual([]);
  });
});
