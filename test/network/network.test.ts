import { describe, expect, it } from 'vitest';
import {
  AddressError,
  IdentitySeedError,
  ListenError,
  StationIdError,
  StationKeyError,
} from '../../src/network/index.ts';
import {
  freeAddress,
  knows,
  makeBlock,
  makeBox,
  makeFlock,
  OTHER_STATION,
  seed,
  stateOf,
  stopAll,
  until,
} from './boxes.ts';
import { describeNetwork } from './contract.ts';
import { FakeAir, FakeNetwork } from './fake-network.ts';

describeNetwork('libp2p on loopback', async () => {
  const [a, b, c] = await makeFlock(3);
  return { boxes: [a!, b!, c!], idle: makeBox(9) };
});

describeNetwork('the network in memory', async () => {
  const air = new FakeAir();
  const fake = (number: number) => {
    const { nodeId, blockstore, datastore } = makeBox(number);
    const stationNowMs = () => performance.now() + number * 1_000;
    const network = new FakeNetwork({ air, blockstore, stationNowMs, timeDomain: () => 'ef'.repeat(32) }, { nodeId });
    return { number, nodeId, blockstore, datastore, network };
  };
  const boxes = [fake(1), fake(2), fake(3)] as const;
  for (const box of boxes) await box.network.start();
  return { boxes: [...boxes], idle: fake(9) };
});

describe('the network', () => {
  it('refuses settings that cannot work, and names them', () => {
    expect(() => makeBox(1, { identitySeed: new Uint8Array(31) })).toThrow(IdentitySeedError);
    expect(() => makeBox(1, { stationId: 'XY' })).toThrow(StationIdError);
    expect(() => makeBox(1, { stationKey: new Uint8Array(5) })).toThrow(StationKeyError);
    expect(() => makeBox(1, { listen: ['0.0.0.0:4001'] })).toThrow(AddressError);
    expect(() => makeBox(1, { bootstrap: ['/ip4/1.2.3.4/udp/9'] })).toThrow(/bootstrap address.*must be a multiaddr/);
  });

  it('has the identity of its seed', () => {
    expect(makeBox(1).nodeId).toBe('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5');
    expect(makeBox(2, { identitySeed: seed(1) }).nodeId).toBe(makeBox(1).nodeId);
  });

  it('says so when its port is taken, and can be started later', async () => {
    const a = makeBox(1);
    await a.network.start();
    const listen = [a.network.addresses()[0]!.split('/p2p/')[0]!];
    const b = makeBox(2, { listen });
    await expect(b.network.start()).rejects.toThrow(ListenError);
    await a.network.stop();
    await b.network.start();
    expect(b.network.addresses()).toHaveLength(1);
    await stopAll([a, b]);
  });

  it('keeps calling a bootstrap address that comes up later, also without its peer id', async () => {
    const first = makeBox(1);
    await first.network.start();
    const address = first.network.addresses()[0]!.split('/p2p/')[0]!;
    await first.network.stop();
    const late = makeBox(1, { listen: [address] });
    const caller = makeBox(2, { bootstrap: [address] });
    await caller.network.start();
    await until('the first call has failed', () => caller.network.counters().failedDials! > 0);
    await late.network.start();
    await until('they meet', () => knows(caller, late) && knows(late, caller));
    await stopAll([late, caller]);
  });

  it('holds together when the one that all others started from is gone', async () => {
    const boxes = await makeFlock(4);
    const [first, second, ...rest] = boxes;
    await first!.network.stop();
    let heard = 0;
    for (const box of rest) {
      box.network.onMessage(() => {
        heard += 1;
        return 'accept';
      });
    }
    let number = 0;
    await until('the others hear each other', async () => {
      await second!.network.publish('state', stateOf(second!, number++));
      return heard >= 2;
    });
    await stopAll(boxes);
  });

  it('comes together again after boxes came and went in the middle of everything', async () => {
    // ports of their own, as real boxes have: who comes back is where it was
    const listen = await Promise.all(Array.from({ length: 5 }, freeAddress));
    const boxes = listen.map((address, index) => makeBox(index + 1, { listen: [address], bootstrap: [listen[0]!] }));
    for (const box of boxes) await box.network.start();
    await until('all meet', () => boxes.every((a) => boxes.every((b) => a === b || knows(a, b))));
    const busy = new AbortController();
    const work = boxes.map(async (box, index) => {
      for (let number = 0; !busy.signal.aborted; number++) {
        const peer = boxes[(index + 1 + (number % 4)) % 5]!.nodeId;
        const calls = [
          box.network.publish('state', stateOf(box, number)),
          box.network.request(peer, { kind: 'status' }, 1_000),
          box.network.exchangeTime(peer),
        ];
        await Promise.allSettled(calls);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    for (const gone of [[1, 2], [0], [3, 4], [0, 2]]) {
      await Promise.all(gone.map((index) => boxes[index]!.network.stop()));
      await new Promise((resolve) => setTimeout(resolve, 100));
      await Promise.all(gone.map((index) => boxes[index]!.network.start()));
    }
    busy.abort();
    await Promise.all(work);
    await until('all know all', () => boxes.every((a) => boxes.every((b) => a === b || knows(a, b))), 30_000);
    await stopAll(boxes);
  });

  it('with a station key talks to those who have it and to nobody else', async () => {
    const stationKey = seed(77);
    const keyed = await makeFlock(2, { stationKey });
    const bootstrap = keyed[0]!.network.addresses();
    const open = makeBox(3, { bootstrap });
    const wrong = makeBox(4, { bootstrap, stationKey: seed(78) });
    await Promise.all([open.network.start(), wrong.network.start()]);
    await until('both have tried', () => [open, wrong].every((box) => box.network.counters().failedDials! > 0));
    expect(open.network.peers()).toEqual([]);
    expect(wrong.network.peers()).toEqual([]);
    expect(keyed[0]!.network.peers()).toHaveLength(1);
    await stopAll([...keyed, open, wrong]);
  });

  it('sends boxes of other stations away', async () => {
    const ours = makeBox(1);
    await ours.network.start();
    const theirs = makeBox(2, { stationId: OTHER_STATION, bootstrap: ours.network.addresses() });
    await theirs.network.start();
    await until('they part', () => ours.network.counters().foreignPeers! + theirs.network.counters().foreignPeers! > 0);
    await until('nobody is left', () => ours.network.peers().length === 0 && theirs.network.peers().length === 0);
    expect(theirs.network.peers().filter((peer) => peer.sync)).toEqual([]);
    await stopAll([ours, theirs]);
  });

  it('shares one transfer among all who ask at once, and survives a wish that is given up', async () => {
    const [a, b] = await makeFlock(2);
    const { cid, bytes } = await makeBlock(500_000, 11);
    await b!.blockstore.put(cid, bytes);
    const giveUp = new AbortController();
    const options = { providers: [b!.nodeId], maxBytes: 1_048_576 };
    const given = a!.network.content.fetch(cid.toString(), { ...options, signal: giveUp.signal });
    const others = [1, 2, 3].map(() => a!.network.content.fetch(cid.toString(), options));
    giveUp.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    for (const fetched of await Promise.all(others)) expect(fetched.length).toBe(500_000);
    expect(a!.network.counters().blocksFetched).toBe(1);
    await stopAll([a!, b!]);
  });

  it('brings a block here a second time when it was deleted, from the same and only owner', async () => {
    const [a, b] = await makeFlock(2);
    const { cid, bytes } = await makeBlock(1_000, 12);
    await b!.blockstore.put(cid, bytes);
    const fetch = () => a!.network.content.fetch(cid.toString(), { providers: [b!.nodeId], maxBytes: 1_000 });
    await fetch();
    await a!.blockstore.delete(cid);
    expect((await fetch()).length).toBe(1_000);
    await stopAll([a!, b!]);
  });

  it('fetches many blocks from several owners side by side', async () => {
    const [a, b, c] = await makeFlock(3);
    const blocks = await Promise.all(Array.from({ length: 40 }, (_, salt) => makeBlock(100_000, 100 + salt)));
    for (const [index, { cid, bytes }] of blocks.entries()) {
      if (index % 3 !== 0) await b!.blockstore.put(cid, bytes);
      if (index % 3 !== 1) await c!.blockstore.put(cid, bytes);
    }
    const providers = [b!.nodeId, c!.nodeId];
    const fetched = await Promise.all(
      blocks.map(({ cid }) => a!.network.content.fetch(cid.toString(), { providers, maxBytes: 100_000 })),
    );
    expect(fetched.map((bytes) => bytes.length)).toEqual(blocks.map(() => 100_000));
    await stopAll([a!, b!, c!]);
  });

  it('turns to another owner when one dies while it delivers', async () => {
    const [a, b, c] = await makeFlock(3);
    const blocks = await Promise.all(Array.from({ length: 24 }, (_, salt) => makeBlock(700_000, 200 + salt)));
    for (const { cid, bytes } of blocks) {
      await b!.blockstore.put(cid, bytes);
      await c!.blockstore.put(cid, bytes);
    }
    const providers = [b!.nodeId, c!.nodeId];
    const fetching = Promise.all(
      blocks.map(({ cid }) => a!.network.content.fetch(cid.toString(), { providers, maxBytes: 1_048_576 })),
    );
    await until('some have come', () => a!.network.counters().blocksFetched! >= 2);
    await b!.network.stop();
    expect(await fetching).toHaveLength(24);
    await stopAll([a!, c!]);
  });
});
