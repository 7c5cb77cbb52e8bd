import type { Persisted } from '../consensus/events.ts';
import { MAX_KEPT_TRACKS } from './bounds.ts';
import type { JournalEntry } from './journal.ts';
import type { BlocksPort, ContentPort, Logger, OwnTrack, ReadManifest } from './ports.ts';

const KEY_PREFIX = 'kept:';

interface Kept {
  trackHash: string;
  manifest: string;
  /** Last slot it was scheduled for. */
  slot: number;
}

export interface KeptTracksComponents {
  content: ContentPort;
  blocks: BlocksPort;
  readManifest: ReadManifest;
  ownTracks(): readonly OwnTrack[];
  write(entries: readonly JournalEntry[]): void;
  log: Logger;
}

/**
 * The tracks of others that this box holds. A card is not endless: of those, the ones scheduled last stay (they serve
 * the fallback rule and late neighbours), older ones are unpinned and their blocks deleted. Own tracks never are.
 */
export class KeptTracks {
  readonly #components: KeptTracksComponents;
  readonly #kept = new Map<string, Kept>();

  constructor(components: KeptTracksComponents) {
    this.#components = components;
  }

  /** Is this journal entry one of ours? */
  static owns(key: string): boolean {
    return key.startsWith(KEY_PREFIX);
  }

  restore(entries: Record<string, Persisted>): void {
    for (const [key, value] of Object.entries(entries)) {
      if (!KeptTracks.owns(key)) continue;
      const { trackHash, manifest, slot } = value as unknown as Kept;
      this.#kept.set(manifest, { trackHash, manifest, slot });
    }
  }

  /** A track of somebody else is here, or is used again. */
  async keep(trackHash: string, manifest: string, slot: number): Promise<void> {
    if (this.#isOwn(trackHash)) return;
    const entry: Kept = { trackHash, manifest, slot };
    this.#kept.set(manifest, entry);
    this.#components.write([{ key: KEY_PREFIX + manifest, value: { v: 1, ...entry } }]);
    await this.#dropOldest();
  }

  get size(): number {
    return this.#kept.size;
  }

  async #dropOldest(): Promise<void> {
    const oldest = [...this.#kept.values()].sort((a, b) => a.slot - b.slot);
    for (const entry of oldest.slice(0, Math.max(0, oldest.length - MAX_KEPT_TRACKS))) {
      this.#kept.delete(entry.manifest);
      this.#components.write([{ key: KEY_PREFIX + entry.manifest, value: null }]);
      if (!this.#isOwn(entry.trackHash)) await this.#drop(entry);
    }
  }

  #isOwn(trackHash: string): boolean {
    return this.#components.ownTracks().some((track) => track.trackHash === trackHash);
  }

  /** Blocks shared with a kept track of the same audio (other tags, so another manifest) stay. */
  async #drop(entry: Kept): Promise<void> {
    const { content, blocks, readManifest, log } = this.#components;
    try {
      await content.unpin(entry.manifest);
      const bytes = await blocks.get(entry.manifest);
      if (bytes === null) return;
      const shared = [...this.#kept.values()].some((other) => other.trackHash === entry.trackHash);
      const below = shared ? [] : readManifest(bytes).blocks;
      for (const { cid } of below) await blocks.delete(cid);
      await blocks.delete(entry.manifest);
    } catch (error) {
      log.warn('an old track could not be dropped', { manifest: entry.manifest, cause: String(error) });
    }
  }
}
