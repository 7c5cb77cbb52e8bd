import type { Blockstore } from 'interface-blockstore';
import type { CID } from 'multiformats/cid';
import { describe, expect, it } from 'vitest';
import { withRoom } from '../../../src/node/room-maker.ts';

class FullError extends Error {}

/** A card with this much room; each track that goes frees 5. */
function setUp(room: number, tracks: number) {
  const cid = 'a block' as unknown as CID;
  let left = room;
  let kept = tracks;
  const store = {
    put: async (_cid: CID, bytes: Uint8Array) => {
      if (bytes.length > left) throw new FullError();
      left -= bytes.length;
      return cid;
    },
  } as unknown as Blockstore;
  const makeRoom = async () => {
    if (kept === 0) return false;
    kept -= 1;
    left += 5;
    return true;
  };
  const wrapped = withRoom(store, makeRoom, (error) => error instanceof FullError);
  return { put: (bytes: number) => wrapped.put(cid, new Uint8Array(bytes)), kept: () => kept };
}

describe('withRoom', () => {
  it('lets old tracks go for a block that finds the card full, and no more than it takes', async () => {
    const { put, kept } = setUp(1, 6);
    await put(1);
    expect(kept()).toBe(6);
    await put(8);
    expect(kept()).toBe(4);
  });

  it('gives up when nothing can go, and after a few', async () => {
    await expect(setUp(0, 0).put(1)).rejects.toThrow(FullError);
    const { put, kept } = setUp(0, 9);
    await expect(put(100)).rejects.toThrow(FullError);
    expect(kept()).toBe(6);
  });
});
