import type { Persisted } from '../consensus/events.ts';
import { MAX_KEPT_BYTES, MAX_KEPT_TRACKS, MAX_SMALL_INIT_BYTES, MIN_KEPT_TRACKS } from './bounds.ts';
import type { JournalEntry } from './journal.ts';
import type { BlocksPort, ContentPort, Logger, OwnTrack, ReadManifest, TrackPlan } from './ports.ts';

const KEY_PREFIX = 'kept:';

interface Kept {
  trackHash: string;
  manifest: string;
  /** Rises with every use. Slots would not do: another station, or another log of this one, begins at 0 again. */
  order: number;
  bytes: number;
  /** Blocks that were here before the track was: they belong to something else, and stay when it goes. */
  found: string[];
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
 * The tracks of others that this box holds. A card is not endless: of those, the ones used last stay (they serve the
 * fallback rule and late neighbours), and those reserved for others; older ones are unpinned and their blocks deleted. What belongs to own tracks, or
 * to other kept ones, never is, whatever a stranger's manifest lists.
 */
export class KeptTracks {
  readonly #components: KeptTracksComponents;
  readonly #kept = new Map<string, Kept>();
  #order = 0;
  /** Manifests that are kept for others to have, by the station's rule. */
  #reserved: ReadonlySet<string> = new Set();
  /** One change of the books at a time: looking for blocks takes a while. */
  #working: Promise<unknown> = Promise.resolve();

  constructor(components: KeptTracksComponents) {
    this.#components = components;
  }

  /** Is this journal entry one of ours? */
  static owns(key: string): boolean {
    return key.startsWith(KEY_PREFIX);
  }

  /** A row that cannot be read is passed over: a box must start. */
  restore(entries: Record<string, Persisted>): void {
    for (const [key, value] of Object.entries(entries)) {
      const entry = KeptTracks.owns(key) ? readEntry(value) : null;
      if (entry === null) continue;
      this.#kept.set(entry.manifest, entry);
      this.#order = Math.max(this.#order, entry.order);
    }
  }

  /**
   * A track of somebody else is about to come here, or is used again. Called before its blocks are fetched, so that
   * even half a track is in the books.
   */
  keep(manifest: string, plan: TrackPlan): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isOwn(plan.track.trackHash)) return;
      const known = this.#kept.get(manifest);
      // Young enough: each write waits for the disk, and a fetch that is tried again comes by here every time.
      if (known !== undefined && known.order > Math.max(0, this.#order - MIN_KEPT_TRACKS / 2)) return;
      const { trackHash } = plan.track;
      const bytes = plan.blocks.reduce((sum, block) => sum + block.bytes, 0);
      const found = known?.found ?? (await this.#alreadyHere(plan));
      this.#order += 1;
      const entry: Kept = { trackHash, manifest, order: this.#order, bytes, found };
      this.#kept.set(manifest, entry);
      this.#components.write([{ key: KEY_PREFIX + manifest, value: { v: 1, ...entry } }]);
      while (this.#isOverBound()) await this.#dropOldest();
    });
  }

  /** Tracks that are kept for others: they go after all that nobody asked to keep, instead of those named before. */
  reserve(manifests: readonly string[]): void {
    this.#reserved = new Set(manifests);
  }

  /**
   * A reserved track is about to come here. It does not count as used: what plays here must not make way for it.
   *
   * @returns false when there is no room for it, or it is an own one
   */
  enterReserved(manifest: string, plan: TrackPlan): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#isOwn(plan.track.trackHash) || !this.#reserved.has(manifest)) return false;
      if (this.#kept.has(manifest)) return true;
      const bytes = plan.blocks.reduce((sum, block) => sum + block.bytes, 0);
      const found = await this.#alreadyHere(plan);
      const entry: Kept = { trackHash: plan.track.trackHash, manifest, order: 0, bytes, found };
      this.#kept.set(manifest, entry);
      this.#components.write([{ key: KEY_PREFIX + manifest, value: { v: 1, ...entry } }]);
      while (this.#isOverBound()) await this.#dropOldest();
      return this.#kept.has(manifest);
    });
  }

  /** Is this manifest's track in the books? */
  has(manifest: string): boolean {
    return this.#kept.has(manifest);
  }

  /**
   * What came for a track after it had left the books goes as well, its pin too. Nothing where it is in them again.
   *
   * @param brought - blocks that were not here before
   */
  discard(manifest: string, plan: TrackPlan, brought: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const { content, blocks } = this.#components;
      if (this.#kept.has(manifest)) return;
      await content.unpin(manifest);
      if (this.#isOwn(plan.track.trackHash)) return;
      const needed = await this.#neededElsewhere([]);
      for (const cid of brought) {
        if (!needed.has(cid) && !(await this.#isSmallInit(plan, cid))) await blocks.delete(cid);
      }
    });
  }

  /** The card is full: drops the oldest track that is not about to play. False when there is none. */
  makeRoom(): Promise<boolean> {
    return this.#inTurn(async () => this.#kept.size > MIN_KEPT_TRACKS && (await this.#dropOldest()));
  }

  get size(): number {
    return this.#kept.size;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#working.then(work);
    this.#working = result.catch(() => {});
    return result;
  }

  #isOverBound(): boolean {
    if (this.#kept.size > MAX_KEPT_TRACKS) return true;
    const bytes = [...this.#kept.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    return bytes > MAX_KEPT_BYTES && this.#kept.size > MIN_KEPT_TRACKS;
  }

  async #alreadyHere(plan: TrackPlan): Promise<string[]> {
    const { blocks } = this.#components;
    // Of a track that another manifest brought, the blocks belong to both.
    const shared = new Set(await this.#blocksOfOthers(plan.track.trackHash));
    const found: string[] = [];
    for (const { cid } of plan.blocks) if (!shared.has(cid) && (await blocks.has(cid))) found.push(cid);
    return found;
  }

  async #dropOldest(): Promise<boolean> {
    const [oldest] = this.#inOrderOfLeaving();
    if (oldest === undefined) return false;
    this.#kept.delete(oldest.manifest);
    // The blocks first: a power cut in between leaves a row too many, which the next turn takes, not blocks too many.
    if (!this.#isOwn(oldest.trackHash)) await this.#drop(oldest);
    this.#components.write([{ key: KEY_PREFIX + oldest.manifest, value: null }]);
    return true;
  }

  /** What nobody needs first, then what is kept for others, and last what was used last (it plays, or is about to). */
  #inOrderOfLeaving(): Kept[] {
    const byUse = [...this.#kept.values()].sort((a, b) => a.order - b.order);
    const used = new Set(byUse.slice(-MIN_KEPT_TRACKS).filter((entry) => entry.order > 0));
    const rank = (entry: Kept): number => (used.has(entry) ? 2 : this.#reserved.has(entry.manifest) ? 1 : 0);
    return byUse.sort((a, b) => rank(a) - rank(b));
  }

  #isOwn(trackHash: string): boolean {
    return this.#components.ownTracks().some((track) => track.trackHash === trackHash);
  }

  async #drop(entry: Kept): Promise<void> {
    const { content, blocks, log } = this.#components;
    try {
      const plan = await this.#read(entry.manifest);
      await content.unpin(entry.manifest);
      if (plan === null) return;
      const needed = await this.#neededElsewhere(entry.found);
      for (const { cid } of plan.blocks) {
        if (needed.has(cid) || (await this.#isSmallInit(plan, cid))) continue;
        await blocks.delete(cid);
      }
      await blocks.delete(entry.manifest);
    } catch (error) {
      log.warn('an old track could not be dropped', { manifest: entry.manifest, cause: String(error) });
    }
  }

  /** @param found - blocks that were here before the track in question was */
  async #neededElsewhere(found: readonly string[]): Promise<Set<string>> {
    const needed = new Set(found);
    for (const { cover, manifest } of this.#components.ownTracks()) {
      if (cover !== null) needed.add(cover);
      needed.add(manifest);
    }
    for (const cid of await this.#blocksOfOthers()) needed.add(cid);
    return needed;
  }

  /** Blocks of the kept tracks, or of those with this audio only. */
  async #blocksOfOthers(trackHash?: string): Promise<string[]> {
    const listed: string[] = [];
    for (const other of [...this.#kept.values()]) {
      if (trackHash !== undefined && other.trackHash !== trackHash) continue;
      const plan = await this.#read(other.manifest);
      listed.push(other.manifest, ...(plan?.blocks ?? []).map(({ cid }) => cid));
    }
    return listed;
  }

  /** Many tracks of one format begin with the same few bytes, own ones that came later among them. */
  async #isSmallInit(plan: TrackPlan, cid: string): Promise<boolean> {
    if (cid !== plan.track.init) return false;
    const bytes = await this.#components.blocks.get(cid);
    return bytes !== null && bytes.length <= MAX_SMALL_INIT_BYTES;
  }

  async #read(manifest: string): Promise<TrackPlan | null> {
    const bytes = await this.#components.blocks.get(manifest);
    if (bytes === null) return null;
    try {
      return this.#components.readManifest(bytes);
    } catch {
      return null;
    }
  }
}

function readEntry(row: unknown): Kept | null {
  const { trackHash, manifest, order, slot, bytes, found } = (row ?? {}) as Record<string, unknown>;
  if (typeof trackHash !== 'string' || typeof manifest !== 'string') return null;
  const at = [order, slot].find((value) => Number.isSafeInteger(value)) as number | undefined;
  return {
    trackHash,
    manifest,
    order: at ?? 0,
    bytes: Number.isSafeInteger(bytes) ? (bytes as number) : 0,
    found: Array.isArray(found) ? found.filter((cid) => typeof cid === 'string') : [],
  };
}
