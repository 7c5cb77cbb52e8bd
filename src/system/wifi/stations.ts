import { execFile } from 'node:child_process';
import { MAX_PHONES } from './limits.ts';

/** A list that takes longer is of no use any more. */
const IW_MS = 3_000;

/**
 * How many phones are on the hotspot, by iw(8), which may be asked by anybody; NetworkManager does not tell.
 * Null when it cannot be known.
 */
export function countStations(device: string): Promise<number | null> {
  return new Promise((resolve) => {
    const options = { timeout: IW_MS, maxBuffer: 1 << 20 };
    execFile('iw', ['dev', device, 'station', 'dump'], options, (error, output) => {
      resolve(error === null ? stationsIn(output) : null);
    });
  });
}

export function stationsIn(output: string): number {
  return Math.min(output.match(/^Station [0-9a-f:]{17} /gm)?.length ?? 0, MAX_PHONES);
}
