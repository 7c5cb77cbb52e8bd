/** How much the library costs over the bare work: the same files cut by plain ffmpeg commands, and hashed. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { createContentStore } from '../../src/library/content-store.ts';
import { createLibrary } from '../../src/library/library.ts';
import { encode, makeCover, makeSource } from '../fixtures/music.ts';
import { type BenchOptions, type BenchResult, quantile, round } from './frame.ts';

export const description =
  'scan, hash, tag and cut against the bare sum of ffmpeg and hashing of the same files (aim: 2)';
export const flags = { music: { type: 'string', help: 'a folder of music; self-made pieces without it' } } as const;

const SELF_MADE_FORMATS = ['mp3', 'm4a', 'flac', 'ogg', 'opus', 'wav'];
const SELF_MADE_SECONDS = 180;
const SELF_MADE_PIECES = 2;
const DEFAULT_SECONDS = 60;
const MAX_ROUNDS = 5;
const RATIO_AIM = 2;
/** Only what both sides can cut. */
const MUSIC = new Set(['.mp3', '.m4a', '.flac', '.ogg', '.opus', '.wav']);

interface Round {
  bareMs: number;
  libraryMs: number;
  realtimeX: number;
  tracks: number;
  skipped: number;
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const work = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  try {
    const folder =
      typeof options.flags.music === 'string' ? resolve(options.flags.music) : makeMusic(work, options.say);
    const files = findMusic(folder);
    if (files.length === 0) throw new Error(`${folder} holds no music`);
    options.say(`${files.length} files, read once beforehand so that both sides find them in memory`);
    for (const file of files) await hashFile(file);
    const endMs = performance.now() + (options.seconds ?? DEFAULT_SECONDS) * 1_000;
    const rounds: Round[] = [];
    do {
      const bareMs = await bare(files, join(work, 'bare'));
      const { ms, realtimeX, tracks, skipped } = await library(folder, join(work, 'data'));
      rounds.push({ bareMs, libraryMs: ms, realtimeX, tracks, skipped });
      options.say(`round ${rounds.length}: bare ${round(bareMs / 1000, 2)} s, library ${round(ms / 1000, 2)} s`);
    } while (performance.now() < endMs && rounds.length < MAX_ROUNDS);
    return report(rounds, files.length);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function report(rounds: Round[], files: number): BenchResult {
  const median = (key: keyof Round) =>
    quantile(
      rounds.map((it) => it[key]),
      0.5,
    );
  const ratios = rounds.map((it) => it.libraryMs / it.bareMs);
  const ratio = round(quantile(ratios, 0.5), 2);
  const figures = { ratio, tracks: median('tracks'), realtime_x: median('realtimeX') };
  return {
    columns: ['', 'seconds', 'ms a file'],
    rows: [
      ['bare ffmpeg + hash', round(median('bareMs') / 1000, 2), round(median('bareMs') / files, 1)],
      ['library', round(median('libraryMs') / 1000, 2), round(median('libraryMs') / files, 1)],
      ['ratio', ratio, null],
      ['x realtime', figures.realtime_x, null],
    ],
    figures,
    notes: [
      `${files} files, ${figures.tracks} tracks, ${median('skipped')} skipped; ${rounds.length} rounds, medians; ratios ${ratios.map((it) => round(it, 2)).join(', ')}.`,
      'Both sides take one file at a time. The bare side: ffmpeg cutting HLS of 6 s (WAV to FLAC, all else copied), then SHA-256 of the file.',
      'The library also reads tags, keeps covers, counts samples, hashes every segment, and writes blocks, manifests, index and catalog.',
    ],
    good: ratio <= RATIO_AIM,
  };
}

function makeMusic(work: string, say: BenchOptions['say']): string {
  say(`making ${SELF_MADE_PIECES * SELF_MADE_FORMATS.length} files of ${SELF_MADE_SECONDS} s`);
  const folder = join(work, 'music');
  const cover = makeCover(join(work, 'cover.png'));
  for (let piece = 1; piece <= SELF_MADE_PIECES; piece++) {
    const source = makeSource(join(work, 'source.wav'), SELF_MADE_SECONDS, piece);
    for (const format of SELF_MADE_FORMATS) {
      const tags = { artist: 'Bench', title: `${format} ${piece}`, album: 'Figures', genre: 'Test', date: '2024' };
      const picture = ['mp3', 'm4a', 'flac'].includes(format) ? cover : undefined;
      encode(source, format, join(folder, String(piece)), tags, picture);
    }
  }
  return folder;
}

function findMusic(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => MUSIC.has(extname(name).toLowerCase()))
    .sort()
    .map((name) => join(folder, name));
}

/** What somebody would type to cut each file, and a hash of it. Files that ffmpeg refuses count with their time. */
async function bare(files: string[], into: string): Promise<number> {
  const startedMs = performance.now();
  for (const file of files) {
    mkdirSync(into, { recursive: true });
    const ending = extname(file).toLowerCase();
    const codec = ending === '.wav' ? ['-c:a', 'flac'] : ['-c', 'copy'];
    const packed = ending === '.mp3' || ending === '.m4a' ? [] : ['-hls_segment_type', 'fmp4', '-strict', '-2'];
    const hls = ['-f', 'hls', '-hls_time', '6', '-hls_list_size', '0', ...packed, join(into, 'list.m3u8')];
    spawnSync('ffmpeg', ['-nostdin', '-v', 'error', '-i', file, '-map', '0:a:0', ...codec, ...hls], {
      cwd: into,
      stdio: 'ignore',
    });
    await hashFile(file);
    rmSync(into, { recursive: true, force: true });
  }
  return performance.now() - startedMs;
}

async function library(folder: string, dataDir: string) {
  rmSync(dataDir, { recursive: true, force: true });
  const store = createContentStore({ dir: join(dataDir, 'blocks') });
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const pinner = { async pin() {}, async unpin() {} };
  const init = { sources: [folder], dataDir, concurrency: 1, watchIntervalMs: 0 };
  const startedMs = performance.now();
  const made = createLibrary({ store, pinner, log: quiet }, init);
  await made.start();
  await made.settled();
  const ms = performance.now() - startedMs;
  const { ready, realtimeX, skipped } = made.status();
  await made.stop();
  return { ms, realtimeX, tracks: ready, skipped: skipped.length };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
