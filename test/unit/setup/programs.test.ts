import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingPackages } from '../../../src/setup/programs.mjs';
import { Refusal } from '../../../src/setup/refusal.mjs';

let bin: string;
beforeAll(() => {
  bin = mkdtempSync(join(tmpdir(), 'starling-programs-'));
});
afterAll(() => rmSync(bin, { recursive: true, force: true }));

const names = (purpose: 'start' | 'test') => missingPackages(purpose, bin).map((one) => one.name);
const add = (name: string, mode = 0o755) => writeFileSync(join(bin, name), '', { mode });

describe('missing packages', () => {
  it('are those of which a program is missing or may not be run', () => {
    expect(names('start')).toEqual(['ffmpeg', 'mpv']);
    add('ffmpeg');
    add('mpv', 0o644);
    expect(names('start')).toEqual(['ffmpeg', 'mpv']);
    add('ffprobe');
    expect(names('start')).toEqual(['mpv']);
  });
  it('take either name of a program', () => {
    expect(names('test')).toContain('chromium');
    add('chromium-browser');
    expect(names('test')).not.toContain('chromium');
  });
  it('are more for tests than for a start', () => {
    for (const name of ['pipewire', 'wireplumber', 'dbus', 'pulseaudio-utils']) expect(names('test')).toContain(name);
  });
});

describe('a refusal', () => {
  it('is printed with the command to type and the last words', () => {
    const text = new Refusal('Missing: x. Please type:', ['sudo install x'], 'one\ntwo').text();
    expect(text).toBe('Missing: x. Please type:\n\n    sudo install x\n\n  | one\n  | two');
  });
});
