import { DatabaseSync } from 'node:sqlite';

/**
 * Opens an SQLite file that one process alone uses, with a write-ahead log. Alone, since SQLite then keeps the log's index in
 * memory and not in a file beside it (sqlite.org/wal.html, section 8): on a full card that file cannot be made, and a box
 * must find there what it knows all the same.
 * @throws when another one has it open, or when it is damaged
 */
export function openAlone(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
