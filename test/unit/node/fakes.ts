import type { BlocksPort, ContentPort, Logger, OwnTrack, TrackPlan } from '../../../src/node/ports.ts';

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A block store in memory. */
export class MemoryBlocks implements BlocksPort {
  readonly held = new Map<string, Uint8Array>();
  /** How long a card takes to read a block. */
  delayMs = 0;

  async get(cid: string): Promise<Uint8Array | null> {
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    return this.held.get(cid) ?? null;
  }
  async has(cid: string): Promise<boolean> {
    return this.held.has(cid);
  }
  async delete(cid: string): Promise<void> {
    this.held.delete(cid);
  }
}

/** Peers in memory: what they hold, and which blocks fail how often before they come. */
export class MemoryPeers implements ContentPort {
  readonly held = new Map<string, Uint8Array>();
  readonly failures = new Map<string, number>();
  readonly asked: string[] = [];
  readonly pinned = new Set<string>();
  open = 0;
  mostOpen = 0;
  readonly #into: MemoryBlocks;

  constructor(into: MemoryBlocks) {
    this.#into = into;
  }

  async fetch(cid: string, options: { signal?: AbortSignal }): Promise<Uint8Array> {
    this.asked.push(cid);
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    try {
      await new Promise((resolve) => setTimeout(resolve, 2));
      options.signal?.throwIfAborted();
      const left = this.failures.get(cid) ?? 0;
      if (left > 0) {
        this.failures.set(cid, left - 1);
        throw new Error('no peer delivers');
      }
      const bytes = this.held.get(cid);
      if (bytes === undefined) throw new Error('not found');
      this.#into.held.set(cid, bytes);
      return bytes;
    } finally {
      this.open -= 1;
    }
  }

  async pin(root: string): Promise<void> {
    this.pinned.add(root);
  }
  async unpin(root: string): Promise<void> {
    this.pinned.delete(root);
  }
}

/** A plan of `segments` segments of six seconds; its manifest block is its own JSON. */
export function plan(name: string, segments = 4): TrackPlan {
  const cids = Array.from({ length: segments }, (_, i) => `${name}-${i}`);
  return {
    track: {
      trackHash: `sha256:${name}`,
      name,
      codec: 'mp3',
      container: 'mpegts',
      sampleRate: 48_000,
      channels: 2,
      samples: segments * 288_000,
      skipSamples: 0,
      init: null,
      segments: cids.map((cid) => ({ cid, samples: 288_000 })),
    },
    meta: { artist: '', title: name, album: '', year: null, genre: '', explicit: false, cover: null },
    durationMs: segments * 6_000,
    blocks: cids.map((cid) => ({ cid, bytes: 10 })),
  };
}

export const manifestBytes = (value: TrackPlan): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export const readPlan = (bytes: Uint8Array): TrackPlan => JSON.parse(new TextDecoder().decode(bytes));

/** Puts a track's blocks where peers or the store can hand them out. */
export function stock(held: Map<string, Uint8Array>, value: TrackPlan): void {
  held.set(`m-${value.track.name}`, manifestBytes(value));
  for (const { cid } of value.blocks) held.set(cid, new Uint8Array(10));
}

export function own(name: string, durationMs = 200_000): OwnTrack {
  return {
    trackHash: `sha256:${name}`,
    name,
    artist: '',
    title: name,
    album: '',
    genre: '',
    explicit: false,
    durationMs,
    manifest: `m-${name}`,
    index: 0,
    cover: null,
  };
}
