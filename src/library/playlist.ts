import { encode } from '@ipld/dag-cbor';
import { CID } from 'multiformats/cid';
import { cidOf, DAG_CBOR, sha256 } from './cid.ts';
import { CATALOG_PAGE_TRACKS } from './limits.ts';
import type { HashText, LibraryTrack } from './types.ts';

/**
 * Tracks in the order of their hashes, each with its place as index: the playlist. So two boxes with the same music
 * have the same playlist, in whatever folders it lies.
 */
export function toPlaylist(tracks: ReadonlyMap<HashText, Omit<LibraryTrack, 'index'>>): LibraryTrack[] {
  return [...tracks.keys()].sort().map((trackHash, index) => {
    // written out, because copying with rest and spread costs a large library several times as much
    const { name, artist, title, album, year, genre, explicit, durationMs, manifest, path, cover } =
      tracks.get(trackHash)!;
    return { trackHash, name, artist, title, album, year, genre, explicit, durationMs, manifest, index, path, cover };
  });
}

/** The model's formula: SHA-256 of "hash:index" of the sorted tracks, joined by "|". */
export function playlistHash(tracks: readonly { trackHash: HashText; index: number }[]): HashText {
  const text = tracks.map(({ trackHash, index }) => `${trackHash}:${index}`).join('|');
  return `sha256:${sha256(Buffer.from(text)).toString('hex')}`;
}

export interface CatalogBlock {
  cid: CID;
  bytes: Uint8Array;
}

/**
 * The catalog as DAG-CBOR blocks, the root last. The root is
 * `{ v: 1, kind: 'starling-catalog', playlist_hash, tracks: <number>, pages: [CID] }`, a page
 * `{ v: 1, kind: 'starling-catalog-page', tracks: [{ track_hash, track_index, name, duration, manifest: CID }] }`.
 */
export async function makeCatalog(tracks: readonly LibraryTrack[], hash: HashText): Promise<CatalogBlock[]> {
  const blocks: CatalogBlock[] = [];
  const add = (value: unknown): CID => {
    const bytes = encode(value);
    const cid = cidOf(DAG_CBOR, bytes);
    blocks.push({ cid, bytes });
    return cid;
  };
  const pages: CID[] = [];
  for (let at = 0; at < tracks.length; at += CATALOG_PAGE_TRACKS) {
    const part = tracks.slice(at, at + CATALOG_PAGE_TRACKS).map((track) => ({
      track_hash: track.trackHash,
      track_index: track.index,
      name: track.name,
      duration: track.durationMs,
      manifest: CID.parse(track.manifest),
    }));
    // a page takes tens of milliseconds on a small computer; the player must not wait for all of them
    await new Promise<void>((resolve) => setImmediate(resolve));
    pages.push(add({ v: 1, kind: 'starling-catalog-page', tracks: part }));
  }
  add({ v: 1, kind: 'starling-catalog', playlist_hash: hash, tracks: tracks.length, pages });
  return blocks;
}
