import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CID } from 'multiformats/cid';
import { type ContentStore, createContentStore } from '../../src/library/content-store.ts';
import { createLibrary, type LibraryInit } from '../../src/library/library.ts';
import { decodeManifest } from '../../src/library/manifest.ts';
import type { Library, TrackManifest } from '../../src/library/types.ts';

/** A folder that is gone after the test. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'starling-library-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Pins that are only remembered. */
export class Pins {
  readonly pinned = new Set<string>();
  async pin(root: string): Promise<void> {
    this.pinned.add(root);
  }
  async unpin(root: string): Promise<void> {
    this.pinned.delete(root);
  }
}

export interface Setup {
  library: Library;
  store: ContentStore;
  pins: Pins;
}

/** A library on real files, not started. */
export function setUp(dataDir: string, sources: string[], init: Partial<LibraryInit> = {}): Setup {
  const store = createContentStore({ dir: join(dataDir, 'blocks') });
  const pins = new Pins();
  const library = createLibrary(
    { store, pinner: pins, log: quiet },
    { sources, dataDir, concurrency: 2, watchIntervalMs: 0, ...init },
  );
  return { library, store, pins };
}

export async function readManifest(store: ContentStore, cid: string): Promise<TrackManifest> {
  const bytes = await store.getBytes(CID.parse(cid));
  if (bytes === null) throw new Error(`no manifest ${cid}`);
  return decodeManifest(bytes);
}

/** Init and segments from one on, as a player feeds them. */
export async function joinSegments(store: ContentStore, manifest: TrackManifest, from = 0): Promise<Buffer> {
  const cids = [manifest.init!, ...manifest.segments.slice(from).map(({ cid }) => cid)];
  const parts = await Promise.all(cids.map((cid) => store.getBytes(cid)));
  if (parts.includes(null)) throw new Error('a block is missing');
  return Buffer.concat(parts as Uint8Array[]);
}

/** The recipe of src/library/README.md: everything that the decoder puts out. */
export function decodeSegments(codec: string, input: Buffer, format = 's16le'): Buffer {
  const untrimmed = codec === 'vorbis' ? [] : ['-flags2', '+skip_manual'];
  const args = ['-v', 'error', '-probesize', '32768', '-analyzeduration', '0', ...untrimmed, '-f', 'mp4'];
  const result = spawnSync('ffmpeg', [...args, '-i', 'pipe:0', '-map', '0:a:0', '-f', format, 'pipe:1'], {
    input,
    maxBuffer: 2 ** 30,
  });
  if (result.status !== 0) throw new Error(String(result.stderr));
  return result.stdout;
}

export async function until(condition: () => boolean, what: string, ms = 20_000): Promise<void> {
  const endMs = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
