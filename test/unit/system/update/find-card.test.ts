/** Which devices an updater writes to, found in a /dev and a /sys like those of a running card. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCard } from '../../../../src/system/update/card.ts';
import { NoSlotsError } from '../../../../src/system/update/errors.ts';

const CARD = '53544152';
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-find-card-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** As the kernel and udev lay out a disk: `place` is where it hangs below /sys/devices. */
function addDisk(disk: string, partition: (number: number) => string, place: string): void {
  for (const number of [1, 2, 3, 4]) {
    const name = partition(number);
    const device = join(root, 'sys/devices', place, 'block', disk, name);
    mkdirSync(device, { recursive: true });
    link(device, `sys/class/block/${name}`);
    put(`dev/${name}`);
    link(join(root, 'dev', name), `dev/disk/by-partuuid/${CARD}-0${number}`);
  }
  link(join(root, 'sys/devices', place, 'block', disk), `sys/class/block/${disk}`);
  put(`dev/${disk}`);
}

function link(target: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

function put(path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), '');
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
  addDisk(disk, partition, place);
  expect(findCard('/boot/firmware', root)).toEqual({
    disk: join(root, 'dev', disk),
    slots: { a: join(root, `dev/disk/by-partuuid/${CARD}-02`), b: join(root, `dev/disk/by-partuuid/${CARD}-03`) },
    bootFolder: '/boot/firmware',
    bootDevice: join(root, 'dev', partition(1)),
  });
});

it('a machine without such a card has no slots', () => {
  expect(() => findCard('/boot/firmware', root)).toThrow(NoSlotsError);
});
