/** Asks the radio of this machine for its status, as any phone would. */
import { get } from 'node:http';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { readStatus, type Sample } from './health.ts';
import { MAX_STATUS_BYTES } from './limits.ts';

/** A radio that is busy starting answers within this. */
const ANSWER_MS = 10_000;
/** Of the box in its own hotspot, as wifi/wifi.ts has it: from there all of Wi-Fi would come into root's program. */
const HOTSPOT_ADDRESS = '10.42.0.1';

/** @returns null when it does not answer, or not with a status */
export async function askRadio(url: string): Promise<Sample | null> {
  const status = readStatus(await fetchJson(url).catch(() => null));
  return status === null ? null : { ...status, linked: isLinked() };
}

function fetchJson(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(url, { signal: AbortSignal.timeout(ANSWER_MS), agent: false }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('error', reject);
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > MAX_STATUS_BYTES) response.destroy(new Error('too much'));
        else pieces.push(piece);
      });
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(pieces).toString('utf8')));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('error', reject);
  });
}

/**
 * An address that others can reach: not of this machine alone, not of one cable without a network behind it, and not of the
 * hotspot, which a box opens just when it finds no network.
 */
export function isLinked(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()): boolean {
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .some(({ internal, address }) => !internal && address !== HOTSPOT_ADDRESS && !/^(fe80:|169\.254\.)/.test(address));
}
