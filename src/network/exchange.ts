import * as dagCbor from '@ipld/dag-cbor';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { Counters } from './counters.ts';
import { peerOf } from './dialler.ts';
import {
  EXCHANGE_AFTER_JOIN_MS,
  EXCHANGE_INTERVAL_MS,
  EXCHANGE_MIN_INTERVAL_MS,
  EXCHANGE_TIMEOUT_MS,
  MAX_ADDRESSES_PER_PEER,
  MAX_EXCHANGE_BYTES,
  MAX_EXCHANGED_PEERS,
  TARGET_CONNECTIONS,
} from './limits.ts';
import { abortQuietly, closeQuietly, frames, within } from './streams.ts';
import type { Logger } from './types.ts';

/** The protocol that tells addresses of peers: an opened stream is the question. */
export function peersProtocol(stationId: string): string {
  return `/starling/1/${stationId}/peers`;
}

export interface ExchangeComponents {
  libp2p(): Libp2p;
  /** Connected peers of our station. */
  peers(): string[];
  onFound(peer: string, addresses: Multiaddr[]): void;
  monoNowMs(): number;
  log: Logger;
  counters: Counters;
}

/** One entry of the answer. */
interface Told {
  id: string;
  addresses: string[];
}

/**
 * Asks connected peers whom they know, so that a flock that met at one bootstrap address outlives it. The answer is
 * hearsay: it fills the dialler's table and proves nothing.
 */
export class PeerExchange {
  readonly #components: ExchangeComponents;
  readonly #protocol: string;
  readonly #lastServedMs = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #soon: NodeJS.Timeout[] = [];

  constructor(components: ExchangeComponents, init: { stationId: string }) {
    this.#components = components;
    this.#protocol = peersProtocol(init.stationId);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#askSomebody(), EXCHANGE_INTERVAL_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#calm();
    this.#lastServedMs.clear();
  }

  /** A peer came: ask it, and the others too once the newcomers have found their places. */
  joined(peer: string): void {
    if (this.#timer === null) return;
    void this.ask(peer);
    this.#calm();
    this.#soon = EXCHANGE_AFTER_JOIN_MS.map((ms) => setTimeout(() => this.#askSomebody(), ms));
  }

  #calm(): void {
    for (const timer of this.#soon) clearTimeout(timer);
    this.#soon = [];
  }

  forget(peer: string): void {
    this.#lastServedMs.delete(peer);
  }

  /** Asks one peer whom it knows. Never rejects. */
  async ask(peer: string): Promise<void> {
    const { libp2p, log } = this.#components;
    const signal = within(EXCHANGE_TIMEOUT_MS);
    let stream: Stream | null = null;
    try {
      const connection = libp2p()
        .getConnections(peerIdFromString(peer))
        .find((each) => each.status === 'open');
      if (connection === undefined) return;
      stream = await connection.newStream(this.#protocol, { signal });
      const bytes = (await frames(stream, MAX_EXCHANGE_BYTES).read({ signal })).subarray();
      for (const { id, addresses } of readTold(bytes)) this.#components.onFound(id, addresses);
      await closeQuietly(stream, EXCHANGE_TIMEOUT_MS);
    } catch (error) {
      log.debug('a peer told nobody', { peer, cause: String(error) });
      if (stream !== null) abortQuietly(stream, error);
    }
  }

  /** Serves one incoming stream. Never rejects. */
  async serve(stream: Stream, connection: Connection): Promise<void> {
    const { counters, monoNowMs } = this.#components;
    const asker = connection.remotePeer.toString();
    const nowMs = monoNowMs();
    if (nowMs - (this.#lastServedMs.get(asker) ?? Number.NEGATIVE_INFINITY) < EXCHANGE_MIN_INTERVAL_MS) {
      counters.add('refusedPeers');
      abortQuietly(stream, 'asked too often');
      return;
    }
    this.#lastServedMs.set(asker, nowMs);
    try {
      const told = await this.#tell(asker, isLoopback(connection.remoteAddr));
      await frames(stream, MAX_EXCHANGE_BYTES).write(dagCbor.encode(told), { signal: within(EXCHANGE_TIMEOUT_MS) });
      counters.add('peersServed');
      await closeQuietly(stream, EXCHANGE_TIMEOUT_MS);
    } catch (error) {
      abortQuietly(stream, error);
    }
  }

  #askSomebody(): void {
    const peers = this.#components.peers();
    if (peers.length === 0 || peers.length >= TARGET_CONNECTIONS) return;
    void this.ask(peers[Math.floor(Math.random() * peers.length)]!);
  }

  /** A random handful of those we are connected to, by the addresses they name themselves. */
  async #tell(asker: string, sameMachine: boolean): Promise<Told[]> {
    const others = this.#components.peers().filter((peer) => peer !== asker);
    const told: Told[] = [];
    for (const id of shuffled(others).slice(0, MAX_EXCHANGED_PEERS)) {
      const { addresses } = await this.#components.libp2p().peerStore.get(peerIdFromString(id));
      const texts = addresses
        .filter(({ multiaddr: address }) => sameMachine || !isLoopback(address))
        .map(({ multiaddr: address }) => address.toString())
        .slice(0, MAX_ADDRESSES_PER_PEER);
      if (texts.length > 0) told.push({ id, addresses: texts });
    }
    return told;
  }
}

/** Entries that make no sense are left out. @throws when the whole is no list. */
export function readTold(bytes: Uint8Array): { id: string; addresses: Multiaddr[] }[] {
  const list: unknown = dagCbor.decode(bytes);
  if (!Array.isArray(list)) throw new TypeError('not a list of peers');
  return list.slice(0, MAX_EXCHANGED_PEERS).flatMap((entry) => readEntry(entry) ?? []);
}

function readEntry(entry: unknown): { id: string; addresses: Multiaddr[] } | null {
  const { id, addresses } = (entry ?? {}) as Partial<Told>;
  if (typeof id !== 'string' || !Array.isArray(addresses)) return null;
  try {
    const peer = peerIdFromString(id).toString();
    const parsed = addresses.slice(0, MAX_ADDRESSES_PER_PEER).map((text) => multiaddr(text));
    const own = parsed.filter((address) => [null, peer].includes(peerOf(address)));
    return { id: peer, addresses: own };
  } catch {
    return null;
  }
}

function isLoopback(address: Multiaddr): boolean {
  const host = address.getComponents()[0]?.value ?? '';
  return host.startsWith('127.') || host === '::1';
}

function shuffled<T>(items: T[]): T[] {
  const copy = [...items];
  for (let at = copy.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [copy[at], copy[other]] = [copy[other]!, copy[at]!];
  }
  return copy;
}
