/** Release keys: whose updates a box takes. The public halves lie in the image; whoever builds it keeps the private one. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BadSignatureError, NoKeysError, UnknownKeyError } from './errors.ts';
import { MAX_KEY_FILE_BYTES, MAX_KEYS } from './limits.ts';

/** A signature under another context is none here, whatever else the key signs. */
export const SIGNATURE_CONTEXT = 'starling update manifest v1\0';
const KEY_ID_BYTES = 8;
/** `manifest.sig`: which key signed (the first bytes of its hash), then the Ed25519 signature. */
export const SIGNATURE_FILE_BYTES = KEY_ID_BYTES + 64;

export interface ReleaseKey {
  /** 16 hex digits: the beginning of the SHA-256 of the 32 bytes of the key. */
  id: string;
  key: KeyObject;
}

function releaseKey(pem: string): ReleaseKey | null {
  try {
    const key = createPublicKey(pem);
    const { kty, crv, x } = key.export({ format: 'jwk' });
    if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined) return null;
    const hash = createHash('sha256').update(Buffer.from(x, 'base64url')).digest();
    return { id: hash.subarray(0, KEY_ID_BYTES).toString('hex'), key };
  } catch {
    return null;
  }
}

/**
 * The keys in a folder, `*.pem`. What is no Ed25519 key is left out.
 * @throws {NoKeysError} when there is none
 */
export function loadReleaseKeys(folder: string): ReleaseKey[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.pem'));
  } catch {
    // No folder, no keys.
  }
  const keys = names
    .sort()
    .slice(0, MAX_KEYS)
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).size <= MAX_KEY_FILE_BYTES)
    .map((path) => releaseKey(readFileSync(path, 'utf8')))
    .filter((key) => key !== null);
  if (keys.length === 0) throw new NoKeysError(folder);
  return keys;
}

/**
 * Whether these very bytes were signed with one of the keys.
 * @param signature content of `manifest.sig`
 * @throws {UnknownKeyError | BadSignatureError}
 */
export function checkSignature(manifest: Uint8Array, signature: Uint8Array, keys: readonly ReleaseKey[]): void {
  const id = Buffer.from(signature.subarray(0, KEY_ID_BYTES)).toString('hex');
  const named = keys.filter((key) => key.id === id);
  if (named.length === 0)
    throw new UnknownKeyError(
      id,
      keys.map((key) => key.id),
    );
  const signed = Buffer.concat([Buffer.from(SIGNATURE_CONTEXT, 'latin1'), manifest]);
  if (!named.some(({ key }) => verify(null, signed, key, signature.subarray(KEY_ID_BYTES))))
    throw new BadSignatureError();
}
