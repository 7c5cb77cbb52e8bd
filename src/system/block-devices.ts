import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { MountLine } from './mount-table.ts';

export interface BlockDevice {
  /** Folder of the partition, or of the disk where there is none, below /sys/devices. */
  sysPath: string;
  /** Kernel name of the whole disk, "sda". */
  disk: string;
  /** May be pulled out while it runs: marked removable, or on USB. */
  pluggable: boolean;
}

/**
 * The disk behind a mount, through an encrypted or stacked device if need be; null for file systems of no disk.
 * @param root "/", or a folder with `sys` in it
 */
export async function blockDevice(root: string, mount: MountLine): Promise<BlockDevice | null> {
  const byNumber = join(root, 'sys/dev/block', mount.device);
  const byName = mount.source.startsWith('/dev/') ? join(root, 'sys/class/block', basename(mount.source)) : null;
  const sysPath = (await resolved(byNumber)) ?? (byName === null ? null : await resolved(byName));
  return sysPath === null ? null : describe(sysPath, 0);
}

/** Stacks (encryption on a partition, say) are followed this far. */
const MAX_STACK = 4;

async function describe(sysPath: string, depth: number): Promise<BlockDevice | null> {
  const [below] = depth < MAX_STACK ? await names(join(sysPath, 'slaves')) : [];
  const lower = below === undefined ? null : await resolved(join(sysPath, 'slaves', below));
  if (lower !== null) {
    const device = await describe(lower, depth + 1);
    return device === null ? null : { ...device, sysPath };
  }
  const isPartition = (await text(join(sysPath, 'partition'))) !== null;
  const diskPath = isPartition ? dirname(sysPath) : sysPath;
  const removable = (await text(join(diskPath, 'removable'))) === '1';
  return { sysPath, disk: basename(diskPath), pluggable: removable || /\/usb\d+\//.test(diskPath) };
}

/** True while the kernel still knows the device: a stick that was pulled out stays mounted, but loses this. */
export async function isPresent(sysPath: string): Promise<boolean> {
  return (await resolved(sysPath)) !== null;
}

async function resolved(path: string): Promise<string | null> {
  return realpath(path).catch(() => null);
}

async function names(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}

async function text(path: string): Promise<string | null> {
  return readFile(path, 'utf8').then(
    (value) => value.trim(),
    () => null,
  );
}
