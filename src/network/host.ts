import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { withBitswap } from '@helia/bitswap';
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p';
import * as dagCbor from '@ipld/dag-cbor';
import { type GossipSub, gossipsub, StrictNoSign } from '@libp2p/gossipsub';
import { type Identify, type IdentifyPush, identify, identifyPush } from '@libp2p/identify';
import type { ConnectionGater, PrivateKey, StreamHandler } from '@libp2p/interface';
import type { Registrar } from '@libp2p/interface-internal';
import { type Ping, ping } from '@libp2p/ping';
import { preSharedKey } from '@libp2p/pnet';
import { tcp } from '@libp2p/tcp';
import { createHeliaLight } from 'helia';
import type { Blockstore } from 'interface-blockstore';
import type { Datastore } from 'interface-datastore';
import { messageId, TOPICS, topicName } from './gossip.ts';
import {
  DIAL_TIMEOUT_MS,
  GOSSIP_SEEN_MS,
  INBOUND_CONNECTIONS_PER_SECOND,
  MAX_BITSWAP_MESSAGE_BYTES,
  MAX_CONNECTIONS,
  MAX_GOSSIP_BACKLOG_BYTES,
  MAX_GOSSIP_RPC_BYTES,
  MAX_PARALLEL_DIALS,
  MAX_PENDING_HANDSHAKES,
  MAX_STREAMS_PER_CONNECTION,
  MAX_SUBSCRIPTIONS_PER_RPC,
  MAX_WANTS_SERVED,
  RESEND_WINDOW_MS,
  STREAM_BUFFER_BYTES,
  STREAM_IDLE_MS,
  STREAM_WINDOW_BYTES,
} from './limits.ts';

/** A protocol we serve, and how many of its streams one connection may have open. */
export interface Served {
  protocol: string;
  handler: StreamHandler;
  maxStreams: number;
}

export interface HostInit {
  privateKey: PrivateKey;
  stationId: string;
  stationKey: Uint8Array | null;
  listen: string[];
  gater: ConnectionGater;
  served: Served[];
}

export type HostServices = {
  identify: Identify;
  identifyPush: IdentifyPush;
  ping: Ping;
  pubsub: GossipSub;
  starling: StarlingProtocols;
};

export type Host = HeliaWithLibp2p<HostServices>;

/** Pings find out that a peer was unplugged: TCP alone takes minutes to notice. */
const PING_INTERVAL_MS = 10_000;
const SCORE_RETAIN_MS = 600_000;

/**
 * Our protocols as a libp2p service: registered before the first connection, so that identify names them to whoever
 * connects first.
 */
export class StarlingProtocols {
  readonly #registrar: Registrar;
  readonly #served: Served[];

  constructor(components: { registrar: Registrar }, init: { served: Served[] }) {
    this.#registrar = components.registrar;
    this.#served = init.served;
  }

  async start(): Promise<void> {
    for (const { protocol, handler, maxStreams } of this.#served) {
      await this.#registrar.handle(protocol, handler, {
        maxInboundStreams: maxStreams,
        maxOutboundStreams: 64,
        force: true,
      });
    }
  }

  async stop(): Promise<void> {
    for (const { protocol } of this.#served) await this.#registrar.unhandle(protocol);
  }
}

/** A libp2p and Helia node, configured and not started. */
export function createHost(components: { blockstore: Blockstore; datastore: Datastore }, init: HostInit): Host {
  const { blockstore, datastore } = components;
  const light = createHeliaLight({ blockstore, datastore, codecs: [dagCbor], holdGcLock: true });
  const withNetwork = withLibp2pLight<typeof light, HostServices>(light, {
    privateKey: init.privateKey,
    addresses: { listen: init.listen },
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux(muxerOptions())],
    connectionGater: init.gater,
    ...(init.stationKey === null ? {} : { connectionProtector: preSharedKey({ psk: swarmKey(init.stationKey) }) }),
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND,
      maxIncomingPendingConnections: MAX_PENDING_HANDSHAKES,
      maxParallelDials: MAX_PARALLEL_DIALS * 2,
      dialTimeout: DIAL_TIMEOUT_MS,
      // the dialler re-dials, with its own back-off
      reconnectRetries: 0,
    },
    connectionMonitor: { pingInterval: PING_INTERVAL_MS },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      pubsub: gossipsub(gossipOptions(init.stationId)),
      starling: (parts: { registrar: Registrar }) => new StarlingProtocols(parts, { served: init.served }),
    },
  });
  return withBitswap(withNetwork, bitswapOptions());
}

function muxerOptions(): Parameters<typeof yamux>[0] {
  return {
    maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
    streamOptions: {
      initialStreamWindowSize: 262_144,
      maxStreamWindowSize: STREAM_WINDOW_BYTES,
      inactivityTimeout: STREAM_IDLE_MS,
      maxReadBufferLength: STREAM_BUFFER_BYTES,
      maxWriteBufferLength: STREAM_BUFFER_BYTES,
    },
  };
}

function bitswapOptions(): Parameters<typeof withBitswap>[1] {
  const options = {
    maxInboundStreams: 32,
    maxIncomingMessageSize: MAX_BITSWAP_MESSAGE_BYTES,
    maxOutgoingMessageSize: MAX_BITSWAP_MESSAGE_BYTES,
    doNotResendBlockWindow: RESEND_WINDOW_MS,
    maxWantlistSize: MAX_WANTS_SERVED,
    // bitswap 4.0 reads this option under another spelling than it documents
    maxWantListSize: MAX_WANTS_SERVED,
  };
  return options;
}

/** Thresholds and weights: only provably bad bytes count against a peer, never its address and never slowness. */
function gossipOptions(stationId: string): Parameters<typeof gossipsub>[0] {
  const topics = TOPICS.map((topic) => topicName(stationId, topic));
  const topicScore = {
    topicWeight: 1,
    timeInMeshWeight: 0.01,
    timeInMeshQuantum: 1_000,
    timeInMeshCap: 100,
    firstMessageDeliveriesWeight: 0.5,
    firstMessageDeliveriesDecay: 0.9,
    firstMessageDeliveriesCap: 10,
    // P3 punishes silence, and our topics are silent for minutes
    meshMessageDeliveriesWeight: 0,
    meshMessageDeliveriesDecay: 0.5,
    meshMessageDeliveriesCap: 1,
    meshMessageDeliveriesThreshold: 1,
    meshMessageDeliveriesWindow: 10,
    meshMessageDeliveriesActivation: 5_000,
    meshFailurePenaltyWeight: 0,
    meshFailurePenaltyDecay: 0.5,
    invalidMessageDeliveriesWeight: -10,
    invalidMessageDeliveriesDecay: 0.9,
  };
  return {
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: messageId,
    fallbackToFloodsub: false,
    emitSelf: false,
    doPX: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    allowedTopics: topics,
    seenTTL: GOSSIP_SEEN_MS,
    maxInboundDataLength: MAX_GOSSIP_RPC_BYTES,
    maxOutboundBufferSize: MAX_GOSSIP_BACKLOG_BYTES,
    decodeRpcLimits: {
      maxSubscriptions: MAX_SUBSCRIPTIONS_PER_RPC,
      maxMessages: 1_024,
      maxIhaveMessageIDs: 5_000,
      maxIwantMessageIDs: 5_000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 16,
    },
    scoreParams: {
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: 0.9,
      retainScore: SCORE_RETAIN_MS,
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore])),
    },
    scoreThresholds: {
      gossipThreshold: -40,
      publishThreshold: -60,
      graylistThreshold: -100,
      acceptPXThreshold: 100,
      opportunisticGraftThreshold: 1,
    },
  };
}

/** The text form in which libp2p takes a private network's key. */
function swarmKey(key: Uint8Array): Uint8Array {
  return new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${Buffer.from(key).toString('hex')}`);
}
