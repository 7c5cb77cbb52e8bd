import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const TRIES = 100;

/** Connects to a socket of the emulator, which may take a moment to appear. */
export async function connectTo(path: string): Promise<Socket> {
  for (let attempt = 1; ; attempt += 1) {
    const socket = createConnection(path);
    try {
      await once(socket, 'connect');
      socket.on('error', () => {});
      return socket;
    } catch (error) {
      if (attempt === TRIES) throw error;
      await sleep(100);
    }
  }
}

/** Hands over line by line; the emulator may end before its clients do, which is no error of theirs. */
export function eachLine(socket: Socket, take: (line: string) => void): void {
  createInterface({ input: socket })
    .on('line', take)
    .on('error', () => {});
}

/** One line a question, one line an answer, in their order. */
export class LineClient {
  readonly #socket: Socket;
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor(socket: Socket, isAnswer: (line: string) => boolean) {
    this.#socket = socket;
    eachLine(socket, (line) => {
      if (isAnswer(line)) this.#waiting.shift()?.(line);
    });
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${line}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
