import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_RULES, rulesJson } from '../../../src/consensus/rules.ts';
import { GPIO_SETTING_PATTERN } from '../../../src/controls/index.ts';
import { loadSettings, packageVersion, type Settings, saveSettings } from '../../../src/node/settings.ts';
import { GPIO_PATTERN, SETTINGS, usefulFlag } from '../../../src/node/settings-schema.ts';
import { OUTPUT_FORMS, parseOutput } from '../../../src/playback/output-target.ts';

const KEY_HEX = `${'aa'.repeat(31)}0f`;
const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5';

let home: string;
let data: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'starling-settings-'));
  data = join(home, '.local/share/starling');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const load = (...argv: string[]) => loadSettings(argv, { HOME: home }, 'kitchen.lan');

function run(...argv: string[]): Settings {
  const loaded = load(...argv);
  if (loaded.kind !== 'run') throw new Error(`${loaded.kind}: ${'text' in loaded ? loaded.text : ''}`);
  return loaded.settings;
}

function refused(...argv: string[]) {
  const loaded = load(...argv);
  if (loaded.kind !== 'refused') throw new Error(`expected a refusal, got ${loaded.kind}`);
  return loaded;
}

function writeFile(content: unknown) {
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, 'settings.json'), typeof content === 'string' ? content : JSON.stringify(content));
}

describe('defaults', () => {
  it('hold when nothing is given', () => {
    const settings = run();
    expect(settings).toMatchObject({
      music: [],
      station: 'Starling',
      stationKey: null,
      name: 'kitchen',
      http: { host: '0.0.0.0', port: 8080 },
      listen: ['/ip4/0.0.0.0/tcp/0'],
      bootstrap: [],
      mdns: true,
      output: 'auto',
      volume: 100,
      trimMs: 0,
      rules: null,
      gpio: 'none',
      wifi: false,
      log: 'info',
      deployAfterMs: 20_000,
      dataDir: data,
    });
    expect(new Set(Object.values(settings.source))).toEqual(new Set(['default']));
  });

  it('takes XDG_DATA_HOME when it is absolute, and only then', () => {
    const at = (xdg: string) => loadSettings([], { HOME: home, XDG_DATA_HOME: xdg });
    expect(at(join(home, 'x'))).toMatchObject({ settings: { dataDir: join(home, 'x/starling') } });
    expect(at('x')).toMatchObject({ settings: { dataDir: data } });
  });

  it('calls a box without a usable host name starling', () => {
    expect(loadSettings([], { HOME: home }, '')).toMatchObject({ settings: { name: 'starling' } });
  });
});

describe('the command line', () => {
  it('reads every option', () => {
    const rules = join(home, 'rules.json');
    writeFileSync(rules, rulesJson(DEFAULT_RULES));
    const argv = [
      ...['--music', home, '--music', '~', '--station', 'Attic', '--station-key', KEY_HEX, '--name=Küche'],
      ...['--http', '127.0.0.1:0', '--listen', '4100', '--listen=/ip6/::/tcp/4100', '--no-mdns', '--volume', '40'],
      ...['--bootstrap', `/ip4/10.0.0.1/tcp/4100/p2p/${PEER}`, '--output', 'alsa:hw:0,0', '--trim', '-20'],
      ...['--rules', rules, '--log', 'debug', '--deploy-after', '5', '--data', join(home, 'd')],
    ];
    expect(run(...argv)).toMatchObject({
      music: [home],
      station: 'Attic',
      stationKey: Uint8Array.from(Buffer.from(KEY_HEX, 'hex')),
      name: 'Küche',
      http: { host: '127.0.0.1', port: 0 },
      listen: ['/ip4/0.0.0.0/tcp/4100', '/ip6/::/tcp/4100'],
      bootstrap: [`/ip4/10.0.0.1/tcp/4100/p2p/${PEER}`],
      mdns: false,
      output: 'alsa:hw:0,0',
      volume: 40,
      trimMs: -20,
      rules: DEFAULT_RULES,
      log: 'debug',
      deployAfterMs: 5000,
      dataDir: join(home, 'd'),
      source: { volume: 'command line', mdns: 'command line' },
    });
  });

  it('takes a key as base64url too', () => {
    const key = Buffer.from(KEY_HEX, 'hex');
    for (const text of [key.toString('base64url'), key.toString('base64').replaceAll('/', '_').replaceAll('+', '-')])
      expect(run('--station-key', text).stationKey).toEqual(Uint8Array.from(key));
  });

  it('resolves paths from where npm was called', () => {
    mkdirSync(join(home, 'music'));
    const env = { HOME: home, INIT_CWD: home, npm_lifecycle_event: 'start' };
    expect(loadSettings(['--music', 'music', '--data', 'data'], env)).toMatchObject({
      settings: { music: [join(home, 'music')], dataDir: join(home, 'data') },
    });
  });

  it('writes a file output out in full, and wants its folder', () => {
    expect(run('--output', `file:${home}/out.wav`).output).toBe(`file:${home}/out.wav`);
    expect(refused('--output', `file:${home}/none/out.wav`).problems[0]?.cause).toBe('its folder does not exist');
  });

  it('takes every output that the player takes', () => {
    const forms = OUTPUT_FORMS.replace(/ \(.*\)/, '').split(', ');
    expect(forms).toContain('alsa:DEVICE');
    for (const form of forms) {
      const output = form.replace('DEVICE', 'hw:0').replace('PATH', `${home}/x.wav`);
      expect(run('--output', output).output).toBe(output);
      expect(() => parseOutput(output)).not.toThrow();
    }
  });

  it('reads an IPv6 address before the port', () => {
    expect(run('--http', '[::1]:80').http).toEqual({ host: '::1', port: 80 });
  });

  const wrong: [string[], RegExp][] = [
    [['--http', '99999'], /^--http 99999: is above 65535/],
    [['--http', 'x'], /^--http x: is not a whole number/],
    [['--http', '::1:80'], /^--http ::1:80: has no usable address/],
    [['--http', ''], /^--http "": is not a whole number/],
    [['--volume', '101'], /^--volume 101: is above 100/],
    [['--volume', '1e1'], /^--volume 1e1: is not a whole number/],
    [['--trim', '-501'], /^--trim -501: is below -500/],
    [['--log', 'loud'], /^--log loud: is no level\. Allowed: error, warn, info, debug/],
    [['--output', 'oss:x'], /^--output oss:x: is no output\. Allowed: auto, null/],
    [['--output', 'alsa:'], /^--output alsa:: names no device/],
    [['--station', ' '], /^--station " ": is empty/],
    [['--station', 'x'.repeat(65)], /longer than 64 bytes/],
    [['--name', 'a\u202eb'], /control character/],
    [['--music', '/nowhere/at/all'], /^--music \/nowhere\/at\/all: does not exist/],
    [['--music', import.meta.filename], /is not a folder/],
    [['--listen', '/ip4/1.2.3.4/udp/1'], /has no \/tcp\/ part/],
    [['--listen', '/dns4/a.example/tcp/1'], /does not begin with \/ip4\//],
    [['--listen', '70000'], /is above 65535/],
    [['--bootstrap', '/ip4/1.2.3.4/tcp/1'], /has no \/p2p\/PEER-ID/],
    [['--bootstrap', 'x'], /is no multiaddr/],
    [['--rules', '/nowhere.json'], /^--rules \/nowhere\.json: does not exist/],
    [['--deploy-after', '-1'], /is below 0/],
    [['--data', import.meta.filename], /is not a folder/],
    [['--data', `${import.meta.filename}/x`], /leads through something that is not a folder/],
    [['--volum', '3'], /^--volum: is no option of Starling; did you mean --volume\?\. Allowed: --music, --station/],
    [['--mdns=no'], /takes no value/],
    [['--no-music'], /^--no-music: is no option/],
    [['-x'], /^-x: is no option/],
    [['--name'], /^--name: has no value/],
    [['--name', '--volume', '3'], /^--name: has no value/],
    [['--name', 'a', '--name', 'b'], /is given twice/],
    [['music'], /^music: belongs to no option/],
  ];
  it.each(wrong)('refuses %j', (argv, expected) => {
    const { problems } = refused(...argv);
    const lines = problems.map(
      ({ where, value, cause, allowed }) =>
        `${value === null ? where : `${where} ${value}`}: ${cause}. Allowed: ${allowed}`,
    );
    expect(
      lines.some((line) => expected.test(line)),
      lines.join('\n'),
    ).toBe(true);
  });

  it('names all problems at once', () => {
    const { problems, text } = refused('--volum', '--http', 'x', '--name', '--log', 'loud', 'stray');
    expect(problems.map((problem) => problem.where).sort()).toEqual(['--http', '--log', '--name', '--volum', 'stray']);
    for (const { where, cause } of problems) {
      expect(text).toContain(where);
      expect(text).toContain(cause);
    }
  });

  it('never prints a key', () => {
    const { text } = refused('--station-key', 'correct-horse-battery');
    expect(text).not.toContain('horse');
    expect(text).toContain('64 hex digits');
  });

  it('bounds lists', () => {
    const argv = Array.from({ length: 33 }, (_, index) => ['--listen', String(4000 + index)]).flat();
    expect(refused(...argv).problems[0]).toMatchObject({ where: '--listen', cause: 'is too long a list' });
  });
});

describe('help and version', () => {
  it('documents every option, key and default', () => {
    const loaded = load('--help', '--volum');
    expect(loaded.kind).toBe('help');
    const text = loaded.kind === 'help' ? loaded.text : '';
    for (const spec of SETTINGS) {
      expect(text).toContain(
        spec.placeholder === null ? `--${usefulFlag(spec)}` : `--${spec.flag} ${spec.placeholder}`,
      );
      expect(text).toMatch(new RegExp(`^ {4}${spec.key} `, 'm'));
      expect(text.replaceAll(/\s+/g, ' ')).toContain(`Default: ${spec.defaultText}.`);
    }
    expect(text).toContain('settings.json');
  });

  it('tells the version of package.json', () => {
    expect(load('--version')).toEqual({ kind: 'version', text: `${packageVersion()}\n` });
    expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('the settings file', () => {
  it('stands between the command line and the defaults', () => {
    writeFile({ version: 1, name: 'File', station: 'Attic', http: 81, listen: [4100], mdns: false });
    expect(run('--name', 'Line', '--mdns')).toMatchObject({
      name: 'Line',
      station: 'Attic',
      http: { host: '0.0.0.0', port: 81 },
      listen: ['/ip4/0.0.0.0/tcp/4100'],
      mdns: true,
      volume: 100,
      source: { name: 'command line', station: 'settings file', mdns: 'command line', volume: 'default' },
    });
  });

  it('may name a stick that is not there yet, relative to the data directory', () => {
    writeFile({ version: 1, music: ['music', '/media/stick', '~/Music'] });
    expect(run().music).toEqual([join(data, 'music'), '/media/stick', join(home, 'Music')]);
  });

  it('may hold the rules themselves', () => {
    writeFile({ version: 1, rules: JSON.parse(rulesJson(DEFAULT_RULES)) });
    expect(run().rules).toEqual(DEFAULT_RULES);
    writeFile({ version: 1, rules: { no_such_rule: 1 } });
    expect(refused().problems[0]?.cause).toMatch(/no_such_rule/);
  });

  const wrong: [unknown, RegExp][] = [
    [{ version: 1, volum: 3 }, /settings\.json, key "volum": is no setting; did you mean "volume"\?/],
    [{ version: 1, volume: '80' }, /key "volume" 80: is a text, not number/],
    [{ version: 1, volume: 1.5 }, /key "volume" 1\.5: is not a whole number/],
    [{ version: 1, volume: null }, /is a null, not number/],
    [{ version: 1, music: '/srv' }, /is not a list of text/],
    [{ version: 1, music: [1] }, /is not a list of text/],
    [{ version: 1, mdns: 'no' }, /is a text, not boolean/],
    [{ version: 1, output: ['null'] }, /is a list, not text/],
    ['{"version": 1, "__proto__": {"name": "x"}}', /key "__proto__": is no setting/],
    [{ name: 'x' }, /has no "version"/],
    [{ version: '1' }, /has the version "1"/],
    ['[]', /does not hold an object/],
    ['{\n  "version": 1,\n  "name": x\n}', /is not JSON: wrong at line 3, column 11$/],
    ['', /is not JSON/],
    [' '.repeat(300_000), /is 300000 bytes long/],
  ];
  it.each(wrong)('refuses %j', (content, expected) => {
    writeFile(content);
    const { problems } = refused();
    const lines = problems.map(
      ({ where, value, cause }) => `${value === null ? where : `${where} ${value}`}: ${cause}`,
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(expected);
  });

  it('and the command line have their problems told together', () => {
    writeFile({ version: 1, volume: 400 });
    expect(refused('--log', 'x').problems).toHaveLength(2);
  });

  it('that cannot be read is named', ({ skip }) => {
    skip(process.getuid?.() === 0, 'root may read every file');
    writeFile({ version: 1 });
    chmodSync(join(data, 'settings.json'), 0);
    expect(refused().problems[0]?.cause).toMatch(/may not be read/);
  });
});

describe('saving', () => {
  it('changes and removes keys, keeps the others, and is private', () => {
    expect(saveSettings(data, { name: 'One', volume: 30 }, { HOME: home })).toEqual([]);
    expect(saveSettings(data, { name: 'Two', volume: null }, { HOME: home })).toEqual([]);
    expect(JSON.parse(readFileSync(join(data, 'settings.json'), 'utf8'))).toEqual({ name: 'Two', version: 1 });
    expect(statSync(join(data, 'settings.json')).mode & 0o777).toBe(0o600);
    expect(run().name).toBe('Two');
  });

  it('writes nothing when one value is wrong', () => {
    expect(saveSettings(data, { name: 'One', volume: 300 }, { HOME: home })).toHaveLength(1);
    expect(run().source.name).toBe('default');
  });

  it('leaves a broken file alone', () => {
    writeFile('{');
    expect(saveSettings(data, { name: 'One' }, { HOME: home })[0]?.cause).toMatch(/is not JSON/);
    expect(readFileSync(join(data, 'settings.json'), 'utf8')).toBe('{');
  });
});

describe('pins', () => {
  it('are named as the controls read them', () => {
    expect(GPIO_PATTERN.source).toBe(GPIO_SETTING_PATTERN.source);
  });
});
