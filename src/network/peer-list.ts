import type { Connection, Libp2p } from '@libp2p/interface';
import { PEERS_DEBOUNCE_MS } from './limits.ts';
import type { PeerInfo, PeersHandler } from './types.ts';

/** Who is connected, and which of them are known to be of our station. */
export class PeerList {
  readonly #libp2p: () => Libp2p | null;
  readonly #rttMs: (peer: string) => number | null;
  readonly #station = new Set<string>();
  #handler: PeersHandler | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** `rttMs`: a better figure than libp2p's pings, when there is one. */
  constructor(components: { libp2p(): Libp2p | null; rttMs(peer: string): number | null }) {
    this.#libp2p = components.libp2p;
    this.#rttMs = components.rttMs;
  }

  onChanged(handler: PeersHandler): void {
    this.#handler = handler;
  }

  isStation(peer: string): boolean {
    return this.#station.has(peer);
  }

  isConnected(peer: string): boolean {
    return this.#connections().some((connection) => connection.remotePeer.toString() === peer);
  }

  /** Connected peers of our station. */
  stationPeers(): string[] {
    return this.all()
      .filter((peer) => peer.sync)
      .map((peer) => peer.nodeId);
  }

  all(): PeerInfo[] {
    const peers = new Map<string, PeerInfo>();
    for (const connection of this.#connections()) {
      const nodeId = connection.remotePeer.toString();
      const known = peers.get(nodeId);
      const address = connection.remoteAddr.toString();
      if (known !== undefined) {
        known.addresses.push(address);
        continue;
      }
      const rttMs = this.#rttMs(nodeId) ?? connection.rtt ?? null;
      peers.set(nodeId, { nodeId, addresses: [address], rttMs, sync: this.#station.has(nodeId) });
    }
    return [...peers.values()];
  }

  /** The peer is of our station; false when that was known. */
  join(peer: string): boolean {
    if (this.#station.has(peer)) return false;
    this.#station.add(peer);
    this.changed();
    return true;
  }

  /** The peer is gone; true when it was of our station. */
  forget(peer: string): boolean {
    this.changed();
    return this.#station.delete(peer);
  }

  /** Everybody is gone. */
  clear(): void {
    this.#station.clear();
    this.changed();
  }

  /** Tells the handler soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#handler?.(this.all());
    }, PEERS_DEBOUNCE_MS);
  }

  #connections(): Connection[] {
    return (this.#libp2p()?.getConnections() ?? []).filter((connection) => connection.status === 'open');
  }
}
