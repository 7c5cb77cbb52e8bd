import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as others } from 'node:timers/promises';
import { composeInSteps, DEMO_RATE_HZ, drawCover, randomFrom } from './demo-synth.ts';
import { Ffmpeg, type FfmpegInit } from './ffmpeg.ts';

export interface DemoOptions {
  /** Other seeds make other pieces. */
  seed?: number;
  /** Pieces, 1 to 200. */
  count?: number;
  minSeconds?: number;
  maxSeconds?: number;
  ffmpeg?: FfmpegInit;
  signal?: AbortSignal;
}

interface Format {
  ending: string;
  /** Encoder and muxer. */
  args: string[];
  /** How a cover gets in: as a picture stream, as a comment, or not at all. */
  cover: 'stream' | 'comment' | 'none';
}

const FORMATS: Format[] = [
  { ending: 'mp3', args: ['-c:a', 'libmp3lame', '-b:a', '160k', '-id3v2_version', '3', '-f', 'mp3'], cover: 'stream' },
  { ending: 'm4a', args: ['-c:a', 'aac', '-b:a', '160k', '-f', 'ipod'], cover: 'stream' },
  { ending: 'flac', args: ['-c:a', 'flac', '-f', 'flac'], cover: 'stream' },
  { ending: 'ogg', args: ['-c:a', 'libvorbis', '-q:a', '5', '-f', 'ogg'], cover: 'comment' },
  { ending: 'opus', args: ['-c:a', 'libopus', '-b:a', '112k', '-f', 'opus'], cover: 'comment' },
  { ending: 'wav', args: ['-c:a', 'pcm_s16le', '-f', 'wav'], cover: 'none' },
];
const ARTISTS = [
  'Wren & Alder',
  'The Murmurations',
  'Low Tide Choir',
  'Paper Lanterns',
  'Kestrel Road',
  'Ada Finch',
  'Moss Radio',
  'The Night Bus',
  'Halcyon Drift',
  'Jun & the Jays',
  'Otto Swift',
  'Glass Harbour',
  'Lark Ascending Club',
  'Fieldfare',
  'Nine Sparrows',
  'Tern',
  'Marsh Warblers',
  'Copper Owl',
  'Salt & Plover',
  'Rook and Ruin',
  'Linnet',
  'Dusk Parade',
];
const FIRST_WORDS = [
  'Quiet',
  'Golden',
  'Northern',
  'Paper',
  'Distant',
  'Early',
  'Velvet',
  'Hidden',
  'Electric',
  'Amber',
  'Slow',
];
const SECOND_WORDS = [
  'Harbour',
  'Signals',
  'Morning',
  'Rivers',
  'Windows',
  'Wings',
  'Letters',
  'Orchard',
  'Circles',
  'Weather',
];
const ALBUMS = ['First Flight', 'Small Hours', 'Over the Roofs', 'Field Notes', 'Common Air'];
const GENRES = ['Ambient', 'Electronic', 'Folk', 'Pop', 'Jazz', 'Classical'];
const MAX_COUNT = 200;
/** Pieces made at a time. */
const AT_ONCE = 2;

/**
 * Makes a small library of short tagged pieces in all supported formats, and returns their paths. Pieces that are there
 * already are left as they are, so a second call costs nothing.
 * @throws RangeError for options out of bounds, FfmpegMissingError
 */
export async function makeDemoLibrary(directory: string, options: DemoOptions = {}): Promise<string[]> {
  const { seed = 1, count = 12, minSeconds = 12, maxSeconds = 25 } = options;
  if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
    throw new RangeError(`count is ${count}; allowed: a whole number from 1 to ${MAX_COUNT}`);
  }
  if (!(minSeconds >= 2 && maxSeconds >= minSeconds && maxSeconds <= 600)) {
    throw new RangeError(`pieces of ${minSeconds} to ${maxSeconds} seconds; allowed: 2 to 600`);
  }
  await fs.mkdir(directory, { recursive: true });
  const ffmpeg = new Ffmpeg(options.ffmpeg);
  const signal = options.signal ?? new AbortController().signal;
  const pieces = Array.from({ length: count }, (_, number) => planPiece(seed, number, minSeconds, maxSeconds));
  const paths = pieces.map((piece) => join(directory, piece.fileName));
  const pending = [...pieces.keys()];
  const worker = async () => {
    for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
      await makePiece(ffmpeg, pieces[at]!, paths[at]!, signal);
    }
  };
  // One that fails does not leave the other at work with nobody waiting for it.
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return paths;
}

interface Piece {
  seed: number;
  seconds: number;
  format: Format;
  fileName: string;
  tags: Record<string, string>;
}

function planPiece(seed: number, number: number, minSeconds: number, maxSeconds: number): Piece {
  const pieceSeed = seed * 1_009 + number;
  const random = randomFrom(pieceSeed);
  const format = FORMATS[number % FORMATS.length]!;
  // neighbours in number and in seed get different names
  const artist = ARTISTS[(number * 5 + seed * 7) % ARTISTS.length]!;
  const first = FIRST_WORDS[(number * 3 + seed * 4) % FIRST_WORDS.length]!;
  const title = `${first} ${SECOND_WORDS[(number * 7 + seed * 3) % SECOND_WORDS.length]!}`;
  const nn = String(number + 1).padStart(2, '0');
  return {
    seed: pieceSeed,
    seconds: Math.round((minSeconds + random() * (maxSeconds - minSeconds)) * 10) / 10,
    format,
    fileName: `${nn} ${artist} - ${title}.${format.ending}`,
    tags: {
      artist,
      title,
      album: ALBUMS[(number + seed) % ALBUMS.length]!,
      date: String(1990 + Math.floor(random() * 35)),
      genre: GENRES[(number + seed) % GENRES.length]!,
      track: String(number + 1),
    },
  };
}

async function makePiece(ffmpeg: Ffmpeg, piece: Piece, path: string, signal: AbortSignal): Promise<void> {
  if (
    await fs.stat(path).then(
      () => true,
      () => false,
    )
  )
    return;
  const part = join(path, '..', `.${piece.seed}-${process.pid}.part`);
  const cover = drawCover(piece.seed);
  const coverPath = `${part}.png`;
  const { format } = piece;
  const withPicture = format.cover === 'stream';
  try {
    if (withPicture) await fs.writeFile(coverPath, cover);
    const tags = {
      ...piece.tags,
      ...(format.cover === 'comment' ? { METADATA_BLOCK_PICTURE: pictureBlock(cover) } : {}),
    };
    const { ok, complaint } = await ffmpeg.run({
      args: [
        ...['-f', 's16le', '-ar', String(DEMO_RATE_HZ), '-ac', '2', '-i', 'pipe:0'],
        ...(withPicture
          ? ['-f', 'png_pipe', '-i', `file:${coverPath}`, '-map', '0:a', '-map', '1:v', '-c:v', 'copy']
          : []),
        ...(withPicture ? ['-disposition:v', 'attached_pic', '-metadata:s:v', 'comment=Cover (front)'] : []),
        ...Object.entries(tags).flatMap(([name, value]) => ['-metadata', `${name}=${value}`]),
        ...['-fflags', '+bitexact', ...format.args, '-y', `file:${part}`],
      ],
      extra: [],
      signal,
      input: await compose(piece, signal),
      output: () => {},
    });
    if (!ok) throw new Error(`ffmpeg could not make ${piece.fileName}: ${complaint}`);
    await fs.rename(part, path);
  } finally {
    await fs.rm(part, { force: true });
    await fs.rm(coverPath, { force: true });
  }
}

async function compose({ seed, seconds }: Piece, signal: AbortSignal): Promise<Buffer> {
  const steps = composeInSteps(seed, seconds);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await others();
    signal.throwIfAborted();
  }
}

/** FLAC's picture block in base64, as Vorbis comments carry it (RFC 9639, section 8.8). */
function pictureBlock(png: Buffer): string {
  const mime = Buffer.from('image/png');
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const frontCover = 3;
  const edge = [png.readUInt32BE(16), png.readUInt32BE(20)];
  return Buffer.concat([
    ...[number(frontCover), number(mime.length), mime, number(0)],
    ...[number(edge[0]!), number(edge[1]!), number(24), number(0), number(png.length), png],
  ]).toString('base64');
}
