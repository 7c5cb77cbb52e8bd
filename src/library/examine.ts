/**
 * What a file really is, whatever its name says, and how it becomes segments. Reads a few places of the file only.
 */
import { SkippedFileError } from './errors.ts';
import type { FileReader } from './file-reader.ts';
import type { TrackHeader } from './fmp4.ts';
import { MAX_LEADING_TAG_BYTES, MAX_SYNC_SEARCH_BYTES } from './limits.ts';
import { type Mp4Audio, readMp4 } from './mp4-file.ts';
import { findFirstFrame, readAdtsHeader, readGaplessTag } from './mpeg-audio.ts';
import { readOgg } from './ogg-file.ts';
import { aacObstacle, readAacSetup, UncountableError } from './packets.ts';
import type { SegmentCodec } from './types.ts';

/** What of the decoder's output is to be heard. */
export interface Heard {
  skipSamples: number;
  samples: number;
}

export interface SourcePlan {
  /** ffmpeg's demuxer; given by name, so that no file can choose another. */
  demuxer: string;
  /** Options of that demuxer when packets are copied. */
  copyOptions: string[];
  /** Bitstream filter for copied packets. */
  copyFilter?: string;
  /** Null: decode it, and make FLAC of it. */
  copy: SegmentCodec | null;
  /** Bytes of the segments in a second, as far as it can be guessed; 0 for rates that always fit. */
  bytesPerSecond: number;
  /**
   * @param decoded - all that the decoder puts out
   * @throws UncountableError when packets that were copied cannot all be whole
   */
  heard(decoded: number, header: TrackHeader): Heard;
}

/** FLAC takes about this much of what it is made of. */
const FLAC_SHARE = 0.75;
/** An Ogg file's end is trimmed by less than a page; more than this and its positions do not start at 0. */
const MAX_END_TRIM_SAMPLES = 96_000;

/** Holds the last whole frame, which has at most 8,191 bytes. */
const ADTS_TAIL_BYTES = 9 << 10;

const everything = (decoded: number): Heard => ({ skipSamples: 0, samples: decoded });

/** @throws SkippedFileError */
export async function examine(file: FileReader): Promise<SourcePlan> {
  if (file.size === 0) throw new SkippedFileError('empty');
  const start = await skipId3(file);
  const head = await file.read(start, MAX_SYNC_SEARCH_BYTES);
  const word = (at: number) => head.toString('latin1', at, at + 4);
  if (word(0) === 'fLaC') return planFlac(head, file.size - start);
  if (word(4) === 'ftyp' || (word(4) === 'moov' && start === 0)) return planMp4(await readMp4(file), file.size);
  if (word(0) === 'OggS') return await planOgg(file, start);
  if ((word(0) === 'RIFF' || word(0) === 'RF64') && word(8) === 'WAVE') return planPcm('wav', head);
  if (word(0) === 'FORM' && (word(8) === 'AIFF' || word(8) === 'AIFC')) return planPcm('aiff', head);
  refuseKnownOthers(head);
  const frame = findFirstFrame(head, 0);
  if (frame === null) throw new SkippedFileError('not-audio');
  return frame.kind === 'adts' ? await planAdts(file, head, frame.at) : planMp3(head, frame.at);
}

/** Where the audio begins: behind ID3v2 tags (https://id3.org/id3v2.4.0-structure). */
async function skipId3(file: FileReader): Promise<number> {
  let at = 0;
  for (let head = await file.read(at, 10); head.length === 10; head = await file.read(at, 10)) {
    if (head.toString('latin1', 0, 3) !== 'ID3') break;
    const size = (head[6]! << 21) | (head[7]! << 14) | (head[8]! << 7) | head[9]!;
    at += 10 + size + (head[5]! & 0x10 ? 10 : 0);
    if (at > MAX_LEADING_TAG_BYTES || at >= file.size) throw new SkippedFileError('corrupt', 'its tag has no end');
  }
  return at;
}

/** Kinds of files that are often renamed; inside of them something may look like an MPEG frame. */
function refuseKnownOthers(head: Buffer): void {
  const signatures: [string, string][] = [
    ['\xff\xd8\xff', 'a JPEG picture'],
    ['\x89PNG', 'a PNG picture'],
    ['GIF8', 'a GIF picture'],
    ['PK\x03\x04', 'a ZIP archive'],
    ['%PDF', 'a PDF document'],
    ['#EXTM3U', 'a playlist'],
    ['[playlist]', 'a playlist'],
    ['<', 'a text in HTML or XML'],
    ['MZ', 'a Windows program'],
    ['\x7fELF', 'a program'],
  ];
  const found = signatures.find(([signature]) => head.toString('latin1', 0, signature.length) === signature);
  if (found !== undefined) throw new SkippedFileError('not-audio', found[1]);
  const others = new Set(['\x30\x26\xb2\x75', '\x1aE\xdf\xa3', 'MAC ', 'wvpk', 'MPCK', 'MThd', 'DSD ', 'FRM8', '#!AM']);
  if (others.has(head.toString('latin1', 0, 4))) throw new SkippedFileError('unsupported');
}

function planFlac(head: Buffer, bytes: number): SourcePlan {
  const { rate, samples } = readStreamInfo(head.subarray(8));
  const bytesPerSecond = samples > 0 ? (bytes * rate) / samples : 0;
  return { demuxer: 'flac', copyOptions: [], copy: 'flac', bytesPerSecond, heard: everything };
}

/** @param info - the STREAMINFO block: 20 bits of sample rate, 8 of channels and width, 36 of length (RFC 9639) */
export function readStreamInfo(info: Buffer): { rate: number; samples: number } {
  if (info.length < 18) return { rate: 0, samples: 0 };
  return { rate: info.readUIntBE(10, 3) >> 4, samples: (info[13]! & 15) * 2 ** 32 + info.readUInt32BE(14) };
}

function planMp3(head: Buffer, at: number): SourcePlan {
  const tag = readGaplessTag(head, at);
  return {
    demuxer: 'mp3',
    copyOptions: [],
    copy: 'mp3',
    bytesPerSecond: 0,
    heard(decoded, header) {
      if (tag === null) return everything(decoded);
      const skipSamples = Math.min(tag.startSamples, decoded - 1);
      // a file that was cut, or joined, does not end where its tag says
      const frame = header.timescale >= 32_000 ? 1_152 : 576;
      const complete = decoded === tag.frames * frame;
      return { skipSamples, samples: Math.max(1, decoded - skipSamples - (complete ? tag.endSamples : 0)) };
    },
  };
}

async function planAdts(file: FileReader, head: Buffer, at: number): Promise<SourcePlan> {
  const header = readAdtsHeader(head, at)!;
  const obstacle = aacObstacle({ ...header, frameSamples: 1_024, extended: false });
  // decoders drop a frame that was cut off, and its header is gone by the time it is counted
  const tail = await file.read(Math.max(0, file.size - ADTS_TAIL_BYTES), ADTS_TAIL_BYTES);
  return {
    demuxer: 'aac',
    copyOptions: [],
    copyFilter: 'aac_adtstoasc',
    copy: obstacle === null && endsWithWholeFrame(tail) ? 'aac' : null,
    bytesPerSecond: 0,
    heard: everything,
  };
}

/** Whether a chain of ADTS frames reaches exactly to the end. */
function endsWithWholeFrame(tail: Buffer): boolean {
  for (let start = 0; start < tail.length; start++) {
    let at = start;
    for (let frame = readAdtsHeader(tail, at); frame !== null; frame = readAdtsHeader(tail, at)) at += frame.bytes;
    if (at === tail.length) return true;
  }
  return false;
}

function planPcm(demuxer: 'wav' | 'aiff', head: Buffer): SourcePlan {
  const fmt = demuxer === 'wav' ? head.indexOf('fmt ') : -1;
  const bytesPerSecond = fmt < 0 || fmt + 24 > head.length ? 0 : head.readUInt32LE(fmt + 16) * FLAC_SHARE;
  return { demuxer, copyOptions: [], copy: null, bytesPerSecond, heard: everything };
}

async function planOgg(file: FileReader, start: number): Promise<SourcePlan> {
  if (start > 0) throw new SkippedFileError('corrupt', 'a foreign tag in front');
  const { codec, lastGranule } = await readOgg(file);
  const plan = { demuxer: 'ogg', copyOptions: [], bytesPerSecond: 0 };
  // several streams one after the other: what the last page says is not the whole length
  if (codec === 'other' || lastGranule === null) return { ...plan, copy: null, heard: everything };
  if (codec === 'flac') return { ...plan, copy: 'flac', bytesPerSecond: 150_000, heard: everything };
  return {
    ...plan,
    copy: codec,
    heard(decoded, header) {
      // OpusSpecificBox: version, channels, then the pre-skip
      const skipSamples = codec === 'opus' ? header.config.readUInt16BE(2) : 0;
      const trim = decoded - lastGranule;
      const end = trim >= 0 && trim <= MAX_END_TRIM_SAMPLES ? lastGranule : decoded;
      return { skipSamples: Math.min(skipSamples, end - 1), samples: Math.max(1, end - skipSamples) };
    },
  };
}

const MP4_CODECS: Record<string, SegmentCodec> = { mp4a: 'aac', alac: 'alac', fLaC: 'flac' };
const MP4_OPTIONS = ['-ignore_chapters', '1'];

function planMp4(audio: Mp4Audio, bytes: number): SourcePlan {
  let copy = MP4_CODECS[audio.format] ?? null;
  // an empty setup is that of another codec in an mp4a entry
  if (copy === 'aac' && (audio.config.length < 2 || aacObstacle(readAacSetup(audio.config)) !== null)) copy = null;
  const seconds = audio.timescale > 0 ? audio.ticks / audio.timescale : 0;
  return {
    demuxer: 'mov',
    // all packets, whatever the edit list says: it is applied here
    copyOptions: [...MP4_OPTIONS, '-ignore_editlist', '1'],
    copy,
    bytesPerSecond: copy === 'aac' || seconds === 0 ? 0 : bytes / seconds,
    heard: (decoded, header) => (copy === null ? everything(decoded) : heardOfMp4(audio, decoded, header.timescale)),
  };
}

/**
 * iTunes' own note is exact. Else the edit list says where to begin, and the end is that of the packets' durations (the
 * last one is shortened by most encoders), or of the edit where that is earlier by more than its rounding.
 */
function heardOfMp4(audio: Mp4Audio, decoded: number, sampleRate: number): Heard {
  const { itunes, editStart, editLength, timescale } = audio;
  const toSamples = (ticks: number, scale: number) => Math.round((ticks * sampleRate) / scale);
  // the file was cut: its last packet is there in part, and decoders drop it
  if (toSamples(audio.ticks, timescale) > decoded) throw new UncountableError('the file is not as long as it says');
  if (itunes !== null && itunes.delay + itunes.samples <= decoded) {
    return { skipSamples: itunes.delay, samples: itunes.samples };
  }
  const skipSamples = Math.min(editStart === null ? 0 : toSamples(editStart, timescale), decoded - 1);
  const told = audio.ticks > 0 ? toSamples(audio.ticks, timescale) : decoded;
  let samples = Math.max(1, told - skipSamples);
  if (editLength !== null && editLength.timescale > 0) {
    const edit = toSamples(editLength.value, editLength.timescale);
    const rounding = Math.ceil(sampleRate / editLength.timescale);
    if (edit > 0 && edit < samples - rounding) samples = edit;
  }
  return { skipSamples, samples };
}
