/** The card as a computer sees it that it is put into: its settings file, and what went wrong with it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';

const SECTOR_BYTES = 512;
const MEBIBYTE = 2 ** 20;
/** Block groups of ext4 with blocks of 4 KiB. */
const GROUP_BYTES = 128 * MEBIBYTE;

interface Partition {
  start: number;
  size: number;
}

function partition(card: string, number: number): { at: number; bytes: number } {
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', card], { encoding: 'utf8' })) as {
    partitiontable: { partitions: Partition[] };
  };
  const { start, size } = partitiontable.partitions[number - 1]!;
  return { at: start * SECTOR_BYTES, bytes: size * SECTOR_BYTES };
}

/** Writes a file onto the boot partition of a card that is in no box. */
export function writeCardFile(card: string, name: string, text: string): void {
  const local = `${card}.${name}`;
  writeFileSync(local, text);
  execFileSync('mcopy', ['-o', '-i', `${card}@@${partition(card, 1).at}`, local, `::/${name}`]);
  rmSync(local);
}

/** @returns null when there is no such file */
export function readCardFile(card: string, name: string): string | null {
  const words = ['-i', `${card}@@${partition(card, 1).at}`, `::/${name}`];
  const { status, stdout } = spawnSync('mtype', words, { encoding: 'utf8' });
  return status === 0 ? stdout : null;
}

/** Whether these bytes stand anywhere on the boot partition, in a file or where one was. */
export function bootPartitionHolds(card: string, text: string): boolean {
  const { at, bytes } = partition(card, 1);
  const file = openSync(card, 'r');
  const piece = Buffer.alloc(MEBIBYTE + text.length);
  try {
    for (let done = 0; done < bytes; done += MEBIBYTE) {
      const count = readSync(file, piece, 0, Math.min(piece.length, bytes - done), at + done);
      if (piece.subarray(0, count).includes(text)) return true;
    }
    return false;
  } finally {
    closeSync(file);
  }
}

/** Overwrites the data partition's superblock, or it and all its copies. */
export function spoilData(card: string, which: 'the superblock' | 'all copies'): void {
  const { at, bytes } = partition(card, 4);
  const file = openSync(card, 'r+');
  const nothing = Buffer.alloc(which === 'all copies' ? MEBIBYTE : 4_096);
  for (let group = 0; group < bytes; group += GROUP_BYTES) {
    if (group === 0 || which === 'all copies')
      writeSync(file, nothing, 0, Math.min(nothing.length, bytes - group), at + group);
  }
  closeSync(file);
}
