import { createConnection, type Socket } from 'node:net';
import { CALL_MS, MAX_CALLS } from '../limits.ts';
import {
  decodeMessage,
  ERROR,
  encodeMessage,
  METHOD_CALL,
  METHOD_RETURN,
  type Message,
  messageLength,
  SIGNAL,
} from './codec.ts';

/** The system bus cannot be reached, or hung up. */
export class BusLostError extends Error {
  override readonly name = 'BusLostError';
}

/** A call was answered with an error: `errorName` such as "org.freedesktop.DBus.Error.AccessDenied". */
export class BusCallError extends Error {
  override readonly name = 'BusCallError';
  readonly errorName: string;
  constructor(call: string, errorName: string, text: string) {
    super(`${call}: ${errorName}: ${text}`);
    this.errorName = errorName;
  }
}

/** A call was not answered in time. */
export class BusTimeoutError extends Error {
  override readonly name = 'BusTimeoutError';
}

export interface Call {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: unknown[];
}

export interface BusSignal {
  sender: string;
  path: string;
  interface: string;
  member: string;
  body: unknown[];
}

/** A connection to a message bus: calls, and the signals that were asked for. It lives once. */
export interface Bus {
  /** @throws {BusLostError} {@link BusCallError} {@link BusTimeoutError} */
  call(call: Call): Promise<unknown[]>;
  onSignal(handler: (signal: BusSignal) => void): void;
  /** Called once, when the connection has ended for whatever reason. */
  onClose(handler: () => void): void;
  close(): void;
}

export const SYSTEM_BUS = '/run/dbus/system_bus_socket';

/**
 * Connects as the user of this process (EXTERNAL, by the socket's credentials).
 * @param path of the bus's Unix socket
 * @throws {BusLostError}
 */
export async function connectBus(path: string = SYSTEM_BUS): Promise<Bus> {
  const socket = createConnection({ path });
  try {
    await authenticated(socket);
  } catch (error) {
    socket.destroy();
    throw new BusLostError(`The system bus cannot be reached at ${path}: ${(error as Error).message}`);
  }
  const bus = new SocketBus(socket);
  await bus.call({ ...BUS, member: 'Hello' }).catch((error) => {
    bus.close();
    throw error;
  });
  return bus;
}

export const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

/** The line protocol before the messages; see "Authentication Protocol" in the specification. */
function authenticated(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(new Error('no answer')), CALL_MS);
    let text = '';
    const settle = (error: Error | null) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.pause();
      if (error === null) resolve();
      else reject(error);
    };
    socket.once('error', settle);
    socket.once('close', () => settle(new Error('hung up')));
    socket.once('connect', () => {
      const user = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
      socket.write(`\0AUTH EXTERNAL ${user}\r\n`);
    });
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (!text.includes('\r\n')) return text.length > 512 ? settle(new Error('no bus')) : undefined;
      if (!text.startsWith('OK ')) return settle(new Error(text.trim().slice(0, 100)));
      socket.write('BEGIN\r\n');
      settle(null);
    });
  });
}

interface Waiting {
  name: string;
  timer: NodeJS.Timeout;
  resolve(body: unknown[]): void;
  reject(error: Error): void;
}

class SocketBus implements Bus {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #signalHandlers: ((signal: BusSignal) => void)[] = [];
  readonly #closeHandlers: (() => void)[] = [];
  #received: Buffer = Buffer.alloc(0);
  #serial = 0;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
    socket.resume();
  }

  call(call: Call): Promise<unknown[]> {
    const name = `${call.interface}.${call.member}`;
    if (this.#closed) return Promise.reject(new BusLostError(`${name}: the system bus is gone`));
    if (this.#waiting.size >= MAX_CALLS) return Promise.reject(new BusTimeoutError(`${name}: too many calls wait`));
    return new Promise((resolve, reject) => {
      this.#serial = (this.#serial % 0xffff_fffe) + 1;
      const serial = this.#serial;
      const bytes = encodeMessage({ signature: '', body: [], ...call, type: METHOD_CALL, serial });
      const timer = setTimeout(() => {
        this.#waiting.delete(serial);
        reject(new BusTimeoutError(`${name}: not answered within ${CALL_MS} ms`));
      }, CALL_MS);
      this.#waiting.set(serial, { name, timer, resolve, reject });
      this.#socket.write(bytes);
    });
  }

  onSignal(handler: (signal: BusSignal) => void): void {
    this.#signalHandlers.push(handler);
  }

  onClose(handler: () => void): void {
    if (this.#closed) handler();
    else this.#closeHandlers.push(handler);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const { name, timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new BusLostError(`${name}: the system bus hung up`));
    }
    this.#waiting.clear();
    for (const handler of this.#closeHandlers) handler();
  }

  #take(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    try {
      for (let length = messageLength(this.#received); length !== null; length = messageLength(this.#received)) {
        if (this.#received.length < length) return;
        const bytes = this.#received.subarray(0, length);
        this.#received = this.#received.subarray(length);
        this.#handle(decodeMessage(bytes));
      }
    } catch {
      // What is no message cannot be skipped: there is no telling where the next one begins.
      this.close();
    }
  }

  #handle(message: Message): void {
    if (message.type === SIGNAL) {
      const { sender = '', path = '', member = '', body } = message;
      const signal = { sender, path, interface: message.interface ?? '', member, body };
      for (const handler of this.#signalHandlers) handler(signal);
      return;
    }
    const waiting = this.#waiting.get(message.replySerial ?? 0);
    if (waiting === undefined) return;
    this.#waiting.delete(message.replySerial ?? 0);
    clearTimeout(waiting.timer);
    if (message.type === METHOD_RETURN) waiting.resolve(message.body);
    else if (message.type === ERROR)
      waiting.reject(new BusCallError(waiting.name, message.errorName ?? '', String(message.body[0] ?? '')));
  }
}
