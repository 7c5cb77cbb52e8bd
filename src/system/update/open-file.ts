/**
 * Opening files that somebody else chose: no link is followed, nothing but a plain file is opened, and it is read through
 * the one handle, whatever becomes of its name meanwhile. Used by root on what the radio's user can write.
 */
import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import type { RandomAccess } from './update-file.ts';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

export interface OpenFile extends RandomAccess {
  close(): void;
}

/**
 * A folder, reached from a trusted one name by name.
 * @param path of the first folder: nobody else can change it
 * @param names below it: a link among them is refused by the kernel (ELOOP, ENOTDIR)
 */
export function openFolder(path: string, ...names: string[]): Folder {
  let folder = new Folder(openSync(path, O_RDONLY | O_DIRECTORY));
  for (const name of names) {
    const inner = attemptIn(
      folder,
      () => new Folder(openSync(folder.pathOf(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)),
    );
    folder.close();
    folder = inner;
  }
  return folder;
}

function attemptIn<T>(folder: Folder, work: () => T): T {
  try {
    return work();
  } catch (error) {
    folder.close();
    throw error;
  }
}

export class Folder {
  readonly #handle: number;

  constructor(handle: number) {
    this.#handle = handle;
  }

  /** A path of an entry that leads through the open folder, not through names that may have changed. */
  pathOf(name: string): string {
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw new Error('no name of an entry');
    return `/proc/self/fd/${this.#handle}/${name}`;
  }

  /** @throws with a code such as ENOENT; EINVAL for what is no plain file */
  openFile(name: string): OpenFile {
    const file = openSync(this.pathOf(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fstatSync(file);
    if (!stat.isFile()) {
      closeSync(file);
      throw Object.assign(new Error(`${name} is no plain file`), { code: 'EINVAL' });
    }
    return { ...randomAccess(file, stat.size), close: () => closeSync(file) };
  }

  /** Takes an entry away, itself and not what it may lead to; nothing happens when it is not there. */
  remove(name: string): void {
    try {
      unlinkSync(this.pathOf(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  close(): void {
    closeSync(this.#handle);
  }
}

export function randomAccess(file: number, bytes: number): RandomAccess {
  return {
    bytes,
    read(at, length) {
      const piece = Buffer.allocUnsafe(Math.max(0, Math.min(length, bytes - at)));
      let done = 0;
      while (done < piece.length) {
        const count = readSync(file, piece, done, piece.length - done, at + done);
        if (count === 0) break;
        done += count;
      }
      return piece.subarray(0, done);
    },
  };
}
