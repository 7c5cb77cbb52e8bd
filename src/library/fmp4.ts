/**
 * Reads the fragmented MP4 that ffmpeg writes (ISO/IEC 14496-12): one `ftyp` + `moov`, then `moof` + `mdat` for each
 * segment. Only what ffmpeg writes for one audio track is understood.
 */
import { MAX_BOX_BYTES } from './limits.ts';

/** ffmpeg wrote something else than expected. */
export class FragmentError extends Error {
  override readonly name = 'FragmentError';
}

/** What the `moov` box says of its only track. */
export interface TrackHeader {
  /** Ticks a second of all durations. */
  timescale: number;
  channels: number;
  /** Codec's set-up data: the body of esds' DecoderSpecificInfo, dOps or dfLa; empty for others. */
  config: Buffer;
}

export interface Fragment {
  /** `moof` and `mdat`: the bytes of the segment. */
  bytes: Buffer;
  /** Packets inside, in order, as views into `bytes`. */
  packets: Buffer[];
  /** Duration of each packet in ticks, as the muxer has it. */
  durations: number[];
}

export interface FragmentHandlers {
  /** `ftyp` and `moov`, once, before the first fragment. */
  header(init: Buffer, header: TrackHeader): void;
  fragment(fragment: Fragment): Promise<void>;
}

/** Cuts a byte stream into its boxes. */
export class FragmentReader {
  readonly #handlers: FragmentHandlers;
  #pending: Buffer[] = [];
  #pendingLength = 0;
  #wanted = 8;
  #header: Buffer[] = [];
  #headerDone = false;
  #moof: Buffer | null = null;

  constructor(handlers: FragmentHandlers) {
    this.#handlers = handlers;
  }

  /** @throws FragmentError, and what the handlers throw */
  async write(chunk: Buffer): Promise<void> {
    this.#pending.push(chunk);
    this.#pendingLength += chunk.length;
    while (this.#pendingLength >= this.#wanted) {
      const all = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending, this.#pendingLength);
      this.#pending = [all];
      const size = all.readUInt32BE(0);
      if (size < 8 || size > MAX_BOX_BYTES) throw new FragmentError(`a box of ${size} bytes`);
      this.#wanted = size;
      if (all.length < size) return;
      // a copy of its own, so that a small rest does not keep a large buffer alive
      await this.#box(all.subarray(0, size));
      const rest = all.subarray(size);
      this.#pending = rest.length === 0 ? [] : [rest];
      this.#pendingLength = rest.length;
      this.#wanted = 8;
    }
  }

  /** @throws FragmentError when the stream ends inside a box */
  end(): void {
    if (this.#pendingLength > 0 || this.#moof !== null) throw new FragmentError('the output ends in the middle');
  }

  async #box(box: Buffer): Promise<void> {
    const type = box.toString('latin1', 4, 8);
    if (type === 'ftyp') this.#header.push(Buffer.from(box));
    else if (type === 'moov') {
      if (this.#headerDone) throw new FragmentError('a second moov');
      this.#header.push(Buffer.from(box));
      this.#headerDone = true;
      this.#handlers.header(Buffer.concat(this.#header), readMoov(box));
    } else if (type === 'moof') this.#moof = Buffer.from(box);
    else if (type === 'mdat') {
      if (this.#moof === null || !this.#headerDone) throw new FragmentError('mdat without moof');
      const bytes = Buffer.concat([this.#moof, box]);
      const fragment = readFragment(bytes, this.#moof.length);
      this.#moof = null;
      await this.#handlers.fragment(fragment);
    }
  }
}

/** Boxes inside a range, as [type, start of body, end]. */
export function* boxesIn(bytes: Buffer, start: number, end: number): Generator<[string, number, number]> {
  for (let at = start; at + 8 <= end; ) {
    let size = bytes.readUInt32BE(at);
    let body = at + 8;
    if (size === 1 && at + 16 <= end) {
      size = Number(bytes.readBigUInt64BE(at + 8));
      body = at + 16;
    } else if (size === 0) size = end - at;
    if (size < body - at || at + size > end) return;
    yield [bytes.toString('latin1', at + 4, at + 8), body, at + size];
    at += size;
  }
}

/** First box under a path of types such as ['mdia', 'mdhd'], as [start of body, end]. */
export function findBox(bytes: Buffer, start: number, end: number, path: readonly string[]): [number, number] | null {
  const [wanted, ...deeper] = path;
  for (const [type, body, stop] of boxesIn(bytes, start, end)) {
    if (type !== wanted) continue;
    const found: [number, number] | null = deeper.length === 0 ? [body, stop] : findBox(bytes, body, stop, deeper);
    if (found !== null) return found;
  }
  return null;
}

function readMoov(box: Buffer): TrackHeader {
  const media = findBox(box, 8, box.length, ['trak', 'mdia']);
  const mdhd = media && findBox(box, media[0], media[1], ['mdhd']);
  const stsd = media && findBox(box, media[0], media[1], ['minf', 'stbl', 'stsd']);
  if (!mdhd || !stsd) throw new FragmentError('moov without a track');
  const timescale = box.readUInt32BE(mdhd[0] + (box[mdhd[0]] === 1 ? 20 : 12));
  const entry = stsd[0] + 8;
  const channels = box.readUInt16BE(entry + 8 + 16);
  return { timescale, channels, config: readCodecConfig(box, entry + 8 + 28, stsd[1]) };
}

/** `start`: behind the fixed part of an AudioSampleEntry. */
export function readCodecConfig(bytes: Buffer, start: number, end: number): Buffer {
  for (const [type, body, stop] of boxesIn(bytes, start, end)) {
    if (type === 'esds') return readDecoderSpecificInfo(bytes.subarray(body + 4, stop));
    if (type === 'dOps' || type === 'dfLa' || type === 'alac') return Buffer.from(bytes.subarray(body, stop));
    if (type === 'wave') return readCodecConfig(bytes, body, stop);
  }
  return Buffer.alloc(0);
}

/** Descriptor 5 inside descriptor 4 inside descriptor 3 (ISO/IEC 14496-1). */
function readDecoderSpecificInfo(esds: Buffer): Buffer {
  const skip: Record<number, number> = { 3: 3, 4: 13 };
  for (let at = 0; at < esds.length; ) {
    const tag = esds[at]!;
    let length = 0;
    at += 1;
    for (let i = 0; i < 4 && at < esds.length; i++) {
      const byte = esds[at]!;
      at += 1;
      length = (length << 7) | (byte & 0x7f);
      if ((byte & 0x80) === 0) break;
    }
    if (tag === 5) return Buffer.from(esds.subarray(at, at + length));
    at += skip[tag] ?? length;
  }
  return Buffer.alloc(0);
}

function readFragment(bytes: Buffer, mdatAt: number): Fragment {
  const traf = findBox(bytes, 8, mdatAt, ['traf']);
  const tfhd = traf && findBox(bytes, traf[0], traf[1], ['tfhd']);
  if (!traf || !tfhd) throw new FragmentError('moof without a track');
  const defaults = readTfhd(bytes, tfhd[0]);
  const packets: Buffer[] = [];
  const durations: number[] = [];
  let data = mdatAt + 8;
  for (const [type, body] of boxesIn(bytes, traf[0], traf[1])) {
    if (type !== 'trun') continue;
    const flags = bytes.readUInt32BE(body) & 0xff_ff_ff;
    const count = bytes.readUInt32BE(body + 4);
    let at = body + 8 + (flags & 0x1 ? 4 : 0) + (flags & 0x4 ? 4 : 0);
    for (let i = 0; i < count; i++) {
      let { duration, size } = defaults;
      if (flags & 0x100) {
        duration = bytes.readUInt32BE(at);
        at += 4;
      }
      if (flags & 0x200) {
        size = bytes.readUInt32BE(at);
        at += 4;
      }
      at += (flags & 0x400 ? 4 : 0) + (flags & 0x800 ? 4 : 0);
      if (data + size > bytes.length) throw new FragmentError('a packet outside of its fragment');
      packets.push(bytes.subarray(data, data + size));
      durations.push(duration);
      data += size;
    }
  }
  if (data !== bytes.length) throw new FragmentError('a fragment with more data than packets');
  return { bytes, packets, durations };
}

function readTfhd(bytes: Buffer, body: number): { duration: number; size: number } {
  const flags = bytes.readUInt32BE(body) & 0xff_ff_ff;
  let at = body + 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0);
  const duration = flags & 0x8 ? bytes.readUInt32BE(at) : 0;
  at += flags & 0x8 ? 4 : 0;
  return { duration, size: flags & 0x10 ? bytes.readUInt32BE(at) : 0 };
}

const ESDS_PARENTS = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd', 'mp4a'];
/** Bytes of a parent's body before its first child. */
const FIXED_PART: Record<string, number> = { stsd: 8, mp4a: 28 };

/** The initialisation part with other codec data in its esds box. @throws FragmentError when it has none */
export function replaceEsdsConfig(init: Buffer, config: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (const [type, start, end] of boxesIn(init, 0, init.length)) {
    const body = init.subarray(start, end);
    parts.push(box(type, type === 'moov' ? rebuild(body, 1, config) : body));
  }
  return Buffer.concat(parts);
}

function rebuild(body: Buffer, depth: number, config: Buffer): Buffer {
  const fixed = FIXED_PART[ESDS_PARENTS[depth - 1]!] ?? 0;
  const parts: Buffer[] = [body.subarray(0, fixed)];
  const wanted = ESDS_PARENTS[depth] ?? 'esds';
  let found = false;
  for (const [type, start, end] of boxesIn(body, fixed, body.length)) {
    const child = body.subarray(start, end);
    if (type !== wanted) parts.push(box(type, child));
    else {
      found = true;
      parts.push(box(type, type === 'esds' ? makeEsds(child, config) : rebuild(child, depth + 1, config)));
    }
  }
  if (!found) throw new FragmentError(`the track has no ${wanted} box`);
  return Buffer.concat(parts);
}

function box(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length, 0);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

/** Keeps the object type; bit rates are left out, they differ by nothing that is heard. */
function makeEsds(old: Buffer, config: Buffer): Buffer {
  // version and flags, then tag 3 with its length of 4 bytes, id and flags, then tag 4 with its length
  const objectType = old[4 + 5 + 3 + 5];
  if (old[4] !== 3 || old[12] !== 4 || objectType === undefined) throw new FragmentError('an unknown form of esds');
  const specific = descriptor(5, config);
  const decoder = descriptor(4, Buffer.concat([Buffer.from([objectType, 0x15]), Buffer.alloc(11), specific]));
  const body = Buffer.concat([Buffer.alloc(3), decoder, descriptor(6, Buffer.from([2]))]);
  return Buffer.concat([Buffer.alloc(4), descriptor(3, body)]);
}

function descriptor(tag: number, body: Buffer): Buffer {
  const { length } = body;
  const head = [tag, (length >> 21) | 0x80, (length >> 14) | 0x80, (length >> 7) | 0x80, length & 0x7f];
  return Buffer.concat([Buffer.from(head.map((byte) => byte & 0xff)), body]);
}
