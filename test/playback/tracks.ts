/** Made-up music in every codec, cut into segments as the library does, kept in memory. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PlayableTrack, SegmentSource } from '../../src/playback/types.ts';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

interface Codec {
  encoder: string[];
  extension: string;
  container: 'mpegts' | 'fmp4';
  /** Decoder output before the first sample of the source. */
  skip: number;
  sampleRate: number;
}

/** PNS and intensity stereo off: with them AAC decodes to fresh noise each time, and nothing could be compared. */
const AAC = ['-c:a', 'aac', '-b:a', '160k', '-aac_pns', '0', '-aac_is', '0'];

export const CODECS: Record<string, Codec> = {
  mp3: {
    encoder: ['-c:a', 'libmp3lame', '-b:a', '192k'],
    extension: 'mp3',
    container: 'mpegts',
    skip: 1105,
    sampleRate: 44_100,
  },
  aac: { encoder: AAC, extension: 'm4a', container: 'mpegts', skip: 1024, sampleRate: 44_100 },
  'aac-fmp4': { encoder: AAC, extension: 'm4a', container: 'fmp4', skip: 1024, sampleRate: 32_000 },
  'mp3-fmp4': {
    encoder: ['-c:a', 'libmp3lame', '-b:a', '192k'],
    extension: 'mp3',
    container: 'fmp4',
    skip: 1105,
    sampleRate: 44_100,
  },
  vorbis: {
    encoder: ['-c:a', 'libvorbis', '-b:a', '160k'],
    extension: 'ogg',
    container: 'fmp4',
    skip: 0,
    sampleRate: 44_100,
  },
  alac: { encoder: ['-c:a', 'alac'], extension: 'm4a', container: 'fmp4', skip: 0, sampleRate: 44_100 },
  flac: { encoder: ['-c:a', 'flac'], extension: 'flac', container: 'fmp4', skip: 0, sampleRate: 44_100 },
  opus: {
    encoder: ['-c:a', 'libopus', '-b:a', '128k'],
    extension: 'opus',
    container: 'fmp4',
    skip: 312,
    sampleRate: 48_000,
  },
};

export interface MadeTrack {
  track: PlayableTrack;
  /** The music itself, interleaved stereo, before it was encoded, at the track's rate. */
  source: Int16Array;
}

/** Parts of all made tracks, by content; parts can be taken away and put back. */
export class MemoryStore implements SegmentSource {
  readonly parts = new Map<string, Uint8Array>();
  readonly missing = new Set<string>();

  async segment(cid: string): Promise<Uint8Array | null> {
    return this.missing.has(cid) ? null : (this.parts.get(cid) ?? null);
  }

  add(bytes: Uint8Array): string {
    const cid = createHash('sha256').update(bytes).digest('hex');
    this.parts.set(cid, bytes);
    return cid;
  }
}

/** Makes music of its own for each seed, encodes it and cuts it. */
export async function makeTrack(
  store: MemoryStore,
  init: { codec: keyof typeof CODECS & string; seconds: number; seed: number; sampleRate?: number },
): Promise<MadeTrack> {
  const codec = CODECS[init.codec]!;
  const rate = init.sampleRate ?? codec.sampleRate;
  const source = music(init.seed, Math.round(init.seconds * rate), rate);
  const dir = await mkdtemp(join(tmpdir(), 'starling-track-'));
  try {
    const raw = join(dir, 'source.raw');
    const encoded = join(dir, `encoded.${codec.extension}`);
    await writeFile(raw, Buffer.from(source.buffer));
    await ffmpeg('-f', 's16le', '-ar', String(rate), '-ac', '2', '-i', raw, ...codec.encoder, encoded);
    const segments = await cut(dir, encoded, codec.container);
    const init_ = codec.container === 'fmp4' ? await readFile(join(dir, 'init.mp4')) : null;
    const listed = [];
    for (const bytes of segments) {
      listed.push({ cid: store.add(bytes), samples: 0 });
    }
    // A segment's samples: what a decode from it on gives more than one from the next on.
    for (let i = segments.length - 1, behind = 0; i >= 0; i--) {
      const samples = await decodedSamples(init_, Buffer.concat(segments.slice(i)), codec.container);
      listed[i]!.samples = samples - behind;
      behind = samples;
    }
    const track: PlayableTrack = {
      trackHash: `sha256:${createHash('sha256').update(Buffer.from(source.buffer)).digest('hex')}`,
      name: `${init.codec} ${init.seed}`,
      codec: init.codec,
      container: codec.container,
      sampleRate: rate,
      channels: 2,
      samples: source.length / 2,
      skipSamples: codec.skip,
      init: init_ === null ? null : store.add(init_),
      segments: listed,
    };
    return { track, source };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function ffmpeg(...args: string[]): Promise<Buffer> {
  const options = { encoding: 'buffer' as const, maxBuffer: MAX_OUTPUT_BYTES };
  return (await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], options)).stdout;
}

async function cut(dir: string, encoded: string, container: 'mpegts' | 'fmp4'): Promise<Buffer[]> {
  const extension = container === 'fmp4' ? 'm4s' : 'ts';
  const exact = ['-fflags', '+bitexact', '-flags:a', '+bitexact', '-map_metadata', '-1'];
  const hls = ['-f', 'hls', '-hls_time', '6', '-hls_list_size', '0', '-hls_segment_type', container];
  const names = ['-hls_segment_filename', join(dir, `s%04d.${extension}`), join(dir, 'index.m3u8')];
  await ffmpeg('-i', encoded, '-map', '0:a', '-c', 'copy', '-strict', '-2', ...exact, ...hls, ...names);
  const files = (await readdir(dir)).filter((name) => name.endsWith(`.${extension}`)).sort();
  return Promise.all(files.map((name) => readFile(join(dir, name))));
}

async function decodedSamples(init: Buffer | null, segment: Buffer, container: 'mpegts' | 'fmp4'): Promise<number> {
  const demuxer = container === 'fmp4' ? 'mp4' : 'mpegts';
  const dir = await mkdtemp(join(tmpdir(), 'starling-count-'));
  try {
    const path = join(dir, 'part');
    await writeFile(path, Buffer.concat([init ?? Buffer.alloc(0), segment]));
    const pcm = await ffmpeg(
      '-flags2',
      '+skip_manual',
      '-f',
      demuxer,
      '-i',
      path,
      '-map',
      '0:a',
      '-f',
      's16le',
      '-ac',
      '1',
      '-',
    );
    return pcm.length / 2;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Plucked notes over a soft bass and a breath of noise: never the same twice, so correlation has one sharp peak. */
export function music(seed: number, frames: number, rate: number): Int16Array {
  const random = generator(seed);
  const out = new Float32Array(frames * 2);
  const noteFrames = Math.round(rate / 8);
  for (let start = 0; start < frames; start += noteFrames) {
    const hz = 110 * 2 ** (Math.floor(random() * 36) / 12);
    const pan = random();
    const length = Math.min(frames - start, noteFrames * 3);
    for (let i = 0; i < length; i++) {
      const t = i / rate;
      const envelope = Math.min(1, i / 64) * Math.exp(-6 * t) * Math.max(0, 1 - i / (noteFrames * 3));
      const phase = 2 * Math.PI * hz * t;
      const tone = envelope * (Math.sin(phase) + 0.5 * Math.sin(2 * phase) + 0.25 * Math.sin(3.01 * phase));
      out[2 * (start + i)]! += tone * (1 - pan);
      out[2 * (start + i) + 1]! += tone * pan;
    }
  }
  const pcm = new Int16Array(frames * 2);
  for (let i = 0; i < pcm.length; i++) pcm[i] = Math.round(9_000 * out[i]! + 300 * (random() - 0.5));
  return pcm;
}

/** Deterministic numbers in 0..1 (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
