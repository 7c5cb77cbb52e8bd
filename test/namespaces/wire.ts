/**
 * A process that passes bytes on between a namespace and somewhere else: TCP with a delay each way (this kernel's way
 * to a slow link), and a socket in the file system through which the lab reaches a node's page. One JSON line of
 * standard input is one wire; it ends with its standard input.
 */
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Wire {
  /** A path, or `address:port`. */
  from: string;
  /** `address:port`. */
  to: string;
  /** Every byte arrives so much later, both ways. */
  delayMs: number;
}

/** Bytes under way in one direction before its sender has to wait: 4 MB/s at half a second. */
const WINDOW_BYTES = 2_097_152;

function lay(wire: Wire): void {
  const server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (near) => {
    near.on('error', () => near.destroy());
    setTimeout(() => {
      const far = connect({ ...hostAndPort(wire.to), noDelay: true, allowHalfOpen: true });
      far.on('error', () => far.destroy());
      pass(near, far, wire.delayMs);
      pass(far, near, wire.delayMs);
      near.resume();
    }, wire.delayMs);
  });
  server.listen(wire.from.includes('/') ? { path: wire.from } : hostAndPort(wire.from), () => {
    process.stdout.write(`${JSON.stringify({ laid: wire.from })}\n`);
  });
}

/** In order: timers of one length fire in the order in which they were set. */
function pass(from: Socket, to: Socket, delayMs: number): void {
  let underWay = 0;
  const later = (what: () => void) => void setTimeout(what, delayMs);
  from.on('data', (chunk) => {
    underWay += chunk.length;
    if (underWay > WINDOW_BYTES) from.pause();
    later(() => {
      underWay -= chunk.length;
      if (!to.destroyed) to.write(chunk);
      if (underWay <= WINDOW_BYTES) from.resume();
    });
  });
  from.on('end', () => later(() => to.end()));
  from.on('close', (failed) => {
    if (failed) later(() => to.destroy());
  });
}

function hostAndPort(text: string): { host: string; port: number } {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}

createInterface({ input: process.stdin })
  .on('line', (line) => lay(JSON.parse(line)))
  .on('close', () => process.exit(0));
