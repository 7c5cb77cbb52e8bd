import * as dagCbor from '@ipld/dag-cbor';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { MemoryBlockstore } from 'blockstore-core';
import { MemoryDatastore } from 'datastore-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeMessage } from '../../src/consensus/canonical.ts';
import type { Topic } from '../../src/consensus/messages.ts';
import { topicName } from '../../src/network/gossip.ts';
import { createHost, type Host } from '../../src/network/host.ts';
import { privateKeyFromSeed } from '../../src/network/identity.ts';
import { frames } from '../../src/network/streams.ts';
import { syncProtocol } from '../../src/network/sync.ts';
import { QUESTION_BYTES, timeProtocol } from '../../src/network/time.ts';
import { type Box, makeBox, makeFlock, OTHER_STATION, STATION, seed, stateOf, stopAll, until } from './boxes.ts';

const ATTACKER = 66;

/** A node that speaks our protocols and keeps none of their rules. */
async function makeAttacker(target: Box): Promise<Host> {
  const handler = () => {};
  const served = [syncProtocol(STATION), timeProtocol(STATION)].map((protocol) => ({
    protocol,
    handler,
    maxStreams: 100,
  }));
  const host = createHost(
    { blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() },
    {
      privateKey: privateKeyFromSeed(seed(ATTACKER)),
      stationId: STATION,
      stationKey: null,
      listen: [],
      gater: {},
      served,
    },
  );
  await host.start();
  await host.libp2p.dial(multiaddr(target.network.addresses()[0]!));
  return host;
}

describe('against a hostile peer', () => {
  let victim: Box;
  let friend: Box;
  let attacker: Host;
  let heard: number[];
  let friendHeard: number[];

  beforeEach(async () => {
    [victim, friend] = (await makeFlock(2)) as [Box, Box];
    heard = [];
    friendHeard = [];
    victim.network.onMessage((message) => {
      heard.push(message.body.timestamp - 1_700_000_000_000);
      return 'accept';
    });
    friend.network.onMessage((message) => {
      friendHeard.push(message.body.timestamp - 1_700_000_000_000);
      return 'accept';
    });
    victim.network.onRequest(async (_from, request) => ({ kind: request.kind, fine: true }));
    attacker = await makeAttacker(victim);
    await until(
      'the attacker counts as one of us',
      () => victim.network.peers().filter((peer) => peer.sync).length === 2,
    );
  });

  afterEach(async () => {
    await attacker.stop();
    await stopAll([victim, friend]);
  });

  const shout = (topic: Topic, bytes: Uint8Array) =>
    attacker.libp2p.services.pubsub.publish(topicName(STATION, topic), bytes);
  const count = (name: string) => victim.network.counters()[name]!;

  it('bad messages are refused, counted by cause and not passed on; good ones still come through', async () => {
    const identity = { number: ATTACKER, nodeId: attacker.libp2p.peerId.toString() };
    let number = 0;
    await until('the attacker is heard', async () => {
      await shout('state', encodeMessage(stateOf(identity, number++)));
      return heard.length > 0 && friendHeard.length > 0;
    });
    const unsigned = stateOf(identity, 1_000);
    unsigned.sig = new Uint8Array(64).fill(1);
    const forged = stateOf({ ...identity, nodeId: friend.nodeId }, 1_001);
    await shout('state', new Uint8Array(200).fill(7));
    await until('garbage is counted', () => count('refusedMalformed') === 1);
    await shout('state', encodeMessage(unsigned));
    await shout('state', encodeMessage(forged));
    await until('false signatures are counted', () => count('refusedUnsigned') === 2);
    const heardBefore = friendHeard.length;
    expect(friend.network.counters()).toMatchObject({ refusedMalformed: 0, refusedUnsigned: 0 });
    await until('friends still hear each other', async () => {
      await friend.network.publish('state', stateOf(friend, 5_000 + number++));
      return heard.some((each) => each >= 5_000);
    });
    expect(heard).not.toContain(1_000);
    expect(heard).not.toContain(1_001);
    expect(friendHeard.length).toBe(heardBefore);
  });

  it('a message of another station and one that is too large are refused, and such a peer is no longer listened to', async () => {
    const identity = { number: ATTACKER, nodeId: attacker.libp2p.peerId.toString() };
    let number = 0;
    await until('the attacker is heard', async () => {
      await shout('state', encodeMessage(stateOf(identity, number++)));
      return heard.length > 0;
    });
    await shout('state', encodeMessage(stateOf(identity, 1, OTHER_STATION)));
    await until('a foreign message is counted', () => count('refusedForeign') + count('refusedMalformed') === 1);
    await shout('state', new Uint8Array(300_000).fill(1));
    await until('an oversized message is counted', () => count('refusedOversized') === 1);
    for (let each = 0; each < 20; each++) await shout('state', new Uint8Array(100).fill(each));
    await until('garbage is counted', () => count('refusedMalformed') >= 2);
    const before = heard.length;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await shout('state', encodeMessage(stateOf(identity, 2_000)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(heard.length).toBe(before);
  });

  it('who floods the catch-up stream is told to wait, then cut off; others are served meanwhile', async () => {
    const connection = attacker.libp2p.getConnections()[0]!;
    const refusals: string[] = [];
    const flood = async () => {
      const stream = await connection.newStream(syncProtocol(STATION));
      const framed = frames(stream, 1_000_000);
      await framed.write(dagCbor.encode({ kind: 'status' }));
      const answer = dagCbor.decode<{ kind: string; reason?: string }>((await framed.read()).subarray());
      if (answer.kind === 'refused') refusals.push(answer.reason!);
      await stream.close();
    };
    await until('it is cut off', async () => {
      await Promise.allSettled(Array.from({ length: 8 }, flood));
      return count('abusivePeers') > 0;
    });
    expect(refusals).toContain('rate');
    expect(count('refusedSyncRate')).toBeGreaterThan(10);
    expect(await friend.network.request(victim.nodeId, { kind: 'status' }, 3_000)).toMatchObject({ fine: true });
    await until('the flood is over', () => victim.network.peers().every((peer) => peer.nodeId === friend.nodeId));
  });

  it('nonsense and half-open streams cost it nothing but a place', async () => {
    const connection = attacker.libp2p.getConnections()[0]!;
    const idle: Stream[] = [];
    for (let each = 0; each < 8; each++) {
      const stream = await connection.newStream(syncProtocol(STATION));
      // two bytes of a length, and then silence
      stream.send(new Uint8Array([0x80]));
      idle.push(stream);
    }
    const nonsense = await connection.newStream(syncProtocol(STATION));
    nonsense.send(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    expect(await friend.network.request(victim.nodeId, { kind: 'status' }, 3_000)).toMatchObject({ fine: true });
    await until('the silent ones are dropped', () => count('refusedSyncTimeout') >= 4, 9_000);
    expect(await friend.network.request(victim.nodeId, { kind: 'digest' }, 3_000)).toMatchObject({ fine: true });
    expect(idle.length).toBe(8);
  });

  it('who asks for the time without end loses its stream; who answers nonsense or nothing is given up', async () => {
    const connection = attacker.libp2p.getConnections()[0]!;
    const stream = await connection.newStream(timeProtocol(STATION));
    stream.send(new Uint8Array(QUESTION_BYTES * 500));
    await until('the flood is refused', () => count('refusedTime') > 0);
    expect(count('timeServed')).toBeLessThan(200);
    await expect(
      victim.network.exchangeTime(attacker.libp2p.peerId.toString(), AbortSignal.timeout(300)),
    ).rejects.toThrow();
    const { t1, t4 } = await friend.network.exchangeTime(victim.nodeId);
    expect(t4).toBeGreaterThanOrEqual(t1);
  });

  it('a peer that never answers a request is left after the timeout', async () => {
    const before = performance.now();
    const asked = victim.network.request(attacker.libp2p.peerId.toString(), { kind: 'status' }, 400);
    await expect(asked).rejects.toThrow(/did not answer within 400 ms/);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});

describe('against a hostile crowd', () => {
  it('twenty boxes behind one address connect at once', async () => {
    const hub = makeBox(1);
    await hub.network.start();
    const bootstrap = hub.network.addresses();
    const crowd = Array.from({ length: 20 }, (_, index) => makeBox(100 + index, { bootstrap }));
    await Promise.all(crowd.map((box) => box.network.start()));
    await until('all are there', () => hub.network.peers().filter((peer) => peer.sync).length === 20, 30_000);
    await stopAll([hub, ...crowd]);
  });
});
