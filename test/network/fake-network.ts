/** A network in memory, for tests of what stands above it: same contract, no sockets, no delays. */
import type { Blockstore } from 'interface-blockstore';
import type { SyncRequest, SyncResponse } from '../../src/consensus/events.ts';
import type { SignedMessage, Topic } from '../../src/consensus/messages.ts';
import { parseCid, readLocal } from '../../src/network/content.ts';
import { COUNTER_NAMES } from '../../src/network/counters.ts';
import {
  BlockTooLargeError,
  BlockUnavailableError,
  NotRunningError,
  PeerUnreachableError,
  PinIncompleteError,
} from '../../src/network/errors.ts';
import type {
  Content,
  FetchOptions,
  MessageHandler,
  Network,
  PeerInfo,
  PeersHandler,
  RequestHandler,
  TimeSample,
} from '../../src/network/index.ts';
import { UNREACHABLE_PAUSE_MS } from '../../src/network/limits.ts';

/** What fakes of one station share: all who are started hear each other. */
export class FakeAir {
  readonly members = new Set<FakeNetwork>();

  changed(): void {
    for (const member of this.members) member.tellPeers();
  }
}

export interface FakeComponents {
  air: FakeAir;
  blockstore: Blockstore;
  stationNowMs(): number;
  timeDomain(): string | null;
}

export class FakeNetwork implements Network {
  readonly nodeId: string;
  readonly content: Content = {
    fetch: (cid, options) => this.#fetch(cid, options),
    pin: (root) => this.#pin(root),
    unpin: async (root) => void this.#pins.delete(root),
  };
  readonly #components: FakeComponents;
  readonly #pins = new Set<string>();
  #onMessage: MessageHandler | null = null;
  #onPeers: PeersHandler | null = null;
  #onRequest: RequestHandler | null = null;

  constructor(components: FakeComponents, init: { nodeId: string }) {
    this.#components = components;
    this.nodeId = init.nodeId;
  }

  async start(): Promise<void> {
    this.#components.air.members.add(this);
    this.#components.air.changed();
  }

  async stop(): Promise<void> {
    if (this.#components.air.members.delete(this)) this.#components.air.changed();
  }

  addresses(): string[] {
    return this.#isRunning() ? [`/memory/${this.nodeId}`] : [];
  }

  async publish(topic: Topic, message: SignedMessage): Promise<void> {
    this.#check();
    for (const other of this.#others())
      queueMicrotask(() => other.#onMessage?.(structuredClone(message), this.nodeId, topic));
  }

  onMessage(handler: MessageHandler): void {
    this.#onMessage = handler;
  }

  onPeers(handler: PeersHandler): void {
    this.#onPeers = handler;
  }

  peers(): PeerInfo[] {
    if (!this.#isRunning()) return [];
    return this.#others().map((other) => ({
      nodeId: other.nodeId,
      addresses: other.addresses(),
      rttMs: 0,
      sync: true,
    }));
  }

  tellPeers(): void {
    this.#onPeers?.(this.peers());
  }

  async request(peer: string, request: SyncRequest, _timeoutMs: number): Promise<SyncResponse> {
    this.#check();
    const isThere = this.#others().some((member) => member.nodeId === peer);
    if (!isThere) await new Promise((resolve) => setTimeout(resolve, UNREACHABLE_PAUSE_MS));
    const other = this.#peer(peer);
    if (other.#onRequest === null) return { kind: 'refused', reason: 'unavailable' };
    try {
      return await other.#onRequest(this.nodeId, request);
    } catch {
      return { kind: 'refused', reason: 'unavailable' };
    }
  }

  onRequest(handler: RequestHandler): void {
    this.#onRequest = handler;
  }

  async exchangeTime(peer: string, signal?: AbortSignal): Promise<TimeSample> {
    const other = this.#peer(peer);
    signal?.throwIfAborted();
    const t1 = performance.now();
    const t2 = other.#components.stationNowMs();
    return { t1, t2, t3: t2, t4: performance.now(), domain: other.#components.timeDomain() };
  }

  counters(): Record<string, number> {
    return Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0]));
  }

  #isRunning(): boolean {
    return this.#components.air.members.has(this);
  }

  #check(): void {
    if (!this.#isRunning()) throw new NotRunningError();
  }

  #others(): FakeNetwork[] {
    return [...this.#components.air.members].filter((member) => member !== this);
  }

  #peer(nodeId: string): FakeNetwork {
    this.#check();
    const peer = this.#others().find((other) => other.nodeId === nodeId);
    if (peer === undefined) throw new PeerUnreachableError(nodeId, 'not connected');
    return peer;
  }

  async #fetch(text: string, options: FetchOptions): Promise<Uint8Array> {
    const cid = parseCid(text);
    options.signal?.throwIfAborted();
    const stores = [this, ...this.#others()].map((network) => network.#components.blockstore);
    for (const store of stores) {
      const bytes = await readLocal(store, cid);
      if (bytes === null) continue;
      if (bytes.length > options.maxBytes) throw new BlockTooLargeError(text, bytes.length, options.maxBytes);
      await this.#components.blockstore.put(cid, bytes);
      return bytes;
    }
    throw new BlockUnavailableError(text, stores.length);
  }

  async #pin(root: string): Promise<void> {
    if ((await readLocal(this.#components.blockstore, parseCid(root))) === null)
      throw new PinIncompleteError(root, root);
    this.#pins.add(root);
  }
}
