import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Key } from 'interface-datastore';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { createDatastore } from '../../src/library/datastore.ts';
import { TrackIndex } from '../../src/library/track-index.ts';

const DISK_BYTES = 4 * 2 ** 20;

function smallDisk({ skip }: TestContext): string {
  if (process.getuid?.() !== 0) skip('a disk that can be filled needs root (a mounted tmpfs)');
  const directory = mkdtempSync(join(tmpdir(), 'full-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'full-disk', directory]);
  onTestFinished(() => {
    execFileSync('umount', [directory]);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

function fill(directory: string): void {
  const file = openSync(join(directory, 'filler'), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  } finally {
    closeSync(file);
  }
  expect(statfsSync(directory).bavail).toBe(0);
}

it('what is known of music is found on a full disk', (context) => {
  const disk = smallDisk(context);
  const place = {
    source: '/media/sda',
    path: Buffer.from('a.mp3'),
    size: 7,
    mtimeUs: 1_000,
    print: Buffer.alloc(32, 1),
  };
  const content = { track: null, reason: 'too-short', note: '3 s' } as const;
  const before = new TrackIndex(disk);
  before.put(place, content);
  before.close();
  fill(disk);
  const after = new TrackIndex(disk);
  onTestFinished(() => after.close());
  expect(after.place(place.source, place.path)).toMatchObject({ place, content });
});

it('what the network remembers says on a full disk that it keeps nothing, and is whole when there is room', async (context) => {
  const disk = smallDisk(context);
  const store = createDatastore({ path: join(disk, 'network.db') });
  store.open();
  await store.put(new Key('/a'), Buffer.from('b'));
  store.close();
  fill(disk);
  expect(() => store.open()).toThrow(/full/);
  rmSync(join(disk, 'filler'));
  store.open();
  onTestFinished(() => store.close());
  expect(Buffer.from(await store.get(new Key('/a'))).toString()).toBe('b');
});
