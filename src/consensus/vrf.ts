/**
 * A verifiable random function: a value that its owner cannot choose and everybody can check.
 * ECVRF-EDWARDS25519-SHA512-TAI as RFC 9381 defines it (section 5; suite 0x03 of section 5.5). Ed25519 signatures are
 * not unique and must not stand in for this: their signer could try nonces until a good ticket comes out.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from './hash.ts';

const { Point } = ed25519;
type CurvePoint = InstanceType<typeof Point>;

const SUITE = 0x03;
const DOMAIN_ENCODE = 0x01;
const DOMAIN_CHALLENGE = 0x02;
const DOMAIN_OUTPUT = 0x03;
const DOMAIN_END = 0x00;
const POINT_BYTES = 32;
const CHALLENGE_BYTES = 16;
const SCALAR_BYTES = 32;
/** Gamma (32), challenge (16), s (32). */
export const PROOF_BYTES = POINT_BYTES + CHALLENGE_BYTES + SCALAR_BYTES;
export const OUTPUT_BYTES = 64;
/** Each attempt of try-and-increment fails with probability 1/2; the counter is one byte. */
const MAX_ATTEMPTS = 256;
const ORDER = Point.Fn.ORDER;

/** A key's expansion (RFC 8032, section 5.1.5), kept because it costs a multiplication. */
export interface VrfSecret {
  scalar: bigint;
  /** Second half of the hashed seed: makes nonces. */
  prefix: Uint8Array;
  publicKey: Uint8Array;
}

/** @param seed - 32 random bytes, used for nothing else */
export function expandVrfSeed(seed: Uint8Array): VrfSecret {
  if (seed.length !== SCALAR_BYTES)
    throw new RangeError(`a VRF seed has ${SCALAR_BYTES} bytes, this one ${seed.length}`);
  const digest = sha512(seed);
  const low = digest.slice(0, SCALAR_BYTES);
  low[0]! &= 248;
  low[31]! &= 127;
  low[31]! |= 64;
  const scalar = littleEndian(low) % ORDER;
  return { scalar, prefix: digest.slice(SCALAR_BYTES), publicKey: Point.BASE.multiply(scalar).toBytes() };
}

/** Public key of a seed, 32 bytes. */
export function vrfPublicKey(seed: Uint8Array): Uint8Array {
  return expandVrfSeed(seed).publicKey;
}

/** ECVRF_prove (RFC 9381, section 5.1): 80-byte proof for any input. Deterministic. */
export function vrfProve(secret: Uint8Array | VrfSecret, input: Uint8Array): Uint8Array {
  const { scalar, prefix, publicKey } = secret instanceof Uint8Array ? expandVrfSeed(secret) : secret;
  const h = encodeToCurve(publicKey, input);
  const hBytes = h.toBytes();
  const gamma = h.multiply(scalar);
  const nonce = littleEndian(sha512(concatBytes(prefix, hBytes))) % ORDER;
  const c = challenge(publicKey, hBytes, gamma.toBytes(), Point.BASE.multiply(nonce), h.multiply(nonce));
  const s = (nonce + littleEndian(c) * scalar) % ORDER;
  return concatBytes(gamma.toBytes(), c, toLittleEndian(s, SCALAR_BYTES));
}

/**
 * ECVRF_verify (RFC 9381, section 5.3) with key validation (5.4.5).
 * @returns the 64-byte output; null when the proof does not hold for this key and input, or when the key or the proof
 *   is not canonically encoded or the key is of small order
 */
export function vrfVerify(publicKey: Uint8Array, input: Uint8Array, proof: Uint8Array): Uint8Array | null {
  if (publicKey.length !== POINT_BYTES || proof.length !== PROOF_BYTES) return null;
  const y = decodePoint(publicKey);
  if (y === null || y.clearCofactor().is0()) return null;
  const gammaBytes = proof.subarray(0, POINT_BYTES);
  const gamma = decodePoint(gammaBytes);
  const c = proof.subarray(POINT_BYTES, POINT_BYTES + CHALLENGE_BYTES);
  const s = littleEndian(proof.subarray(POINT_BYTES + CHALLENGE_BYTES));
  if (gamma === null || s >= ORDER) return null;
  const h = encodeToCurve(publicKey, input);
  const cScalar = littleEndian(c);
  const u = Point.BASE.multiplyUnsafe(s).subtract(y.multiplyUnsafe(cScalar));
  const v = h.multiplyUnsafe(s).subtract(gamma.multiplyUnsafe(cScalar));
  const expected = challenge(publicKey, h.toBytes(), gammaBytes, u, v);
  return expected.every((byte, i) => byte === c[i]) ? outputOf(gamma) : null;
}

/** Whether 32 bytes are a public key in its one encoding (RFC 8032, section 5.1.3) and not of small order. */
export function isSoundKey(publicKey: Uint8Array): boolean {
  const y = publicKey.length === POINT_BYTES ? decodePoint(publicKey) : null;
  return y !== null && !y.clearCofactor().is0();
}

/** ECVRF_proof_to_hash (section 5.2) for a proof known to hold; null if it is not even a proof. */
export function vrfOutput(proof: Uint8Array): Uint8Array | null {
  if (proof.length !== PROOF_BYTES) return null;
  const gamma = decodePoint(proof.subarray(0, POINT_BYTES));
  return gamma === null ? null : outputOf(gamma);
}

function outputOf(gamma: CurvePoint): Uint8Array {
  const cleared = gamma.clearCofactor().toBytes();
  return sha512(concatBytes(Uint8Array.of(SUITE, DOMAIN_OUTPUT), cleared, Uint8Array.of(DOMAIN_END)));
}

/** ECVRF_encode_to_curve_try_and_increment (section 5.4.1.1), salted with the public key. */
function encodeToCurve(salt: Uint8Array, input: Uint8Array): CurvePoint {
  for (let counter = 0; counter < MAX_ATTEMPTS; counter++) {
    const head = Uint8Array.of(SUITE, DOMAIN_ENCODE);
    const digest = sha512(concatBytes(head, salt, input, Uint8Array.of(counter, DOMAIN_END)));
    const cleared = decodePoint(digest.subarray(0, POINT_BYTES))?.clearCofactor();
    if (cleared !== undefined && !cleared.is0()) return cleared;
  }
  throw new RangeError('no point found for this input (probability 2^-256)');
}

/** ECVRF_challenge_generation (section 5.4.3). */
function challenge(y: Uint8Array, h: Uint8Array, gamma: Uint8Array, u: CurvePoint, v: CurvePoint): Uint8Array {
  const points = [y, h, gamma, u.toBytes(), v.toBytes()];
  const text = concatBytes(Uint8Array.of(SUITE, DOMAIN_CHALLENGE), ...points, Uint8Array.of(DOMAIN_END));
  return sha512(text).slice(0, CHALLENGE_BYTES);
}

/** RFC 8032, section 5.1.3: strict, so that no point has two encodings. */
function decodePoint(bytes: Uint8Array): CurvePoint | null {
  try {
    return Point.fromBytes(bytes, false);
  } catch {
    return null;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

function toLittleEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}
