import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { decodeSync, encodeSync } from '../consensus/canonical.ts';
import type { SyncRequest, SyncResponse } from '../consensus/events.ts';
import { MAX_SYNC_REQUEST_BYTES, MAX_SYNC_RESPONSE_BYTES } from '../consensus/limits.ts';
import { TokenBucket } from './bounded.ts';
import type { CounterName, Counters } from './counters.ts';
import { BadAnswerError, PeerUnreachableError, RequestTimeoutError } from './errors.ts';
import {
  MAX_ASKERS,
  MAX_SYNC_PER_PEER,
  MAX_SYNC_TOTAL,
  SYNC_ANSWER_TIMEOUT_MS,
  SYNC_BURST,
  SYNC_PER_SECOND,
  SYNC_READ_TIMEOUT_MS,
  SYNC_STRIKES,
  UNREACHABLE_PAUSE_MS,
} from './limits.ts';
import { abortQuietly, closeQuietly, frames, openConnection, pause, within } from './streams.ts';
import type { Logger, RequestHandler } from './types.ts';

/** The catch-up protocol's name on the wire: one request and one answer a stream. */
export function syncProtocol(stationId: string): string {
  return `/starling/1/${stationId}/sync`;
}

export interface SyncComponents {
  libp2p(): Libp2p;
  monoNowMs(): number;
  log: Logger;
  counters: Counters;
  handler(): RequestHandler | null;
  /** This peer asks without measure: do not talk to it for a while. */
  shun(peer: string): void;
}

/** What is known of one asking peer. */
interface Asker {
  bucket: TokenBucket;
  open: number;
  strikes: number;
}

type RefusalReason = 'busy' | 'rate' | 'malformed' | 'unavailable' | 'too-large';

const CLOSE_TIMEOUT_MS = 1_000;

/** The catch-up stream, both ends. */
export class SyncStreams {
  readonly #components: SyncComponents;
  readonly #protocol: string;
  readonly #askers = new Map<string, Asker>();
  #openTotal = 0;

  constructor(components: SyncComponents, init: { stationId: string }) {
    this.#components = components;
    this.#protocol = syncProtocol(init.stationId);
  }

  /** Asks a connected peer. @throws PeerUnreachableError, RequestTimeoutError, BadAnswerError */
  async request(peer: string, request: SyncRequest, timeoutMs: number): Promise<SyncResponse> {
    const { libp2p, counters } = this.#components;
    counters.add('syncAsked');
    const connection = openConnection(libp2p(), peer);
    const signal = within(timeoutMs);
    if (connection === null) return await unreachable(peer, 'not connected', signal);
    let stream: Stream | null = null;
    let answer: Uint8Array;
    try {
      stream = await connection.newStream(this.#protocol, { signal });
      answer = await ask(stream, encodeSync(request), signal);
    } catch (error) {
      if (stream !== null) abortQuietly(stream, error);
      if (signal.aborted) throw new RequestTimeoutError(peer, timeoutMs);
      return await unreachable(peer, error, signal);
    }
    void closeQuietly(stream, CLOSE_TIMEOUT_MS);
    return readResponse(peer, request, answer);
  }

  /** Serves one incoming stream. Never rejects. */
  async serve(stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString();
    const asker = this.#asker(peer);
    try {
      await this.#serveOne(stream, peer, asker);
      await closeQuietly(stream, CLOSE_TIMEOUT_MS);
    } catch (error) {
      abortQuietly(stream, error);
    }
  }

  async #serveOne(stream: Stream, peer: string, asker: Asker): Promise<void> {
    const overLimit = this.#overLimit(asker);
    if (overLimit !== null) return this.#refuseAsker(stream, peer, asker, overLimit);
    asker.open += 1;
    this.#openTotal += 1;
    try {
      const request = await this.#readRequest(stream);
      asker.strikes = Math.max(0, asker.strikes - 1);
      await this.#answer(stream, peer, request);
    } finally {
      asker.open -= 1;
      this.#openTotal -= 1;
    }
  }

  #overLimit(asker: Asker): RefusalReason | null {
    if (!asker.bucket.take(this.#components.monoNowMs())) return 'rate';
    if (asker.open >= MAX_SYNC_PER_PEER || this.#openTotal >= MAX_SYNC_TOTAL) return 'busy';
    return null;
  }

  async #refuseAsker(stream: Stream, peer: string, asker: Asker, reason: RefusalReason): Promise<void> {
    this.#components.counters.add(reason === 'rate' ? 'refusedSyncRate' : 'refusedSyncBusy');
    asker.strikes += 1;
    if (asker.strikes >= SYNC_STRIKES) {
      asker.strikes = 0;
      this.#components.shun(peer);
      throw new Error('asked too often');
    }
    await this.#refuse(stream, reason);
  }

  async #readRequest(stream: Stream): Promise<SyncRequest> {
    const signal = within(SYNC_READ_TIMEOUT_MS);
    let bytes: Uint8Array;
    try {
      bytes = (await frames(stream, MAX_SYNC_REQUEST_BYTES).read({ signal })).subarray();
    } catch (error) {
      this.#count(signal.aborted ? 'refusedSyncTimeout' : 'refusedSyncMalformed');
      throw error;
    }
    try {
      return decodeSync('request', bytes);
    } catch (error) {
      this.#count('refusedSyncMalformed');
      await this.#refuse(stream, 'malformed');
      throw error;
    }
  }

  async #answer(stream: Stream, peer: string, request: SyncRequest): Promise<void> {
    const handler = this.#components.handler();
    if (handler === null) return this.#refuse(stream, 'unavailable');
    const signal = within(SYNC_ANSWER_TIMEOUT_MS);
    let bytes: Uint8Array;
    try {
      bytes = encodeSync(await raceAbort(handler(peer, request), signal));
    } catch (error) {
      this.#components.log.debug('a request was not answered', { peer, kind: request.kind, cause: String(error) });
      return this.#refuse(stream, 'unavailable');
    }
    if (bytes.length > MAX_SYNC_RESPONSE_BYTES) return this.#refuse(stream, 'too-large');
    await frames(stream, MAX_SYNC_RESPONSE_BYTES).write(bytes, { signal });
    this.#count('syncServed');
  }

  async #refuse(stream: Stream, reason: RefusalReason): Promise<void> {
    const bytes = encodeSync({ kind: 'refused', reason });
    await frames(stream, MAX_SYNC_RESPONSE_BYTES).write(bytes, { signal: within(CLOSE_TIMEOUT_MS) });
  }

  #asker(peer: string): Asker {
    const known = this.#askers.get(peer);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(SYNC_BURST, SYNC_PER_SECOND, this.#components.monoNowMs());
    const asker = { bucket, open: 0, strikes: 0 };
    this.#askers.set(peer, asker);
    // kept when the peer disconnects: coming back must not bring a new allowance
    if (this.#askers.size > MAX_ASKERS) this.#askers.delete(this.#askers.keys().next().value!);
    return asker;
  }

  #count(name: CounterName): void {
    this.#components.counters.add(name);
  }
}

/**
 * Fails after a pause. Who asks anew whenever a question failed would else do so in one turn of the event loop after the
 * other, and the word that the peer is gone would never come through.
 */
async function unreachable(peer: string, cause: unknown, signal: AbortSignal): Promise<never> {
  await pause(UNREACHABLE_PAUSE_MS, signal);
  throw new PeerUnreachableError(peer, cause);
}

async function ask(stream: Stream, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const framed = frames(stream, MAX_SYNC_RESPONSE_BYTES);
  await framed.write(request, { signal });
  return (await framed.read({ signal })).subarray();
}

function readResponse(peer: string, request: SyncRequest, bytes: Uint8Array): SyncResponse {
  let response: SyncResponse;
  try {
    response = decodeSync('response', bytes);
  } catch (error) {
    throw new BadAnswerError(peer, error);
  }
  if (response.kind !== request.kind && response.kind !== 'refused') {
    throw new BadAnswerError(peer, `asked for ${request.kind}, got ${response.kind}`);
  }
  return response;
}

function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}
