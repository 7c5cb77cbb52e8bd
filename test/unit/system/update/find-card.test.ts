/** Which devices an updater writes to, found in a /dev and a /sys like those of a running card. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCard } from '../../../../src/system/update/card.ts';
import { NoSlotsError } from '../../../../src/system/update/errors.ts';

/** As `stat` tells a root on partition 2 of the disk: major 179, and minor 2. */
const ROOT_DEVICE = (179 << 8) | 2;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-find-card-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** As the kernel lays out a disk: `place` is where it hangs below /sys/devices. @param major of its devices */
function addDisk(
  disk: string,
  partition: (number: number) => string,
  { place, major, numbers = [1, 2, 3, 4] }: { place: string; major: number; numbers?: number[] },
): void {
  const folder = join('sys/devices', place, 'block', disk);
  mkdirSync(join(root, folder, 'queue'), { recursive: true });
  for (const number of numbers) {
    const name = partition(number);
    put(join(folder, name, 'partition'), `${number}\n`);
    put(`dev/${name}`);
    mkdirSync(join(root, 'sys/dev/block'), { recursive: true });
    symlinkSync(join(root, folder, name), join(root, `sys/dev/block/${major}:${number}`));
  }
}

function put(path: string, text = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

it.each([
  [
    'a card in its holder',
    'mmcblk0',
    (n: number) => `mmcblk0p${n}`,
    'platform/soc/3f202000.mmc/mmc_host/mmc0/mmc0:aaaa',
  ],
  ['a disk at USB', 'sda', (n: number) => `sda${n}`, 'platform/soc/usb1/1-1/host0/target0:0:0/0:0:0:0'],
  ['the emulated one', 'vda', (n: number) => `vda${n}`, 'pci0000:00/0000:00:01.0/virtio0'],
])('%s is found as a whole, with its parts', (_what, disk, partition, place) => {
  addDisk(disk, partition, { place, major: 179 });
  expect(findCard('/boot/firmware', root, ROOT_DEVICE)).toEqual({
    disk: join(root, 'dev', disk),
    slots: { a: join(root, 'dev', partition(2)), b: join(root, 'dev', partition(3)) },
    bootFolder: '/boot/firmware',
    bootDevice: join(root, 'dev', partition(1)),
  });
});

it('another card in a reader is not the one that runs', () => {
  addDisk('sda', (n) => `sda${n}`, { place: 'usb1/host0', major: 8 });
  addDisk('mmcblk0', (n) => `mmcblk0p${n}`, { place: 'mmc0', major: 179 });
  expect(findCard('/boot/firmware', root, ROOT_DEVICE).disk).toBe(join(root, 'dev/mmcblk0'));
});

it.each([
  ['without such a card', () => {}],
  [
    'whose disk has no second slot',
    () => addDisk('sda', (n) => `sda${n}`, { place: 'usb1', major: 179, numbers: [1, 2] }),
  ],
])('a machine %s has no slots', (_what, prepare) => {
  prepare();
  expect(() => findCard('/boot/firmware', root, ROOT_DEVICE)).toThrow(NoSlotsError);
});
