/** A peer that follows nothing: it connects to some nodes and gossips whatever bytes it is given, to those alone. */
import { randomBytes } from 'node:crypto';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { MemoryBlockstore } from 'blockstore-core';
import { MemoryDatastore } from 'datastore-core';
import { encodeMessage } from '../../src/consensus/canonical.ts';
import type { SignedMessage, Topic } from '../../src/consensus/messages.ts';
import { topicName } from '../../src/network/gossip.ts';
import { createHost, type Host } from '../../src/network/host.ts';
import { privateKeyFromSeed } from '../../src/network/identity.ts';
import { syncProtocol } from '../../src/network/sync.ts';

const DIALS = 5;

export class Carrier {
  readonly #host: Host;
  readonly #station: string;

  private constructor(host: Host, station: string) {
    this.#host = host;
    this.#station = station;
  }

  /** Names our protocols, or nodes would hang up on it, and answers nothing. */
  static async to(station: string, addresses: readonly string[]): Promise<Carrier> {
    const served = [{ protocol: syncProtocol(station), handler: () => {}, maxStreams: 100 }];
    const privateKey = privateKeyFromSeed(Uint8Array.from(randomBytes(32)));
    const components = { blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() };
    const init = { privateKey, stationId: station, stationKey: null, listen: [], gater: {}, served };
    const host = createHost(components, init);
    await host.start();
    const carrier = new Carrier(host, station);
    await carrier.#connect(addresses);
    return carrier;
  }

  get nodeId(): string {
    return this.#host.libp2p.peerId.toString();
  }

  get connections(): Connection[] {
    return this.#host.libp2p.getConnections();
  }

  publish(topic: Topic, message: SignedMessage): void {
    this.publishBytes(topic, encodeMessage(message));
  }

  /** What does not arrive was not heard: an attacker does not mind. */
  publishBytes(topic: Topic, bytes: Uint8Array): void {
    this.#host.libp2p.services.pubsub.publish(topicName(this.#station, topic), bytes).catch(() => {});
  }

  async stop(): Promise<void> {
    await this.#host.stop();
  }

  /** A machine under load answers late: each is tried several times. */
  async #connect(addresses: readonly string[]): Promise<void> {
    for (let turn = 0; turn < DIALS && this.connections.length < addresses.length; turn++) {
      await Promise.allSettled(addresses.map((address) => this.#host.libp2p.dial(multiaddr(address))));
    }
  }
}
