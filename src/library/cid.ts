import { createHash } from 'node:crypto';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';

/** Multicodec numbers (https://github.com/multiformats/multicodec). */
export const RAW = 0x55;
export const DAG_CBOR = 0x71;
export const SHA2_256 = 0x12;

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** CIDv1 with sha2-256. */
export function cidOf(code: typeof RAW | typeof DAG_CBOR, bytes: Uint8Array): CID {
  return CID.createV1(code, createDigest(SHA2_256, new Uint8Array(sha256(bytes))));
}
