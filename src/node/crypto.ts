import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { base58btc } from 'multiformats/bases/base58';
import type { ConsensusCrypto } from '../consensus/events.ts';
import { bytesToHex, concatBytes } from '../consensus/hash.ts';
import type { NodeId } from '../consensus/messages.ts';
import { expandVrfSeed, isSoundKey, vrfProve, vrfVerify } from '../consensus/vrf.ts';

const SEED_BYTES = 32;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** PKCS #8 framing of an Ed25519 seed, and SubjectPublicKeyInfo of a public key (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** Identity multihash of 36 bytes: protobuf key type 1 (Ed25519), 32 bytes of key. */
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
/** Base58 of 38 bytes that begin so. */
const NODE_ID_LENGTH = 52;
/** Keys of other nodes kept ready: a flock above the committee's size, at about 1 KB each. */
const MAX_CACHED_KEYS = 1_024;
/** VRF proofs already checked, with their outputs: the open slots of a committee, and what is relayed twice. */
const MAX_CACHED_PROOFS = 2_048;

/** A seed is not 32 bytes long. */
export class SeedLengthError extends Error {
  constructor(name: string, length: number) {
    super(`the ${name} seed has ${length} bytes, it must have ${SEED_BYTES}`);
    this.name = 'SeedLengthError';
  }
}

/** A text is not the peer id of an Ed25519 key. */
export class NodeIdError extends Error {
  constructor(text: string) {
    super(`not the peer id of an Ed25519 key (12D3KooW and 44 characters): ${JSON.stringify(text.slice(0, 80))}`);
    this.name = 'NodeIdError';
  }
}

/** The libp2p peer id of an Ed25519 public key, as text. */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  return base58btc.baseEncode(concatBytes(PEER_ID_PREFIX, publicKey));
}

/**
 * The Ed25519 public key inside a peer id, 32 bytes.
 * @throws NodeIdError
 */
export function publicKeyOf(nodeId: NodeId): Uint8Array {
  if (nodeId.length !== NODE_ID_LENGTH) throw new NodeIdError(nodeId);
  let bytes: Uint8Array;
  try {
    bytes = base58btc.baseDecode(nodeId);
  } catch {
    throw new NodeIdError(nodeId);
  }
  const fits =
    bytes.length === PEER_ID_PREFIX.length + KEY_BYTES && PEER_ID_PREFIX.every((byte, i) => bytes[i] === byte);
  if (!fits) throw new NodeIdError(nodeId);
  return bytes.slice(PEER_ID_PREFIX.length);
}

/**
 * Signing and drawing for one node: Ed25519 by the runtime (OpenSSL, which refuses S >= L), the verifiable random
 * function by the consensus room.
 *
 * @throws SeedLengthError
 */
export function createCrypto(init: { signingSeed: Uint8Array; vrfSeed: Uint8Array }): ConsensusCrypto {
  if (init.signingSeed.length !== SEED_BYTES) throw new SeedLengthError('signing', init.signingSeed.length);
  if (init.vrfSeed.length !== SEED_BYTES) throw new SeedLengthError('VRF', init.vrfSeed.length);
  const pkcs8 = Buffer.concat([PKCS8_PREFIX, init.signingSeed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const vrfSecret = expandVrfSeed(init.vrfSeed);
  const keys = new KeyCache();
  const proofs = new ProofCache();
  return {
    nodeId: nodeIdOf(spki.subarray(SPKI_PREFIX.length)),
    vrfKey: vrfSecret.publicKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
    verify: (nodeId, bytes, signature) => {
      const key = signature.length === SIGNATURE_BYTES ? keys.get(nodeId) : null;
      return key !== null && verify(null, bytes, key, signature);
    },
    vrfProve: (input) => vrfProve(vrfSecret, input),
    vrfVerify: (vrfKey, input, proof) => proofs.check(vrfKey, input, proof),
  };
}

/** A table that forgets what was entered longest ago. */
class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    if (this.#entries.size >= this.#most) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, value);
  }
}

/** Public keys of peer ids, ready for use. */
class KeyCache {
  readonly #keys = new BoundedMap<KeyObject | null>(MAX_CACHED_KEYS);

  /** Null when the text is no peer id, or no usable key is in it. */
  get(nodeId: NodeId): KeyObject | null {
    const known = this.#keys.get(nodeId);
    if (known !== undefined) return known;
    const key = importKey(nodeId);
    this.#keys.set(nodeId, key);
    return key;
  }
}

function importKey(nodeId: NodeId): KeyObject | null {
  try {
    const raw = publicKeyOf(nodeId);
    // Under a key of small order one signature holds for many messages.
    if (!isSoundKey(raw)) return null;
    return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

/** Outputs of proofs that were checked: the same proposal comes by gossip, by relay and by the catch-up stream. */
class ProofCache {
  readonly #outputs = new BoundedMap<Uint8Array>(MAX_CACHED_PROOFS);

  check(vrfKey: Uint8Array, input: Uint8Array, proof: Uint8Array): Uint8Array | null {
    const key = `${bytesToHex(vrfKey)} ${bytesToHex(input)} ${bytesToHex(proof)}`;
    const known = this.#outputs.get(key);
    if (known !== undefined) return known;
    const output = vrfVerify(vrfKey, input, proof);
    // Only what holds is kept: garbage cannot push it out.
    if (output !== null) this.#outputs.set(key, output);
    return output;
  }
}
