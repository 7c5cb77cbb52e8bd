import { MAX_SSID_BYTES } from './limits.ts';

/** An SSID is up to 32 bytes of anything. */

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Signs that show nothing or turn the line around; the joiner (U+200D) is part of many pictures. */
const UNSEEN = /(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/**
 * The name as a person reads it: UTF-8 where it is that and can be shown, otherwise each odd byte as `\xff`. Two
 * networks of different bytes may read alike; the bytes decide.
 */
export function nameOf(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!UNSEEN.test(text)) return text;
  } catch {
    // Not UTF-8.
  }
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}

/** The bytes of a name that a person typed; null where it has none or too many. */
export function bytesOfName(name: string): Uint8Array | null {
  const bytes = new TextEncoder().encode(name);
  return bytes.length === 0 || bytes.length > MAX_SSID_BYTES ? null : bytes;
}
