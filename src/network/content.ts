import * as dagCbor from '@ipld/dag-cbor';
import type { Helia } from 'helia';
import type { Blockstore } from 'interface-blockstore';
import { createUnsafe } from 'multiformats/block';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { ExpiringSet } from './bounded.ts';
import type { Counters } from './counters.ts';
import {
  BadCidError,
  BlockTooLargeError,
  BlockUnavailableError,
  NotRunningError,
  PinIncompleteError,
  TooManyError,
} from './errors.ts';
import {
  FETCH_ATTEMPT_MS,
  FETCH_HEDGE_MS,
  FETCH_REPEAT_MS,
  FETCH_ROUND_PAUSE_MS,
  FETCH_ROUNDS,
  LACK_MS,
  MAX_BLOCK_BYTES,
  MAX_HEDGED_PROVIDERS,
  MAX_LACKS,
  MAX_PARALLEL_FETCHES,
  MAX_QUEUED_FETCHES,
  MAX_WANTS_PER_PROVIDER,
} from './limits.ts';
import { pause, within } from './streams.ts';
import type { Content, FetchOptions } from './types.ts';

const SHA2_256 = 0x12;

type PinOptions = NonNullable<Parameters<Helia['pins']['add']>[1]>;
type WalkerFactory = NonNullable<PinOptions['walker']>;

/** One peer's block by its CID: the way it comes here (bitswap) is behind this. */
export interface BlockSource {
  /** Leaves the block, hash checked, in the blockstore. @throws when the peer has not got it */
  fetchFrom(peer: string, cid: CID, signal: AbortSignal): Promise<Uint8Array>;
}

export interface ContentComponents {
  blockstore: Blockstore;
  /** Null while the network does not run. */
  helia(): Helia | null;
  source: BlockSource;
  /** Connected peers of our station. */
  peers(): string[];
  monoNowMs(): number;
  counters: Counters;
}

/** A fetch under way, shared by all who want the same block. */
interface Job {
  promise: Promise<Uint8Array>;
  waiters: number;
  /** More than one call has waited for it. */
  shared: boolean;
  controller: AbortController;
}

/** How a peer has done as a source. */
interface Provider {
  busy: number;
  failures: number;
}

/**
 * Brings blocks here: the likely owners first, one after the other, the next one beside a slow one. Asking one peer at
 * a time matters: a want that is sent to everybody makes everybody send the block.
 */
export class BlockContent implements Content {
  readonly #components: ContentComponents;
  readonly #jobs = new Map<string, Job>();
  readonly #providers = new Map<string, Provider>();
  /** Peer and block it said it has not got. Bitswap says so once; asked again it is silent. */
  readonly #lacks = new ExpiringSet(MAX_LACKS);
  readonly #turns: (() => void)[] = [];
  #running = 0;

  constructor(components: ContentComponents) {
    this.#components = components;
  }

  async fetch(cidText: string, options: FetchOptions): Promise<Uint8Array> {
    const cid = parseCid(cidText);
    options.signal?.throwIfAborted();
    const maxBytes = Math.min(options.maxBytes, MAX_BLOCK_BYTES);
    const local = await readLocal(this.#components.blockstore, cid);
    const { bytes, alone } = local === null ? await this.#join(cid, options) : { bytes: local, alone: false };
    if (bytes.length <= maxBytes) return bytes;
    // what came over the network for this call only, and is too large for it, does not stay
    if (alone) await this.#components.blockstore.delete(cid);
    throw new BlockTooLargeError(cidText, bytes.length, maxBytes);
  }

  async pin(root: string): Promise<void> {
    const cid = parseCid(root);
    const helia = this.#helia();
    if (await this.#isPinned(helia, cid)) return;
    const walker = localWalker(this.#components.blockstore, true);
    for await (const _ of helia.pins.add(cid, { walker }));
  }

  async unpin(root: string): Promise<void> {
    const cid = parseCid(root);
    const helia = this.#helia();
    if (!(await this.#isPinned(helia, cid))) return;
    const walker = localWalker(this.#components.blockstore, false);
    for await (const _ of helia.pins.rm(cid, { walker }));
  }

  /** Gives up everything under way. */
  stop(): void {
    for (const job of this.#jobs.values()) job.controller.abort(new NotRunningError());
  }

  /** Forgets a peer that is gone. */
  forget(peer: string): void {
    if (this.#providers.get(peer)?.busy === 0) this.#providers.delete(peer);
  }

  async #isPinned(helia: Helia, cid: CID): Promise<boolean> {
    try {
      await helia.pins.get(cid);
      return true;
    } catch (error) {
      if ((error as Error).name === 'NotFoundError') return false;
      throw error;
    }
  }

  #helia(): Helia {
    const helia = this.#components.helia();
    if (helia === null) throw new NotRunningError();
    return helia;
  }

  /** Waits for the block; the fetch itself ends when nobody waits any more. */
  async #join(cid: CID, options: FetchOptions): Promise<{ bytes: Uint8Array; alone: boolean }> {
    this.#helia();
    const key = cid.toString();
    const job = this.#jobs.get(key) ?? this.#begin(cid, key, options.providers ?? []);
    job.waiters += 1;
    job.shared ||= job.waiters > 1;
    try {
      const bytes = await orAborted(job.promise, options.signal);
      return { bytes, alone: !job.shared };
    } finally {
      job.waiters -= 1;
      if (job.waiters === 0) job.controller.abort(new Error('nobody wants the block any more'));
    }
  }

  #begin(cid: CID, key: string, providers: string[]): Job {
    if (this.#jobs.size >= MAX_QUEUED_FETCHES) throw new TooManyError('block fetches', MAX_QUEUED_FETCHES);
    const controller = new AbortController();
    const promise = this.#fetchInTurn(cid, providers, controller.signal).finally(() => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    });
    const job: Job = { promise, waiters: 0, shared: false, controller };
    promise.catch(() => {});
    this.#jobs.set(key, job);
    // an abandoned job must not be joined by a later caller
    controller.signal.addEventListener('abort', () => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    });
    return job;
  }

  async #fetchInTurn(cid: CID, hinted: string[], signal: AbortSignal): Promise<Uint8Array> {
    const { counters } = this.#components;
    await this.#turn(signal);
    try {
      const bytes = await this.#fetch(cid, hinted, signal);
      counters.add('blocksFetched');
      counters.add('blockBytesFetched', bytes.length);
      return bytes;
    } catch (error) {
      if (!signal.aborted) counters.add('failedFetches');
      throw error;
    } finally {
      this.#passTurnOn();
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#running < MAX_PARALLEL_FETCHES) {
      this.#running += 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turns.push(resolve);
    try {
      await orAborted(promise, signal);
    } catch (error) {
      const at = this.#turns.indexOf(resolve);
      if (at >= 0) this.#turns.splice(at, 1);
      // the turn came at the same moment
      else this.#passTurnOn();
      throw error;
    }
  }

  /** The next in line takes the place of the one that ends. */
  #passTurnOn(): void {
    const next = this.#turns.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }

  async #fetch(cid: CID, hinted: string[], signal: AbortSignal): Promise<Uint8Array> {
    let asked = 0;
    for (let round = 0; round < FETCH_ROUNDS; round++) {
      if (round > 0) await pause(FETCH_ROUND_PAUSE_MS * round, signal);
      signal.throwIfAborted();
      const peers = this.#inOrder(hinted);
      asked += peers.length;
      const bytes = await this.#askInOrder(cid, peers, signal);
      if (bytes !== null) return bytes;
    }
    signal.throwIfAborted();
    throw new BlockUnavailableError(cid.toString(), asked);
  }

  /** Hinted peers first, then whoever failed least, then whoever is least busy; chance decides between equals. */
  #inOrder(hinted: string[]): string[] {
    const connected = this.#components.peers();
    const rank = (peer: string): number[] => {
      const { failures, busy } = this.#provider(peer);
      return [hinted.includes(peer) ? 0 : 1, failures, busy, Math.random()];
    };
    const ranked = connected.map((peer) => ({ peer, rank: rank(peer) }));
    ranked.sort((a, b) => compareRanks(a.rank, b.rank));
    return ranked.map(({ peer }) => peer);
  }

  /** Null when none of them has it. */
  async #askInOrder(cid: CID, peers: string[], signal: AbortSignal): Promise<Uint8Array | null> {
    const found = new AbortController();
    const limit = AbortSignal.any([signal, found.signal]);
    const queue = [...peers];
    const running = new Set<Promise<Uint8Array | null>>();
    try {
      while (true) {
        if (queue.length > 0 && running.size < MAX_HEDGED_PROVIDERS) {
          const attempt = this.#attempt(queue.shift()!, cid, limit);
          running.add(attempt);
          attempt.finally(() => running.delete(attempt));
        }
        if (running.size === 0) return null;
        const bytes = await firstOr(running, FETCH_HEDGE_MS, limit);
        if (bytes !== null) return bytes;
        signal.throwIfAborted();
      }
    } finally {
      found.abort();
    }
  }

  /** Never rejects: null when this peer did not deliver. */
  async #attempt(peer: string, cid: CID, limit: AbortSignal): Promise<Uint8Array | null> {
    const provider = this.#provider(peer);
    while (provider.busy >= MAX_WANTS_PER_PROVIDER) {
      await pause(20, limit);
      if (limit.aborted) return null;
    }
    const { source, monoNowMs } = this.#components;
    const lack = `${peer} ${cid}`;
    const patience = this.#lacks.has(lack, monoNowMs()) ? FETCH_REPEAT_MS : FETCH_ATTEMPT_MS;
    const attempt = within(patience, limit);
    provider.busy += 1;
    try {
      const bytes = await source.fetchFrom(peer, cid, attempt);
      provider.failures = 0;
      return bytes;
    } catch {
      if (!limit.aborted) provider.failures += 1;
      if (!attempt.aborted) this.#lacks.add(lack, LACK_MS, monoNowMs());
      return null;
    } finally {
      provider.busy -= 1;
    }
  }

  #provider(peer: string): Provider {
    const known = this.#providers.get(peer);
    if (known !== undefined) return known;
    const provider = { busy: 0, failures: 0 };
    this.#providers.set(peer, provider);
    return provider;
  }
}

/** @throws BadCidError */
export function parseCid(text: string): CID {
  let cid: CID;
  try {
    cid = CID.parse(text);
  } catch {
    throw new BadCidError(text);
  }
  const known = cid.code === raw.code || cid.code === dagCbor.code;
  if (!known || cid.multihash.code !== SHA2_256 || cid.multihash.digest.length !== 32) throw new BadCidError(text);
  return cid;
}

/** The block if it is here, else null. */
export async function readLocal(blockstore: Blockstore, cid: CID): Promise<Uint8Array | null> {
  if (!(await blockstore.has(cid))) return null;
  const parts: Uint8Array[] = [];
  for await (const part of blockstore.get(cid)) parts.push(part);
  return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));
}

/**
 * Walks a manifest and its leaves without the network, and without reading the leaves: a pin needs their names only.
 * `complete`: a missing leaf is an error.
 */
function localWalker(blockstore: Blockstore, complete: boolean): WalkerFactory {
  return () => ({
    async *walk(root: CID): AsyncGenerator<never> {
      const leaf = (cid: CID) => ({ block: { cid }, depth: 1, path: [root, cid] }) as never;
      if (root.code === raw.code) {
        if (complete && !(await blockstore.has(root))) throw new PinIncompleteError(root.toString(), root.toString());
        yield leaf(root);
        return;
      }
      const bytes = await readLocal(blockstore, root);
      if (bytes === null) throw new PinIncompleteError(root.toString(), root.toString());
      const block = createUnsafe({ cid: root, bytes, codec: dagCbor });
      const links = new Map([...block.links()].map(([, cid]) => [cid.toString(), cid]));
      for (const [text, cid] of links) {
        if (complete && !(await blockstore.has(cid))) throw new PinIncompleteError(root.toString(), text);
      }
      yield { block, depth: 0, path: [root] } as never;
      for (const cid of links.values()) yield leaf(cid);
    },
  });
}

function compareRanks(a: number[], b: number[]): number {
  for (let at = 0; at < a.length; at++) {
    const difference = a[at]! - b[at]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The first block of those under way; null as soon as one of them ends without it, or after `ms`, or at the abort. */
async function firstOr(
  running: ReadonlySet<Promise<Uint8Array | null>>,
  ms: number,
  limit: AbortSignal,
): Promise<Uint8Array | null> {
  const waiting = new AbortController();
  const timer = pause(ms, AbortSignal.any([limit, waiting.signal])).then(() => null);
  try {
    return await Promise.race([...running, timer]);
  } finally {
    waiting.abort();
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}
