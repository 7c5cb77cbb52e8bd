import { createPrivateKey, createPublicKey } from 'node:crypto';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { IdentitySeedError } from './errors.ts';

const SEED_BYTES = 32;
/** PKCS #8 framing of an Ed25519 seed (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * The libp2p key of an Ed25519 seed (RFC 8032, section 5.1.5).
 * @throws IdentitySeedError
 */
export function privateKeyFromSeed(seed: Uint8Array): PrivateKey {
  if (seed.length !== SEED_BYTES) throw new IdentitySeedError(seed.length);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const publicKey = spki.subarray(spki.length - 32);
  return privateKeyFromRaw(new Uint8Array(Buffer.concat([seed, publicKey])));
}
