import type { Blockstore } from 'interface-blockstore';

/** Tracks dropped for one block at most: one frees many times what a block takes. */
const MAX_ATTEMPTS = 4;

/**
 * The block store as the network sees it: a block of others that finds the card full makes an old track of others go.
 * Else a full card would keep this box from the flock's music for ever.
 *
 * @param makeRoom - drops something, false when there is nothing to drop
 * @param isFull - whether the store refused for want of room
 */
export function withRoom(
  store: Blockstore,
  makeRoom: () => Promise<boolean>,
  isFull: (error: unknown) => boolean,
): Blockstore {
  const put: Blockstore['put'] = async (cid, bytes, options) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await store.put(cid, bytes, options);
      } catch (error) {
        if (!isFull(error) || attempt >= MAX_ATTEMPTS || !(await makeRoom())) throw error;
      }
    }
  };
  return {
    put,
    putMany: async function* (source, options) {
      for await (const { cid, bytes } of source) yield await put(cid, bytes, options);
    },
    get: (cid, options) => store.get(cid, options),
    getMany: (source, options) => store.getMany(source, options),
    has: (cid, options) => store.has(cid, options),
    delete: (cid, options) => store.delete(cid, options),
    deleteMany: (source, options) => store.deleteMany(source, options),
    getAll: (options) => store.getAll(options),
  };
}
