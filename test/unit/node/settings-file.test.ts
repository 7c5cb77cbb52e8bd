import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettingsFile, writeSettingsFile } from '../../../src/node/settings-file.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'starling-settings-file-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

/** Migrations of a later time: what the mechanism must be able to do. */
const LATER = {
  1: ({ volume, ...rest }: Record<string, unknown>) => ({ ...rest, loudness: volume }),
  2: (old: Record<string, unknown>) => ({ ...old, seen: true }),
};

describe('migration', () => {
  it('leads an old file through every version, and keeps it as it was', () => {
    const old = '{"version": 1, "volume": 30}\n';
    writeFileSync(join(data, 'settings.json'), old);
    expect(readSettingsFile(data, 3, LATER)).toEqual({ version: 3, loudness: 30, seen: true });
    expect(readFileSync(join(data, 'settings.json.v1.bak'), 'utf8')).toBe(old);
    expect(readSettingsFile(data, 3, LATER)).toEqual({ version: 3, loudness: 30, seen: true });
    expect(readdirSync(data).sort()).toEqual(['settings.json', 'settings.json.v1.bak']);
  });

  it('changes nothing when a step is missing', () => {
    writeSettingsFile(data, { version: 1 });
    expect(() => readSettingsFile(data, 3, { 1: LATER[1] })).toThrow(/version 2, which is no longer read/);
    expect(readdirSync(data)).toEqual(['settings.json']);
  });
});

describe('reading', () => {
  it('answers null when there is no file', () => {
    expect(readSettingsFile(data)).toBeNull();
  });
  it('takes a byte order mark', () => {
    writeFileSync(join(data, 'settings.json'), '\ufeff{"version":1}');
    expect(readSettingsFile(data)).toEqual({ version: 1 });
  });
});
