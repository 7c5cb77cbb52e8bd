import { performance } from 'node:perf_hooks';
import type { Connection, IdentifyResult, Libp2p, PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { SyncRequest, SyncResponse } from '../consensus/events.ts';
import type { NodeId, SignedMessage, Topic } from '../consensus/messages.ts';
import { BitswapSource, sweepServedWants } from './bitswap.ts';
import { BoundedSet } from './bounded.ts';
import { BlockContent } from './content.ts';
import { Counters } from './counters.ts';
import { Dialler, type Origin } from './dialler.ts';
import { AddressError, ListenError, NotRunningError, StationIdError, StationKeyError } from './errors.ts';
import { PeerExchange, peersProtocol } from './exchange.ts';
import { Gossip } from './gossip.ts';
import { createHost, type Host, type Served } from './host.ts';
import { privateKeyFromSeed } from './identity.ts';
import {
  ABUSIVE_PEER_MS,
  FOREIGN_PEER_MS,
  IDENTIFY_GRACE_MS,
  MAX_SHUNNED_PEERS,
  MAX_SYNC_PER_PEER,
  SILENT_PEER_MS,
  STOP_TIMEOUT_MS,
  SWEEP_WANTS_MS,
} from './limits.ts';
import { LinkDiscovery } from './mdns.ts';
import { PeerList } from './peer-list.ts';
import { ShunnedPeers } from './shunned.ts';
import { pause } from './streams.ts';
import { SyncStreams, syncProtocol } from './sync.ts';
import { TimeStreams, timeProtocol } from './time.ts';
import type {
  Content,
  MessageHandler,
  Network,
  NetworkComponents,
  NetworkInit,
  PeerInfo,
  PeersHandler,
  RequestHandler,
  TimeSample,
} from './types.ts';

/** How a multiaddr begins that listens on all IPv4 addresses. */
const ALL_ADDRESSES = '/ip4/0.0.0.0/';

/** Two boxes that hear of each other at once: the one with the greater id waits this long, or they connect twice. */
const SECOND_DIALLER_DELAY_MS = 400;

/**
 * A node's network. Its constructor only keeps what it is given; nothing is opened before start().
 * @throws IdentitySeedError, StationIdError, StationKeyError, AddressError
 */
export function createNetwork(components: NetworkComponents, init: NetworkInit): Network {
  return new StationNetwork(components, init);
}

class StationNetwork implements Network {
  readonly nodeId: NodeId;
  readonly content: Content;
  readonly #components: NetworkComponents;
  readonly #init: NetworkInit;
  readonly #bootstrap: Multiaddr[];
  readonly #privateKey;
  readonly #counters = new Counters();
  readonly #shunned: ShunnedPeers;
  readonly #abusers = new BoundedSet(MAX_SHUNNED_PEERS);
  readonly #peerList: PeerList;
  readonly #sync: SyncStreams;
  readonly #time: TimeStreams;
  readonly #content: BlockContent;
  readonly #dialler: Dialler;
  readonly #exchange: PeerExchange;
  readonly #discovery: LinkDiscovery;
  readonly #graceTimers = new Map<string, NodeJS.Timeout>();
  #gossip: Gossip | null = null;
  #sweeper: NodeJS.Timeout | null = null;
  #host: Host | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #onMessage: MessageHandler | null = null;
  #onRequest: RequestHandler | null = null;

  constructor(components: NetworkComponents, init: NetworkInit) {
    if (!/^[0-9a-f]{64}$/.test(init.stationId)) throw new StationIdError(init.stationId);
    if (init.stationKey !== null && init.stationKey.length !== 32) throw new StationKeyError(init.stationKey.length);
    for (const text of init.listen) parseAddress('listen', text);
    this.#components = components;
    this.#init = init;
    this.#bootstrap = init.bootstrap.map((text) => parseAddress('bootstrap', text));
    this.#privateKey = privateKeyFromSeed(init.identitySeed);
    this.nodeId = peerIdFromPrivateKey(this.#privateKey).toString();
    const { log } = components;
    const counters = this.#counters;
    const { stationId } = init;
    const monoNowMs = components.monoNowMs ?? (() => performance.now());
    const timeDomain = components.timeDomain ?? (() => null);
    const libp2p = () => this.#libp2p();
    const peers = () => this.#peerList.stationPeers();
    const onFound = (origin: Origin) => (peer: string, addresses: Multiaddr[]) => this.#found(peer, addresses, origin);
    this.#shunned = new ShunnedPeers({ monoNowMs });
    this.#peerList = new PeerList({
      libp2p: () => this.#host?.libp2p ?? null,
      rttMs: (peer) => this.#time.rttMs(peer),
    });
    this.#sync = new SyncStreams(
      { libp2p, monoNowMs, log, counters, handler: () => this.#onRequest, shun: (peer) => this.#abusive(peer) },
      { stationId },
    );
    const { stationNowMs } = components;
    this.#time = new TimeStreams({ libp2p, stationNowMs, monoNowMs, timeDomain, counters }, { stationId });
    const helia = () => this.#host;
    const source = new BitswapSource({ helia });
    this.#content = new BlockContent({ blockstore: components.blockstore, helia, source, peers, monoNowMs, counters });
    this.content = this.#content;
    const isShunned = (peer: string) => this.#shunned.has(peer);
    this.#dialler = new Dialler({ libp2p, nodeId: this.nodeId, monoNowMs, isShunned, log, counters });
    this.#exchange = new PeerExchange(
      { libp2p, peers, onFound: onFound('exchange'), monoNowMs, log, counters },
      { stationId },
    );
    const addresses = () => this.#host?.libp2p.getMultiaddrs() ?? [];
    const { nodeId } = this;
    this.#discovery = new LinkDiscovery(
      { nodeId, addresses, onFound: onFound('mdns'), monoNowMs, log, counters },
      {
        stationId,
        listensOnAll: init.listen.some((address) => address.startsWith(ALL_ADDRESSES)),
        localName: init.localName ?? null,
      },
    );
  }

  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async stop(): Promise<void> {
    if (this.#starting === null) return;
    this.#stopping ??= this.#stop(this.#starting).finally(() => {
      this.#starting = null;
      this.#stopping = null;
    });
    await this.#stopping;
  }

  addresses(): string[] {
    return this.#host?.libp2p.getMultiaddrs().map((address) => address.toString()) ?? [];
  }

  async publish(topic: Topic, message: SignedMessage): Promise<void> {
    if (this.#gossip === null) throw new NotRunningError();
    await this.#gossip.publish(topic, message);
  }

  onMessage(handler: MessageHandler): void {
    this.#onMessage = handler;
  }

  onPeers(handler: PeersHandler): void {
    this.#peerList.onChanged(handler);
  }

  peers(): PeerInfo[] {
    return this.#peerList.all();
  }

  async request(peer: NodeId, request: SyncRequest, timeoutMs: number): Promise<SyncResponse> {
    return this.#sync.request(peer, request, timeoutMs);
  }

  onRequest(handler: RequestHandler): void {
    this.#onRequest = handler;
  }

  async exchangeTime(peer: NodeId, signal?: AbortSignal): Promise<TimeSample> {
    this.#libp2p();
    return this.#time.exchange(peer, signal);
  }

  counters(): Record<string, number> {
    return this.#counters.snapshot();
  }

  #libp2p(): Libp2p {
    if (this.#host === null) throw new NotRunningError();
    return this.#host.libp2p as Libp2p;
  }

  async #start(): Promise<void> {
    await this.#stopping;
    const { stationId, stationKey, listen } = this.#init;
    const gater = this.#shunned.gater();
    const host = createHost(this.#components, {
      privateKey: this.#privateKey,
      stationId,
      stationKey,
      listen,
      gater,
      served: this.#served(),
    });
    try {
      await host.start();
    } catch (error) {
      this.#starting = null;
      await host.stop().catch(() => {});
      throw new ListenError(listen, error);
    }
    this.#host = host;
    this.#watch(host.libp2p as Libp2p);
    this.#startParts(host);
    await this.#recallPeers();
    this.#components.log.info('network is up', { nodeId: this.nodeId, addresses: this.addresses() });
  }

  #startParts(host: Host): void {
    const { verify, log } = this.#components;
    const { pubsub } = host.libp2p.services;
    const handler = () => this.#onMessage;
    this.#gossip = new Gossip(
      { pubsub, verify, log, counters: this.#counters, handler },
      { stationId: this.#init.stationId },
    );
    this.#gossip.start();
    this.#dialler.addBootstrap(this.#bootstrap);
    this.#dialler.start();
    this.#exchange.start();
    if (this.#init.mdns) this.#discovery.start();
    this.#sweeper = setInterval(
      () => sweepServedWants(host, this.#peerList.stationPeers(), Date.now()),
      SWEEP_WANTS_MS,
    );
  }

  async #stop(starting: Promise<void>): Promise<void> {
    try {
      await starting;
    } catch {
      return;
    }
    const host = this.#host;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#dialler.stop();
    this.#exchange.stop();
    this.#time.stop();
    this.#content.stop();
    this.#gossip?.stop();
    for (const timer of this.#graceTimers.values()) clearTimeout(timer);
    this.#graceTimers.clear();
    const ended = this.#discovery.stop().then(() => host?.stop());
    const { log } = this.#components;
    const quiet = ended.catch((error) => log.warn('network did not stop cleanly', { cause: String(error) }));
    await Promise.race([quiet, pause(STOP_TIMEOUT_MS)]);
    this.#host = null;
    this.#gossip = null;
    this.#peerList.clear();
  }

  #served(): Served[] {
    const { stationId } = this.#init;
    return [
      {
        protocol: syncProtocol(stationId),
        handler: (stream, connection) => this.#sync.serve(stream, connection),
        // one more than is answered, so that the refusal can be said
        maxStreams: MAX_SYNC_PER_PEER * 4,
      },
      {
        protocol: timeProtocol(stationId),
        handler: (stream, connection) => this.#time.serve(stream, connection),
        maxStreams: 2,
      },
      {
        protocol: peersProtocol(stationId),
        handler: (stream, connection) => this.#exchange.serve(stream, connection),
        maxStreams: 2,
      },
    ];
  }

  #watch(libp2p: Libp2p): void {
    libp2p.addEventListener('connection:open', (event: CustomEvent<Connection>) =>
      this.#connected(event.detail.remotePeer),
    );
    libp2p.addEventListener('connection:close', () => this.#peerList.changed());
    libp2p.addEventListener('peer:disconnect', (event: CustomEvent<PeerId>) => this.#disconnected(event.detail));
    libp2p.addEventListener('peer:identify', (event: CustomEvent<IdentifyResult>) => {
      this.#identified(event.detail.peerId, event.detail.protocols);
    });
    // whoever connected while we were starting
    for (const connection of libp2p.getConnections()) {
      this.#connected(connection.remotePeer);
      void this.#recall(connection.remotePeer);
    }
  }

  /** Its protocols may have been told before we listened. */
  async #recall(peerId: PeerId): Promise<void> {
    const known = await this.#host?.libp2p.peerStore.get(peerId).catch(() => null);
    if (known?.protocols.includes(syncProtocol(this.#init.stationId))) this.#identified(peerId, known.protocols);
  }

  #connected(peerId: PeerId): void {
    const peer = peerId.toString();
    this.#peerList.changed();
    if (this.#graceTimers.has(peer) || this.#peerList.isStation(peer)) return;
    const timer = setTimeout(() => this.#sendAway(peer, SILENT_PEER_MS), IDENTIFY_GRACE_MS);
    timer.unref();
    this.#graceTimers.set(peer, timer);
  }

  #disconnected(peerId: PeerId): void {
    const peer = peerId.toString();
    this.#endGrace(peer);
    this.#time.forget(peer);
    this.#content.forget(peer);
    this.#exchange.forget(peer);
    if (this.#peerList.forget(peer)) this.#dialler.lost(peer);
  }

  #identified(peerId: PeerId, protocols: string[]): void {
    const peer = peerId.toString();
    if (!this.#peerList.isConnected(peer)) return;
    this.#endGrace(peer);
    // every box of ours names its protocols from its first connection on
    if (!protocols.includes(syncProtocol(this.#init.stationId))) {
      this.#counters.add('foreignPeers');
      this.#sendAway(peer, FOREIGN_PEER_MS);
      return;
    }
    if (this.#peerList.join(peer)) this.#exchange.joined(peer);
  }

  #endGrace(peer: string): void {
    clearTimeout(this.#graceTimers.get(peer));
    this.#graceTimers.delete(peer);
  }

  #abusive(peer: string): void {
    this.#counters.add('abusivePeers');
    this.#abusers.add(peer);
    this.#components.log.warn('a peer floods and is cut off', { peer, forMs: ABUSIVE_PEER_MS });
    this.#sendAway(peer, ABUSIVE_PEER_MS);
  }

  /** Closes its connections and does not talk to it for a while. */
  #sendAway(peer: string, forMs: number): void {
    this.#endGrace(peer);
    this.#shunned.shun(peer, forMs);
    for (const connection of this.#host?.libp2p.getConnections() ?? []) {
      if (connection.remotePeer.toString() === peer) connection.abort(new Error('not of our station, or too loud'));
    }
  }

  #found(peer: string, addresses: Multiaddr[], origin: Origin): void {
    // a box that was of another station and now names ours has been re-tuned
    if (origin === 'mdns' && !this.#abusers.has(peer)) this.#shunned.forgive(peer);
    if (this.#shunned.has(peer)) return;
    this.#dialler.found(peer, addresses, origin, this.nodeId > peer ? SECOND_DIALLER_DELAY_MS : 0);
  }

  /** Peers of our station from an earlier run. */
  async #recallPeers(): Promise<void> {
    const protocol = syncProtocol(this.#init.stationId);
    for (const peer of await this.#libp2p().peerStore.all()) {
      if (!peer.protocols.includes(protocol)) continue;
      const addresses = peer.addresses.map((address) => address.multiaddr);
      this.#dialler.found(peer.id.toString(), addresses, 'known');
    }
  }
}

function parseAddress(kind: 'listen' | 'bootstrap', text: string): Multiaddr {
  let address: Multiaddr;
  try {
    address = multiaddr(text);
  } catch (error) {
    throw new AddressError(kind, text, error);
  }
  const names = address.getComponents().map((part) => part.name);
  if (!names.includes('tcp')) throw new AddressError(kind, text, 'only TCP is spoken here');
  return address;
}
