import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BaseDatastore } from 'datastore-core';
import { type Batch, type Datastore, Key, type KeyQuery, type Pair, type Query } from 'interface-datastore';
import { BlockNotFoundError } from './errors.ts';
import { openAlone } from './open-alone.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
`;
/** A network whose first write fails does not start. */
const PROBE = `INSERT OR REPLACE INTO entries VALUES ('/starling/probe', x''); DELETE FROM entries WHERE key = '/starling/probe'`;
/** Rows read at a time, so that a query can be left early and writes may come in between. */
const PAGE_ROWS = 256;

type StatementName = 'put' | 'get' | 'has' | 'remove' | 'after' | 'keysAfter';

/** Where helia keeps its pins and libp2p its peers: one SQLite file. Call `open()` before use. */
export interface SqliteDatastore extends Datastore {
  /** @throws also where it can be read and nothing can be written, as on a full card */
  open(): void;
  close(): void;
}

/** @param init.path - the file; ':memory:' for none */
export function createDatastore(init: { path: string }): SqliteDatastore {
  return new SqliteDatastoreFile(init);
}

/**
 * Keys and values in one table. A killed process loses nothing; a power cut may lose the newest writes but never
 * damages the file (write-ahead log, synchronous=NORMAL): pins and peers can be made again.
 */
class SqliteDatastoreFile extends BaseDatastore implements SqliteDatastore {
  readonly #init: { path: string };
  #database: DatabaseSync | null = null;
  #statements: Record<StatementName, StatementSync> | null = null;

  constructor(init: { path: string }) {
    super();
    this.#init = init;
  }

  open(): void {
    if (this.#database !== null) return;
    if (this.#init.path !== ':memory:') mkdirSync(dirname(this.#init.path), { recursive: true });
    const database = openAlone(this.#init.path);
    try {
      database.exec(SCHEMA);
      database.exec(PROBE);
    } catch (error) {
      database.close();
      throw error;
    }
    const range = 'WHERE key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?';
    this.#database = database;
    this.#statements = {
      put: database.prepare('INSERT OR REPLACE INTO entries(key, value) VALUES (?, ?)'),
      get: database.prepare('SELECT value FROM entries WHERE key = ?'),
      has: database.prepare('SELECT 1 FROM entries WHERE key = ?'),
      remove: database.prepare('DELETE FROM entries WHERE key = ?'),
      after: database.prepare(`SELECT key, value FROM entries ${range}`),
      keysAfter: database.prepare(`SELECT key FROM entries ${range}`),
    };
  }

  close(): void {
    this.#database?.close();
    this.#database = null;
    this.#statements = null;
  }

  override put(key: Key, value: Uint8Array): Key {
    this.#use('put').run(key.toString(), value);
    return key;
  }

  /** @throws an error named NotFoundError */
  override get(key: Key): Uint8Array {
    const row = this.#use('get').get(key.toString());
    if (row === undefined) throw new BlockNotFoundError(key.toString());
    return row.value as Uint8Array;
  }

  override has(key: Key): boolean {
    return this.#use('has').get(key.toString()) !== undefined;
  }

  override delete(key: Key): void {
    this.#use('remove').run(key.toString());
  }

  /** All of a batch, or nothing. */
  override batch(): Batch {
    const changes: { key: Key; value: Uint8Array | null }[] = [];
    return {
      put: (key, value) => void changes.push({ key, value }),
      delete: (key) => void changes.push({ key, value: null }),
      commit: async () => {
        this.#inTransaction(() => {
          for (const { key, value } of changes.splice(0)) {
            if (value === null) this.delete(key);
            else this.put(key, value);
          }
        });
      },
    };
  }

  override *_all(query: Query): Generator<Pair> {
    for (const row of this.#pages('after', query.prefix)) {
      yield { key: new Key(row.key as string, false), value: row.value as Uint8Array };
    }
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const row of this.#pages('keysAfter', query.prefix)) yield new Key(row.key as string, false);
  }

  *#pages(statement: 'after' | 'keysAfter', prefix = ''): Generator<Record<string, unknown>> {
    // U+10FFFF sorts behind every character a key can hold
    const end = `${prefix}\u{10FFFF}`;
    for (let last = ''; ; ) {
      const rows = this.#use(statement).all(prefix, end, last, PAGE_ROWS);
      yield* rows;
      if (rows.length < PAGE_ROWS) return;
      last = rows.at(-1)!.key as string;
    }
  }

  #inTransaction(action: () => void): void {
    this.#use('put');
    this.#database!.exec('BEGIN IMMEDIATE');
    try {
      action();
      this.#database!.exec('COMMIT');
    } catch (error) {
      this.#database!.exec('ROLLBACK');
      throw error;
    }
  }

  #use(name: StatementName): StatementSync {
    if (this.#statements === null) this.open();
    return this.#statements![name];
  }
}
