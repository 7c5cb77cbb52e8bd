/** Headers of MPEG audio frames (ISO/IEC 11172-3, 13818-3) and of ADTS frames (13818-7), and the Xing/LAME tag. */

const RATES_HZ = [44_100, 48_000, 32_000] as const;
const KBPS_V1_L3 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320] as const;
const KBPS_V2_L3 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160] as const;
const ADTS_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
] as const;
/** What an MP3 decoder delays the sound by, beside the encoder's own delay (LAME's technical FAQ): 528 + 1. */
const DECODER_DELAY_SAMPLES = 529;
/** Encoders whose delay fields are to be believed. */
const DELAY_WRITERS = ['LAME', 'Lavf', 'Lavc', 'L3.9'];

export interface FrameHeader {
  layer: 1 | 2 | 3;
  sampleRate: number;
  channels: 1 | 2;
  /** Samples a channel that the frame decodes to. */
  samples: number;
  /** Length of the frame; null for a free bit rate and for layers I and II. */
  bytes: number | null;
  /** Side information between header and data, layer III. */
  sideBytes: number;
}

/** Null when there is no frame header at this place. */
export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader | null {
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1]! & 0xe0) !== 0xe0) return null;
  const [second, third, fourth] = [bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
  const version = (second >> 3) & 3;
  const layer = 4 - ((second >> 1) & 3);
  const rateIndex = (third >> 2) & 3;
  const kbpsIndex = third >> 4;
  if (version === 1 || layer === 4 || rateIndex === 3 || kbpsIndex === 15) return null;
  const lowRate = version !== 3;
  const sampleRate = RATES_HZ[rateIndex]! / (version === 3 ? 1 : version === 2 ? 2 : 4);
  const channels = fourth >> 6 === 3 ? 1 : 2;
  const samples = layer === 1 ? 384 : layer === 3 && lowRate ? 576 : 1_152;
  const kbps = (lowRate ? KBPS_V2_L3 : KBPS_V1_L3)[kbpsIndex]!;
  const known = layer === 3 && kbps > 0;
  const length = Math.floor((samples * 125 * kbps) / sampleRate) + ((third >> 1) & 1);
  const sideBytes = lowRate ? (channels === 1 ? 9 : 17) : channels === 1 ? 17 : 32;
  return { layer: layer as 1 | 2 | 3, sampleRate, channels, samples, bytes: known ? length : null, sideBytes };
}

export interface AdtsHeader {
  /** MPEG-4 audio object type; 2 is AAC-LC. */
  objectType: number;
  sampleRate: number;
  channels: number;
  bytes: number;
}

/** Null when there is no ADTS header at this place. */
export function readAdtsHeader(bytes: Uint8Array, at: number): AdtsHeader | null {
  if (at + 7 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0) return null;
  const sampleRate = ADTS_RATES_HZ[(bytes[at + 2]! >> 2) & 15];
  const length = ((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
  if (sampleRate === undefined || length < 7) return null;
  const channels = ((bytes[at + 2]! & 1) << 2) | (bytes[at + 3]! >> 6);
  return { objectType: (bytes[at + 2]! >> 6) + 1, sampleRate, channels, bytes: length };
}

/** First place where two frames follow each other, or null. `at`: where to begin to look. */
export function findFirstFrame(bytes: Uint8Array, at: number): { kind: 'mp3' | 'adts'; at: number } | null {
  for (let place = at; place + 4 <= bytes.length; place++) {
    if (bytes[place] !== 0xff) continue;
    const adts = readAdtsHeader(bytes, place);
    if (adts !== null) {
      const next = place + adts.bytes;
      if (next + 7 > bytes.length || readAdtsHeader(bytes, next) !== null) return { kind: 'adts', at: place };
    }
    const frame = readFrameHeader(bytes, place);
    if (frame === null) continue;
    if (frame.bytes === null) return { kind: 'mp3', at: place };
    const next = place + frame.bytes;
    if (next + 4 > bytes.length || readFrameHeader(bytes, next) !== null) return { kind: 'mp3', at: place };
  }
  return null;
}

/** Encoder delay and padding as the file's first frame states them. */
export interface GaplessTag {
  /** Frames of audio, not counting the one that holds this tag. */
  frames: number;
  /** Decoder output to drop at the start. */
  startSamples: number;
  /** Decoder output to drop at the end. */
  endSamples: number;
}

/** The tag in the frame at this place, null where there is none or it names no delays. */
export function readGaplessTag(bytes: Buffer, at: number): GaplessTag | null {
  const frame = readFrameHeader(bytes, at);
  if (frame === null || frame.layer !== 3) return null;
  let place = at + 4 + frame.sideBytes;
  const name = bytes.toString('latin1', place, place + 4);
  if ((name !== 'Xing' && name !== 'Info') || place + 8 > bytes.length) return null;
  const flags = bytes.readUInt32BE(place + 4);
  place += 8;
  if ((flags & 1) === 0 || place + 4 > bytes.length) return null;
  const frames = bytes.readUInt32BE(place);
  place += 4 + (flags & 2 ? 4 : 0) + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0);
  if (place + 24 > bytes.length) return null;
  if (!DELAY_WRITERS.includes(bytes.toString('latin1', place, place + 4))) return null;
  const delays = bytes.readUIntBE(place + 21, 3);
  return {
    frames,
    startSamples: (delays >> 12) + DECODER_DELAY_SAMPLES,
    endSamples: Math.max(0, (delays & 0xfff) - DECODER_DELAY_SAMPLES),
  };
}
