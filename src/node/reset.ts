import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';

const ORDER_FILE = 'reset.json';
/** Left for systemd/starling-reset.path of the SD card; elsewhere it means nothing. */
const SYSTEM_ORDER_FILE = 'forget-system';
/** All that a box writes into its data directory, with what is set aside of it; the music that it made itself stays. */
const KEPT_THINGS = [
  /^(identity|settings|phones|listener|listen-port|run|wifi)\.json(\..*)?$/,
  /^(journal|library|network)\.db(-wal|-shm|\..*)?$/,
  /^(blocks|country|update)$/,
];

/**
 * Orders that everything but the music is forgotten. It is done at the next start, and the order stands until all of it
 * is: a power cut in between leaves no half-known box.
 */
export function orderReset(dataDir: string): void {
  writeFileAtomically(join(dataDir, ORDER_FILE), '{"version":1,"what":"all"}\n');
}

export function isResetOrdered(dataDir: string): boolean {
  return existsSync(join(dataDir, ORDER_FILE));
}

/**
 * Forgets everything but the music, if that was ordered. Nobody may have these files open. What the system keeps for
 * this box (networks, keys, its journal) is root's to forget: it finds an order of its own, before this one is gone.
 *
 * @returns what went
 */
export function carryOutReset(dataDir: string): string[] {
  if (!isResetOrdered(dataDir)) return [];
  const names = readdirSync(dataDir).filter((name) => KEPT_THINGS.some((pattern) => pattern.test(name)));
  for (const name of names) rmSync(join(dataDir, name), { recursive: true, force: true });
  writeFileAtomically(join(dataDir, SYSTEM_ORDER_FILE), 'all\n');
  rmSync(join(dataDir, ORDER_FILE), { force: true });
  return names;
}
