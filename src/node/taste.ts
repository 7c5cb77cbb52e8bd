import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, type BlacklistEntry, done, type Filters, refused } from './answers.ts';
import { writeFileAtomically } from './atomic-file.ts';
import { MAX_BLACKLIST, MAX_FILTER_GENRES, MAX_GENRE_CHARS, MAX_KEPT_NAME_CHARS } from './bounds.ts';
import { takeOlderCopy } from './older-copy.ts';
import type { Logger } from './ports.ts';

export const TASTE_FILE = 'listener.json';
const TASTE_VERSION = 1;

/** Different genres in a library, most of them somebody's own words. */
const MAX_JUDGED_GENRES = 1_024;

/** Why this box does not play a track that the flock plays. */
export type ModerationCause = 'skip' | 'never' | 'filter';

/** What is known of a track when it is judged. */
export interface JudgedTrack {
  hash: string;
  /** As its tags or its proposer say; '' for unknown. */
  genres: readonly string[];
  explicit: boolean;
}

export interface TasteComponents {
  /** Milliseconds since 1970. */
  wallMs(): number;
  log: Logger;
}

/**
 * What the listeners of this box do not want to hear: single tracks, explicit ones, genres. It is this box's own affair
 * and never leaves it. Kept in one small file of its own, so that a damaged journal does not bring disliked music back.
 */
export class Taste {
  readonly #components: TasteComponents;
  /** Null: it is not kept. */
  readonly #path: string | null;
  /** In the order in which they were put there. */
  readonly #never = new Map<string, BlacklistEntry>();
  #filters: Filters = { explicit: true, genres: [] };
  /** Whether a genre, as tags have it, is filtered. */
  readonly #judged = new Map<string, boolean>();

  constructor(components: TasteComponents, init: { dataDir: string | null }) {
    this.#components = components;
    this.#path = init.dataDir === null ? null : join(init.dataDir, TASTE_FILE);
  }

  /** Reads the file. One that cannot be used is moved aside: a box must start. */
  load(): void {
    if (this.#path === null) return;
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#setAside(error);
      return;
    }
    try {
      this.#take(JSON.parse(takeOlderCopy(this.#path, text, TASTE_VERSION, 0o600) ?? text));
    } catch (error) {
      this.#setAside(error);
    }
  }

  /** Why this box does not play the track; null: it does. */
  causeAgainst(track: JudgedTrack): 'never' | 'filter' | null {
    if (this.#never.has(track.hash)) return 'never';
    if (track.explicit && !this.#filters.explicit) return 'filter';
    return track.genres.some((genre) => this.#isFiltered(genre)) ? 'filter' : null;
  }

  /** A large stick is looked through after every slot: each genre is taken apart once. */
  #isFiltered(genre: string): boolean {
    if (this.#filters.genres.length === 0 || genre === '') return false;
    const known = this.#judged.get(genre);
    if (known !== undefined) return known;
    const parts = genreParts(genre);
    const isFiltered = this.#filters.genres.some((unwanted) => parts.includes(unwanted));
    if (this.#judged.size >= MAX_JUDGED_GENRES) this.#judged.clear();
    this.#judged.set(genre, isFiltered);
    return isFiltered;
  }

  /** Newest first. */
  blacklist(): BlacklistEntry[] {
    return [...this.#never.values()].reverse();
  }

  nameOf(hash: string): string | null {
    return this.#never.get(hash)?.name ?? null;
  }

  filters(): Filters {
    return { explicit: this.#filters.explicit, genres: [...this.#filters.genres] };
  }

  /** Twice is once. Refused when the list is full or cannot be written: then nothing has changed. */
  add(hash: string, name: string): Answer {
    if (this.#never.has(hash)) return done(null);
    if (this.#never.size >= MAX_BLACKLIST) {
      return refused('blacklist_full', `${MAX_BLACKLIST} tracks are on the list already: take some off it first.`);
    }
    const entry = { hash, name: name.slice(0, MAX_KEPT_NAME_CHARS), at_ms: this.#components.wallMs() };
    this.#never.set(hash, entry);
    return this.#write(() => this.#never.delete(hash));
  }

  remove(hash: string): Answer {
    const entry = this.#never.get(hash);
    if (entry === undefined) return refused('not_listed', 'That track is not on the list.', { field: 'hash' });
    this.#never.delete(hash);
    return this.#write(() => this.#never.set(hash, entry));
  }

  /** @param wish - of any shape: it comes from a phone */
  setFilters(wish: unknown): Answer<Filters> {
    const checked = checkFilters(wish);
    if (!checked.ok) return checked;
    const before = this.#filters;
    this.#filters = checked.value;
    const written = this.#write(() => {
      this.#filters = before;
    });
    return written.ok ? done(this.filters()) : written;
  }

  #write(takeBack: () => void): Answer {
    const written = this.#writeFile(takeBack);
    this.#judged.clear();
    return written;
  }

  #writeFile(takeBack: () => void): Answer {
    if (this.#path === null) return done(null);
    const never = [...this.#never.values()];
    const content = { version: TASTE_VERSION, filters: this.#filters, never };
    try {
      writeFileAtomically(this.#path, `${JSON.stringify(content)}\n`, 0o600);
      return done(null);
    } catch (error) {
      takeBack();
      const cause = (error as Error).message;
      this.#components.log.error('what listeners do not want to hear cannot be written down', { cause });
      return refused('not_written', 'The card of this box cannot be written: nothing was changed.');
    }
  }

  #take(json: unknown): void {
    const { version, filters, never } = (json ?? {}) as Record<string, unknown>;
    if (version !== TASTE_VERSION) throw new Error(`version ${JSON.stringify(version)} is not known here`);
    const checked = checkFilters(filters);
    if (!checked.ok) throw new Error(checked.text);
    if (!Array.isArray(never)) throw new Error('"never" is no list');
    this.#filters = checked.value;
    for (const row of never.slice(0, MAX_BLACKLIST)) {
      const entry = readEntry(row);
      if (entry !== null) this.#never.set(entry.hash, entry);
    }
  }

  #setAside(error: unknown): void {
    const aside = `${this.#path}.damaged`;
    try {
      if (this.#path !== null) renameSync(this.#path, aside);
    } catch {
      // It cannot be read and stays where it is; the next change replaces it.
    }
    const cause = (error as Error).message;
    this.#components.log.error('the blacklist cannot be read and was moved aside', { file: aside, cause });
  }
}

/** "Rock; Pop", as tags have it, is two genres. */
function genreParts(genre: string): string[] {
  const whole = tidyGenre(genre);
  return [whole, ...whole.split(/[;,/|]/).map((part) => part.trim())].filter((part) => part !== '');
}

const tidyGenre = (genre: string): string => genre.normalize('NFC').trim().toLowerCase();

function checkFilters(wish: unknown): Answer<Filters> {
  if (typeof wish !== 'object' || wish === null || Array.isArray(wish)) {
    return refused('bad_value', 'The filters are an object.', {
      allowed: '{"explicit": true or false, "genres": [...]}',
    });
  }
  const { explicit, genres, ...others } = wish as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    const field = unknown.slice(0, MAX_GENRE_CHARS);
    return refused('unknown_field', 'There is no such filter.', { field, allowed: 'explicit, genres' });
  }
  if (typeof explicit !== 'boolean') {
    return refused('bad_value', 'Whether explicit tracks are played.', { field: 'explicit', allowed: 'true or false' });
  }
  const allowed = `a list of up to ${MAX_FILTER_GENRES} genres, each of 1 to ${MAX_GENRE_CHARS} characters`;
  if (!Array.isArray(genres) || genres.length > MAX_FILTER_GENRES || !genres.every(isGenre)) {
    return refused('bad_value', 'The genres that are not played.', { field: 'genres', allowed });
  }
  return done({ explicit, genres: [...new Set(genres.map(tidyGenre))] });
}

function isGenre(value: unknown): value is string {
  if (typeof value !== 'string' || /\p{Cc}/u.test(value)) return false;
  const genre = tidyGenre(value);
  return genre !== '' && genre.length <= MAX_GENRE_CHARS;
}

function readEntry(row: unknown): BlacklistEntry | null {
  const { hash, name, at_ms } = (row ?? {}) as Record<string, unknown>;
  if (typeof hash !== 'string' || typeof name !== 'string') return null;
  return { hash, name, at_ms: Number.isSafeInteger(at_ms) ? (at_ms as number) : 0 };
}
