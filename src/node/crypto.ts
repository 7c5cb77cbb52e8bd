import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { base58btc } from 'multiformats/bases/base58';
import type { ConsensusCrypto } from '../consensus/events.ts';
import { expandVrfSeed, vrfProve, vrfVerify } from '../consensus/vrf.ts';

/** PKCS #8 (RFC 8410) head of an Ed25519 seed, and the SPKI head of a public key. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
/** An Ed25519 peer id: identity multihash (0x00, 36 bytes) of the protobuf {type: 1, data: 32 bytes}. */
const PEER_ID_HEAD = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Parsed public keys kept: a flock's roster and its comings and goings. */
const MAX_KEYS = 4_096;

/** Public key of a node id, 32 bytes; null when the text is not an Ed25519 peer id. */
export function publicKeyOf(nodeId: string): Uint8Array | null {
  let bytes: Uint8Array;
  try {
    bytes = base58btc.decode(`z${nodeId}`);
  } catch {
    return null;
  }
  const isPeerId =
    bytes.length === PEER_ID_HEAD.length + KEY_BYTES && PEER_ID_HEAD.every((byte, i) => bytes[i] === byte);
  return isPeerId ? bytes.slice(PEER_ID_HEAD.length) : null;
}

/** Text form of a node id, as libp2p writes it. */
export function nodeIdOf(publicKey: Uint8Array): string {
  return base58btc.encode(Buffer.concat([PEER_ID_HEAD, publicKey])).slice(1);
}

/**
 * A node's signing and drawing: Ed25519 of the platform (RFC 8032), the VRF of src/consensus/vrf.ts.
 *
 * @param seeds - 32 bytes each, independent of each other
 */
export function createCrypto(seeds: { signingSeed: Uint8Array; vrfSeed: Uint8Array }): ConsensusCrypto {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seeds.signingSeed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const vrf = expandVrfSeed(seeds.vrfSeed);
  const keys = new Map<string, KeyObject | null>();
  return {
    nodeId: nodeIdOf(spki.subarray(SPKI_HEAD.length)),
    vrfKey: vrf.publicKey,
    sign: (bytes) => Uint8Array.from(sign(null, bytes, privateKey)),
    verify: (nodeId, bytes, signature) => {
      const key = rememberedKey(keys, nodeId);
      return key !== null && signature.length === SIGNATURE_BYTES && verify(null, bytes, key, signature);
    },
    vrfProve: (input) => vrfProve(vrf, input),
    vrfVerify,
  };
}

function rememberedKey(keys: Map<string, KeyObject | null>, nodeId: string): KeyObject | null {
  const known = keys.get(nodeId);
  if (known !== undefined) return known;
  if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value!);
  const bytes = publicKeyOf(nodeId);
  const key =
    bytes === null ? null : createPublicKey({ key: Buffer.concat([SPKI_HEAD, bytes]), format: 'der', type: 'spki' });
  keys.set(nodeId, key);
  return key;
}
