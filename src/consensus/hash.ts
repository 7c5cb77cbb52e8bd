import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { encodeCbor } from './cbor.ts';

export { bytesToHex, concatBytes, hexToBytes, sha256, utf8ToBytes };

/** SHA-256 of bytes, 64 hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(sha256(bytes));
}

/** SHA-256 of a text's UTF-8 bytes, 64 hex digits. */
export function hashText(text: string): string {
  return sha256Hex(utf8ToBytes(text));
}

/** SHA-256 of a value's canonical DAG-CBOR bytes, 64 hex digits. The value must hold no undefined and no float. */
export function hashValue(value: unknown): string {
  return sha256Hex(encodeCbor(value));
}

/** The first 32 bits of a text's hash: for jitter and sampling, never for the draw. */
export function smallHash(text: string): number {
  const digest = sha256(utf8ToBytes(text));
  return ((digest[0]! << 24) | (digest[1]! << 16) | (digest[2]! << 8) | digest[3]!) >>> 0;
}

/** Remainder of a big-endian integer of any length; `divisor` below 2^24. */
export function bytesModulo(bytes: Uint8Array, divisor: number): number {
  let remainder = 0;
  for (const byte of bytes) remainder = (remainder * 256 + byte) % divisor;
  return remainder;
}
