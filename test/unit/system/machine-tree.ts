import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A folder that looks like the root of a machine, as far as /proc and /sys are read. */
export class MachineTree {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<MachineTree> {
    const tree = new MachineTree(await mkdtemp(join(tmpdir(), 'starling-tree-')));
    await tree.mounts([]);
    return tree;
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  async file(path: string, text: string): Promise<void> {
    const full = join(this.root, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, text);
  }

  /** Lines of mountinfo. */
  async mounts(lines: string[]): Promise<void> {
    await this.file('proc/self/mountinfo', lines.map((line) => `${line}\n`).join(''));
  }

  /**
   * A disk with one partition, as the kernel shows it.
   * @param bus folder below /sys/devices, such as "pci0000:00/usb1/1-1"
   */
  async disk(disk: string, number: string, init: { bus: string; removable: boolean }): Promise<string> {
    const diskPath = `sys/devices/${init.bus}/block/${disk}`;
    const partition = /\d$/.test(disk) ? `${disk}p1` : `${disk}1`;
    await this.file(`${diskPath}/removable`, init.removable ? '1\n' : '0\n');
    await this.file(`${diskPath}/${partition}/partition`, '1\n');
    await this.device(partition, number, `${diskPath}/${partition}`);
    return `${diskPath}/${partition}`;
  }

  /** Makes a folder known as a block device, by name and number. */
  async device(name: string, number: string, path: string): Promise<void> {
    await mkdir(join(this.root, path), { recursive: true });
    for (const link of [`sys/class/block/${name}`, `sys/dev/block/${number}`]) {
      await mkdir(dirname(join(this.root, link)), { recursive: true });
      await symlink(join(this.root, path), join(this.root, link));
    }
  }
}

export const USB = 'pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host0/target0:0:0/0:0:0:0';
export const SATA = 'pci0000:00/0000:00:17.0/ata1/host1/target1:0:0/1:0:0:0';
