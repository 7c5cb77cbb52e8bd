import type { SkippedFileError } from './errors.ts';
import { MAX_SKIPPED_LISTED } from './limits.ts';
import { toPlaylist } from './playlist.ts';
import { showPath } from './text.ts';
import type { Content, Place, TrackIndex } from './track-index.ts';
import type { HashText, LibraryTrack, SkippedFile } from './types.ts';
import { joinPath } from './walk.ts';

type Offered = Omit<LibraryTrack, 'index'> & { source: string };
type Skipped = SkippedFile & { source: string };

/** Reasons that are of the moment: nothing is kept of them in the index. */
const PASSING = new Set(['unreadable', 'timeout']);

/** What the sources hold at the moment: each audio once, from the first place it lies at, and the files left out. */
export class Offer {
  readonly sources: readonly string[];
  readonly #tracks = new Map<HashText, Offered>();
  /** Track hash by the path it is offered from. */
  readonly #hashAt = new Map<string, HashText>();
  readonly #skipped = new Map<string, Skipped>();
  /** Something is not where it was, and the same audio may lie at another place: has to be made up anew. */
  stale = false;

  /** @param sources - those that are there, the first ones first */
  constructor(sources: readonly string[]) {
    this.sources = sources;
  }

  /**
   * What the index knows of these sources; no file is read.
   * @param ended - asked now and then; true breaks off
   */
  static async load(index: TrackIndex, sources: readonly string[], ended: () => boolean): Promise<Offer> {
    const offer = new Offer(sources);
    for (const source of sources) {
      for (const page of index.present(source)) {
        if (ended()) return offer;
        for (const { place, content } of page) offer.note(place, content);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
    offer.stale = false;
    return offer;
  }

  get size(): number {
    return this.#tracks.size;
  }

  get skipped(): SkippedFile[] {
    return [...this.#skipped.values()].map(({ path, reason, text }) => ({ path, reason, text }));
  }

  get skippedCount(): number {
    return this.#skipped.size;
  }

  playlist(): LibraryTrack[] {
    return toPlaylist(this.#tracks);
  }

  /** Takes in what lies at a place. True when that changes the offer. */
  note(place: Place, content: Content): boolean {
    const { source } = place;
    if (!this.sources.includes(source)) return false;
    const path = showPath(joinPath(Buffer.from(source), place.path));
    const withdrawn = this.#withdraw(path, content.track?.manifest ?? null);
    if (content.track === null) {
      this.#skip({ source, path, reason: content.reason, text: content.note });
      return withdrawn;
    }
    this.#skipped.delete(path);
    const { track } = content;
    const there = this.#tracks.get(track.trackHash);
    if (there !== undefined && !this.#comesFirst(source, path, there)) return withdrawn;
    if (there !== undefined) this.#hashAt.delete(there.path);
    this.#tracks.set(track.trackHash, { ...track, path, source });
    this.#hashAt.set(path, track.trackHash);
    return true;
  }

  trouble(source: string, relative: Buffer, error: SkippedFileError): void {
    const path = showPath(joinPath(Buffer.from(source), relative));
    this.#skip({ source, path, reason: error.reason, text: error.message });
  }

  /** Files that gave trouble this time, from the offer before. */
  keepTrouble(before: Offer): void {
    for (const file of before.#skipped.values()) {
      if (PASSING.has(file.reason) && this.sources.includes(file.source)) this.#skip(file);
    }
  }

  /** Without the sources that are not among these. Tracks that also lie elsewhere follow with the next load. */
  restrictedTo(sources: readonly string[]): Offer {
    const offer = new Offer(sources.filter((source) => this.sources.includes(source)));
    for (const [hash, track] of this.#tracks) {
      if (!offer.sources.includes(track.source)) continue;
      offer.#tracks.set(hash, track);
      offer.#hashAt.set(track.path, hash);
    }
    for (const [path, file] of this.#skipped) if (offer.sources.includes(file.source)) offer.#skipped.set(path, file);
    return offer;
  }

  /** What lay at a place before is not offered any more, unless it is the same still. */
  #withdraw(path: string, manifest: string | null): boolean {
    const hash = this.#hashAt.get(path);
    if (hash === undefined || this.#tracks.get(hash)!.manifest === manifest) return false;
    this.#tracks.delete(hash);
    this.#hashAt.delete(path);
    this.stale = true;
    return true;
  }

  #comesFirst(source: string, path: string, there: Offered): boolean {
    const order = this.sources.indexOf(source) - this.sources.indexOf(there.source);
    return order < 0 || (order === 0 && path < there.path);
  }

  #skip(file: Skipped): void {
    if (this.#skipped.size >= MAX_SKIPPED_LISTED) this.#skipped.delete(this.#skipped.keys().next().value!);
    this.#skipped.set(file.path, file);
  }
}
