import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { decode, encode } from '@ipld/dag-cbor';
import type { Persisted } from '../consensus/events.ts';
import { isDamage, setAside } from './damaged-file.ts';

const JOURNAL_FILE = 'journal.db';
const SCHEMA_VERSION = 1;
/** How long a second process on the same data directory waits before it is told so. */
const LOCK_WAIT_MS = 1_500;

/** Another process uses the data directory. Two nodes with one identity would speak against each other. */
export class DataDirectoryInUseError extends Error {
  constructor(path: string) {
    super(`${path} is in use by another running node: stop that one, or give this one another --data directory`);
    this.name = 'DataDirectoryInUseError';
  }
}

/** The journal was written by a newer version. */
class JournalVersionError extends Error {
  constructor(version: number) {
    super(`has format ${version}, and this version reads formats up to ${SCHEMA_VERSION}`);
    this.name = 'JournalVersionError';
  }
}

/** One change of the journal: a value to keep under a key, or null to forget it. */
export interface JournalEntry {
  key: string;
  value: Persisted | null;
}

/**
 * What must survive a power cut, as keys and values in one SQLite file. A batch is on disk, whole, when `write`
 * returns, or not at all (write-ahead log with synchronous=FULL). Holding the file also keeps a second process out.
 */
export class Journal {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  #damage: string[] = [];

  /** @throws DataDirectoryInUseError */
  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const path = join(dataDir, JOURNAL_FILE);
    this.#database = this.#open(path, dataDir);
    this.#put = this.#database.prepare('INSERT OR REPLACE INTO entries(key, value) VALUES (?, ?)');
    this.#remove = this.#database.prepare('DELETE FROM entries WHERE key = ?');
  }

  /** What was found damaged, for people: the file as a whole, or rows of it. */
  get damage(): readonly string[] {
    return this.#damage;
  }

  /**
   * A box whose journal is lost has lost its log, which the flock has, and what it signed: better than no start. The same
   * for one that a newer version wrote, on a box that went back after an update: in it may stand what cannot be read here.
   */
  #open(path: string, dataDir: string): DatabaseSync {
    try {
      return openExclusively(path, dataDir);
    } catch (error) {
      const isNewer = error instanceof JournalVersionError;
      if (!isNewer && !isDamage(error)) throw error;
      const cause = isNewer ? error.message : 'is damaged';
      this.#damage.push(`${path} ${cause}; it was moved to ${setAside(path, isNewer ? '.newer' : '.damaged')}`);
      return openExclusively(path, dataDir);
    }
  }

  /** Everything kept so far. A row that cannot be read is handed over empty: whoever wrote it must know that it was there. */
  read(): Record<string, Persisted> {
    const restored: Record<string, Persisted> = {};
    for (const row of this.#database.prepare('SELECT key, value FROM entries').iterate()) {
      const value = readValue(row.value as Uint8Array);
      if (value === null) this.#damage.push(`the row ${String(row.key).slice(0, 80)} cannot be read`);
      restored[row.key as string] = value ?? { v: 1 };
    }
    return restored;
  }

  /** All entries, or none. */
  write(entries: readonly JournalEntry[]): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const { key, value } of entries) {
        if (value === null) this.#remove.run(key);
        else this.#put.run(key, encode(value));
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite may have rolled back by itself (a full card).
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function readValue(bytes: Uint8Array): Persisted | null {
  try {
    const value = decode(bytes) as Persisted | null;
    return typeof value === 'object' && value !== null && value.v === 1 ? value : null;
  } catch {
    return null;
  }
}

function openExclusively(path: string, dataDir: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec(
      'BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS entries(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT',
    );
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
    if (version > SCHEMA_VERSION) throw new JournalVersionError(version);
    // Written once only: a full card takes no writes, and the box must start.
    if (version < SCHEMA_VERSION) database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    database.exec('COMMIT');
    return database;
  } catch (error) {
    database.close();
    if (/locked|busy/i.test((error as Error).message)) throw new DataDirectoryInUseError(dataDir);
    throw error;
  }
}
