import { MAX_DEPTH, MAX_MESSAGE_BYTES } from '../limits.ts';

/**
 * The wire format of D-Bus (D-Bus Specification 0.43, "Marshaling" and "Message Protocol"): values by signature, little endian.
 *
 * | type | here |
 * | --- | --- |
 * | y n q i u h d | number |
 * | x t | bigint |
 * | b | boolean |
 * | s o g | string |
 * | ay | Uint8Array |
 * | a{s...} a{o...} | object without prototype; when written, any object |
 * | a, other | array; dictionaries of other keys as arrays of pairs |
 * | ( ) | array |
 * | v | written: {@link Variant}; read: the value in it |
 */

/** Bytes that are no message of D-Bus, or a value that does not fit its signature. */
export class DbusFormatError extends Error {
  override readonly name = 'DbusFormatError';
}

export interface Variant {
  signature: string;
  value: unknown;
}

export function variant(signature: string, value: unknown): Variant {
  return { signature, value };
}

export const METHOD_CALL = 1;
export const METHOD_RETURN = 2;
export const ERROR = 3;
export const SIGNAL = 4;

export interface Message {
  type: number;
  serial: number;
  path?: string;
  interface?: string;
  member?: string;
  errorName?: string;
  replySerial?: number;
  destination?: string;
  sender?: string;
  signature: string;
  body: unknown[];
}

/** Alignment by type code. */
const ALIGNMENT: Record<string, number> = {
  ...{ y: 1, g: 1, v: 1, n: 2, q: 2, b: 4, i: 4, u: 4, s: 4, o: 4, a: 4, h: 4 },
  ...{ x: 8, t: 8, d: 8, '(': 8, '{': 8 },
};

/** The single complete types of a signature: "a{sv}u" has two. */
export function typesOf(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = typeEnd(signature, at, 0);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function typeEnd(signature: string, at: number, depth: number): number {
  const code = signature[at] ?? '';
  if (depth > MAX_DEPTH || ALIGNMENT[code] === undefined) throw new DbusFormatError(`Bad signature ${signature}`);
  if (code === 'a') return typeEnd(signature, at + 1, depth + 1);
  if (code !== '(' && code !== '{') return at + 1;
  const close = code === '(' ? ')' : '}';
  let end = at + 1;
  while (signature[end] !== close) end = typeEnd(signature, end, depth + 1);
  // An array of nothing would have no end.
  if (end === at + 1) throw new DbusFormatError(`Bad signature ${signature}`);
  return end + 1;
}

/** The bytes of a message. @throws {DbusFormatError} when the body does not fit its signature */
export function encodeMessage(message: Message): Uint8Array {
  const body = new Writer();
  const types = typesOf(message.signature);
  if (types.length !== message.body.length) throw new DbusFormatError(`Body does not fit ${message.signature}`);
  types.forEach((type, index) => {
    body.write(type, message.body[index]);
  });
  const fields: [number, Variant][] = [];
  const add = (code: number, signature: string, value: unknown) => {
    if (value !== undefined && value !== '') fields.push([code, variant(signature, value)]);
  };
  add(1, 'o', message.path);
  add(2, 's', message.interface);
  add(3, 's', message.member);
  add(4, 's', message.errorName);
  add(5, 'u', message.replySerial);
  add(6, 's', message.destination);
  add(8, 'g', message.signature);
  const header = new Writer();
  for (const byte of [LITTLE_ENDIAN, message.type, 0, 1]) header.write('y', byte);
  header.write('u', body.length);
  header.write('u', message.serial);
  header.write('a(yv)', fields);
  header.align(8);
  const bytes = new Uint8Array(header.length + body.length);
  bytes.set(header.bytes(), 0);
  bytes.set(body.bytes(), header.length);
  if (bytes.length > MAX_MESSAGE_BYTES) throw new DbusFormatError(`Message of ${bytes.length} bytes`);
  return bytes;
}

const LITTLE_ENDIAN = 0x6c;
const FIXED_HEADER_BYTES = 16;

/** Length of the message that begins here; null while too little of it is there. @throws {DbusFormatError} */
export function messageLength(bytes: Uint8Array): number | null {
  if (bytes.length < FIXED_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = orderOf(bytes[0]);
  const fieldsBytes = view.getUint32(12, isLittle);
  const length = Math.ceil((FIXED_HEADER_BYTES + fieldsBytes) / 8) * 8 + view.getUint32(4, isLittle);
  if (length > MAX_MESSAGE_BYTES) throw new DbusFormatError(`Message of ${length} bytes`);
  return length;
}

function orderOf(byte: number | undefined): boolean {
  if (byte === LITTLE_ENDIAN) return true;
  if (byte === 0x42) return false;
  throw new DbusFormatError(`Byte order ${byte}`);
}

/** @param bytes one whole message @throws {DbusFormatError} */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes, orderOf(bytes[0]));
  reader.read('y');
  const type = Number(reader.read('y'));
  reader.read('y');
  reader.read('y');
  reader.read('u');
  const message: Message = { type, serial: Number(reader.read('u')), signature: '', body: [] };
  for (const [code, value] of reader.read('a(yv)') as [number, unknown][]) setField(message, code, value);
  reader.align(8);
  message.body = typesOf(message.signature).map((part) => reader.read(part));
  return message;
}

function setField(message: Message, code: number, value: unknown): void {
  if (code === 5) message.replySerial = Number(value);
  if (typeof value !== 'string') return;
  if (code === 1) message.path = value;
  else if (code === 2) message.interface = value;
  else if (code === 3) message.member = value;
  else if (code === 4) message.errorName = value;
  else if (code === 6) message.destination = value;
  else if (code === 7) message.sender = value;
  else if (code === 8) message.signature = value;
}

class Writer {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  length = 0;

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  align(to: number): void {
    this.#reserve((to - (this.length % to)) % to);
  }

  write(type: string, value: unknown): void {
    const code = type[0] ?? '';
    this.align(ALIGNMENT[code] ?? 1);
    if (code === 'a') this.#array(type.slice(1), value);
    else if (code === '(' || code === '{') this.#fields(typesOf(type.slice(1, -1)), value);
    else if (code === 'v') this.#variant(value);
    else if (code === 's' || code === 'o' || code === 'g') this.#text(code, value);
    else this.#number(code, value);
  }

  #fields(types: string[], value: unknown): void {
    if (!Array.isArray(value) || value.length !== types.length) throw new DbusFormatError(`No ${types.join('')}`);
    types.forEach((type, index) => {
      this.write(type, value[index]);
    });
  }

  #variant(value: unknown): void {
    const { signature, value: inner } = value as Variant;
    if (typesOf(signature).length !== 1) throw new DbusFormatError(`Bad variant ${signature}`);
    this.write('g', signature);
    this.write(signature, inner);
  }

  #array(type: string, value: unknown): void {
    const lengthAt = this.#reserve(4);
    this.align(ALIGNMENT[type[0] ?? ''] ?? 1);
    const start = this.length;
    if (value instanceof Uint8Array && type === 'y') this.#raw(value);
    else for (const item of type[0] === '{' ? pairsOf(value) : listOf(value)) this.write(type, item);
    this.#view.setUint32(lengthAt, this.length - start, true);
  }

  #text(code: string, value: unknown): void {
    if (typeof value !== 'string' || value.includes('\0')) throw new DbusFormatError('No text');
    const bytes = new TextEncoder().encode(value);
    if (code === 'g') this.write('y', bytes.length);
    else this.write('u', bytes.length);
    this.#raw(bytes);
    this.#reserve(1);
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  #number(code: string, value: unknown): void {
    const at = this.#reserve(ALIGNMENT[code] ?? 1);
    if (code === 'x') this.#view.setBigInt64(at, BigInt(value as bigint), true);
    else if (code === 't') this.#view.setBigUint64(at, BigInt(value as bigint), true);
    else if (code === 'y') this.#view.setUint8(at, Number(value));
    else if (code === 'n') this.#view.setInt16(at, Number(value), true);
    else if (code === 'q') this.#view.setUint16(at, Number(value), true);
    else if (code === 'i') this.#view.setInt32(at, Number(value), true);
    else if (code === 'd') this.#view.setFloat64(at, Number(value), true);
    else this.#view.setUint32(at, Number(value), true);
  }

  /** Room for so many bytes, zeros. @returns where they begin */
  #reserve(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#buffer.length) {
      if (this.length > MAX_MESSAGE_BYTES) throw new DbusFormatError('Message too long');
      const grown = new Uint8Array(2 * this.length);
      grown.set(this.#buffer);
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new DbusFormatError('No array');
  return value;
}

function pairsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) throw new DbusFormatError('No dictionary');
  return Object.entries(value);
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #isLittle: boolean;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, isLittle: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#isLittle = isLittle;
  }

  align(to: number): void {
    this.#skip((to - (this.#at % to)) % to);
  }

  read(type: string): unknown {
    const code = type[0] ?? '';
    this.align(ALIGNMENT[code] ?? 1);
    if (!'a(v{'.includes(code)) return 'sog'.includes(code) ? this.#text(code) : this.#number(code);
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new DbusFormatError('Nested too deeply');
    const value = this.#container(code, type);
    this.#depth -= 1;
    return value;
  }

  #container(code: string, type: string): unknown {
    if (code === 'a') return this.#array(type.slice(1));
    if (code !== 'v') return typesOf(type.slice(1, -1)).map((part) => this.read(part));
    const signature = String(this.read('g'));
    if (typesOf(signature).length !== 1) throw new DbusFormatError(`Bad variant ${signature}`);
    return this.read(signature);
  }

  #array(type: string): unknown {
    const length = Number(this.read('u'));
    this.align(ALIGNMENT[type[0] ?? ''] ?? 1);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new DbusFormatError('Array beyond the message');
    if (type === 'y') return this.#bytes.slice(this.#at, this.#skip(length) + length);
    const items: unknown[] = [];
    while (this.#at < end) items.push(this.read(type));
    if (this.#at !== end) throw new DbusFormatError('Array of a wrong length');
    if (!/^\{[so]/.test(type)) return items;
    return Object.assign(Object.create(null), Object.fromEntries(items as [string, unknown][]));
  }

  #text(code: string): string {
    const length = Number(this.read(code === 'g' ? 'y' : 'u'));
    const from = this.#skip(length + 1);
    return new TextDecoder().decode(this.#bytes.subarray(from, from + length));
  }

  #number(code: string): number | bigint | boolean {
    const at = this.#skip(ALIGNMENT[code] ?? 1);
    switch (code) {
      case 'y':
        return this.#view.getUint8(at);
      case 'n':
        return this.#view.getInt16(at, this.#isLittle);
      case 'q':
        return this.#view.getUint16(at, this.#isLittle);
      case 'i':
        return this.#view.getInt32(at, this.#isLittle);
      case 'd':
        return this.#view.getFloat64(at, this.#isLittle);
      case 'x':
        return this.#view.getBigInt64(at, this.#isLittle);
      case 't':
        return this.#view.getBigUint64(at, this.#isLittle);
      case 'b':
        return this.#view.getUint32(at, this.#isLittle) !== 0;
      default:
        return this.#view.getUint32(at, this.#isLittle);
    }
  }

  /** @returns where the skipped bytes begin */
  #skip(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new DbusFormatError('Message ends too early');
    this.#at += count;
    return at;
  }
}
