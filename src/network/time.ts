import { randomBytes } from 'node:crypto';
import type { Connection, Libp2p, Stream, StreamMessageEvent } from '@libp2p/interface';
import { TokenBucket } from './bounded.ts';
import type { Counters } from './counters.ts';
import { PeerUnreachableError, RequestTimeoutError, TooManyError } from './errors.ts';
import {
  MAX_TIME_PENDING,
  TIME_FRAMES_BURST,
  TIME_FRAMES_PER_SECOND,
  TIME_STREAM_FAILURES,
  TIME_TIMEOUT_MS,
} from './limits.ts';
import { abortQuietly, openConnection, within } from './streams.ts';
import type { TimeSample } from './types.ts';

/** The time protocol's name on the wire: one long-lived stream, fixed frames. */
export function timeProtocol(stationId: string): string {
  return `/starling/1/${stationId}/time`;
}

/** Question: 8 random bytes. */
export const QUESTION_BYTES = 8;
/** Answer: the question, t2 and t3 (float64, big endian, ms), a byte 0 or 1, and the time domain (32 bytes) if it is 1. */
export const ANSWER_BYTES = QUESTION_BYTES + 8 + 8 + 1 + 32;

const DOMAIN_AT = QUESTION_BYTES + 17;

export function encodeAnswer(question: Uint8Array, t2: number, t3: number, domain: string | null): Uint8Array {
  const frame = new Uint8Array(ANSWER_BYTES);
  const view = new DataView(frame.buffer);
  frame.set(question);
  view.setFloat64(QUESTION_BYTES, t2);
  view.setFloat64(QUESTION_BYTES + 8, t3);
  if (domain !== null && /^[0-9a-f]{64}$/.test(domain)) {
    frame[DOMAIN_AT - 1] = 1;
    frame.set(Buffer.from(domain, 'hex'), DOMAIN_AT);
  }
  return frame;
}

/** Null when the figures are no times. */
export function decodeAnswer(frame: Uint8Array): { key: string; t2: number; t3: number; domain: string | null } | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const t2 = view.getFloat64(QUESTION_BYTES);
  const t3 = view.getFloat64(QUESTION_BYTES + 8);
  if (!Number.isFinite(t2) || !Number.isFinite(t3) || t3 < t2) return null;
  const flag = frame[DOMAIN_AT - 1];
  const domain = flag === 1 ? Buffer.from(frame.subarray(DOMAIN_AT)).toString('hex') : null;
  return { key: questionKey(frame), t2, t3, domain };
}

function questionKey(frame: Uint8Array): string {
  return Buffer.from(frame.subarray(0, QUESTION_BYTES)).toString('hex');
}

/** Cuts incoming bytes into frames of a fixed length and hands each on at once. */
export class FrameCutter {
  readonly #length: number;
  readonly #onFrame: (frame: Uint8Array) => void;
  #rest = new Uint8Array(0);

  constructor(length: number, onFrame: (frame: Uint8Array) => void) {
    this.#length = length;
    this.#onFrame = onFrame;
  }

  push(bytes: Uint8Array): void {
    let data = bytes;
    if (this.#rest.length > 0) {
      data = new Uint8Array(this.#rest.length + bytes.length);
      data.set(this.#rest);
      data.set(bytes, this.#rest.length);
    }
    let at = 0;
    for (; data.length - at >= this.#length; at += this.#length) this.#onFrame(data.subarray(at, at + this.#length));
    this.#rest = data.slice(at);
  }
}

export interface TimeComponents {
  libp2p(): Libp2p;
  stationNowMs(): number;
  monoNowMs(): number;
  timeDomain(): string | null;
  counters: Counters;
}

interface Pending {
  t1: number;
  resolve(sample: TimeSample): void;
  reject(error: unknown): void;
}

/** Our end of the time stream to one peer. */
interface Channel {
  stream: Promise<Stream>;
  pending: Map<string, Pending>;
  failures: number;
}

/** The time stream, both ends. Timestamps are taken in the socket's own callback, before anything else happens. */
export class TimeStreams {
  readonly #components: TimeComponents;
  readonly #protocol: string;
  readonly #channels = new Map<string, Channel>();
  /** Smallest round trip of the last exchanges with a peer. */
  readonly #rttMs = new Map<string, number>();

  constructor(components: TimeComponents, init: { stationId: string }) {
    this.#components = components;
    this.#protocol = timeProtocol(init.stationId);
  }

  /** Round trip to a peer without its thinking time, null before the first exchange. */
  rttMs(peer: string): number | null {
    return this.#rttMs.get(peer) ?? null;
  }

  async exchange(peer: string, signal?: AbortSignal): Promise<TimeSample> {
    signal?.throwIfAborted();
    this.#components.counters.add('timeAsked');
    const channel = this.#channel(peer);
    if (channel.pending.size >= MAX_TIME_PENDING)
      throw new TooManyError('time exchanges with one peer', MAX_TIME_PENDING);
    const question = randomBytes(QUESTION_BYTES);
    const key = questionKey(question);
    const limit = within(TIME_TIMEOUT_MS, signal);
    try {
      const sample = await this.#ask(channel, question, key, limit);
      channel.failures = 0;
      this.#rttMs.set(peer, Math.max(0, sample.t4 - sample.t1 - (sample.t3 - sample.t2)));
      return sample;
    } catch (error) {
      this.#failed(peer, channel, error);
      if (signal?.aborted) throw signal.reason;
      if (limit.aborted) throw new RequestTimeoutError(peer, TIME_TIMEOUT_MS);
      throw new PeerUnreachableError(peer, error);
    } finally {
      channel.pending.delete(key);
    }
  }

  /** Serves one incoming stream until its peer closes it. */
  serve(stream: Stream, _connection: Connection): void {
    const { counters, monoNowMs, stationNowMs, timeDomain } = this.#components;
    const bucket = new TokenBucket(TIME_FRAMES_BURST, TIME_FRAMES_PER_SECOND, monoNowMs());
    let receivedMs = 0;
    const cutter = new FrameCutter(QUESTION_BYTES, (question) => {
      if (!bucket.take(monoNowMs())) {
        counters.add('refusedTime');
        throw new Error('asked for the time too often');
      }
      stream.send(encodeAnswer(question, receivedMs, Math.max(receivedMs, stationNowMs()), timeDomain()));
      counters.add('timeServed');
    });
    stream.addEventListener('message', (event: StreamMessageEvent) => {
      receivedMs = stationNowMs();
      try {
        cutter.push(event.data.subarray());
      } catch (error) {
        abortQuietly(stream, error);
      }
    });
    stream.addEventListener('remoteCloseWrite', () => {
      stream.close().catch((error: unknown) => abortQuietly(stream, error));
    });
  }

  /** Forgets a peer that is gone. */
  forget(peer: string): void {
    this.#rttMs.delete(peer);
    const channel = this.#channels.get(peer);
    if (channel !== undefined) this.#drop(peer, channel, 'the peer is gone');
  }

  stop(): void {
    for (const [peer, channel] of this.#channels) this.#drop(peer, channel, 'the network stops');
  }

  #channel(peer: string): Channel {
    const known = this.#channels.get(peer);
    if (known !== undefined) return known;
    const pending = new Map<string, Pending>();
    const stream = this.#open(peer, pending);
    const channel = { stream, pending, failures: 0 };
    this.#channels.set(peer, channel);
    const drop = (cause: unknown) => this.#drop(peer, channel, cause);
    stream.then((open) => open.addEventListener('close', () => drop('stream closed')), drop);
    return channel;
  }

  async #open(peer: string, pending: Map<string, Pending>): Promise<Stream> {
    const connection = openConnection(this.#components.libp2p(), peer);
    if (connection === null) throw new Error('not connected');
    const stream = await connection.newStream(this.#protocol, { signal: within(TIME_TIMEOUT_MS) });
    let t4 = 0;
    const cutter = new FrameCutter(ANSWER_BYTES, (frame) => {
      const answer = decodeAnswer(frame);
      if (answer === null) throw new Error('the answer holds no times');
      const waiting = pending.get(answer.key);
      if (waiting === undefined) return;
      const { t2, t3, domain } = answer;
      waiting.resolve({ t1: waiting.t1, t2, t3, t4, domain });
    });
    stream.addEventListener('message', (event: StreamMessageEvent) => {
      t4 = this.#components.monoNowMs();
      try {
        cutter.push(event.data.subarray());
      } catch (error) {
        abortQuietly(stream, error);
      }
    });
    return stream;
  }

  async #ask(channel: Channel, question: Uint8Array, key: string, limit: AbortSignal): Promise<TimeSample> {
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(limit.reason);
    limit.addEventListener('abort', onAbort);
    // nobody may be waiting yet when the limit is reached
    aborted.promise.catch(() => {});
    try {
      const stream = await Promise.race([channel.stream, aborted.promise]);
      const answered = Promise.withResolvers<TimeSample>();
      answered.promise.catch(() => {});
      const pending = { t1: 0, resolve: answered.resolve, reject: answered.reject };
      channel.pending.set(key, pending);
      pending.t1 = this.#components.monoNowMs();
      stream.send(question);
      return await Promise.race([answered.promise, aborted.promise]);
    } finally {
      limit.removeEventListener('abort', onAbort);
    }
  }

  #failed(peer: string, channel: Channel, cause: unknown): void {
    channel.failures += 1;
    if (channel.failures >= TIME_STREAM_FAILURES) this.#drop(peer, channel, cause);
  }

  #drop(peer: string, channel: Channel, cause: unknown): void {
    if (this.#channels.get(peer) !== channel) return;
    this.#channels.delete(peer);
    for (const pending of channel.pending.values()) pending.reject(new Error(String(cause)));
    channel.stream.then((stream) => abortQuietly(stream, cause)).catch(() => {});
  }
}
