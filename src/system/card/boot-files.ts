import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { BootFiles } from './card.ts';
import { MAX_CARD_BYTES } from './limits.ts';

const CARD_FILE = 'starling.txt';
const ANSWER_FILE = 'starling-answer.txt';

export interface BootFilesInit {
  /** Where the boot partition is mounted, read-only. */
  dir: string;
  /** Makes it writable, and read-only again. @throws with the cause */
  remount(mode: 'rw' | 'ro'): void;
}

/** The boot partition is writable only while something is written to it. */
export function createBootFiles({ dir, remount }: BootFilesInit): BootFiles {
  return {
    read() {
      try {
        return readUpTo(join(dir, CARD_FILE), MAX_CARD_BYTES + 1);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    write(answer, card) {
      const isAnswered = holds(join(dir, ANSWER_FILE), answer);
      if (isAnswered && card === null) return;
      remount('rw');
      try {
        if (!isAnswered) replace(dir, ANSWER_FILE, answer);
        if (card !== null) replaceAndWipe(dir, CARD_FILE, card);
      } finally {
        remount('ro');
      }
    },
  };
}

function readUpTo(path: string, bytes: number): Uint8Array {
  const file = openSync(path, 'r');
  try {
    if (!fstatSync(file).isFile()) throw new Error('it is not a file');
    const buffer = new Uint8Array(bytes);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes; length += got)
      got = readSync(file, buffer, length, bytes - length, null);
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

function holds(path: string, content: Uint8Array): boolean {
  try {
    return statSync(path).size === content.length && Buffer.from(content).equals(readFileSync(path));
  } catch {
    return false;
  }
}

/** Old content or new, never a part: a new file, on the disk before it takes the name. */
function replace(dir: string, name: string, content: Uint8Array): void {
  const part = join(dir, `${name}.new`);
  try {
    writeWhole(part, content);
    renameSync(part, join(dir, name));
  } catch (error) {
    // A partition that is full must not stay fuller.
    rmSync(part, { force: true });
    throw error;
  }
  syncFolder(dir);
}

function writeWhole(path: string, content: Uint8Array): void {
  const file = openSync(path, 'w', 0o644);
  try {
    for (let at = 0; at < content.length; ) at += writeSync(file, content, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The old file's place on the disk is overwritten: what it held could be read there long after it lost its name. */
function replaceAndWipe(dir: string, name: string, content: Uint8Array): void {
  const old = openSync(join(dir, name), 'r+');
  try {
    const { size } = fstatSync(old);
    replace(dir, name, content);
    for (let at = 0; at < size; ) at += writeSync(old, new Uint8Array(size - at), 0, size - at, at);
    fsyncSync(old);
  } finally {
    closeSync(old);
  }
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
