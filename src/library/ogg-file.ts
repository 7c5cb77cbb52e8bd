/** What an Ogg file (RFC 3533) says of its audio. */
import { SkippedFileError } from './errors.ts';
import type { FileReader } from './file-reader.ts';
import { OGG_TAIL_BYTES } from './limits.ts';

export interface OggAudio {
  codec: 'vorbis' | 'opus' | 'flac' | 'other';
  /** Position at the end of the last page, in samples; null when the file's end is not of this stream. */
  lastGranule: number | null;
}

const HEAD_BYTES = 64 << 10;
const BEGIN_OF_STREAM = 2;

interface Page {
  serial: number;
  granule: bigint;
  flags: number;
  body: number;
  end: number;
}

/** @throws SkippedFileError when no stream in it is audio */
export async function readOgg(file: FileReader): Promise<OggAudio> {
  const head = await file.read(0, HEAD_BYTES);
  for (let page = readPage(head, 0); page !== null && page.flags & BEGIN_OF_STREAM; page = readPage(head, page.end)) {
    const codec = codecOf(head.subarray(page.body, page.end));
    if (codec !== null) return { codec, lastGranule: await readLastGranule(file, page.serial) };
  }
  throw new SkippedFileError('no-audio');
}

function codecOf(body: Buffer): OggAudio['codec'] | null {
  if (body.toString('latin1', 0, 7) === '\x01vorbis') return 'vorbis';
  if (body.toString('latin1', 0, 8) === 'OpusHead') return 'opus';
  if (body.toString('latin1', 0, 5) === '\x7fFLAC') return 'flac';
  if (body.toString('latin1', 0, 8) === 'Speex   ') return 'other';
  return null;
}

async function readLastGranule(file: FileReader, serial: number): Promise<number | null> {
  const tail = await file.read(Math.max(0, file.size - OGG_TAIL_BYTES), OGG_TAIL_BYTES);
  for (let at = tail.lastIndexOf('OggS'); at >= 0; at = at === 0 ? -1 : tail.lastIndexOf('OggS', at - 1)) {
    const page = readPage(tail, at);
    // a page that completes no packet has no position
    if (page === null || page.granule === -1n) continue;
    return page.serial === serial && page.granule >= 0n ? Number(page.granule) : null;
  }
  return null;
}

function readPage(bytes: Buffer, at: number): Page | null {
  if (at + 27 > bytes.length || bytes.toString('latin1', at, at + 4) !== 'OggS' || bytes[at + 4] !== 0) return null;
  const segments = bytes[at + 26]!;
  let length = 0;
  for (let i = 0; i < segments; i++) length += bytes[at + 27 + i] ?? 0;
  const body = at + 27 + segments;
  return {
    serial: bytes.readUInt32LE(at + 14),
    granule: bytes.readBigInt64LE(at + 6),
    flags: bytes[at + 5]!,
    body,
    end: body + length,
  };
}
