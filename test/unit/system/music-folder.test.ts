import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { musicFolder } from '../../../src/system/index.ts';
import { MachineTree } from './machine-tree.ts';

let tree: MachineTree;
beforeEach(async () => {
  tree = await MachineTree.make();
});
afterEach(() => tree.remove());

const folder = (name: string) => mkdir(join(tree.root, name), { recursive: true });
const settings = (line: string) => tree.file('.config/user-dirs.dirs', `# written by xdg-user-dirs-update\n${line}\n`);

describe("the user's music folder", () => {
  it('is what the desktop names', async () => {
    await folder('Musik "live"');
    await folder('Music');
    await settings('XDG_MUSIC_DIR="$HOME/Musik \\"live\\""');
    expect(await musicFolder(tree.root)).toBe(join(tree.root, 'Musik "live"'));
  });

  it('may be an absolute path, in a configuration folder of its own', async () => {
    await folder('elsewhere');
    await tree.file('cfg/user-dirs.dirs', `XDG_MUSIC_DIR="${tree.root}/elsewhere"\n`);
    const environment = { XDG_CONFIG_HOME: join(tree.root, 'cfg') };
    expect(await musicFolder(tree.root, environment)).toBe(join(tree.root, 'elsewhere'));
  });

  it('is ~/Music without a setting, or with one that is broken or points nowhere', async () => {
    await folder('Music');
    const expected = join(tree.root, 'Music');
    expect(await musicFolder(tree.root)).toBe(expected);
    for (const line of ['XDG_MUSIC_DIR="relative"', 'XDG_MUSIC_DIR=$HOME/x', 'XDG_MUSIC_DIR="$HOME/gone"', '\u0000']) {
      await settings(line);
      expect(await musicFolder(tree.root)).toBe(expected);
    }
  });

  it('is none when the setting is the home folder itself, or when nothing is there', async () => {
    expect(await musicFolder(tree.root)).toBeNull();
    await folder('Music');
    await settings('XDG_MUSIC_DIR="$HOME/"');
    expect(await musicFolder(tree.root)).toBeNull();
  });

  it('is a folder, not a file of that name', async () => {
    await tree.file('Music', '');
    expect(await musicFolder(tree.root)).toBeNull();
  });
});
