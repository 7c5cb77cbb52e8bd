import type { ConnectionGater, PeerId } from '@libp2p/interface';
import { ExpiringSet } from './bounded.ts';
import { MAX_SHUNNED_PEERS } from './limits.ts';

/** Peers that are not talked to for a while: other stations', and those that flood. */
export class ShunnedPeers {
  readonly #peers = new ExpiringSet(MAX_SHUNNED_PEERS);
  readonly #nowMs: () => number;

  constructor(components: { monoNowMs(): number }) {
    this.#nowMs = components.monoNowMs;
  }

  shun(peer: string, forMs: number): void {
    this.#peers.add(peer, forMs, this.#nowMs());
  }

  forgive(peer: string): void {
    this.#peers.delete(peer);
  }

  has(peer: string): boolean {
    return this.#peers.has(peer, this.#nowMs());
  }

  /** libp2p asks here before it dials a peer, and as soon as it knows who is at the other end. */
  gater(): ConnectionGater {
    const deny = (peer: PeerId) => this.has(peer.toString());
    return {
      denyDialPeer: deny,
      denyInboundEncryptedConnection: deny,
      denyOutboundEncryptedConnection: deny,
      // boxes of a home live on private addresses, which libp2p's default gater is free to refuse
      denyDialMultiaddr: () => false,
    };
  }
}
