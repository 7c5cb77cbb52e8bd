import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** SQLite's words for a file that it cannot make sense of (SQLITE_CORRUPT, SQLITE_NOTADB). */
const DAMAGE_CODES = new Set([11, 26]);

/** Whether this is SQLite's complaint about the content of its file. */
export function isDamage(error: unknown): boolean {
  return DAMAGE_CODES.has(Number((error as { errcode?: number }).errcode) & 0xff);
}

/** Moves a database out of the way, its newest copy only: what it held is made again, or looked at by people. */
export function setAside(path: string, suffix: '.damaged' | '.newer' = '.damaged'): string {
  const aside = path + suffix;
  for (const ending of ['', '-wal', '-shm']) {
    rmSync(aside + ending, { force: true });
    if (existsSync(path + ending)) renameSync(path + ending, aside + ending);
  }
  return aside;
}

/**
 * Sets a database aside that SQLite cannot read, before its owner opens it: a worn card must not keep a box from
 * starting. For files that can be made again only, which nobody has open.
 *
 * @param thoroughly - look at every page (after a power cut), not only whether it opens
 * @returns where it is now, null when it is sound or not there
 */
export function setAsideIfDamaged(path: string, thoroughly: boolean): string | null {
  if (!existsSync(path)) return null;
  return isSound(path, thoroughly) ? null : setAside(path);
}

function isSound(path: string, thoroughly: boolean): boolean {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path);
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    if (!thoroughly) return true;
    return database.prepare('PRAGMA quick_check(1)').get()?.quick_check === 'ok';
  } catch (error) {
    // Anything else (no right to read it, a full card) is told by its owner.
    return !isDamage(error);
  } finally {
    database?.close();
  }
}
