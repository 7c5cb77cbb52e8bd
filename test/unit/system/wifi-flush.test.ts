import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { flushDisks } from '../../../src/system/wifi/flush.ts';

describe('what waits in memory', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'starling-flush-'));
    vi.stubEnv('PATH', `${dir}:/usr/bin:/bin`);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true });
  });

  const program = (lines: string) => writeFileSync(join(dir, 'sync'), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });

  it('is written once the program has ended', async () => {
    program(`sleep 0.1; : >'${join(dir, 'done')}'`);
    await flushDisks();
    expect(existsSync(join(dir, 'done'))).toBe(true);
  });

  it('is not, when it fails', async () => {
    program('exit 1');
    await expect(flushDisks()).rejects.toThrow(/sync/);
  });

  it('or when there is none', async () => {
    vi.stubEnv('PATH', dir);
    await expect(flushDisks()).rejects.toThrow(/ENOENT/);
  });
});
