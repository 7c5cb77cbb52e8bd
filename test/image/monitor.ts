import type { Socket } from 'node:net';
import { connectTo, eachLine } from './lines.ts';

interface Reply {
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  QMP?: unknown;
}

/** The emulator's own monitor: JSON lines (QMP). */
export class Monitor {
  readonly #socket: Socket;
  readonly #waiting: ((reply: Reply) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    eachLine(socket, (line) => {
      const reply = JSON.parse(line) as Reply;
      if (reply.event === undefined) this.#waiting.shift()?.(reply);
    });
  }

  static async open(path: string): Promise<Monitor> {
    const monitor = new Monitor(await connectTo(path));
    await new Promise<Reply>((greeted) => monitor.#waiting.push(greeted));
    await monitor.command('qmp_capabilities');
    return monitor;
  }

  command(execute: string, args: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(({ error, return: value }) =>
        error === undefined ? resolve(value) : reject(new Error(`${execute}: ${error.desc}`)),
      );
      this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
