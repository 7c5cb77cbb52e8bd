/**
 * Writer of canonical DAG-CBOR for what the protocol knows: null, booleans, safe integers, text, bytes, arrays and
 * maps with ASCII keys. The bytes equal those of @ipld/dag-cbor (a property test holds both together); it is some
 * times faster, and hashing records is what nodes and simulations spend their time with.
 */

const MAJOR_UINT = 0;
const MAJOR_NEGATIVE = 1;
const MAJOR_BYTES = 2;
const MAJOR_TEXT = 3;
const MAJOR_ARRAY = 4;
const MAJOR_MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const FIRST_CAPACITY = 16_384;
/** Nesting of the deepest message: evidence of proposals in a proposal, and room. Ends loops and deep garbage. */
const MAX_DEPTH = 32;
const TWO_TO_32 = 4_294_967_296;

/** A value that has no canonical form: a float, undefined, a function, a key that is not ASCII, a loop. */
export class NotEncodableError extends Error {
  constructor(what: string) {
    super(`no canonical DAG-CBOR form: ${what}`);
    this.name = 'NotEncodableError';
  }
}

const encoder = new TextEncoder();
let buffer = new Uint8Array(FIRST_CAPACITY);
let length = 0;

/**
 * Canonical DAG-CBOR bytes.
 *
 * @param prefix - bytes that stand before them
 * @throws NotEncodableError
 */
export function encodeCbor(value: unknown, prefix?: Uint8Array): Uint8Array {
  length = 0;
  if (prefix !== undefined) append(prefix);
  write(value, 0);
  return buffer.slice(0, length);
}

function reserve(bytes: number): void {
  if (length + bytes <= buffer.length) return;
  const grown = new Uint8Array(Math.max(buffer.length * 2, length + bytes));
  grown.set(buffer.subarray(0, length));
  buffer = grown;
}

function write(value: unknown, depth: number): void {
  if (typeof value === 'string') writeText(value);
  else if (typeof value === 'number') writeInteger(value);
  else if (value === null) writeByte(NULL);
  else if (typeof value === 'boolean') writeByte(value ? TRUE : FALSE);
  else if (typeof value === 'object') writeObject(value, depth);
  else throw new NotEncodableError(typeof value);
}

function writeObject(value: object, depth: number): void {
  if (depth >= MAX_DEPTH) throw new NotEncodableError(`nested deeper than ${MAX_DEPTH}`);
  if (value instanceof Uint8Array) writeBytes(value);
  else if (Array.isArray(value)) writeArray(value, depth);
  else writeMap(value as Record<string, unknown>, depth);
}

function writeByte(byte: number): void {
  reserve(1);
  buffer[length++] = byte;
}

/** Type and argument in the shortest form. */
function writeHead(major: number, argument: number): void {
  reserve(9);
  const type = major << 5;
  if (argument < 24) {
    buffer[length++] = type | argument;
  } else if (argument < 0x100) {
    buffer[length++] = type | 24;
    buffer[length++] = argument;
  } else if (argument < 0x1_0000) {
    buffer[length++] = type | 25;
    writeBigEndian(argument, 2);
  } else if (argument < TWO_TO_32) {
    buffer[length++] = type | 26;
    writeBigEndian(argument, 4);
  } else {
    buffer[length++] = type | 27;
    writeBigEndian(Math.floor(argument / TWO_TO_32), 4);
    writeBigEndian(argument % TWO_TO_32, 4);
  }
}

function writeBigEndian(value: number, bytes: number): void {
  for (let shift = (bytes - 1) * 8; shift >= 0; shift -= 8) buffer[length++] = (value >>> shift) & 0xff;
}

function writeInteger(value: number): void {
  if (!Number.isSafeInteger(value)) throw new NotEncodableError(`the number ${value}`);
  if (value >= 0) writeHead(MAJOR_UINT, value);
  else writeHead(MAJOR_NEGATIVE, -1 - value);
}

function writeText(text: string): void {
  const bytes = utf8Length(text);
  writeHead(MAJOR_TEXT, bytes);
  reserve(bytes);
  if (bytes === text.length) {
    for (let i = 0; i < bytes; i++) buffer[length++] = text.charCodeAt(i);
  } else {
    length += encoder.encodeInto(text, buffer.subarray(length)).written;
  }
}

/** Length in UTF-8; a surrogate alone counts as the replacement character that it becomes. */
function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    bytes += code < 0x800 ? 1 : 2;
    const isPair = code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text, i + 1);
    // Two units, four bytes.
    if (isPair) i++;
  }
  return bytes;
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = at < text.length ? text.charCodeAt(at) : 0;
  return code >= 0xdc00 && code < 0xe000;
}

function writeBytes(bytes: Uint8Array): void {
  writeHead(MAJOR_BYTES, bytes.length);
  append(bytes);
}

function append(bytes: Uint8Array): void {
  reserve(bytes.length);
  buffer.set(bytes, length);
  length += bytes.length;
}

function writeArray(items: readonly unknown[], depth: number): void {
  writeHead(MAJOR_ARRAY, items.length);
  for (const item of items) write(item, depth + 1);
}

function writeMap(map: Record<string, unknown>, depth: number): void {
  const prototype = Object.getPrototypeOf(map);
  if (prototype !== Object.prototype && prototype !== null)
    throw new NotEncodableError('neither a plain object nor an array');
  const keys = Object.keys(map);
  if (!isInCanonicalOrder(keys)) keys.sort(byCanonicalOrder);
  writeHead(MAJOR_MAP, keys.length);
  for (const key of keys) {
    writeKey(key);
    write(map[key], depth + 1);
  }
}

/** Keys as they are written, head and all: there are some hundred of them in the protocol, and they are most of the text. */
const knownKeys = new Map<string, Uint8Array>();
/** Keys remembered; strangers may send others. */
const MAX_KNOWN_KEYS = 512;

function writeKey(key: string): void {
  const known = knownKeys.get(key);
  if (known !== undefined) {
    append(known);
    return;
  }
  if (key.length === 0 || !isAscii(key)) throw new NotEncodableError(`the key ${JSON.stringify(key)}`);
  const from = length;
  writeText(key);
  if (knownKeys.size < MAX_KNOWN_KEYS) knownKeys.set(key, buffer.slice(from, length));
}

/** So it is in everything that was decoded. */
function isInCanonicalOrder(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (byCanonicalOrder(keys[i - 1]!, keys[i]!) > 0) return false;
  return true;
}

/** Shorter keys first, then byte by byte (RFC 7049, section 3.9, as DAG-CBOR asks for). */
function byCanonicalOrder(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
