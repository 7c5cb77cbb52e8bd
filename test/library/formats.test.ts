/** Every format: what a player decodes from the segments is the source's own decode, sample by sample. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LibraryTrack, TrackManifest } from '../../src/library/types.ts';
import { decodeFile, encode, FORMATS, ffmpeg, makeCover, makeSource } from '../fixtures/music.ts';
import { decodeSegments, joinSegments, readManifest, type Setup, setUp, temporaryFolder } from './helpers.ts';

const SECONDS = 13.3;
const SOURCE_SAMPLES = Math.round(SECONDS * 44_100);
/** Codec that each format's segments have; others than these are decoded to FLAC. */
const COPIED: Record<string, string> = {
  mp3: 'mp3',
  m4a: 'aac',
  aac: 'aac',
  flac: 'flac',
  ogg: 'vorbis',
  opus: 'opus',
  oga: 'flac',
};

const folder = temporaryFolder();
const music = join(folder.path, 'music');
let setup: Setup;
const byFormat = new Map<string, { track: LibraryTrack; manifest: TrackManifest; path: string }>();

beforeAll(async () => {
  const source = makeSource(join(folder.path, 'source.wav'), SECONDS, 7);
  const cover = makeCover(join(folder.path, 'cover.png'));
  for (const format of Object.keys(FORMATS)) {
    const tags = { artist: 'Tester', title: format, album: 'Formats', genre: 'Test', date: '2021' };
    encode(source, format, music, tags, ['mp3', 'm4a', 'flac'].includes(format) ? cover : undefined);
  }
  setup = setUp(join(folder.path, 'data'), [music]);
  await setup.library.start();
  await setup.library.settled();
  for (const track of setup.library.tracks()) {
    const format = track.path.split('/').at(-1)!.split('.')[0]!;
    byFormat.set(format, { track, manifest: await readManifest(setup.store, track.manifest), path: track.path });
  }
}, 120_000);

afterAll(async () => {
  await setup.library.stop();
  folder.remove();
});

describe.each(Object.keys(FORMATS))('%s', (format) => {
  it('is cut into blocks whose counts are exact, and sounds as the file itself does', async () => {
    const { manifest, path } = byFormat.get(format)!;
    const expected = format === 'm4a-alac' ? 'alac' : (COPIED[format.split('-')[0]!] ?? 'flac');
    expect(manifest).toMatchObject({
      codec: expected,
      container: 'fmp4',
      name: expect.stringContaining(format.split('-')[0]!),
    });
    const frame = 4 * manifest.channels;
    const counted = (from: number) => manifest.segments.slice(from).reduce((sum, { samples }) => sum + samples, 0);
    const all = decodeSegments(manifest.codec, await joinSegments(setup.store, manifest), 's32le');
    expect(all.length / frame).toBe(counted(0));
    // a decoder that begins in the middle puts out what is counted from there
    for (const from of [1, manifest.segments.length - 1]) {
      const rest = decodeSegments(manifest.codec, await joinSegments(setup.store, manifest, from), 's32le');
      expect(rest.length / frame).toBe(counted(from));
    }
    const heard = all.subarray(manifest.skip_samples * frame, (manifest.skip_samples + manifest.samples) * frame);
    const original = decodeFile(path, 's32le');
    const common = Math.min(heard.length, original.length);
    expect(heard.subarray(0, common).equals(original.subarray(0, common))).toBe(true);
    // ffmpeg itself leaves the padding at the end of AAC in place
    const excess = original.length / frame - manifest.samples;
    expect(excess).toBeGreaterThanOrEqual(0);
    expect(excess).toBeLessThan(expected === 'aac' ? 1_024 : 1);
  });

  it('has no block larger than a block may be', async () => {
    const { manifest } = byFormat.get(format)!;
    for (const { cid, bytes } of manifest.segments) {
      expect(bytes).toBeLessThanOrEqual(1 << 20);
      expect(await setup.store.size(cid)).toBe(bytes);
    }
    expect(await setup.store.size(manifest.init!)).toBeLessThan(8_192);
  });
});

describe('samples that are to be heard', () => {
  it.each(['mp3', 'mp3-vbr', 'm4a', 'm4a-alac', 'flac', 'ogg', 'oga', 'wav', 'aiff'])(
    '%s: as many as were encoded',
    (format) => {
      expect(byFormat.get(format)!.manifest.samples).toBe(SOURCE_SAMPLES);
    },
  );

  it('opus: as many, at its own rate', () => {
    const { manifest } = byFormat.get('opus')!;
    expect(manifest.sample_rate).toBe(48_000);
    expect(Math.abs(manifest.samples - SECONDS * 48_000)).toBeLessThanOrEqual(1);
  });

  it.each(['mp3', 'm4a', 'ogg', 'opus'])('%s: in line with the source, by cross-correlation', async (format) => {
    const { manifest } = byFormat.get(format)!;
    const at = Math.floor(manifest.sample_rate * 6);
    const decoded = decodeSegments(manifest.codec, await joinSegments(setup.store, manifest));
    const source = ffmpeg([
      '-i',
      join(folder.path, 'source.wav'),
      '-ar',
      String(manifest.sample_rate),
      '-f',
      's16le',
      'pipe:1',
    ]);
    const sample = (bytes: Buffer, frame: number) => bytes.readInt16LE(frame * 4);
    let best = { lag: Number.NaN, value: Number.NEGATIVE_INFINITY };
    for (let lag = -60; lag <= 60; lag++) {
      let value = 0;
      for (let i = 0; i < 20_000; i++)
        value += sample(source, at + i) * sample(decoded, manifest.skip_samples + at + i + lag);
      if (value > best.value) best = { lag, value };
    }
    expect(best.lag).toBe(0);
  });

  it('follow iTunes where it names delay and length', async () => {
    const plain = byFormat.get('m4a')!;
    const tagged = join(folder.path, 'itunes', 'itunes.m4a');
    mkdirSync(join(tagged, '..'), { recursive: true });
    writeFileSync(tagged, withItunesGaps(readFileSync(plain.path), 2_112, 500_000));
    const other = setUp(join(folder.path, 'itunes-data'), [join(folder.path, 'itunes')]);
    await other.library.start();
    await other.library.settled();
    const [track] = other.library.tracks();
    const manifest = await readManifest(other.store, track!.manifest);
    expect(manifest).toMatchObject({ skip_samples: 2_112, samples: 500_000 });
    expect(track!.trackHash).toBe(plain.track.trackHash);
    await other.library.stop();
  });
});

describe('track hash', () => {
  it('is that of the audio packets: ffmpeg finds the same', () => {
    for (const format of ['mp3', 'flac', 'ogg', 'opus', 'wav', 'm4a']) {
      const { track, path } = byFormat.get(format)!;
      const args = ['-v', 'error', '-i', path, '-map', '0:a:0', '-c', 'copy', '-f', 'hash', '-hash', 'sha256', '-'];
      expect(`SHA256=${track.trackHash.slice(7)}`).toBe(String(spawnSync('ffmpeg', args).stdout).trim());
    }
  });

  it('and segments stay the same under other tags and another cover', async () => {
    const retagged = join(folder.path, 'retagged');
    mkdirSync(retagged);
    const cover = makeCover(join(folder.path, 'other.png'), 9);
    for (const format of ['mp3', 'm4a', 'flac', 'ogg', 'opus']) {
      const { path } = byFormat.get(format)!;
      const picture = ['mp3', 'm4a', 'flac'].includes(format)
        ? ['-i', cover, '-map', '0:a', '-map', '1:v', '-disposition:v', 'attached_pic']
        : [];
      ffmpeg([
        '-i',
        path,
        ...picture,
        '-c',
        'copy',
        '-metadata',
        'title=Another',
        '-metadata:s:a',
        'title=Another',
        '-metadata',
        `comment=${'long '.repeat(500)}`,
        join(retagged, `${format}.${format}`),
      ]);
    }
    const other = setUp(join(folder.path, 'retagged-data'), [retagged]);
    await other.library.start();
    await other.library.settled();
    expect(other.library.tracks().length).toBe(5);
    for (const track of other.library.tracks()) {
      const before = byFormat.get(track.path.split('/').at(-1)!.split('.')[0]!)!;
      const manifest = await readManifest(other.store, track.manifest);
      expect(track.title).toBe('Another');
      expect(track.trackHash).toBe(before.track.trackHash);
      expect(track.manifest).not.toBe(before.track.manifest);
      expect(String(manifest.segments.map(({ cid }) => cid))).toBe(
        String(before.manifest.segments.map(({ cid }) => cid)),
      );
      expect(String(manifest.init)).toBe(String(before.manifest.init));
    }
    await other.library.stop();
  });
});

describe('cut and joined files', () => {
  it('are heard as far as they go, with exact counts', async () => {
    const cut = join(folder.path, 'cut');
    mkdirSync(cut);
    for (const format of ['mp3', 'flac', 'ogg', 'opus', 'aac', 'm4a-front']) {
      const { path } = byFormat.get(format)!;
      const copy = join(cut, path.split('/').at(-1)!);
      copyFileSync(path, copy);
      truncateSync(copy, Math.floor(readFileSync(path).length * 0.7));
    }
    // another rate and another number of channels behind it: can only be decoded
    writeFileSync(
      join(cut, 'joined.mp3'),
      Buffer.concat([readFileSync(byFormat.get('mp3-notag')!.path), readFileSync(byFormat.get('mp3-mono')!.path)]),
    );
    writeFileSync(
      join(cut, 'chained.ogg'),
      Buffer.concat([readFileSync(byFormat.get('ogg')!.path), readFileSync(byFormat.get('ogg-mono')!.path)]),
    );
    const other = setUp(join(folder.path, 'cut-data'), [cut]);
    await other.library.start();
    await other.library.settled();
    expect(other.library.status().skipped).toEqual([]);
    for (const track of other.library.tracks()) {
      const manifest = await readManifest(other.store, track.manifest);
      const decoded = decodeSegments(manifest.codec, await joinSegments(other.store, manifest));
      expect(decoded.length / 2 / manifest.channels).toBe(
        manifest.segments.reduce((sum, { samples }) => sum + samples, 0),
      );
      expect(manifest.samples).toBeGreaterThan(SOURCE_SAMPLES * 0.6);
    }
    expect(other.library.tracks().length).toBe(8);
    await other.library.stop();
  });
});

/** Puts an iTunSMPB note into the list of tags, and mends the lengths around it. */
function withItunesGaps(file: Buffer, delay: number, samples: number): Buffer {
  const box = (type: string, body: Buffer) => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(8 + body.length);
    head.write(type, 4, 'latin1');
    return Buffer.concat([head, body]);
  };
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
  const text = ` 00000000 ${hex(delay, 8)} 00000000 ${hex(samples, 16)} 00000000`;
  const note = box(
    '----',
    Buffer.concat([
      box('mean', Buffer.concat([Buffer.alloc(4), Buffer.from('com.apple.iTunes')])),
      box('name', Buffer.concat([Buffer.alloc(4), Buffer.from('iTunSMPB')])),
      box('data', Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]), Buffer.from(text)])),
    ]),
  );
  // the boxes around it begin before it; the samples come before them, so nothing moves
  const list = file.indexOf('ilst');
  const result = Buffer.from(file);
  for (const type of ['moov', 'udta', 'meta', 'ilst']) {
    const at = (type === 'ilst' ? list : file.lastIndexOf(type, list)) - 4;
    result.writeUInt32BE(result.readUInt32BE(at) + note.length, at);
  }
  const end = list - 4 + file.readUInt32BE(list - 4);
  return Buffer.concat([result.subarray(0, end), note, result.subarray(end)]);
}
