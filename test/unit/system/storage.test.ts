import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { storageTrouble } from '../../../src/system/storage.ts';

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
});
