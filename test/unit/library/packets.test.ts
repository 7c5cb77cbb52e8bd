import { describe, expect, it } from 'vitest';
import { findFirstFrame, readAdtsHeader, readFrameHeader, readGaplessTag } from '../../../src/library/mpeg-audio.ts';
import {
  aacObstacle,
  countFlac,
  countOpus,
  createCounter,
  readAacSetup,
  UncountableError,
} from '../../../src/library/packets.ts';

/** 128 kbit/s, 44,100 Hz, stereo: 417 bytes. */
const FRAME = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x00]), Buffer.alloc(413)]);

function taggedFrame(encoder: string, delay: number, padding: number, frames: number): Buffer {
  const frame = Buffer.from(FRAME);
  const at = 4 + 32;
  frame.write('Info', at, 'latin1');
  frame.writeUInt32BE(0x0f, at + 4);
  frame.writeUInt32BE(frames, at + 8);
  const lame = at + 8 + 4 + 4 + 100 + 4;
  frame.write(encoder, lame, 'latin1');
  frame.writeUIntBE((delay << 12) | padding, lame + 21, 3);
  return frame;
}

describe('MPEG audio frames', () => {
  it('reads what a header says', () => {
    expect(readFrameHeader(FRAME, 0)).toEqual({
      layer: 3,
      sampleRate: 44_100,
      channels: 2,
      samples: 1_152,
      bytes: 417,
      sideBytes: 32,
    });
    // MPEG-2, 22,050 Hz, mono, 64 kbit/s
    expect(readFrameHeader(Buffer.from([0xff, 0xf3, 0x80, 0xc0]), 0)).toMatchObject({
      sampleRate: 22_050,
      channels: 1,
      samples: 576,
      bytes: 208,
    });
  });

  it('takes no noise for a header', () => {
    for (const bytes of [
      [0xff, 0xff, 0xff, 0xff],
      [0xff, 0xe8, 0x90, 0],
      [0xff, 0xf9, 0x90, 0],
      [0, 0, 0, 0],
      [0xff],
    ]) {
      expect(readFrameHeader(Buffer.from(bytes), 0)).toBeNull();
    }
  });

  it('finds the first of two frames behind junk', () => {
    const file = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 1, 2, 3]), FRAME, FRAME]);
    expect(findFirstFrame(file, 0)).toEqual({ kind: 'mp3', at: 6 });
    expect(findFirstFrame(Buffer.from('nothing of the kind in here'), 0)).toBeNull();
  });

  it('reads encoder delay and padding, and adds the decoder delay', () => {
    expect(readGaplessTag(taggedFrame('LAME3.100', 576, 1_000, 77), 0)).toEqual({
      frames: 77,
      startSamples: 1_105,
      endSamples: 471,
    });
    expect(readGaplessTag(taggedFrame('Lavf58.20', 576, 100, 77), 0)).toMatchObject({ endSamples: 0 });
  });

  it('believes no unknown encoder', () => {
    expect(readGaplessTag(taggedFrame('Xyz', 576, 1_000, 77), 0)).toBeNull();
    expect(readGaplessTag(FRAME, 0)).toBeNull();
    expect(readGaplessTag(FRAME.subarray(0, 20), 0)).toBeNull();
  });

  it('reads ADTS headers', () => {
    // AAC-LC, 44,100 Hz, stereo, 371 bytes
    const header = Buffer.from([0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc]);
    expect(readAdtsHeader(header, 0)).toEqual({ objectType: 2, sampleRate: 44_100, channels: 2, bytes: 371 });
  });
});

describe('packet counting', () => {
  it.each([
    [[0x00], 480],
    [[0x18], 2_880],
    [[0x60], 480],
    [[0x80], 120],
    [[0xfc], 960],
    [[0xfd], 1_920],
    [[0xff, 3], 2_880],
  ])('Opus %j: %i samples', (bytes, samples) => {
    expect(countOpus(Buffer.from(bytes))).toBe(samples);
  });

  it('refuses Opus packets that no encoder makes', () => {
    for (const bytes of [[], [0xff, 0], [0xff, 63]])
      expect(() => countOpus(Buffer.from(bytes))).toThrow(UncountableError);
  });

  it.each([
    [[0xff, 0xf8, 0x19, 0x18, 0, 0], 192],
    [[0xff, 0xf8, 0x59, 0x18, 0, 0], 4_608],
    [[0xff, 0xf8, 0xc9, 0x18, 0, 0], 4_096],
    [[0xff, 0xf8, 0x69, 0x18, 0x05, 99, 0], 100],
    [[0xff, 0xf8, 0x79, 0x18, 0xc4, 0x80, 0x03, 0xe7], 1_000],
  ])('FLAC %j: %i samples', (bytes, samples) => {
    expect(countFlac(Buffer.from(bytes))).toBe(samples);
  });

  it('reads AAC setups and passes only plain AAC-LC on', () => {
    expect(readAacSetup(Buffer.from([0x12, 0x10]))).toEqual({
      objectType: 2,
      sampleRate: 44_100,
      channels: 2,
      frameSamples: 1_024,
      extended: false,
    });
    expect(aacObstacle(readAacSetup(Buffer.from([0x12, 0x10])))).toBeNull();
    // HE-AAC told outright; announced behind the setup; 22,050 Hz, where it may hide
    expect(aacObstacle(readAacSetup(Buffer.from([0x2b, 0x92, 0x08, 0x00])))).toMatch(/5/);
    expect(aacObstacle(readAacSetup(Buffer.from([0x12, 0x10, 0x56, 0xe5, 0x80])))).toMatch(/HE-AAC/);
    expect(aacObstacle(readAacSetup(Buffer.from([0x13, 0x90])))).toMatch(/HE-AAC/);
  });

  it('MP3: one shortened frame may end a file, but not stand in it', () => {
    const header = { timescale: 44_100, channels: 2, config: Buffer.alloc(0) };
    const counter = createCounter('mp3', header);
    expect([counter.count(FRAME, 0), counter.count(FRAME.subarray(0, 100), 0)]).toEqual([1_152, 1_152]);
    expect(() => counter.count(FRAME, 0)).toThrow(UncountableError);
    const other = createCounter('mp3', { ...header, timescale: 48_000 });
    expect(() => other.count(FRAME, 0)).toThrow(/sample rate/);
  });
});
