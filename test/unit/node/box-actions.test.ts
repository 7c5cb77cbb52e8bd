import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { done } from '../../../src/node/answers.ts';
import { BoxSettings } from '../../../src/node/box-actions.ts';
import { diagnosticsText, redact, secretsOf } from '../../../src/node/diagnostics.ts';
import { loadIdentity } from '../../../src/node/identity.ts';
import { carryOutReset, isResetOrdered, orderReset } from '../../../src/node/reset.ts';
import { loadSettings, type Settings, saveSettings } from '../../../src/node/settings.ts';
import { readSettingsFile } from '../../../src/node/settings-file.ts';
import { boxContract } from '../../web/ports-contract.ts';
import { quiet } from './fakes.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const KEY_TEXT = Buffer.from(KEY).toString('base64url');

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'starling-box-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function load(argv: string[] = []): Settings {
  const loaded = loadSettings(['--data', dataDir, ...argv], { HOME: dataDir }, 'amsel');
  if (loaded.kind !== 'run') throw new Error(loaded.text);
  return loaded.settings;
}

function setUp(argv: string[] = [], more: { hasTrim?: boolean; hasWifi?: boolean } = {}) {
  const calls: string[] = [];
  const restarts: (readonly string[])[] = [];
  const forgetWifi = async () => {
    calls.push('wifi');
    return done(null);
  };
  const box = new BoxSettings(
    {
      playback: {
        setVolume: (percent) => calls.push(`volume ${percent}`),
        ...(more.hasTrim === false ? {} : { setTrim: (ms: number) => calls.push(`trim ${ms}`) }),
        testTone: () => 'playing',
      },
      outputs: () => ['auto', 'alsa', 'null'],
      save: (changes) => saveSettings(dataDir, changes, { HOME: dataDir }),
      restart: (changed) => restarts.push(changed),
      resetAll: () => orderReset(dataDir),
      resetWifi: more.hasWifi === true ? forgetWifi : null,
      diagnostics: async () => 'all well',
      paths: { baseDir: dataDir, homeDir: dataDir, mustExist: false },
      log: quiet,
    },
    { settings: load(argv) },
  );
  return { box, calls, restarts };
}

describe('BoxSettings', () => {
  it('shows what a phone may see', () => {
    const { box } = setUp(['--station-key', KEY_TEXT, '--volume', '70']);
    expect(box.settings()).toEqual({
      name: 'amsel',
      station: 'Starling',
      closed: true,
      output: 'auto',
      outputs: ['auto', 'alsa', 'null'],
      volume: 70,
      trim_ms: 0,
      fixed: ['station_key', 'volume'],
    });
    expect(JSON.stringify(box.settings())).not.toContain(KEY_TEXT);
  });

  it('applies volume and trim at once, and keeps all else in the file', () => {
    writeFileSync(join(dataDir, 'settings.json'), JSON.stringify({ version: 1, log: 'warn', volume: 20 }));
    const { box, calls, restarts } = setUp();
    expect(box.change({ volume: 55, trim_ms: -30 })).toEqual({
      ok: true,
      value: { applied: ['volume', 'trim_ms'], restarts: false },
    });
    expect(calls).toEqual(['volume 55', 'trim 30']);
    expect(restarts).toEqual([]);
    expect(readSettingsFile(dataDir)).toEqual({ version: 1, log: 'warn', volume: 55, trim: -30 });
    expect(box.settings()).toMatchObject({ volume: 55, trim_ms: -30 });
  });

  it('starts anew for a name, a station, an output; and for a trim that the player cannot take live', () => {
    const { box, restarts } = setUp();
    expect(box.change({ name: 'Küche', station: 'Garten' })).toMatchObject({ value: { restarts: true } });
    expect(restarts).toEqual([['name', 'station']]);
    expect(box.change({ output: 'null', volume: 1 })).toMatchObject({ value: { restarts: true } });
    expect(restarts[1]).toEqual(['output', 'volume']);
    expect(readSettingsFile(dataDir)).toMatchObject({ name: 'Küche', station: 'Garten', output: 'null', volume: 1 });
    const old = setUp([], { hasTrim: false });
    expect(old.box.change({ trim_ms: 5 })).toMatchObject({ ok: true, value: { restarts: true } });
    expect(old.restarts).toEqual([['trim']]);
  });

  it('changes nothing where nothing is new', () => {
    const { box, restarts, calls } = setUp();
    const same = { name: 'amsel', station: 'Starling', station_key: null, output: 'auto', volume: 100, trim_ms: 0 };
    expect(box.change(same)).toEqual({ ok: true, value: { applied: [], restarts: false } });
    expect([restarts, calls, readdirSync(dataDir)]).toEqual([[], [], []]);
  });

  it('closes a station and opens it again', () => {
    const { box } = setUp();
    expect(box.invitation()).toBe('starling://station?name=Starling');
    expect(box.change({ station: 'Nest & Ei', station_key: KEY_TEXT }).ok).toBe(true);
    expect(box.invitation()).toBe(`starling://station?name=Nest%20%26%20Ei&key=${KEY_TEXT}`);
    expect(box.change({ station_key: KEY_TEXT })).toMatchObject({ value: { applied: [] } });
    expect(box.change({ station_key: null })).toMatchObject({ value: { applied: ['station_key'], restarts: true } });
    expect(readSettingsFile(dataDir)).toEqual({ version: 1, station: 'Nest & Ei' });
  });

  it.each([
    [{ volume: 101 }, 'bad_value', 'volume'],
    [{ volume: '50' }, 'bad_value', 'volume'],
    [{ volume: 1.5 }, 'bad_value', 'volume'],
    [{ trim_ms: 501 }, 'bad_value', 'trim_ms'],
    [{ name: '' }, 'bad_value', 'name'],
    [{ name: 'a\u202eb' }, 'bad_value', 'name'],
    [{ name: null }, 'bad_value', 'name'],
    [{ station: 'x'.repeat(65) }, 'bad_value', 'station'],
    [{ station_key: 'abc' }, 'bad_value', 'station_key'],
    [{ output: 'file:/etc/passwd' }, 'bad_value', 'output'],
    [{ output: "alsa:file:FILE='x'" }, 'bad_value', 'output'],
    [{ output: 'mpv-null' }, 'bad_value', 'output'],
    [{ music: ['/'] }, 'unknown_field', 'music'],
    [{ trim: 5 }, 'unknown_field', 'trim'],
    [{ __proto__x: 1 }, 'unknown_field', '__proto__x'],
    [{ constructor: 1 }, 'unknown_field', 'constructor'],
  ])('refuses %j, and changes nothing of it', (change, code, field) => {
    const { box, calls } = setUp();
    expect(box.change({ volume: 3, ...change })).toMatchObject({ ok: false, code, field });
    expect(box.settings().volume).toBe(100);
    expect([calls, readdirSync(dataDir)]).toEqual([[], []]);
  });

  it('does not change what the command line fixed', () => {
    const { box } = setUp(['--volume', '70']);
    expect(box.change({ volume: 71 })).toMatchObject({ ok: false, code: 'fixed_by_command_line', field: 'volume' });
    expect(box.change({ volume: 70, trim_ms: 1 })).toMatchObject({ ok: true, value: { applied: ['trim_ms'] } });
  });

  it('says so when the card cannot be written', () => {
    const { box, calls } = setUp();
    rmSync(dataDir, { recursive: true });
    writeFileSync(dataDir, '');
    expect(box.change({ volume: 3 })).toMatchObject({ ok: false });
    expect(calls).toEqual([]);
    expect(box.settings().volume).toBe(100);
  });

  it('resets what there is to reset', async () => {
    const without = setUp();
    expect(await without.box.reset('wifi')).toMatchObject({ ok: false, code: 'not_on_this_box' });
    const { box, calls } = setUp([], { hasWifi: true });
    expect(await box.reset('wifi')).toEqual({ ok: true, value: null });
    expect(isResetOrdered(dataDir)).toBe(false);
    expect(await box.reset('all')).toEqual({ ok: true, value: null });
    expect(isResetOrdered(dataDir)).toBe(true);
    expect(calls).toEqual(['wifi', 'wifi']);
  });
});

boxContract('BoxSettings', () => {
  const { box } = setUp(['--station-key', KEY_TEXT]);
  return { part: box, key: KEY_TEXT };
});

describe('a reset of everything', () => {
  it('forgets what a box writes and leaves music and strangers’ files alone', () => {
    const own = ['identity.json', 'settings.json', 'settings.json.v1.bak', 'phones.json', 'listener.json.damaged'];
    const databases = ['journal.db', 'journal.db-wal', 'library.db.damaged', 'network.db-shm'];
    const others = ['notes.json', 'photos.db', 'myidentity.json', 'song.mp3'];
    for (const name of [...own, ...databases, ...others]) writeFileSync(join(dataDir, name), 'x');
    mkdirSync(join(dataDir, 'blocks', 'ab'), { recursive: true });
    mkdirSync(join(dataDir, 'update'));
    mkdirSync(join(dataDir, 'demo-music'));
    expect(carryOutReset(dataDir)).toEqual([]);
    orderReset(dataDir);
    expect(carryOutReset(dataDir).sort()).toEqual([...own, ...databases, 'blocks', 'update'].sort());
    // The order to the system is left for root.
    expect(readdirSync(dataDir).sort()).toEqual([...others, 'demo-music', 'forget-system'].sort());
    expect(isResetOrdered(dataDir)).toBe(false);
  });

  it('orders the system’s part before its own order is gone, so that a power cut in between forgets all the same', () => {
    mkdirSync(join(dataDir, 'forget-system'));
    orderReset(dataDir);
    expect(() => carryOutReset(dataDir)).toThrow();
    expect(isResetOrdered(dataDir)).toBe(true);
    rmdirSync(join(dataDir, 'forget-system'));
    expect(carryOutReset(dataDir)).toEqual([]);
    expect(existsSync(join(dataDir, 'forget-system'))).toBe(true);
    expect(isResetOrdered(dataDir)).toBe(false);
  });
});

describe('the diagnostics', () => {
  it('hold no key and no name of a network, wherever they slipped into', () => {
    const identity = loadIdentity(dataDir);
    const settings = load(['--station-key', KEY_TEXT]);
    const ssids = ['Villa Kunterbunt', 'Say "cheese"'];
    const secrets = () => [...secretsOf(identity, settings.stationKey), ...ssids];
    const slips = [...secrets(), JSON.stringify(secrets())];
    const text = diagnosticsText({
      version: '0.1.0',
      settings,
      status: () => ({ node: 'amsel', slips }),
      logLines: () => slips.map((slip) => `info  a careless line  value=${slip}`),
      secrets,
      wallMs: () => 0,
    });
    const file = JSON.parse(readFileSync(join(dataDir, 'identity.json'), 'utf8'));
    for (const secret of [...secrets(), file.signing_seed, file.vrf_seed, 'Kunterbunt', 'cheese']) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain('station_key: [redacted] (command line)');
    expect(text).toContain('volume: 100 (default)');
    expect(text).toContain('600 ');
  });

  it('tell the rest when a part cannot be told', () => {
    const settings = { ...load(), dataDir: join(dataDir, 'absent') };
    const status = () => {
      throw new Error('no status today');
    };
    const sources = {
      version: '0.1.0',
      settings,
      status,
      logLines: () => ['a line'],
      secrets: () => [],
      wallMs: () => 0,
    };
    const text = diagnosticsText(sources);
    expect(text).toContain('no status today');
    expect(text).toContain('a line');
  });

  it('leave no rest of a longer secret', () => {
    expect(redact('ab abc x', ['ab', 'abc', '', 'x'])).toBe('[redacted] [redacted] x');
  });
});
