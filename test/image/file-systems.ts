/** Images of sticks as people bring them, one function a kind; each needs its program of Debian on this machine. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { basename } from 'node:path';

const MIB = 2 ** 20;
const SECTOR = 512;
/** Above 32 MB, where mkfs.vfat takes FAT32 without complaint, and small enough to be made in a moment. */
const SIZE_MB = 64;
/** Types of the partition table of DOS. */
const FAT32 = 'c';
const LINUX = '83';

export interface Volume {
  image: string;
  files: readonly string[];
  label: string;
}

function empty(image: string, megabytes = SIZE_MB): void {
  rmSync(image, { force: true });
  execFileSync('truncate', ['-s', `${megabytes}M`, image]);
}

/** Names beyond ASCII are UTF-8, whatever the language of this machine. */
const quiet = { stdio: 'ignore', env: { ...process.env, LC_ALL: 'C.UTF-8' } } as const;

/** The whole disk, without a table of partitions. */
export function makeFat({ image, files, label }: Volume): void {
  empty(image);
  execFileSync('mkfs.vfat', ['-F', '32', '-n', label, image], quiet);
  execFileSync('mcopy', ['-i', image, ...files, '::/']);
}

export function makeNtfs({ image, files, label }: Volume): void {
  empty(image);
  execFileSync('mkntfs', ['-F', '-Q', '-L', label, image], quiet);
  for (const file of files) execFileSync('ntfscp', ['-f', image, file, basename(file)], quiet);
}

/** Empty: nothing on this machine writes into it without mounting it. */
export function makeExfat({ image, label }: Pick<Volume, 'image' | 'label'>): void {
  empty(image);
  execFileSync('mkfs.exfat', ['-L', label, image], quiet);
}

/** @param folder everything in it */
export function makeExt4({ image, label }: Pick<Volume, 'image' | 'label'>, folder: string): void {
  empty(image);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-L', label, '-d', folder, image], quiet);
}

/** Debian makes HFS+ only beside a file system of a CD: that half is cut out, by the map of partitions (Inside Macintosh). */
export function makeHfsplus({ image, label }: Pick<Volume, 'image' | 'label'>, folder: string): void {
  const both = `${image}.iso`;
  execFileSync('xorrisofs', ['-quiet', '-hfsplus', '-V', label, '-o', both, folder], quiet);
  const { first, count } = hfsPartition(both);
  rmSync(image, { force: true });
  // Not a byte longer: the second header is found from the end.
  copyBlocks(both, first, count, image, 0);
  execFileSync('truncate', ['-s', String(count * SECTOR), image]);
  rmSync(both);
}

/** An entry of the map is a sector: "PM", at 4 entries in all, at 8 first sector, at 12 sectors, at 48 its type. */
function hfsPartition(disk: string): { first: number; count: number } {
  for (let entry = 1, entries = 1; entry <= entries; entry += 1) {
    const sector = read(disk, entry * SECTOR, SECTOR);
    if (sector.toString('latin1', 0, 2) !== 'PM') break;
    entries = sector.readUInt32BE(4);
    if (!sector.toString('latin1', 48, 80).startsWith('Apple_HFS\0')) continue;
    return { first: sector.readUInt32BE(8), count: sector.readUInt32BE(12) };
  }
  throw new Error('the disk has no HFS+ partition');
}

/** What udev looks at: the beginning of a LUKS 1 volume (its on-disk format: magic, version, at 168 the UUID). */
export function makeLuks(image: string): void {
  empty(image);
  const header = Buffer.alloc(SECTOR);
  Buffer.from('LUKS\xba\xbe\x00\x01', 'latin1').copy(header);
  for (const [offset, text] of Object.entries({ 8: 'aes', 40: 'xts-plain64', 72: 'sha256' })) {
    header.write(text, Number(offset), 'latin1');
  }
  header.write('6f1f57a3-5f3c-4a36-8e5d-2f8d3a6a9c11', 168, 'latin1');
  write(image, 0, header);
}

/** Bytes that no file system begins with. */
export function makeUnknown(image: string): void {
  empty(image);
  write(image, 0, Buffer.from('not a file system that anybody knows'.repeat(1_000)));
}

/** Several volumes on one stick, one partition each. */
export function makePartitions(image: string, volumes: readonly { image: string; type: 'fat' | 'linux' }[]): void {
  empty(image, (volumes.length + 1) * SIZE_MB);
  const table = volumes.map(({ type }) => `size=${SIZE_MB}MiB, type=${type === 'fat' ? FAT32 : LINUX}`);
  execFileSync('sfdisk', ['--quiet', image], { input: ['label: dos', ...table].join('\n') });
  // sfdisk begins the first one at 1 MiB.
  for (const [index, volume] of volumes.entries()) {
    const at = (MIB + index * SIZE_MB * MIB) / SECTOR;
    copyBlocks(volume.image, 0, (SIZE_MB * MIB) / SECTOR, image, at);
  }
}

function copyBlocks(from: string, first: number, count: number, to: string, at: number): void {
  const words = [`if=${from}`, `of=${to}`, `bs=${SECTOR}`, `skip=${first}`, `count=${count}`, `seek=${at}`];
  execFileSync('dd', [...words, 'conv=notrunc,sparse', 'status=none']);
}

function read(file: string, at: number, bytes: number): Buffer {
  const handle = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    readSync(handle, buffer, 0, bytes, at);
    return buffer;
  } finally {
    closeSync(handle);
  }
}

function write(file: string, at: number, bytes: Buffer): void {
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, bytes, 0, bytes.length, at);
  } finally {
    closeSync(handle);
  }
}
