import type { Request, Response } from 'express';
import { checkQuery, notOnThisBox } from './answers.ts';
import type { ListenPort } from './box.ts';
import { checkReadOrigin } from './change-guards.ts';
import { clientKey } from './client-address.ts';
import { RequestError } from './errors.ts';
import { LISTENER_STALL_MS, MAX_LISTENERS, MAX_LISTENERS_PER_CLIENT } from './limits.ts';

/** Endless: there is nothing to ask a range of. */
const HEADERS = { 'Content-Type': 'audio/mpeg', 'Accept-Ranges': 'none' };

/** The programme for a phone's own loudspeaker: one endless answer for each listener, of whom there are few. */
export class Listening {
  readonly #port: ListenPort | null;
  readonly #listeners = new Map<Response, string>();

  constructor(port: ListenPort | null) {
    this.#port = port;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** GET /listen. @throws {RequestError} 503 `listen_full`, 501 `not_on_this_box`, 403 for another site's player */
  async serve(request: Request, response: Response): Promise<void> {
    checkQuery(request, []);
    checkReadOrigin(request);
    if (this.#port === null) throw notOnThisBox('programme to listen to');
    if (request.method === 'HEAD') {
      response.status(200).set(HEADERS).end();
      return;
    }
    const client = clientKey(request.socket.remoteAddress, request.socket.localAddress);
    const same = [...this.#listeners.values()].filter((other) => other === client).length;
    const hasRoom = this.#listeners.size < MAX_LISTENERS && same < MAX_LISTENERS_PER_CLIENT;
    const opened = hasRoom ? this.#port.open() : null;
    if (opened === null) {
      throw new RequestError(503, 'listen_full', 'The box has no hands free for one more listener.', {
        retryAfterMs: 30_000,
      });
    }
    response.status(200).set({ ...HEADERS, 'Content-Type': opened.type });
    this.#listeners.set(response, client);
    response.once('close', () => opened.close());
    try {
      await pour(opened.stream, response);
    } finally {
      this.#listeners.delete(response);
      opened.close();
    }
  }

  /** Ends every stream. */
  stop(): void {
    for (const response of this.#listeners.keys()) response.destroy();
  }
}

/** Until the stream ends (it does when it is closed), the listener leaves, or takes nothing for too long. */
async function pour(stream: AsyncIterable<Uint8Array>, response: Response): Promise<void> {
  response.flushHeaders();
  try {
    for await (const piece of stream) {
      if (response.destroyed) return;
      if (!response.write(piece) && !(await drained(response))) break;
    }
    response.end();
  } catch {
    // The source failed: the player on the phone asks again.
    response.destroy();
  }
}

/** Waits until the listener took what was sent. @returns false for one that left or stalled, and is cut off then */
function drained(response: Response): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (took: boolean) => {
      clearTimeout(timer);
      response.off('drain', onDrain).off('close', onClose);
      if (!took) response.destroy();
      resolve(took);
    };
    const onDrain = () => end(true);
    const onClose = () => end(false);
    const timer = setTimeout(onClose, LISTENER_STALL_MS);
    response.on('drain', onDrain).on('close', onClose);
  });
}
