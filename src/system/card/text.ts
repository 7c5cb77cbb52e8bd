/** Starling.txt as editors save it: bytes to text and back. Pure. */

export interface CardText {
  text: string;
  /** The bytes were no Unicode: read as the old Windows code page of western Europe. */
  isGuessed: boolean;
}

const BOM = '\ufeff';

/** Reads UTF-8, UTF-16 (both orders, with or without a mark) and, where it is neither, Windows-1252. Never throws. */
export function decodeCard(bytes: Uint8Array): CardText {
  const utf16 = utf16Order(bytes);
  if (utf16 !== null) return { text: withoutMark(decodeUtf16(bytes, utf16)), isGuessed: false };
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text: withoutMark(text), isGuessed: false };
  } catch {
    return { text: new TextDecoder('windows-1252').decode(bytes), isGuessed: true };
  }
}

/**
 * The text as bytes again: UTF-8, marked where an old Notepad would take it for something else.
 */
export function encodeCard(text: string): Uint8Array {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  const isPlain = /^[\x00-\x7f]*$/.test(text);
  return new TextEncoder().encode(isPlain ? text : BOM + text);
}

function withoutMark(text: string): string {
  return text.startsWith(BOM) ? text.slice(1) : text;
}

/** By its mark; without one, by where the zeros of plain letters stand. */
function utf16Order(bytes: Uint8Array): 'little' | 'big' | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'little';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'big';
  let even = 0;
  let odd = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] !== 0) continue;
    if (at % 2 === 0) even += 1;
    else odd += 1;
  }
  // Half of the bytes of English text; a few stray zeros are damage.
  const many = bytes.length / 4;
  if (odd > many && even === 0) return 'little';
  return even > many && odd === 0 ? 'big' : null;
}

function decodeUtf16(bytes: Uint8Array, order: 'little' | 'big'): string {
  if (order === 'little') return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(bytes);
  const swapped = Uint8Array.from({ length: bytes.length }, (_, at) => bytes[at ^ 1] ?? 0);
  return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(swapped);
}
