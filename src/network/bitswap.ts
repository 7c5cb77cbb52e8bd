import { peerIdFromString } from '@libp2p/peer-id';
import type { Helia } from 'helia';
import type { CID } from 'multiformats/cid';
import type { BlockSource } from './content.ts';
import { NotRunningError } from './errors.ts';
import { FETCH_AGAIN_MS, STALE_WANT_MS } from './limits.ts';
import { within } from './streams.ts';

/** Blocks over bitswap, one named peer at a time (a session of one provider). */
export class BitswapSource implements BlockSource {
  readonly #helia: () => Helia | null;

  constructor(components: { helia(): Helia | null }) {
    this.#helia = components.helia;
  }

  /** Asks again while the peer is silent: it may have served the same block a moment ago, to a wish that was given up. */
  async fetchFrom(peer: string, cid: CID, signal: AbortSignal): Promise<Uint8Array> {
    while (true) {
      const turn = within(FETCH_AGAIN_MS, signal);
      try {
        return await this.#ask(peer, cid, turn);
      } catch (error) {
        if (signal.aborted || !turn.aborted) throw error;
      }
    }
  }

  async #ask(peer: string, cid: CID, signal: AbortSignal): Promise<Uint8Array> {
    const helia = this.#helia();
    if (helia === null) throw new NotRunningError();
    const provider = peerIdFromString(peer).toCID();
    const session = helia.blockstore.createSession(cid, { providers: [provider], minProviders: 1, maxProviders: 1 });
    try {
      const parts: Uint8Array[] = [];
      for await (const part of session.get(cid, { signal })) parts.push(part);
      return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));
    } finally {
      session.close();
    }
  }
}

/** What is touched of the inside of @helia/bitswap 4.0; see `sweepServedWants`. */
interface ServedWant {
  status: 'want' | 'sending' | 'sent';
  created: number;
  expires?: number;
}
interface InnerBitswap {
  getPeerWantlist(peer: ReturnType<typeof peerIdFromString>): ServedWant[] | undefined;
}

/**
 * Tidies the lists of what peers want of us. @helia/bitswap 4.0 never tells a peer that a want was given up, so wants
 * stay for ever and are served long after; and it looks for expired entries only after it has matched a new want with
 * one of them, so that the second wish for a block is lost. Called every second this mends both: reading a list
 * drops what expired, and what nobody can be waiting for any more is made to expire. Does nothing where the inside
 * looks different.
 */
export function sweepServedWants(helia: Helia, peers: string[], wallNowMs: number): void {
  const brokers = (helia as unknown as { blockBrokers?: { bitswap?: Partial<InnerBitswap> }[] }).blockBrokers ?? [];
  for (const { bitswap } of brokers) {
    if (typeof bitswap?.getPeerWantlist !== 'function') continue;
    for (const peer of peers) {
      for (const want of bitswap.getPeerWantlist(peerIdFromString(peer)) ?? []) {
        const stale = want.status === 'want' && wallNowMs - want.created > STALE_WANT_MS;
        if (stale) want.expires = 0;
      }
    }
  }
}
