import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';

const AUDIO = new Set(['.mp3', '.ogg', '.oga', '.opus', '.flac', '.m4a', '.aac', '.wav']);
/** Recordings are cut to this length, without another encoding, so that a short run hears several. */
const EXCERPT_S = [8, 11] as const;
/** Where excerpts begin: after many a quiet opening. */
const EXCERPT_FROM_S = 8;
const TRACKS_A_NODE = 8;
/** Smaller files are sound effects, too short for an excerpt. */
const LEAST_BYTES = 300_000;

export interface Share {
  name: string;
  directory: string;
}

const NAMES = ['Amsel', 'Drossel', 'Fink', 'Star', 'Meise', 'Zeisig', 'Pirol', 'Specht', 'Lerche', 'Rabe'];

/** Gives each node a folder of music of its own: excerpts of real recordings, or pieces made for the occasion. */
export async function dealMusic(options: { nodes: number; music: string | null; into: string }): Promise<Share[]> {
  const shares = Array.from({ length: options.nodes }, (_, i) => {
    const name = NAMES[i] ?? `Bird ${i + 1}`;
    const directory = join(options.into, `music-${i + 1}`);
    mkdirSync(directory, { recursive: true });
    return { name, directory };
  });
  if (options.music === null) {
    for (const [i, share] of shares.entries())
      await makeDemoLibrary(share.directory, { seed: i + 1, count: TRACKS_A_NODE, minSeconds: 8, maxSeconds: 11 });
    return shares;
  }
  const recordings = findRecordings(options.music).slice(0, options.nodes * TRACKS_A_NODE);
  if (recordings.length < options.nodes) {
    throw new Error(
      `--music ${options.music}: ${recordings.length} recordings found, ${options.nodes} nodes need at least one each`,
    );
  }
  for (const [i, recording] of recordings.entries()) {
    const share = shares[i % shares.length]!;
    await cutExcerpt(recording, share.directory, i);
  }
  return shares;
}

function findRecordings(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    throw new Error(`--music ${directory}: ${(error as Error).message}`);
  }
  return names
    .filter((name) => AUDIO.has(extname(name).toLowerCase()))
    .sort()
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).size >= LEAST_BYTES);
}

async function cutExcerpt(recording: string, into: string, index: number): Promise<void> {
  const [least, most] = EXCERPT_S;
  const seconds = least + ((index * 3) % (most - least + 1));
  const ending = extname(recording);
  const plain = join(into, `${basename(recording, ending)}${ending.toLowerCase()}`);
  const target = existsSync(plain)
    ? join(into, `${basename(recording, ending)} ${index}${ending.toLowerCase()}`)
    : plain;
  const args = ['-nostdin', '-v', 'error', '-ss', String(EXCERPT_FROM_S), '-t', String(seconds), '-i', recording];
  await promisify(execFile)('ffmpeg', [...args, '-map', '0:a:0', '-c', 'copy', '-y', target]);
}
