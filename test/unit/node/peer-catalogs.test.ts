import { describe, expect, it } from 'vitest';
import type { SyncResponse } from '../../../src/consensus/events.ts';
import { makeCatalog } from '../../../src/library/playlist.ts';
import type { LibraryTrack } from '../../../src/library/types.ts';
import { overheard, PeerCatalogs } from '../../../src/node/peer-catalogs.ts';
import type { NetworkPort } from '../../../src/node/ports.ts';
import { MemoryBlocks, MemoryPeers, quiet } from './fakes.ts';

const MANIFEST = 'bafyreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi';
const hash = (i: number): string => `sha256:${i.toString(16).padStart(64, '0')}`;
const tracks = (count: number): LibraryTrack[] =>
  Array.from({ length: count }, (_, i) => {
    return {
      trackHash: hash(i),
      name: `Track ${i}`,
      durationMs: 1_000 + i,
      manifest: MANIFEST,
      index: i,
    } as LibraryTrack;
  });

async function setUp(count = 0) {
  const blocks = new MemoryBlocks();
  const peers = new MemoryPeers(blocks);
  const catalog = await makeCatalog(tracks(count), hash(0));
  for (const { cid, bytes } of catalog) peers.held.set(cid.toString(), bytes);
  const cid = catalog.at(-1)!.cid.toString();
  const needed = new Set<string>();
  const catalogs = new PeerCatalogs({
    nodeId: () => 'me',
    own: () => ({ cid: null, tracks: 3 }),
    peers: () => [],
    request: async () => ({ kind: 'refused' }),
    content: peers,
    blocks,
    isNeeded: (name) => needed.has(name),
    log: quiet,
  });
  return { blocks, peers, catalogs, cid, needed };
}

const status = (fields: object): SyncResponse => ({ kind: 'status', ...fields });

describe('PeerCatalogs', () => {
  it('reads any part of a catalog, and keeps none of its blocks', async () => {
    const { catalogs, cid, blocks, peers } = await setUp(1_234);
    catalogs.hear('peer', status({ catalog: cid, tracks: 1_234 }));
    expect(catalogs.noteOf('peer')).toMatchObject({ cid, tracks: 1_234 });
    const page = await catalogs.page('peer', 495, 10);
    expect(page).toMatchObject({ total: 1_234, offset: 495 });
    expect(page?.items.map(({ name }) => name)).toEqual(Array.from({ length: 10 }, (_, i) => `Track ${495 + i}`));
    expect(page?.items[0]).toEqual({ hash: hash(495), name: 'Track 495', duration_ms: 1_495 });
    expect((await catalogs.page('peer', 1_230, 50))?.items).toHaveLength(4);
    expect((await catalogs.page('peer', 9_999, 50))?.items).toEqual([]);
    expect(blocks.held.size).toBe(0);
    expect(peers.asked).toHaveLength(4);
    expect(catalogs.nameOf(hash(495))).toBe('Track 495');
    expect(catalogs.nameOf(hash(5_000))).toBeNull();
  });

  it('leaves a block alone that was here before', async () => {
    const { catalogs, cid, blocks, peers } = await setUp(3);
    for (const [name, bytes] of peers.held) blocks.held.set(name, bytes);
    catalogs.hear('peer', status({ catalog: cid, tracks: 3 }));
    expect((await catalogs.page('peer', 0, 10))?.items).toHaveLength(3);
    expect(blocks.held.size).toBe(2);
    expect(peers.asked).toEqual([]);
  });

  it('has none of a peer that says nothing, or nonsense', async () => {
    const { catalogs } = await setUp();
    expect(await catalogs.page('peer', 0, 10)).toBeNull();
    for (const catalog of [7, 'x', 'bafkreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi', null]) {
      catalogs.hear('peer', status({ catalog, tracks: -1 }));
      expect(catalogs.noteOf('peer')).toMatchObject({ cid: null, tracks: null });
    }
    expect(await catalogs.page('peer', 0, 10)).toBeNull();
  });

  it('takes no other block for a catalog, and leaves one that the programme needs where it is', async () => {
    const { catalogs, blocks, peers, needed } = await setUp(3);
    peers.held.set(MANIFEST, new Uint8Array([0xa0]));
    catalogs.hear('peer', status({ catalog: MANIFEST, tracks: 3 }));
    needed.add(MANIFEST);
    expect(await catalogs.page('peer', 0, 10)).toBeNull();
    expect(blocks.held.has(MANIFEST)).toBe(true);
  });

  it.each([
    ['no catalog', new Uint8Array([0xa0])],
    ['not even DAG-CBOR', new Uint8Array([0xff, 0xff])],
    ['a megabyte of nothing', new Uint8Array(1 << 20)],
  ])('leaves nothing on the card of what is %s', async (_what, garbage) => {
    const { catalogs, blocks, peers } = await setUp();
    peers.held.set(MANIFEST, garbage);
    catalogs.hear('peer', status({ catalog: MANIFEST, tracks: 3 }));
    expect(await catalogs.page('peer', 0, 10)).toBeNull();
    expect(peers.asked).toEqual([MANIFEST]);
    expect(blocks.held.size).toBe(0);
  });

  it('tells its own in the answer to status, and hears others’ whoever asked', async () => {
    const { catalogs, cid } = await setUp(3);
    expect(catalogs.tell(status({ phase: 'member' }))).toEqual(status({ phase: 'member', catalog: null, tracks: 3 }));
    expect(catalogs.tell({ kind: 'refused' })).toEqual({ kind: 'refused' });
    let handler: Parameters<NetworkPort['onRequest']>[0] | null = null;
    const network = {
      request: async () => status({ catalog: cid, tracks: 3 }),
      onRequest: (given: typeof handler) => {
        handler = given;
      },
    } as unknown as NetworkPort;
    const wrapped = overheard(network, catalogs);
    await wrapped.request('peer', { kind: 'status' }, 100);
    expect(catalogs.noteOf('peer').cid).toBe(cid);
    wrapped.onRequest(async () => status({}));
    expect(await handler!('peer', { kind: 'status' })).toEqual(status({ catalog: null, tracks: 3 }));
  });
});
