/**
 * The type of a picture from its first bytes, null when it is none that a browser should be given. What a tag or a
 * peer says of the type does not count; SVG is not among them because it can carry script.
 * Signatures as in the WHATWG MIME Sniffing standard.
 */
export function imageType(bytes: Uint8Array): string | null {
  const starts = (...signature: number[]) => signature.every((byte, at) => bytes[at] === byte);
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  if (starts(0xff, 0xd8, 0xff)) return 'image/jpeg';
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png';
  if (text(0, 4) === 'RIFF' && text(8, 14) === 'WEBPVP') return 'image/webp';
  if (text(0, 6) === 'GIF87a' || text(0, 6) === 'GIF89a') return 'image/gif';
  return null;
}

/** True for the text of a CID as this project writes them: version 1 in base32, or version 0. */
export function isCidText(text: string): boolean {
  return /^(b[a-z2-7]{50,110}|Qm[1-9A-HJ-NP-Za-km-z]{44})$/.test(text);
}
