/** Networks for the tests: real ones on loopback, each with an identity and a store of its own. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { peerIdFromString } from '@libp2p/peer-id';
import { MemoryBlockstore } from 'blockstore-core';
import { MemoryDatastore } from 'datastore-core';
import type { Blockstore } from 'interface-blockstore';
import type { Datastore } from 'interface-datastore';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';
import { signMessage } from '../../src/consensus/canonical.ts';
import type { ConsensusCrypto } from '../../src/consensus/events.ts';
import type { SignedMessage, StateMessage } from '../../src/consensus/messages.ts';
import { createNetwork, type Logger, type Network, type NetworkInit } from '../../src/network/index.ts';

export const STATION = 'ab'.repeat(32);
export const OTHER_STATION = 'cd'.repeat(32);
export const GENESIS = 'ef'.repeat(32);
export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export function seed(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

function privateKey(number: number): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed(number)]), format: 'der', type: 'pkcs8' });
}

/** Ed25519 check against the key that is inside a peer id. */
export const verifyEd25519: ConsensusCrypto['verify'] = (nodeId, bytes, signature) => {
  try {
    const key = peerIdFromString(nodeId).publicKey?.raw;
    if (key === undefined) return false;
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' });
    return verify(null, bytes, publicKey, signature);
  } catch {
    return false;
  }
};

/** What signMessage needs of a node. */
function signer(number: number, nodeId: string): ConsensusCrypto {
  const key = privateKey(number);
  return {
    nodeId,
    vrfKey: new Uint8Array(32),
    sign: (bytes) => new Uint8Array(sign(null, bytes, key)),
    verify: verifyEd25519,
    vrfProve: () => new Uint8Array(80),
    vrfVerify: () => null,
  };
}

/** A STATE as a node of `station` would send it; `number` tells one from another (its epoch). */
export function stateOf(box: Pick<Box, 'number' | 'nodeId'>, number: number, station = STATION): SignedMessage {
  const hash = '12'.repeat(32);
  const body: StateMessage = {
    v: 1,
    type: 'STATE',
    station,
    node_id: box.nodeId,
    timestamp: 1_700_000_000_000 + number,
    epoch: number,
    head: hash,
    head_slot: 3,
    slot: 3,
    current_track: { name: 'A – B', hash: `sha256:${hash}` },
    position: 1_000,
    queue: [],
    rules_hash: hash,
    genesis: GENESIS,
    consensus_hash: hash,
    actual_hash: hash,
    diverged: false,
    reason: null,
  };
  return signMessage(signer(box.number, box.nodeId), body);
}

export interface Box {
  number: number;
  nodeId: string;
  network: Network;
  blockstore: Blockstore;
  datastore: Datastore;
}

/** A network that is not started yet; `number` is its identity. */
export function makeBox(
  number: number,
  init: Partial<NetworkInit> = {},
  parts: Partial<Pick<Box, 'blockstore' | 'datastore'>> = {},
): Box {
  const blockstore = parts.blockstore ?? new MemoryBlockstore();
  const datastore = parts.datastore ?? new MemoryDatastore();
  const stationNowMs = () => performance.now() + number * 1_000;
  const timeDomain = () => GENESIS;
  const network = createNetwork(
    { blockstore, datastore, verify: verifyEd25519, log: SILENT, stationNowMs, timeDomain },
    {
      identitySeed: seed(number),
      stationId: STATION,
      stationKey: null,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [],
      mdns: false,
      ...init,
    },
  );
  return { number, nodeId: network.nodeId, network, blockstore, datastore };
}

/** Resolves when `holds` does. @throws after `timeoutMs`, naming what did not come */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function knows(box: Box, other: Box): boolean {
  return box.network.peers().some((peer) => peer.nodeId === other.nodeId && peer.sync);
}

/** Started boxes, each connected to all others. */
export async function makeFlock(count: number, init: Partial<NetworkInit> = {}): Promise<Box[]> {
  const first = makeBox(1, init);
  await first.network.start();
  const boxes = [first];
  for (let number = 2; number <= count; number++) {
    const box = makeBox(number, { ...init, bootstrap: first.network.addresses() });
    await box.network.start();
    boxes.push(box);
  }
  await until('everybody knows everybody', () => boxes.every((a) => boxes.every((b) => a === b || knows(a, b))));
  return boxes;
}

export async function stopAll(boxes: Box[]): Promise<void> {
  await Promise.all(boxes.map((box) => box.network.stop()));
}

/** A loopback multiaddr with a port that is free now. */
export async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `/ip4/127.0.0.1/tcp/${port}`;
}

/** A raw block of pseudo-random bytes. */
export async function makeBlock(length: number, salt: number): Promise<{ cid: CID; bytes: Uint8Array }> {
  const bytes = new Uint8Array(length);
  let state = salt + 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes };
}
