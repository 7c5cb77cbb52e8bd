/**
 * How many samples a decoder makes of each packet. Taken from the packets themselves, not from time stamps: those say
 * when something should sound, and are off wherever a file has a hole.
 */
import { BitReader } from './bits.ts';
import type { TrackHeader } from './fmp4.ts';
import { type FrameHeader, readFrameHeader } from './mpeg-audio.ts';
import type { SegmentCodec } from './types.ts';
import { readVorbisModes, type VorbisModes } from './vorbis.ts';

/** The packets cannot be passed on with an exact count; the file has to be decoded. */
export class UncountableError extends Error {
  override readonly name = 'UncountableError';
}

export interface PacketCounter {
  /**
   * True where a decoder needs two packets for its first output: then what the first packet of a segment brings out
   * counts for the segment before, and a decoder that begins at a segment puts out exactly what is counted from there.
   */
  readonly late: boolean;
  /** Of the decoder's output; known after the first packet. ffmpeg's sample entry says 2 for most codecs. */
  readonly channels: number;
  /** Output of one packet, samples a channel. @throws UncountableError */
  count(packet: Buffer, ticks: number): number;
}

/** @throws UncountableError when this codec's set-up is one that cannot be passed on */
export function createCounter(codec: SegmentCodec, header: TrackHeader): PacketCounter {
  if (codec === 'mp3') return new Mp3Counter(header.timescale);
  if (codec === 'aac') return aacCounter(header);
  if (codec === 'vorbis') return new VorbisCounter(readVorbisModes(header.config));
  const { channels } = header;
  if (codec === 'opus') return { late: false, channels, count: countOpus };
  if (codec === 'flac') return { late: false, channels, count: countFlac };
  return { late: false, channels, count: (_packet, ticks) => ticks };
}

class Mp3Counter implements PacketCounter {
  readonly late = false;
  readonly #sampleRate: number;
  #first: FrameHeader | null = null;
  #cut = false;

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
  }

  get channels(): number {
    return this.#first?.channels ?? 2;
  }

  count(packet: Buffer): number {
    const frame = readFrameHeader(packet, 0);
    // decoders make a whole frame of one that a file's end cut off, but not in the middle of a file
    if (frame?.bytes == null || frame.bytes < packet.length || this.#cut) {
      throw new UncountableError('damaged MP3 frames');
    }
    this.#cut = frame.bytes > packet.length;
    this.#first ??= frame;
    if (frame.layer !== 3) throw new UncountableError(`MPEG layer ${frame.layer}`);
    if (frame.sampleRate !== this.#sampleRate) throw new UncountableError('the sample rate changes');
    if (frame.channels !== this.#first.channels) throw new UncountableError('the number of channels changes');
    return frame.samples;
  }
}

export interface AacSetup {
  objectType: number;
  sampleRate: number;
  /** 0: told elsewhere. */
  channels: number;
  frameSamples: number;
  /** Spectral band replication or parametric stereo is announced. */
  extended: boolean;
}

const AAC_RATES_HZ = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
const AAC_LC = 2;
/** Below this a stream may be HE-AAC that does not say so; its output has twice the rate. */
const IMPLICIT_SBR_HZ = 24_000;

/** AudioSpecificConfig, ISO/IEC 14496-3. */
export function readAacSetup(config: Uint8Array): AacSetup {
  const bits = new BitReader(config);
  const readType = () => {
    const type = bits.read(5);
    return type === 31 ? 32 + bits.read(6) : type;
  };
  const readRate = () => {
    const index = bits.read(4);
    return index === 15 ? bits.read(24) : (AAC_RATES_HZ[index] ?? 0);
  };
  const objectType = readType();
  const sampleRate = readRate();
  const channels = bits.read(4);
  if (objectType === 5 || objectType === 29) {
    return { objectType, sampleRate, channels, frameSamples: 1_024, extended: true };
  }
  const frameSamples = bits.read(1) === 1 ? 960 : 1_024;
  if (bits.read(1) === 1) bits.read(14);
  bits.read(1);
  const extended = bits.left >= 16 && bits.read(11) === 0x2b7 && readType() === 5 && bits.read(1) === 1;
  return { objectType, sampleRate, channels, frameSamples, extended };
}

/** Null: packets can be passed on. Else the reason why they have to be decoded. */
export function aacObstacle(setup: AacSetup): string | null {
  if (setup.objectType !== AAC_LC) return `AAC object type ${setup.objectType}`;
  if (setup.extended || setup.sampleRate <= IMPLICIT_SBR_HZ) return 'HE-AAC, or a rate at which it may be';
  if (setup.channels === 0 || setup.channels > 7) return 'an unusual set of channels';
  return null;
}

function aacCounter(header: TrackHeader): PacketCounter {
  const setup = readAacSetup(header.config);
  const obstacle = aacObstacle(setup);
  if (obstacle !== null) throw new UncountableError(obstacle);
  if (setup.sampleRate !== header.timescale) throw new UncountableError('two sample rates are named');
  return { late: false, channels: setup.channels === 7 ? 8 : setup.channels, count: () => setup.frameSamples };
}

/** RFC 6716, section 3.1; at 48,000 Hz. */
export function countOpus(packet: Uint8Array): number {
  if (packet.length === 0) throw new UncountableError('an empty Opus packet');
  const config = packet[0]! >> 3;
  const frame =
    config < 12
      ? [480, 960, 1_920, 2_880][config & 3]!
      : config < 16
        ? [480, 960][config & 1]!
        : [120, 240, 480, 960][config & 3]!;
  const code = packet[0]! & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (packet[1] ?? 0) & 0x3f;
  if (frames === 0 || frames * frame > 5_760) throw new UncountableError('a damaged Opus packet');
  return frames * frame;
}

/** RFC 9639, section 9.1. */
export function countFlac(packet: Uint8Array): number {
  if (packet.length < 6 || packet[0] !== 0xff || (packet[1]! & 0xfe) !== 0xf8) {
    throw new UncountableError('damaged FLAC frames');
  }
  const code = packet[2]! >> 4;
  if (code === 0) throw new UncountableError('damaged FLAC frames');
  if (code === 1) return 192;
  if (code < 6) return 576 << (code - 2);
  if (code >= 8) return 256 << (code - 8);
  let leadingOnes = 0;
  while (leadingOnes < 8 && (packet[4]! << leadingOnes) & 0x80) leadingOnes += 1;
  const at = 4 + Math.max(1, leadingOnes);
  const [high, low] = [packet[at] ?? 0, packet[at + 1] ?? 0];
  return (code === 6 ? high : high * 256 + low) + 1;
}

class VorbisCounter implements PacketCounter {
  readonly late = true;
  readonly #modes: VorbisModes;
  #previous: number | null = null;

  constructor(modes: VorbisModes) {
    this.#modes = modes;
  }

  get channels(): number {
    return this.#modes.channels;
  }

  /** Each packet completes the half before it: a quarter of both block lengths. The first completes nothing. */
  count(packet: Buffer): number {
    const block = this.#modes.blockOf(packet);
    if (block === null) throw new UncountableError('damaged Vorbis packets');
    const samples = this.#previous === null ? 0 : (this.#previous + block) / 4;
    this.#previous = block;
    return samples;
  }
}
