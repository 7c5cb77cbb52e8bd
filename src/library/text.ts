/** Text out of files: tags and names, which may hold anything. */

/** Control characters, and those that change the direction of text around them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed
const UNWANTED = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]+/g;

/** One line of valid text of at most `maxBytes` bytes of UTF-8, cut between characters. */
export function tidyText(value: unknown, maxBytes: number): string {
  if (typeof value !== 'string') return '';
  // far more than is kept is not worth normalising
  const text = value
    .slice(0, maxBytes * 4)
    .toWellFormed()
    .replace(UNWANTED, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .normalize('NFC');
  return cut(text, maxBytes);
}

/** A file's name for showing: UTF-8 where it is valid, else Latin-1, which never fails. */
export function showPath(path: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(path).replace(UNWANTED, '\u{fffd}');
  } catch {
    return Buffer.from(path).toString('latin1').replace(UNWANTED, '\u{fffd}');
  }
}

/** "Artist – Title", the title alone, or the file's name without its ending. */
export function displayName(artist: string, title: string, fileName: string, maxBytes: number): string {
  if (title !== '') {
    if (artist === '') return cut(title, maxBytes);
    const joined = `${artist} – ${title}`;
    if (Buffer.byteLength(joined) <= maxBytes) return joined;
    // a title of its full length is worth more than the artist's
    return cut(`${cut(artist, Math.floor(maxBytes / 2) - 5)} – ${title}`, maxBytes);
  }
  const stem = fileName.replace(/\.[^.]{1,5}$/, '').replace(/_/g, ' ');
  return tidyText(stem, maxBytes) || 'Untitled';
}

function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept.trimEnd();
}
