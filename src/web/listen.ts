import { once } from 'node:events';
import type { Request, Response } from 'express';
import { checkQuery, notOnThisBox } from './answers.ts';
import type { ListenPort } from './box.ts';
import { checkReadOrigin } from './change-guards.ts';
import { clientKey } from './client-address.ts';
import { RequestError } from './errors.ts';
import { LISTENER_STALL_MS, MAX_LISTENERS, MAX_LISTENERS_PER_CLIENT } from './limits.ts';

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
    const client = clientKey(request.socket.remoteAddress, request.socket.localAddress);
    const same = [...this.#listeners.values()].filter((other) => other === client).length;
    const hasRoom = this.#listeners.size < MAX_LISTENERS && same < MAX_LISTENERS_PER_CLIENT;
    const opened = hasRoom ? this.#port.open() : null;
    if (opened === null) {
      throw new RequestError(503, 'listen_full', 'The box has no hands free for one more listener.', {
        retryAfterMs: 30_000,
      });
    }
    response.status(200).set({ 'Content-Type': opened.type, 'Accept-Ranges': 'none' });
    this.#listeners.set(response, client);
    try {
      if (request.method === 'HEAD') response.end();
      else await pour(opened.stream, response);
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

/** Until the stream ends, the listener leaves, or takes nothing for too long. */
async function pour(stream: AsyncIterable<Uint8Array>, response: Response): Promise<void> {
  response.flushHeaders();
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const iterator = stream[Symbol.asyncIterator]();
  const left = new Promise<{ done: true; value: undefined }>((resolve) => {
    gone.signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), left]);
      if (next.done || response.destroyed) break;
      if (response.write(next.value)) continue;
      const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(LISTENER_STALL_MS)]);
      await once(response, 'drain', { signal });
    }
    response.end();
  } catch {
    // Gone, stalled, or the source failed: the player on the phone asks again.
    response.destroy();
  } finally {
    // Not waited for: a source that waits for sound may answer only when it is closed.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
