import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FoundFile, looksLikeMusic, walk } from '../../../src/library/walk.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-walk-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content = 'x'): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), content);
}

async function found(
  below = '',
): Promise<{ files: FoundFile[]; names: string[]; complete: boolean; limited: boolean }> {
  const files: FoundFile[] = [];
  const result = await walk(Buffer.from(join(root, below)), new AbortController().signal, (file) => files.push(file));
  return { files, names: files.map(({ path }) => path.toString()), ...result };
}

describe('walk', () => {
  it('finds music by its names, in order, and leaves the rest alone', async () => {
    for (const path of [
      'b/2.MP3',
      'b/10.flac',
      'a.ogg',
      'notes.txt',
      'photo.jpg',
      '._a.ogg',
      '.Trash/x.mp3',
      '$RECYCLE.BIN/y.mp3',
      'mp3',
      'c.mp3/inside.wav',
    ])
      put(path);
    expect((await found()).names).toEqual(['a.ogg', 'b/10.flac', 'b/2.MP3', 'c.mp3/inside.wav']);
  });

  it('tells size and time, and the picture beside', async () => {
    put('album/song.mp3', 'twelve bytes');
    put('album/Folder.JPG');
    const { files } = await found();
    expect(files[0]).toMatchObject({ size: 12, folderCover: Buffer.from('album/Folder.JPG') });
    expect(Math.abs(files[0]!.mtimeUs / 1_000 - Date.now())).toBeLessThan(60_000);
  });

  it('takes names in any encoding', async () => {
    const odd = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9, 0xff, 0x0a]), Buffer.from('.mp3')]);
    writeFileSync(odd, 'x');
    put('-rf & "quoted" $(x).mp3');
    const { files } = await found();
    expect(files.map(({ path }) => path.toString('latin1')).sort()).toEqual([
      '-rf & "quoted" $(x).mp3',
      '\xe9\xff\n.mp3',
    ]);
  });

  it('follows links inside the source once, and none that lead out', async () => {
    put('in/real/song.mp3');
    put('outside/secret.mp3');
    symlinkSync(join(root, 'in'), join(root, 'in/real/loop'));
    symlinkSync(join(root, 'in/real'), join(root, 'in/again'));
    symlinkSync(join(root, 'outside'), join(root, 'in/escape'));
    symlinkSync(join(root, 'outside/secret.mp3'), join(root, 'in/secret.mp3'));
    symlinkSync('nowhere', join(root, 'in/broken.mp3'));
    symlinkSync('self.mp3', join(root, 'in/self.mp3'));
    const { names, complete } = await found('in');
    expect(names.length).toBe(1);
    expect(names[0]).toMatch(/song\.mp3$/);
    expect(complete).toBe(true);
  });

  it('passes over pipes and sockets', async () => {
    execFileSync('mkfifo', [join(root, 'pipe.mp3')]);
    expect((await found()).names).toEqual([]);
  });

  it('goes down so far and no farther', async () => {
    put(`${'d/'.repeat(24)}deep.mp3`);
    put(`${'d/'.repeat(25)}deeper.mp3`);
    const { names, limited } = await found();
    expect(names.length).toBe(1);
    expect(limited).toBe(true);
  });

  it('says that it saw not all when a folder is not there', async () => {
    expect(await found('missing')).toMatchObject({ names: [], complete: false });
  });

  it('stops when it is told to', async () => {
    put('a.mp3');
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    await expect(walk(Buffer.from(root), abort.signal, () => {})).rejects.toThrow('enough');
  });

  it('knows music by the ending only', () => {
    expect(['a.mp3', 'A.FLAC', 'x.y.opus'].map((name) => looksLikeMusic(Buffer.from(name)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['.mp3', 'mp3', 'a.mp3.txt', '.a.mp3'].map((name) => looksLikeMusic(Buffer.from(name)))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
