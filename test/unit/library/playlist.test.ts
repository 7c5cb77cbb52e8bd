import { createHash } from 'node:crypto';
import { decode } from '@ipld/dag-cbor';
import { describe, expect, it } from 'vitest';
import { cidOf, DAG_CBOR } from '../../../src/library/cid.ts';
import { makeCatalog, playlistHash, toPlaylist } from '../../../src/library/playlist.ts';
import type { HashText, LibraryTrack } from '../../../src/library/types.ts';

const track = (hash: string): LibraryTrack => ({
  trackHash: `sha256:${hash.repeat(64).slice(0, 64)}`,
  name: `name ${hash}`,
  artist: '',
  title: '',
  album: '',
  year: null,
  genre: '',
  explicit: false,
  durationMs: 1_000,
  manifest: cidOf(DAG_CBOR, Buffer.from(hash)).toString(),
  index: 0,
  path: '',
  cover: null,
});

const byHash = (...tracks: LibraryTrack[]): Map<HashText, LibraryTrack> =>
  new Map(tracks.map((it) => [it.trackHash, it]));

describe('playlist', () => {
  it('is the same in whatever order the tracks were found, and hashed as the model says', () => {
    const playlist = toPlaylist(byHash(track('c'), track('a'), track('b')));
    expect(playlist.map(({ name, index }) => `${name} ${index}`)).toEqual(['name a 0', 'name b 1', 'name c 2']);
    const text = `sha256:${'a'.repeat(64)}:0|sha256:${'b'.repeat(64)}:1|sha256:${'c'.repeat(64)}:2`;
    const expected = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    expect(playlistHash(playlist)).toBe(expected);
    expect(playlistHash(toPlaylist(byHash(track('b'), track('c'), track('a'))))).toBe(expected);
  });

  it('of nothing is the hash of nothing', () => {
    expect(playlistHash([])).toBe(`sha256:${createHash('sha256').digest('hex')}`);
  });

  it('becomes a catalog of pages under one root, each far below a block', async () => {
    const tracks = toPlaylist(
      byHash(
        ...Array.from({ length: 4_500 }, (_, i) => ({
          ...track('a'),
          trackHash: `sha256:${String(i).padStart(64, '0')}`,
        })),
      ),
    );
    const blocks = await makeCatalog(tracks, playlistHash(tracks));
    expect(blocks.length).toBe(10);
    for (const { cid, bytes } of blocks) {
      expect(bytes.length).toBeLessThan(1 << 20);
      expect(cidOf(DAG_CBOR, bytes).equals(cid)).toBe(true);
    }
    const root = decode<Record<string, unknown>>(blocks.at(-1)!.bytes);
    expect(root).toMatchObject({ v: 1, kind: 'starling-catalog', playlist_hash: playlistHash(tracks), tracks: 4_500 });
    expect(String(root.pages)).toBe(String(blocks.slice(0, 9).map(({ cid }) => cid)));
    const page = decode<{ tracks: { track_index: number; name: string }[] }>(blocks[1]!.bytes);
    expect(page.tracks[0]).toMatchObject({ track_index: 500, name: 'name a', duration: 1_000 });
  });
});
