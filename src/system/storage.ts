/** Whether the card still takes what the box must write: its journal, its settings. */
import { accessSync, constants, readFileSync, statfsSync } from 'node:fs';

/** The journal of a day and the settings need less; blocks of music stop long before this. */
const MIN_FREE_BYTES = 8 * 2 ** 20;

export interface StorageReading {
  freeBytes: number;
  writable: boolean;
}

/**
 * What is wrong with the disk under a directory: it is full, or the kernel lets nobody write to it any more, as it does
 * when a card fails. Two system calls, some microseconds.
 * @param read the disk's figures; another reading only in tests
 * @returns null when all is well
 */
export function storageTrouble(
  directory: string,
  read: (directory: string) => StorageReading = readStorage,
): 'full' | 'fails' | null {
  try {
    const { freeBytes, writable } = read(directory);
    if (!writable) return 'fails';
    return freeBytes < MIN_FREE_BYTES ? 'full' : null;
  } catch {
    // A card that was pulled out, or gives errors for answers.
    return 'fails';
  }
}

/**
 * Whether this start of the card runs from memory, because its data partition could not be mounted: all of it is forgotten
 * when the power goes.
 * @param note what the initramfs left (image/initramfs/starling-data); where there is none, this is no card
 */
export function runsFromMemory(note = '/run/starling-boot'): boolean {
  try {
    return /(^|\s)data=none(\s|$)/.test(readFileSync(note, 'utf8'));
  } catch {
    return false;
  }
}

function readStorage(directory: string): StorageReading {
  const { bavail, bsize } = statfsSync(directory);
  return { freeBytes: bavail * bsize, writable: isWritable(directory) };
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
