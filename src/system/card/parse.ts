/** Starling.txt, line by line. Pure. */
import { MAX_CARD_LINES } from './limits.ts';
import type { CardLine } from './types.ts';

const LINE_BREAK = /\r\n|\n|\r/;
const COMMENT = /^(#|＃|;|\/\/)/;
/** Between key and value, also as Japanese keyboards write it. The first one counts: both may stand in a value. */
const SEPARATOR = /[=:＝：]/;
/** Pairs that editors make of plain quotes, or that people of other languages type. */
const QUOTES = ['""', "''", '“”', '„“', '„”', '””', '‘’', '‚‘', '’’', '«»', '»«', '「」', '『』', '＂＂'];

/** What a secret's value is replaced with once it was taken. */
export const TAKEN = '*** taken; to change it, write the new one here ***';

/** @returns every line up to MAX_CARD_LINES, and whether there were more */
export function parseCard(text: string): { lines: CardLine[]; isCut: boolean } {
  const all = text.split(LINE_BREAK);
  const lines = all.slice(0, MAX_CARD_LINES).map((line, index) => parseLine(line, index + 1));
  const isCut = all.slice(MAX_CARD_LINES).some((line) => line.trim() !== '');
  return { lines, isCut };
}

function parseLine(text: string, number: number): CardLine {
  const trimmed = trimmedOf(text);
  if (trimmed === '') return { number, text, kind: 'empty' };
  const comment = COMMENT.exec(trimmed);
  if (comment !== null) return { number, text, kind: 'comment', inner: trimmed.replace(/^[#＃;/\s]+/, '') };
  return parseSetting(text, number);
}

/** A line that sets something, with or without a comment sign before it. */
export function parseSetting(text: string, number: number): CardLine {
  const at = text.search(SEPARATOR);
  const key = at < 0 ? '' : keyOf(text.slice(0, at));
  if (key === '') return { number, text, kind: 'broken' };
  const raw = trimmedOf(text.slice(at + 1));
  const value = unquoted(raw);
  return { number, text, kind: 'setting', key, value, quoted: value !== raw, head: text.slice(0, at + 1) };
}

/** Marks without width come along when text is copied from a page. */
function trimmedOf(text: string): string {
  return text.replace(/^[\s\u200b\ufeff\0]+|[\s\u200b\ufeff\0]+$/gu, '');
}

/** `Wi-Fi Password` is `wi_fi_password`. */
function keyOf(text: string): string {
  return unquoted(trimmedOf(text))
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\-_.]+/g, '_')
    .replace(/^_+|_+$/g, '');
}

function unquoted(text: string): string {
  const isQuoted = text.length >= 2 && QUOTES.includes(text.charAt(0) + text.charAt(text.length - 1));
  return isQuoted ? text.slice(1, -1) : text;
}

/** The text with the values of these lines taken out, everything else as it was. */
export function withoutValues(text: string, lines: readonly CardLine[], numbers: ReadonlySet<number>): string {
  // With its capture, split() keeps the line breaks at the odd places.
  const parts = text.split(/(\r\n|\n|\r)/);
  for (const line of lines) {
    if (numbers.has(line.number) && line.kind === 'setting') parts[(line.number - 1) * 2] = `${line.head} ${TAKEN}`;
  }
  return parts.join('');
}
