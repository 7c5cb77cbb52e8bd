/** What an MP4 file (.m4a) says of its audio: codec, protection, and what of the decoder's output is to be heard. */
import { SkippedFileError } from './errors.ts';
import type { FileReader } from './file-reader.ts';
import { boxesIn, findBox, readCodecConfig } from './fmp4.ts';
import { MAX_MOOV_BYTES } from './limits.ts';

export interface Mp4Audio {
  /** Four letters of the sample entry, such as `mp4a`. */
  format: string;
  /** AudioSpecificConfig and the like. */
  config: Buffer;
  timescale: number;
  /** Sum of all packets' durations in ticks, 0 in a fragmented file. */
  ticks: number;
  /** Start of what is to be heard, in ticks; null without an edit list. */
  editStart: number | null;
  /** Length of what is to be heard, with its unit; null when it is not told. */
  editLength: { value: number; timescale: number } | null;
  /** iTunes' own words: encoder delay and exact length in samples. */
  itunes: { delay: number; samples: number } | null;
}

const PROTECTED = new Set(['drms', 'enca', 'p608', 'aavd']);

/** @throws SkippedFileError when there is no audio, or it is protected, or the file is damaged */
export async function readMp4(file: FileReader): Promise<Mp4Audio> {
  const moov = await readMoov(file);
  const movie = findBox(moov, 0, moov.length, ['mvhd']);
  const movieScale = movie === null ? 0 : moov.readUInt32BE(movie[0] + (moov[movie[0]] === 1 ? 20 : 12));
  try {
    for (const [type, start, end] of boxesIn(moov, 0, moov.length)) {
      if (type !== 'trak') continue;
      const handler = findBox(moov, start, end, ['mdia', 'hdlr']);
      if (handler === null || moov.toString('latin1', handler[0] + 8, handler[0] + 12) !== 'soun') continue;
      return readTrack(moov, start, end, movieScale);
    }
  } catch (error) {
    if (error instanceof RangeError) throw new SkippedFileError('corrupt', 'its table of contents');
    throw error;
  }
  throw new SkippedFileError('no-audio');
}

async function readMoov(file: FileReader): Promise<Buffer> {
  for (let at = 0; at + 8 <= file.size; ) {
    const head = await file.read(at, 16);
    if (head.length < 8) break;
    let size = head.readUInt32BE(0);
    let headerLength = 8;
    if (size === 1 && head.length === 16) {
      size = Number(head.readBigUInt64BE(8));
      headerLength = 16;
    } else if (size === 0) size = file.size - at;
    if (size < headerLength) break;
    if (head.toString('latin1', 4, 8) === 'moov') {
      if (size > MAX_MOOV_BYTES || at + size > file.size) break;
      return await file.read(at + headerLength, size - headerLength);
    }
    at += size;
  }
  throw new SkippedFileError('corrupt', 'no table of contents');
}

function readTrack(moov: Buffer, start: number, end: number, movieScale: number): Mp4Audio {
  const mdhd = findBox(moov, start, end, ['mdia', 'mdhd']);
  const stsd = findBox(moov, start, end, ['mdia', 'minf', 'stbl', 'stsd']);
  if (mdhd === null || stsd === null || stsd[0] + 16 > stsd[1]) throw new SkippedFileError('corrupt', 'no description');
  const entry = stsd[0] + 8;
  const format = moov.toString('latin1', entry + 4, entry + 8);
  if (PROTECTED.has(format)) throw new SkippedFileError('protected', format);
  // QuickTime's versions 1 and 2 of the entry have 16 and 36 bytes more
  const version = moov.readUInt16BE(entry + 16);
  const extra = version === 1 ? 16 : version === 2 ? 36 : 0;
  const edit = readEdit(moov, start, end);
  return {
    format,
    config: readCodecConfig(moov, entry + 36 + extra, stsd[1]),
    timescale: moov.readUInt32BE(mdhd[0] + (moov[mdhd[0]] === 1 ? 20 : 12)),
    ticks: sumDurations(moov, start, end),
    editStart: edit?.mediaTime ?? null,
    editLength: edit !== null && edit.length > 0 ? { value: edit.length, timescale: movieScale } : null,
    itunes: readItunesGaps(moov),
  };
}

function sumDurations(moov: Buffer, start: number, end: number): number {
  const stts = findBox(moov, start, end, ['mdia', 'minf', 'stbl', 'stts']);
  if (stts === null) return 0;
  const count = moov.readUInt32BE(stts[0] + 4);
  let ticks = 0;
  for (let i = 0, at = stts[0] + 8; i < count && at + 8 <= stts[1]; i++, at += 8) {
    ticks += moov.readUInt32BE(at) * moov.readUInt32BE(at + 4);
  }
  return ticks;
}

/** The only edit that has media in it; null when there are none or several. */
function readEdit(moov: Buffer, start: number, end: number): { mediaTime: number; length: number } | null {
  const elst = findBox(moov, start, end, ['edts', 'elst']);
  if (elst === null) return null;
  const wide = moov[elst[0]] === 1;
  const count = moov.readUInt32BE(elst[0] + 4);
  const edits: { mediaTime: number; length: number }[] = [];
  for (let i = 0, at = elst[0] + 8; i < count && at + (wide ? 20 : 12) <= elst[1]; i++, at += wide ? 20 : 12) {
    const length = wide ? Number(moov.readBigUInt64BE(at)) : moov.readUInt32BE(at);
    const mediaTime = wide ? Number(moov.readBigInt64BE(at + 8)) : moov.readInt32BE(at + 4);
    if (mediaTime >= 0) edits.push({ mediaTime, length });
  }
  return edits.length === 1 ? edits[0]! : null;
}

/** " 00000000 00000840 000001CA 00000000003F31F6 ...": delay, padding and length as hexadecimal words. */
function readItunesGaps(moov: Buffer): { delay: number; samples: number } | null {
  const meta = findBox(moov, 0, moov.length, ['udta', 'meta']);
  if (meta === null) return null;
  const list = findBox(moov, meta[0] + 4, meta[1], ['ilst']);
  if (list === null) return null;
  for (const [type, start, end] of boxesIn(moov, list[0], list[1])) {
    if (type !== '----') continue;
    const name = findBox(moov, start, end, ['name']);
    const data = findBox(moov, start, end, ['data']);
    if (name === null || data === null || moov.toString('latin1', name[0] + 4, name[1]) !== 'iTunSMPB') continue;
    const words = moov
      .toString('latin1', data[0] + 8, data[1])
      .trim()
      .split(/\s+/);
    const [delay, samples] = [Number.parseInt(words[1] ?? '', 16), Number.parseInt(words[3] ?? '', 16)];
    if (Number.isSafeInteger(delay) && Number.isSafeInteger(samples) && samples > 0) return { delay, samples };
  }
  return null;
}
