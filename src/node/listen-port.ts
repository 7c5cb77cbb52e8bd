import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';

const PORT_FILE = 'listen-port.json';
/** Not registered with IANA, outside of the range that Linux hands out to clients. */
export const USUAL_PORT = 4_774;

/**
 * The TCP port on which a box is reached when nobody chose one: the one it had last time, else the usual one, else
 * any. Boxes that all restart at once find each other by the ports they remember, so a port must outlive a restart.
 *
 * @returns 0 for any
 */
export async function rememberedPort(dataDir: string): Promise<number> {
  for (const port of [readPort(dataDir), USUAL_PORT]) {
    if (port !== null && (await isFree(port))) return port;
  }
  return 0;
}

/** Keeps the port that one of these multiaddrs (`/ip4/…/tcp/PORT/…`) has. */
export function rememberPort(dataDir: string, addresses: readonly string[]): void {
  const port = addresses.map((address) => /\/tcp\/(\d+)/.exec(address)?.[1]).find((text) => text !== undefined);
  if (port === undefined || Number(port) === readPort(dataDir)) return;
  writeFileAtomically(join(dataDir, PORT_FILE), `${JSON.stringify({ version: 1, port: Number(port) })}\n`);
}

function readPort(dataDir: string): number | null {
  try {
    const { port } = JSON.parse(readFileSync(join(dataDir, PORT_FILE), 'utf8'));
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
  } catch {
    // Not there yet, or damaged: a port is no treasure.
    return null;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)));
  });
}
