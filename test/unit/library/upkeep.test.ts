import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { describe, expect, it } from 'vitest';
import type { ContentStore } from '../../../src/library/content-store.ts';
import { encodeManifest } from '../../../src/library/manifest.ts';
import type { TrackIndex } from '../../../src/library/track-index.ts';
import type { TrackManifest } from '../../../src/library/types.ts';
import { Upkeep } from '../../../src/library/upkeep.ts';

const RAW = 0x55;
const DAG_CBOR = 0x71;
const cidOf = async (text: string, codec = RAW) =>
  CID.createV1(codec, await sha256.digest(new TextEncoder().encode(text)));

async function manifestOf(name: string, init: CID): Promise<TrackManifest> {
  return {
    v: 1,
    kind: 'starling-track',
    track_hash: `sha256:${'ab'.repeat(32)}`,
    name,
    artist: '',
    title: name,
    album: '',
    year: null,
    genre: '',
    explicit: false,
    cover: null,
    codec: 'mp3',
    container: 'fmp4',
    sample_rate: 44_100,
    channels: 2,
    samples: 441_000,
    skip_samples: 0,
    init,
    segments: [{ cid: await cidOf(`${name} segment`), samples: 441_000, bytes: 100 }],
    loudness_mlufs: null,
  };
}

describe('Upkeep', () => {
  it('drops a gone track’s segments and manifest, and never the init part that others share', async () => {
    const init = await cidOf('init of every mp3 at 44.1 kHz');
    const track = await manifestOf('gone', init);
    const manifest = (await cidOf('manifest', DAG_CBOR)).toString();
    const deleted: string[] = [];
    const store = {
      getBytes: async (cid: CID) => (cid.toString() === manifest ? encodeManifest(track) : null),
      delete: async (cid: CID) => void deleted.push(cid.toString()),
    } as unknown as ContentStore;
    const forgotten: string[] = [];
    const index = {
      retired: () => [manifest],
      siblings: () => [],
      coverIsShared: () => false,
      forget: (gone: string) => void forgotten.push(gone),
    } as unknown as TrackIndex;
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const upkeep = new Upkeep({ store, index, log, pinner: { pin: async () => {}, unpin: async () => {} } });
    expect(await upkeep.reclaim()).toBe(1);
    expect(deleted).toEqual([track.segments[0]!.cid.toString(), manifest]);
    expect(forgotten).toEqual([manifest]);
  });
});
