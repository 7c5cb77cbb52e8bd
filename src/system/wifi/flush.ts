import { execFile } from 'node:child_process';
import { FLUSH_MS } from './limits.ts';

/**
 * Brings to the disk what is still in memory only. NetworkManager renames a new profile into place without that, and a
 * box that loses its supply within half a minute comes back with an empty one. Node has no call for it.
 * @throws when the program is not there, fails, or takes too long
 */
export function flushDisks(): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('sync', { timeout: FLUSH_MS }, (error) => (error === null ? resolve() : reject(error)));
  });
}
