/**
 * The card as an update changes it: boot state, slots, boot partition. Root's part; the paths are given, so that plain
 * files can stand for devices.
 *
 * All writing is synchronous: an updater has nothing else to do, and the order of what reaches the card is all that
 * matters when power goes.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  BOOT_STATE_BYTES,
  BOOT_STATE_COPY_OFFSET,
  BOOT_STATE_OFFSET,
  type BootState,
  decodeBootState,
  encodeBootState,
  type Slot,
} from './boot-state.ts';
import { BootPartitionFullError, BusyError, CardFailsError, NoSlotsError } from './errors.ts';

/** What the card needs of the file system: a test can cut the power in between. */
export interface CardIo {
  openSync(path: string, flags: number | string, mode?: number): number;
  readSync(file: number, buffer: Buffer, offset: number, length: number, position: number): number;
  writeSync(file: number, buffer: Buffer, offset: number, length: number, position: number): number;
  fsyncSync(file: number): void;
  closeSync(file: number): void;
  renameSync(from: string, to: string): void;
  rmSync(path: string, options: { force: true }): void;
  mkdirSync(path: string, options: { recursive: true }): unknown;
  /** Runs a program. @returns its exit code */
  run(command: string, args: readonly string[]): number;
}

export const realIo: CardIo = {
  ...fs,
  run(command, args) {
    const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (error) throw new CardFailsError(`${command}: ${error.message}`);
    return status ?? -1;
  },
};

export interface CardPlaces {
  /** The whole disk; the boot state lies in it. */
  disk: string;
  slots: Readonly<Record<Slot, string>>;
  /** Where the boot partition is mounted, read-only, and its device. */
  bootFolder: string;
  bootDevice: string;
}

/** A slot that is being written. */
export interface SlotDevice {
  readonly bytes: number;
  write(at: number, piece: Buffer): void;
  /** What was written is on the card when this returns. */
  flush(): void;
  /** From the card itself, after `flush`. */
  read(at: number, length: number): Buffer;
  close(): void;
}

export class Card {
  readonly #places: CardPlaces;
  readonly #io: CardIo;

  constructor(places: CardPlaces, io: CardIo = realIo) {
    this.#places = places;
    this.#io = io;
  }

  /** @returns null where sector and copy are damaged: the boot loader takes slot a then */
  readState(): BootState | null {
    return this.#readStateAt(BOOT_STATE_OFFSET) ?? this.#readStateAt(BOOT_STATE_COPY_OFFSET);
  }

  /**
   * The copy first: whenever power goes, one of the two is whole, and the sector counts as long as it is. A copy that is
   * worn out keeps nothing from being confirmed, but nothing new is tried without it.
   * @throws CardFailsError
   */
  writeState(state: BootState): void {
    try {
      this.#writeStateAt(BOOT_STATE_COPY_OFFSET, state);
    } catch (error) {
      if (state.try !== null) throw error;
    }
    this.#writeStateAt(BOOT_STATE_OFFSET, state);
  }

  #writeStateAt(offset: number, state: BootState): void {
    this.#withFile(this.#places.disk, fs.constants.O_RDWR, (file) => {
      this.#writeAll(file, encodeBootState(state), offset);
      this.#io.fsyncSync(file);
    });
    this.#dropCache(this.#places.disk);
    const kept = this.#readStateAt(offset);
    if (kept?.slot !== state.slot || kept.try !== state.try) throw new CardFailsError('the boot state was not kept');
  }

  #readStateAt(offset: number): BootState | null {
    return this.#withFile(this.#places.disk, fs.constants.O_RDONLY, (file) => {
      const sector = Buffer.alloc(BOOT_STATE_BYTES);
      const count = this.#io.readSync(file, sector, 0, sector.length, offset);
      return decodeBootState(sector.subarray(0, count));
    });
  }

  /**
   * Opens a slot for writing, and for this process alone: the kernel refuses a device that is mounted or opened so already.
   * @throws {BusyError | CardFailsError}
   */
  openSlot(slot: Slot): SlotDevice {
    const path = this.#places.slots[slot];
    const { O_RDWR, O_EXCL } = fs.constants;
    const file = attempt(() => this.#io.openSync(path, O_RDWR | O_EXCL));
    const bytes = deviceBytes(path, file);
    let isCached = true;
    return {
      bytes,
      write: (at, piece) => this.#writeAll(file, piece, at),
      flush: () => {
        attempt(() => this.#io.fsyncSync(file));
        isCached = true;
      },
      read: (at, length) => {
        if (isCached) this.#dropCache(path);
        isCached = false;
        const piece = Buffer.allocUnsafe(length);
        const count = attempt(() => this.#io.readSync(file, piece, 0, length, at));
        return piece.subarray(0, count);
      },
      close: () => this.#io.closeSync(file),
    };
  }

  /**
   * Writes files into a slot's folder of the boot partition, which is checked first and writable only meanwhile. Each
   * appears under its name when it is whole.
   * @throws {BootPartitionFullError | CardFailsError}
   */
  writeBootFiles(slot: Slot, files: readonly { name: string; copyTo(write: (piece: Buffer) => void): void }[]): void {
    const folder = join(this.#places.bootFolder, slot);
    this.#withWritableBoot(() => {
      this.#io.mkdirSync(folder, { recursive: true });
      for (const { name, copyTo } of files) this.#writeBootFile(folder, name, copyTo);
    });
  }

  /** Reads a file of the boot partition piece by piece, from the card itself. */
  readBootFile(slot: Slot, name: string, bytes: number, take: (piece: Buffer) => void): void {
    const path = join(this.#places.bootFolder, slot, name);
    // dd's way to say that a file's cached pages are not needed any more.
    this.#io.run('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
    this.#withFile(path, fs.constants.O_RDONLY, (file) => {
      const piece = Buffer.allocUnsafe(1 << 20);
      for (let done = 0; done < bytes; ) {
        const count = this.#io.readSync(file, piece, 0, Math.min(piece.length, bytes - done), done);
        if (count === 0) return;
        take(piece.subarray(0, count));
        done += count;
      }
    });
  }

  #writeBootFile(folder: string, name: string, copyTo: (write: (piece: Buffer) => void) => void): void {
    const path = join(folder, name);
    const part = `${path}.new`;
    try {
      const file = attempt(() => this.#io.openSync(part, 'w', 0o644));
      try {
        let at = 0;
        // What goes wrong in reading the update is no fault of this card.
        copyTo((piece) => {
          this.#writeAll(file, piece, at);
          at += piece.length;
        });
        attempt(() => this.#io.fsyncSync(file));
      } finally {
        this.#io.closeSync(file);
      }
    } catch (error) {
      this.#io.rmSync(part, { force: true });
      throw error;
    }
    attempt(() => this.#io.renameSync(part, path));
    this.#withFile(folder, fs.constants.O_RDONLY, (directory) => this.#io.fsyncSync(directory));
  }

  #withWritableBoot(work: () => void): void {
    const { bootDevice } = this.#places;
    // Not every fault is an error here: 1 is "there were some, and they are mended".
    const checked = this.#io.run('fsck.vfat', ['-a', bootDevice]);
    if (checked !== 0 && checked !== 1)
      throw new CardFailsError(`the boot partition is damaged (fsck.vfat: ${checked})`);
    this.#remount('rw');
    try {
      work();
    } finally {
      this.#remount('ro');
    }
  }

  #remount(mode: 'rw' | 'ro'): void {
    const code = this.#io.run('mount', ['-o', `remount,${mode}`, this.#places.bootFolder]);
    if (code !== 0) throw new CardFailsError(`the boot partition cannot be mounted ${mode} (mount: ${code})`);
  }

  /**
   * So that what is read afterwards comes from the card: posix_fadvise(POSIX_FADV_DONTNEED), which asks for no rights;
   * `blockdev --flushbufs` wants CAP_SYS_ADMIN. Of plain files there is nothing to drop.
   */
  #dropCache(path: string): void {
    if (isBlockDevice(path)) this.#io.run('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }

  #withFile<T>(path: string, flags: number | string, work: (file: number) => T): T {
    const file = attempt(() => this.#io.openSync(path, flags, 0o644));
    try {
      return attempt(() => work(file));
    } finally {
      this.#io.closeSync(file);
    }
  }

  #writeAll(file: number, bytes: Buffer, at: number): void {
    for (let done = 0; done < bytes.length; )
      done += attempt(() => this.#io.writeSync(file, bytes, done, bytes.length - done, at + done));
  }
}

function isBlockDevice(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isBlockDevice() ?? false;
}

/** A device has no size of its own in `stat`: where its end is, tells. */
function deviceBytes(path: string, file: number): number {
  const stat = fs.fstatSync(file);
  if (!stat.isBlockDevice()) return stat.size;
  const device = fs.realpathSync(path).split('/').at(-1) ?? '';
  const sectors = Number(fs.readFileSync(`/sys/class/block/${device}/size`, 'utf8'));
  if (!Number.isSafeInteger(sectors) || sectors <= 0) throw new CardFailsError(`the size of ${device} is not known`);
  return sectors * 512;
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw new BootPartitionFullError();
    if (code === 'EBUSY') throw new BusyError();
    if (code !== undefined && /^E[A-Z]+$/.test(code)) throw new CardFailsError(message);
    throw error;
  }
}

/** Numbers of the partitions of every card that this project makes (image/assemble.sh). */
const BOOT_PARTITION = 1;
const SLOT_PARTITIONS = { a: 2, b: 3 } as const;

/**
 * Where the parts of the running card are: on the disk that the root is on, by their numbers. Not by name: another card of
 * this kind in a reader at USB has the same names, and would be written to.
 * @param root below which /dev and /sys are, and `rootDevice` what the root is on; for tests
 * @throws {NoSlotsError}
 */
export function findCard(bootFolder: string, root = '', rootDevice = fs.statSync('/').dev): CardPlaces {
  try {
    // The link first: `..` of the link itself would be the folder of all block devices.
    const diskFolder = dirname(fs.realpathSync(`${root}/sys/dev/block/${deviceNumbers(rootDevice)}`));
    const partition = (number: number) => `${root}/dev/${partitionName(diskFolder, number)}`;
    return {
      disk: `${root}/dev/${basename(diskFolder)}`,
      slots: { a: partition(SLOT_PARTITIONS.a), b: partition(SLOT_PARTITIONS.b) },
      bootFolder,
      bootDevice: partition(BOOT_PARTITION),
    };
  } catch (error) {
    throw new NoSlotsError(`its card is not found (${(error as Error).message})`);
  }
}

/** "major:minor", out of glibc's packing of both into one number (gnu_dev_major(3)); of the larger majors nothing is used. */
function deviceNumbers(device: number): string {
  return `${(device >>> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}`;
}

function partitionName(diskFolder: string, number: number): string {
  const isIt = (name: string) => {
    const file = join(diskFolder, name, 'partition');
    return fs.existsSync(file) && Number(fs.readFileSync(file, 'utf8')) === number;
  };
  const name = fs.readdirSync(diskFolder).find(isIt);
  if (name === undefined) throw new Error(`${basename(diskFolder)} has no partition ${number}`);
  return name;
}
