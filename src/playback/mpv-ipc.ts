/**
 * mpv's JSON IPC over a socket that both already hold: newline-separated JSON, requests matched by `request_id`
 * (mpv manual, "JSON IPC").
 */
import type { Duplex } from 'node:stream';
import { PlayerProtocolError } from './errors.ts';

/** mpv's longest line here is a log message; anything longer is not mpv. */
const MAX_LINE_LENGTH = 64 * 1024;
/** A player that does not answer for so long hangs. */
const REQUEST_TIMEOUT_MS = 3_000;
/** Requests on their way: readings four times a second and a few commands. */
const MAX_PENDING = 32;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

export type MpvEvent = { event: string } & Record<string, unknown>;

export class MpvIpc {
  readonly #socket: Duplex;
  readonly #pending = new Map<number, Pending>();
  readonly #onEvent: (event: MpvEvent) => void;
  #nextId = 1;
  #text = '';

  constructor(socket: Duplex, onEvent: (event: MpvEvent) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('utf8')));
    socket.on('error', () => this.close());
    socket.on('end', () => this.close());
    socket.on('close', () => this.close());
  }

  /** Nothing can be asked any more. */
  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** @throws PlayerProtocolError if mpv refuses, hangs or is gone */
  request(...command: unknown[]): Promise<unknown> {
    return this.requestWithin(REQUEST_TIMEOUT_MS, ...command);
  }

  /** As `request`, of an mpv that may still be starting. */
  requestWithin(timeoutMs: number, ...command: unknown[]): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(new PlayerProtocolError('mpv is gone'));
    if (this.#pending.size >= MAX_PENDING) return Promise.reject(new PlayerProtocolError('mpv does not keep up'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new PlayerProtocolError(`mpv did not answer ${String(command[0])} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ command, request_id: id })}\n`);
    });
  }

  close(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new PlayerProtocolError('mpv is gone'));
    }
    this.#pending.clear();
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\n'); end !== -1; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      this.#handle(line);
    }
    if (this.#text.length > MAX_LINE_LENGTH) this.close();
  }

  #handle(line: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(line) as Record<string, unknown>;
    } catch {
      return;
    }
    if (typeof message.event === 'string') {
      this.#onEvent(message as MpvEvent);
      return;
    }
    const pending = this.#pending.get(message.request_id as number);
    if (pending === undefined) return;
    this.#pending.delete(message.request_id as number);
    clearTimeout(pending.timer);
    if (message.error === 'success') pending.resolve(message.data);
    else pending.reject(new PlayerProtocolError(`mpv: ${String(message.error)}`));
  }
}
