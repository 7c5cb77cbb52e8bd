import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runsFromMemory, storageTrouble } from '../../../src/system/storage.ts';

describe('the card', () => {
  it.each([
    ['with room', { freeBytes: 64e6, writable: true }, null],
    ['with a few megabytes left', { freeBytes: 8e6, writable: true }, 'full'],
    ['with nothing left', { freeBytes: 0, writable: true }, 'full'],
    ['that the kernel has made read-only', { freeBytes: 64e6, writable: false }, 'fails'],
  ] as const)('%s', (_, reading, trouble) => {
    expect(storageTrouble('/anywhere', () => reading)).toBe(trouble);
  });

  it('that is gone, or answers with errors, fails', () => {
    expect(storageTrouble(join(tmpdir(), 'no such directory here'))).toBe('fails');
    const broken = () => {
      throw new Error('EIO');
    };
    expect(storageTrouble('/anywhere', broken)).toBe('fails');
  });

  it('of this machine is well', () => {
    const directory = mkdtempSync(join(tmpdir(), 'storage-'));
    expect(storageTrouble(directory)).toBeNull();
    rmSync(directory, { recursive: true });
  });

  it.each([
    ['was mounted', 'data=kept device=/dev/mmcblk0p4\n', false],
    ['could not be mounted', 'data=none device=/dev/mmcblk0p4\n', true],
    ['is gone', 'data=none device=\n', true],
    ['was never told of: no card', null, false],
  ])('whose data partition %s', (_, note, isMemory) => {
    const directory = mkdtempSync(join(tmpdir(), 'storage-'));
    const path = join(directory, 'starling-boot');
    if (note !== null) writeFileSync(path, note);
    expect(runsFromMemory(path)).toBe(isMemory);
    rmSync(directory, { recursive: true });
  });
});
