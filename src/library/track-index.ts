import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { SkipReason } from './errors.ts';
import { openAlone } from './open-alone.ts';
import type { LibraryTrack } from './types.ts';

const INDEX_FILE = 'library.db';
const SCHEMA_VERSION = 1;
/**
 * places: where files lie, and how they looked when they were last read. contents: what a file with this fingerprint is.
 * tracks: what was made of it. A place whose file is not there now keeps its row, so that it need not be read again.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS places (
    source TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime_us INTEGER NOT NULL, print BLOB NOT NULL,
    present INTEGER NOT NULL, gone_ms INTEGER, PRIMARY KEY (source, path)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS places_by_print ON places(print);
  CREATE TABLE IF NOT EXISTS contents (print BLOB PRIMARY KEY, manifest TEXT, reason TEXT, note TEXT) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS contents_by_manifest ON contents(manifest);
  CREATE TABLE IF NOT EXISTS tracks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, manifest TEXT NOT NULL UNIQUE, track_hash TEXT NOT NULL, name TEXT NOT NULL,
    artist TEXT NOT NULL, title TEXT NOT NULL, album TEXT NOT NULL, year INTEGER, genre TEXT NOT NULL,
    explicit INTEGER NOT NULL, duration_ms INTEGER NOT NULL, cover TEXT, pinned INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX IF NOT EXISTS tracks_by_hash ON tracks(track_hash);
  CREATE INDEX IF NOT EXISTS tracks_by_cover ON tracks(cover);
  CREATE INDEX IF NOT EXISTS tracks_unpinned ON tracks(number) WHERE pinned = 0;
  CREATE TABLE IF NOT EXISTS catalogs (number INTEGER PRIMARY KEY AUTOINCREMENT, blocks TEXT NOT NULL);
`;

/** A track as the index keeps it: everything but its place in the playlist and on disk. */
export type IndexedTrack = Omit<LibraryTrack, 'index' | 'path'>;

export type Content =
  | { track: IndexedTrack; reason: null; note: null }
  | { track: null; reason: SkipReason; note: string };

export interface Place {
  source: string;
  path: Buffer;
  size: number;
  mtimeUs: number;
  print: Buffer;
}

/** Rows read without a pause for the rest of the process: a few milliseconds on a small computer. */
const PAGE_ROWS = 200;

type Row = Record<string, unknown>;

const TRACK_COLUMNS =
  't.manifest, t.track_hash, t.name, t.artist, t.title, t.album, t.year, t.genre, t.explicit, t.duration_ms, t.cover';
const PLACE_WITH_CONTENT = `SELECT p.source, p.path, p.size, p.mtime_us, p.print, p.present, c.reason, c.note, ${TRACK_COLUMNS}
  FROM places p JOIN contents c ON c.print = p.print LEFT JOIN tracks t ON t.manifest = c.manifest`;

/** What the library knows of files and tracks, in one SQLite file. A batch of rows costs no wait for the disk. */
export class TrackIndex {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** One that a newer version wrote, on a box that went back after an update, is made again: all of it can be. */
  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true });
    const path = join(dataDir, INDEX_FILE);
    let database = openAlone(path);
    let version = versionOf(database);
    if (version > SCHEMA_VERSION) {
      database.close();
      for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
      database = openAlone(path);
      version = 0;
    }
    this.#database = database;
    database.exec(`PRAGMA cache_size = -4096; ${SCHEMA}`);
    // Written once only: a full card takes no writes, and its music must be found.
    if (version < SCHEMA_VERSION) database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  /** What is known of a place, null when nothing was read there yet. */
  place(source: string, path: Buffer): { place: Place; present: boolean; content: Content | null } | null {
    const row = this.#run(`${PLACE_WITH_CONTENT} WHERE p.source = ? AND p.path = ?`).get(source, path);
    return row === undefined ? null : { place: toPlace(row), present: row.present === 1, content: toContent(row) };
  }

  /** What is known of a file with this fingerprint, wherever it lay. */
  content(print: Buffer): Content | null {
    const sql = `SELECT c.reason, c.note, ${TRACK_COLUMNS} FROM contents c LEFT JOIN tracks t ON t.manifest = c.manifest`;
    const row = this.#run(`${sql} WHERE c.print = ?`).get(print);
    return row === undefined ? null : toContent(row);
  }

  /** Notes that a file lies there, and what it is. */
  put(place: Place, content: Content): void {
    this.#together(() => {
      if (content.track !== null) this.#putTrack(content.track);
      this.#run('INSERT OR REPLACE INTO contents(print, manifest, reason, note) VALUES (?, ?, ?, ?)').run(
        place.print,
        content.track?.manifest ?? null,
        content.reason,
        content.note,
      );
      this.#run(
        'INSERT OR REPLACE INTO places(source, path, size, mtime_us, print, present) VALUES (?, ?, ?, ?, ?, 1)',
      ).run(place.source, place.path, place.size, place.mtimeUs, place.print);
    });
  }

  /** The file is there (again), or gone. */
  setPresent(source: string, path: Buffer, present: boolean, nowMs: number): void {
    this.#run('UPDATE places SET present = ?, gone_ms = ? WHERE source = ? AND path = ?').run(
      present ? 1 : 0,
      present ? null : nowMs,
      source,
      path,
    );
  }

  /** Places of a source that are noted as present, with what lies there, in the order of their paths, page by page. */
  *present(source: string): Generator<{ place: Place; content: Content }[]> {
    const sql = `${PLACE_WITH_CONTENT} WHERE p.source = ? AND p.path > ? AND p.present = 1 ORDER BY p.path LIMIT ?`;
    let after = Buffer.alloc(0);
    while (true) {
      const rows = this.#run(sql).all(source, after, PAGE_ROWS);
      yield rows.flatMap((row) => {
        const content = toContent(row);
        return content === null ? [] : [{ place: toPlace(row), content }];
      });
      if (rows.length < PAGE_ROWS) return;
      after = Buffer.from(rows.at(-1)!.path as Uint8Array);
    }
  }

  /** Manifests that are not pinned yet, oldest first. */
  unpinned(limit: number): string[] {
    const rows = this.#run('SELECT manifest FROM tracks WHERE pinned = 0 ORDER BY number LIMIT ?').all(limit);
    return rows.map((row) => row.manifest as string);
  }

  setPinned(manifest: string): void {
    this.#run('UPDATE tracks SET pinned = 1 WHERE manifest = ?').run(manifest);
  }

  /** Manifests of the newest tracks. */
  newest(limit: number): string[] {
    const rows = this.#run('SELECT manifest FROM tracks ORDER BY number DESC LIMIT ?').all(limit);
    return rows.map((row) => row.manifest as string);
  }

  /** Manifests of tracks that lie nowhere now: gone the longest first, and before `beforeMs`. */
  retired(beforeMs: number, limit: number): string[] {
    const rows = this.#run(
      `SELECT t.manifest, MAX(COALESCE(p.gone_ms, 0)) AS gone FROM tracks t
       LEFT JOIN contents c ON c.manifest = t.manifest LEFT JOIN places p ON p.print = c.print
       GROUP BY t.manifest HAVING MAX(COALESCE(p.present, 0)) = 0 AND gone < ? ORDER BY gone LIMIT ?`,
    ).all(beforeMs, limit);
    return rows.map((row) => row.manifest as string);
  }

  /** Forgets a track, and that its files were read. */
  forget(manifest: string): void {
    this.#together(() => {
      this.#run('DELETE FROM places WHERE print IN (SELECT print FROM contents WHERE manifest = ?)').run(manifest);
      this.#run('DELETE FROM contents WHERE manifest = ?').run(manifest);
      this.#run('DELETE FROM tracks WHERE manifest = ?').run(manifest);
    });
  }

  /** Manifests of the same audio under other tags. */
  siblings(manifest: string): string[] {
    const rows = this.#run(
      `SELECT manifest FROM tracks WHERE track_hash = (SELECT track_hash FROM tracks WHERE manifest = ?1) AND manifest <> ?1`,
    ).all(manifest);
    return rows.map((row) => row.manifest as string);
  }

  /** Whether another track has this cover. */
  coverIsShared(cover: string, manifest: string): boolean {
    return this.#run('SELECT 1 FROM tracks WHERE cover = ? AND manifest <> ?').get(cover, manifest) !== undefined;
  }

  /** Notes a catalog's blocks, and returns those of the ones before it that are not kept any more. */
  addCatalog(blocks: string[], keep: number): string[] {
    this.#run('INSERT INTO catalogs(blocks) VALUES (?)').run(blocks.join(' '));
    const rows = this.#run('SELECT number, blocks FROM catalogs ORDER BY number DESC').all();
    const kept = new Set(rows.slice(0, keep).flatMap((row) => (row.blocks as string).split(' ')));
    const old = rows.slice(keep);
    for (const row of old) this.#run('DELETE FROM catalogs WHERE number = ?').run(row.number as number);
    return old.flatMap((row) => (row.blocks as string).split(' ')).filter((block) => !kept.has(block));
  }

  #putTrack(track: IndexedTrack): void {
    this.#run(
      `INSERT INTO tracks(manifest, track_hash, name, artist, title, album, year, genre, explicit, duration_ms, cover)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(manifest) DO NOTHING`,
    ).run(
      track.manifest,
      track.trackHash,
      track.name,
      track.artist,
      track.title,
      track.album,
      track.year,
      track.genre,
      track.explicit ? 1 : 0,
      track.durationMs,
      track.cover,
    );
  }

  #together(action: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      action();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #run(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

function toPlace(row: Row): Place {
  return {
    source: row.source as string,
    path: Buffer.from(row.path as Uint8Array),
    size: row.size as number,
    mtimeUs: row.mtime_us as number,
    print: Buffer.from(row.print as Uint8Array),
  };
}

/** Null: the track was forgotten, so the file has to be read again. */
function toContent(row: Row): Content | null {
  if (row.reason !== null) return { track: null, reason: row.reason as SkipReason, note: row.note as string };
  if (row.manifest === null) return null;
  const track: IndexedTrack = {
    trackHash: row.track_hash as string,
    name: row.name as string,
    artist: row.artist as string,
    title: row.title as string,
    album: row.album as string,
    year: row.year as number | null,
    genre: row.genre as string,
    explicit: row.explicit === 1,
    durationMs: row.duration_ms as number,
    manifest: row.manifest as string,
    cover: row.cover as string | null,
  };
  return { track, reason: null, note: null };
}
