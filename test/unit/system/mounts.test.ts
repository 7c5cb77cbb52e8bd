import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMounts, findSticks, NoProcError, type Stick } from '../../../src/system/index.ts';
import { parseMountInfo } from '../../../src/system/mount-table.ts';
import { MachineTree, SATA, USB } from './machine-tree.ts';

const ROOT = '22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw';
const STICK = '90 22 8:1 / /media/anna/MUSIC rw,nosuid shared:3 - vfat /dev/sda1 rw,fmask=0022';
const silent = { log: { info() {}, warn() {} } };
let tree: MachineTree;

beforeEach(async () => {
  tree = await MachineTree.make();
  await tree.disk('nvme0n1', '259:1', { bus: 'pci0000:00/0000:00:1d.0/nvme/nvme0', removable: false });
});
afterEach(() => tree.remove());

describe('the table of mounts', () => {
  it('decodes what the kernel escapes and tells read-only from both lists of options', () => {
    const text = [
      '90 22 8:1 / /media/My\\040Music\\134\\011x rw - vfat /dev/sda1 ro',
      '91 22 8:2 /sub /mnt/b ro master:2 shared:9 - ext4 /dev/sda2 rw',
    ].join('\n');
    expect(parseMountInfo(text, 10)).toEqual([
      {
        device: '8:1',
        root: '/',
        mountPoint: '/media/My Music\\\tx',
        readOnly: true,
        fsType: 'vfat',
        source: '/dev/sda1',
      },
      { device: '8:2', root: '/sub', mountPoint: '/mnt/b', readOnly: true, fsType: 'ext4', source: '/dev/sda2' },
    ]);
  });

  it('keeps what lies on top of a mount point, and leaves out lines that are none', () => {
    const text = [
      '',
      'nonsense',
      '1 2 3',
      '90 22 8:1 / /mnt rw - vfat /dev/sda1 rw',
      '91 22 8:2 / /mnt rw - ext4 /dev/sdb1 rw',
    ];
    expect(parseMountInfo(text.join('\n'), 10).map((mount) => mount.source)).toEqual(['/dev/sdb1']);
    expect(parseMountInfo(text.join('\n'), 2)).toEqual([]);
  });
});

describe('sticks', () => {
  it('are what is removable', async () => {
    await tree.disk('sda', '8:1', { bus: SATA, removable: true });
    await tree.mounts([ROOT, STICK]);
    const stick: Stick = { path: '/media/anna/MUSIC', device: '/dev/sda1', fsType: 'vfat', readOnly: false };
    expect(await findSticks(tree.root)).toEqual([stick]);
  });

  it('are what hangs on USB, though the disk does not call itself removable', async () => {
    await tree.disk('sda', '8:1', { bus: USB, removable: false });
    await tree.mounts([ROOT, STICK]);
    expect(await findSticks(tree.root)).toHaveLength(1);
  });

  it('are no built-in disks and no file systems without a disk', async () => {
    await tree.disk('sdb', '8:17', { bus: SATA, removable: false });
    await tree.mounts([
      ROOT,
      '91 22 8:17 / /mnt/archive rw - ext4 /dev/sdb1 rw',
      '92 22 0:24 / /run rw - tmpfs tmpfs rw',
      '93 22 0:40 / /mnt/net rw - nfs4 server:/music rw',
    ]);
    expect(await findSticks(tree.root)).toEqual([]);
  });

  it('are never the disk that the system runs from, also not its other partitions', async () => {
    await tree.disk('sda', '8:1', { bus: USB, removable: true });
    await tree.device('sda2', '8:2', `sys/devices/${USB}/block/sda/sda2`);
    await tree.file(`sys/devices/${USB}/block/sda/sda2/partition`, '2\n');
    await tree.mounts(['22 1 8:1 / / rw - ext4 /dev/sda1 rw', '90 22 8:2 / /media/data rw - ext4 /dev/sda2 rw']);
    expect(await findSticks(tree.root)).toEqual([]);
  });

  it('are found through FUSE, which has no device number, and through encryption', async () => {
    const partition = await tree.disk('sda', '8:1', { bus: USB, removable: true });
    await tree.mounts([ROOT, '90 22 0:52 / /media/ntfs rw - fuseblk /dev/sda1 rw']);
    expect((await findSticks(tree.root)).map(({ path }) => path)).toEqual(['/media/ntfs']);

    await tree.device('dm-0', '253:0', 'sys/devices/virtual/block/dm-0');
    await mkdir(join(tree.root, 'sys/devices/virtual/block/dm-0/slaves'));
    await symlink(join(tree.root, partition), join(tree.root, 'sys/devices/virtual/block/dm-0/slaves/sda1'));
    await tree.mounts([ROOT, '90 22 253:0 / /media/secret rw - ext4 /dev/mapper/luks-1 rw']);
    expect((await findSticks(tree.root)).map(({ path }) => path)).toEqual(['/media/secret']);
  });

  it('appear once, at their plainest place, whatever else is bound to them', async () => {
    await tree.disk('sda', '8:1', { bus: USB, removable: true });
    await tree.mounts([
      ROOT,
      '91 22 8:1 /albums /m rw - vfat /dev/sda1 rw',
      STICK,
      STICK.replace('MUSIC', 'MUSIC-again'),
    ]);
    expect((await findSticks(tree.root)).map(({ path }) => path)).toEqual(['/media/anna/MUSIC']);
  });

  it('cannot be found where there is no table of mounts, and the error says what to do', async () => {
    await expect(findSticks(join(tree.root, 'nowhere'))).rejects.toThrow(NoProcError);
    await expect(findSticks(join(tree.root, 'nowhere'))).rejects.toThrow(/ENOENT.*--music DIR/);
  });
});

describe('the watch', () => {
  it('tells of a stick that comes, goes, and is pulled out while mounted, and then falls silent', async () => {
    await tree.mounts([ROOT]);
    const mounts = createMounts(silent, { root: tree.root, pollMs: 5 });
    const seen: string[][] = [];
    const next = () =>
      new Promise<void>((resolve) => {
        const unsubscribe = mounts.onChanged((sticks) => {
          seen.push(sticks.map(({ path }) => path));
          unsubscribe();
          resolve();
        });
      });
    await mounts.start();
    await mounts.start();
    expect(mounts.sticks()).toEqual([]);

    const partition = await tree.disk('sda', '8:1', { bus: USB, removable: true });
    const came = next();
    await tree.mounts([ROOT, STICK]);
    await came;
    const pulled = next();
    await rm(join(tree.root, 'sys/dev/block/8:1'));
    await rm(join(tree.root, 'sys/class/block/sda1'));
    await rm(join(tree.root, partition), { recursive: true });
    await pulled;
    expect(seen).toEqual([['/media/anna/MUSIC'], []]);

    await mounts.stop();
    await mounts.stop();
    let called = false;
    mounts.onChanged(() => {
      called = true;
    });
    await tree.disk('sdc', '8:33', { bus: USB, removable: true });
    await tree.mounts([ROOT, STICK.replace('8:1', '8:33').replace('sda1', 'sdc1')]);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(called).toBe(false);
  });

  it('lives through a table that cannot be read for a while', async () => {
    await tree.mounts([ROOT]);
    const warned: string[] = [];
    const mounts = createMounts(
      { log: { info() {}, warn: (text) => warned.push(text) } },
      { root: tree.root, pollMs: 5 },
    );
    await mounts.start();
    await tree.disk('sda', '8:1', { bus: USB, removable: true });
    await rm(join(tree.root, 'proc/self/mountinfo'));
    while (warned.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const came = new Promise((resolve) => mounts.onChanged(resolve));
    await tree.mounts([ROOT, STICK]);
    expect(await came).toHaveLength(1);
    await mounts.stop();
  });
});
