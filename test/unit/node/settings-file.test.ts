import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSettings, saveSettings } from '../../../src/node/settings.ts';
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

describe('the way back', () => {
  /** What the version of today knows, with a value that is not the default. */
  const today = { version: 1, station: 'Roof', station_key: 'A'.repeat(43), volume: 30, music: ['/srv/music'] };
  const files = () => readdirSync(data).sort();
  const write = (name: string, json: object) => writeFileSync(join(data, name), JSON.stringify(json));

  it('takes what a newer version changed, and from before what it calls otherwise', () => {
    write('settings.json', today);
    expect(readSettingsFile(data, 3, LATER)).not.toHaveProperty('volume');
    const later = { ...readSettingsFile(data, 3, LATER), station: 'Cellar', trim: 20 };
    writeSettingsFile(data, later);
    const back = { ...today, station: 'Cellar', trim: 20 };
    expect(readSettingsFile(data)).toEqual(back);
    expect(readSettingsFile(data)).toEqual(back);
    expect(files()).toEqual(['settings.json', 'settings.json.v1.bak', 'settings.json.v3.bak']);
    expect(JSON.parse(readFileSync(join(data, 'settings.json.v3.bak'), 'utf8'))).toEqual(later);
    expect(statSync(join(data, 'settings.json.v3.bak')).mode & 0o777).toBe(0o600);
    // And forward once more.
    expect(readSettingsFile(data, 3, LATER)).toMatchObject({ version: 3, loudness: 30, station: 'Cellar', trim: 20 });
  });

  it('without a copy takes what it understands, and leaves out what it does not', () => {
    const newer = {
      version: 7,
      station: 'Roof',
      volume: 'loud',
      trim: 999,
      music: ['/a', 3],
      wifi: 'on',
      room: 'kitchen',
      gpio: null,
    };
    write('settings.json', newer);
    expect(readSettingsFile(data)).toEqual({ version: 1, station: 'Roof' });
    expect(files()).toEqual(['settings.json', 'settings.json.v7.bak']);
  });

  it('takes the newest copy that is not newer itself, and migrates it', () => {
    write('settings.json', { version: 9 });
    write('settings.json.v1.bak', { ...today, station: 'Oldest' });
    write('settings.json.v4.bak', { version: 4, station: 'Newer' });
    expect(readSettingsFile(data)).toMatchObject({ version: 1, station: 'Oldest', volume: 30 });
    write('settings.json', { version: 9 });
    expect(readSettingsFile(data, 3, LATER)).toMatchObject({ version: 3, station: 'Oldest' });
  });

  it.each(['{', '[]', '{"version":"1"}', ''])('does without a copy that cannot be read: %j', (text) => {
    write('settings.json', { version: 2, name: 'Kitchen' });
    writeFileSync(join(data, 'settings.json.v1.bak'), text);
    expect(readSettingsFile(data)).toEqual({ version: 1, name: 'Kitchen' });
  });

  it('lets a box start whatever a newer version wrote', () => {
    write('settings.json', { version: 2, volume: -7, station: '', http: { port: 'x' }, future: true });
    const loaded = loadSettings(['--data', data], {});
    expect(loaded.kind).toBe('run');
    expect(saveSettings(data, { volume: 40 })).toEqual([]);
    expect(readSettingsFile(data)).toEqual({ version: 1, volume: 40 });
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
