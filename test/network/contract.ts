/** What every Network does, whatever it is made of. */
import * as dagCbor from '@ipld/dag-cbor';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BadCidError,
  BlockTooLargeError,
  BlockUnavailableError,
  NotRunningError,
  PeerUnreachableError,
  PinIncompleteError,
} from '../../src/network/index.ts';
import { type Box, GENESIS, makeBlock, stateOf, stopAll, until } from './boxes.ts';

/** `makeThree`: three started boxes that know each other, and one that was never started. */
export function describeNetwork(name: string, makeThree: () => Promise<{ boxes: [Box, Box, Box]; idle: Box }>): void {
  describe(`${name} keeps the contract of a network`, () => {
    let boxes: [Box, Box, Box];
    let idle: Box;
    let heard: string[];

    beforeAll(async () => {
      ({ boxes, idle } = await makeThree());
      heard = [];
      for (const box of boxes) {
        box.network.onMessage((message, _from, topic) => {
          heard.push(`${box.number} ${topic} ${message.body.timestamp - 1_700_000_000_000}`);
          return 'accept';
        });
      }
    });
    afterAll(() => stopAll([...boxes, idle]));

    it('names itself and its peers', () => {
      const [a, b, c] = boxes;
      const others = a.network.peers().map((peer) => peer.nodeId);
      expect(others.sort()).toEqual([b.nodeId, c.nodeId].sort());
      expect(a.network.peers().every((peer) => peer.sync && peer.addresses.length > 0)).toBe(true);
      expect(a.network.addresses().length).toBeGreaterThan(0);
      expect(idle.network.addresses()).toEqual([]);
      expect(idle.network.peers()).toEqual([]);
    });

    it('brings a message to the others and not to its author', async () => {
      const [a] = boxes;
      // gossip takes a few heartbeats before everybody is in everybody's mesh
      await until('the message is heard by both', async () => {
        await a.network.publish('state', stateOf(a, 1));
        return heard.filter((line) => line.endsWith(' state 1')).length === 2;
      });
      expect(heard.filter((line) => line.endsWith(' state 1')).sort()).toEqual(['2 state 1', '3 state 1']);
    });

    it('asks, and is answered', async () => {
      const [a, b] = boxes;
      b.network.onRequest(async (from, request) => ({ kind: request.kind, from, bytes: new Uint8Array([1, 2]) }));
      const answer = await a.network.request(b.nodeId, { kind: 'status' }, 5_000);
      expect(answer).toEqual({ kind: 'status', from: a.nodeId, bytes: new Uint8Array([1, 2]) });
    });

    it('is refused where nobody answers, or where answering fails', async () => {
      const [a, b, c] = boxes;
      expect((await a.network.request(c.nodeId, { kind: 'status' }, 5_000)).kind).toBe('refused');
      b.network.onRequest(async () => {
        throw new Error('no');
      });
      expect((await a.network.request(b.nodeId, { kind: 'digest' }, 5_000)).kind).toBe('refused');
    });

    it('says who cannot be reached', async () => {
      const [a] = boxes;
      await expect(a.network.request(idle.nodeId, { kind: 'status' }, 1_000)).rejects.toThrow(PeerUnreachableError);
      await expect(a.network.exchangeTime(idle.nodeId)).rejects.toThrow(PeerUnreachableError);
    });

    it('lets other things happen before it says so: who asks again at once must hear that the peer is gone', async () => {
      const [a] = boxes;
      let timerRan = false;
      setTimeout(() => {
        timerRan = true;
      }, 10);
      await expect(a.network.request(idle.nodeId, { kind: 'status' }, 1_000)).rejects.toThrow(PeerUnreachableError);
      expect(timerRan).toBe(true);
    });

    it('exchanges four timestamps, and the time domain', async () => {
      const [a, b] = boxes;
      const { t1, t2, t3, t4, domain } = await a.network.exchangeTime(b.nodeId);
      expect(t4).toBeGreaterThanOrEqual(t1);
      expect(t3).toBeGreaterThanOrEqual(t2);
      expect(domain).toBe(GENESIS);
      // station time of box n is the monotonic clock plus n seconds
      expect(Math.abs((t2 - t1 + (t3 - t4)) / 2 - 2_000)).toBeLessThan(100);
      const aborted = AbortSignal.abort(new Error('enough'));
      await expect(a.network.exchangeTime(b.nodeId, aborted)).rejects.toThrow('enough');
    });

    it('brings a block here and keeps it', async () => {
      const [a, b] = boxes;
      const { cid, bytes } = await makeBlock(300_000, 1);
      await b.blockstore.put(cid, bytes);
      const options = { providers: [b.nodeId], maxBytes: 1_048_576 };
      const fetched = await a.network.content.fetch(cid.toString(), options);
      expect(Buffer.compare(fetched, bytes)).toBe(0);
      expect(await a.blockstore.has(cid)).toBe(true);
    });

    it('finds a block that somebody else has than was thought', async () => {
      const [a, b, c] = boxes;
      const { cid, bytes } = await makeBlock(10_000, 2);
      await c.blockstore.put(cid, bytes);
      const fetched = await a.network.content.fetch(cid.toString(), {
        providers: [b.nodeId, idle.nodeId],
        maxBytes: 20_000,
      });
      expect(fetched.length).toBe(10_000);
    });

    it('refuses what is too large, what nobody has, and what is no CID', async () => {
      const [a, b] = boxes;
      const { content } = a.network;
      const large = await makeBlock(50_000, 3);
      await b.blockstore.put(large.cid, large.bytes);
      await expect(content.fetch(large.cid.toString(), { maxBytes: 49_999 })).rejects.toThrow(BlockTooLargeError);
      const missing = await makeBlock(10, 4);
      await expect(content.fetch(missing.cid.toString(), { maxBytes: 10 })).rejects.toThrow(BlockUnavailableError);
      await expect(content.fetch('nonsense', { maxBytes: 10 })).rejects.toThrow(BadCidError);
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(content.fetch(missing.cid.toString(), { maxBytes: 10, signal })).rejects.toThrow('enough');
    });

    it('pins what is here, and only that; twice is once', async () => {
      const [a] = boxes;
      const { content } = a.network;
      const leaf = await makeBlock(1_000, 5);
      const bytes = dagCbor.encode({ segments: [leaf.cid] });
      const root = CID.createV1(dagCbor.code, await sha256.digest(bytes));
      await expect(content.pin(root.toString())).rejects.toThrow(PinIncompleteError);
      await a.blockstore.put(leaf.cid, leaf.bytes);
      await a.blockstore.put(root, bytes);
      await content.pin(root.toString());
      await content.pin(root.toString());
      await content.unpin(root.toString());
      await content.unpin(root.toString());
    });

    it('does nothing before it is started', async () => {
      await expect(idle.network.publish('state', stateOf(idle, 9))).rejects.toThrow(NotRunningError);
      await expect(idle.network.request(boxes[0].nodeId, { kind: 'status' }, 100)).rejects.toThrow(NotRunningError);
      await expect(idle.network.exchangeTime(boxes[0].nodeId)).rejects.toThrow(NotRunningError);
      await idle.network.stop();
    });

    it('counts, every name from the start', () => {
      const counts = idle.network.counters();
      expect(counts).toMatchObject({ published: 0, refusedMalformed: 0, refusedForeign: 0 });
    });

    it('tells who is gone, stops twice and starts again', async () => {
      const [a, b, c] = boxes;
      const told: string[][] = [];
      a.network.onPeers((peers) => told.push(peers.map((peer) => peer.nodeId)));
      await Promise.all([c.network.stop(), c.network.stop()]);
      await until('the loss is told', () => told.length > 0 && !told.at(-1)!.includes(c.nodeId));
      expect(a.network.peers().map((peer) => peer.nodeId)).toEqual([b.nodeId]);
      await Promise.all([c.network.start(), c.network.start()]);
      await until('it is back', () => a.network.peers().some((peer) => peer.nodeId === c.nodeId && peer.sync));
      await until('the return is told', () => told.at(-1)!.includes(c.nodeId));
    });
  });
}
