import { type BigIntStats, promises as fs } from 'node:fs';
import { MAX_DEPTH, MAX_ENTRIES, MAX_FILES } from './limits.ts';

/** Names are bytes: a stick may hold any encoding, or none. */
export interface FoundFile {
  /** Below the source's root, with `/` between. */
  path: Buffer;
  size: number;
  /** Microseconds since 1970: what still fits into a number exactly. */
  mtimeUs: number;
  /** A picture in the same folder that is named like a cover, below the root. */
  folderCover: Buffer | null;
}

export interface WalkResult {
  /** False when the root, or a folder on the way, could not be read: then what was not found may still be there. */
  complete: boolean;
  /** More files, folders or levels than are looked at. */
  limited: boolean;
}

const MUSIC = new Set(
  'mp3 mp2 mpga m4a m4b m4p mp4 aac flac ogg oga opus wav wave aif aiff aifc alac wma ape wv mpc dsf dff webm mka ra ac3'.split(
    ' ',
  ),
);
/** Best first. */
const COVER_NAMES = [
  'cover.jpg',
  'folder.jpg',
  'front.jpg',
  'cover.png',
  'folder.png',
  'cover.jpeg',
  'album.jpg',
  'albumart.jpg',
];
/** Folders that systems put on sticks for themselves; those with a leading dot are left out anyway. */
const SYSTEM_FOLDERS = new Set(['$recycle.bin', 'system volume information', 'lost+found', 'recycler', '@eadir']);
const SLASH = 0x2f;
const DOT = 0x2e;
/** Entries between two breaths for the rest of the process. */
const BREATH_ENTRIES = 256;

/** Whether a file's name promises music. */
export function looksLikeMusic(name: Uint8Array): boolean {
  const text = Buffer.from(name).toString('latin1');
  const dot = text.lastIndexOf('.');
  return dot > 0 && name[0] !== DOT && MUSIC.has(text.slice(dot + 1).toLowerCase());
}

/**
 * Finds files that promise music, folder by folder in the order of their names' bytes. Symbolic links are followed only
 * to places inside the same source, and no folder is entered twice, so neither a loop nor a link that leads out of a
 * stick does any harm.
 * @param found - called for each file
 */
export async function walk(root: Buffer, signal: AbortSignal, found: (file: FoundFile) => void): Promise<WalkResult> {
  return await new Walk(root, signal, found).run();
}

class Walk {
  readonly #root: Buffer;
  readonly #signal: AbortSignal;
  readonly #found: (file: FoundFile) => void;
  readonly #visited = new Set<string>();
  readonly #result: WalkResult = { complete: true, limited: false };
  #realRoot = '';
  #entries = 0;
  #files = 0;

  constructor(root: Buffer, signal: AbortSignal, found: (file: FoundFile) => void) {
    this.#root = root;
    this.#signal = signal;
    this.#found = found;
  }

  async run(): Promise<WalkResult> {
    try {
      this.#realRoot = (await fs.realpath(this.#root, 'buffer')).toString('latin1');
    } catch {
      return { complete: false, limited: false };
    }
    // depth first, in order: the stack holds the folders to come, the next one last
    const stack: { path: Buffer; depth: number }[] = [{ path: Buffer.alloc(0), depth: 0 }];
    for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
      this.#signal.throwIfAborted();
      const below = await this.#folder(folder.path, folder.depth);
      for (const path of below.reverse()) stack.push({ path, depth: folder.depth + 1 });
      if (this.#entries >= MAX_ENTRIES || this.#files >= MAX_FILES) {
        this.#result.limited = true;
        break;
      }
    }
    return this.#result;
  }

  /** Reports the files of a folder and returns the folders in it. */
  async #folder(path: Buffer, depth: number): Promise<Buffer[]> {
    const stats = await this.#stat(path);
    if (stats === null || this.#visited.has(`${stats.dev}:${stats.ino}`)) return [];
    this.#visited.add(`${stats.dev}:${stats.ino}`);
    let names: Buffer[];
    try {
      names = await fs.readdir(this.#full(path), { encoding: 'buffer' });
    } catch {
      this.#result.complete = false;
      return [];
    }
    names.sort(Buffer.compare);
    const cover = findCover(names);
    const folders: Buffer[] = [];
    for (const name of names) {
      this.#entries += 1;
      if (this.#entries % BREATH_ENTRIES === 0) this.#signal.throwIfAborted();
      if (this.#entries >= MAX_ENTRIES || this.#files >= MAX_FILES) break;
      if (name[0] === DOT || SYSTEM_FOLDERS.has(name.toString('latin1').toLowerCase())) continue;
      const below = joinPath(path, name);
      const stats = await this.#stat(below);
      if (stats === null) continue;
      if (stats.isDirectory()) {
        if (depth < MAX_DEPTH) folders.push(below);
        else this.#result.limited = true;
      } else if (stats.isFile() && looksLikeMusic(name)) {
        this.#files += 1;
        const folderCover = cover === null ? null : joinPath(path, cover);
        this.#found({ path: below, size: Number(stats.size), mtimeUs: Number(stats.mtimeNs / 1_000n), folderCover });
      }
    }
    return folders;
  }

  /** Null for what is gone, broken, or a link to elsewhere. */
  async #stat(path: Buffer): Promise<BigIntStats | null> {
    const full = this.#full(path);
    try {
      const stats = await fs.lstat(full, { bigint: true });
      if (!stats.isSymbolicLink()) return stats;
      const target = (await fs.realpath(full, 'buffer')).toString('latin1');
      const inside =
        target === this.#realRoot || target.startsWith(this.#realRoot === '/' ? '/' : `${this.#realRoot}/`);
      return inside ? await fs.stat(full, { bigint: true }) : null;
    } catch {
      return null;
    }
  }

  #full(path: Buffer): Buffer {
    return path.length === 0 ? this.#root : joinPath(this.#root, path);
  }
}

/** `folder/name`; an empty folder is left out. */
export function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 0 ? name : Buffer.concat([folder, Buffer.from([SLASH]), name]);
}

function findCover(names: Buffer[]): Buffer | null {
  const byName = new Map(names.map((name) => [name.toString('latin1').toLowerCase(), name]));
  const wanted = COVER_NAMES.find((name) => byName.has(name));
  return wanted === undefined ? null : byName.get(wanted)!;
}
