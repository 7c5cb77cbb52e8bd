import { peerIdFromString } from '@libp2p/peer-id';
import type { Helia } from 'helia';
import type { CID } from 'multiformats/cid';
import type { BlockSource } from './content.ts';
import { NotRunningError } from './errors.ts';

/** Blocks over bitswap, one named peer at a time (a session of one provider). */
export class BitswapSource implements BlockSource {
  readonly #helia: () => Helia | null;

  constructor(components: { helia(): Helia | null }) {
    this.#helia = components.helia;
  }

  async fetchFrom(peer: string, cid: CID, signal: AbortSignal): Promise<Uint8Array> {
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
