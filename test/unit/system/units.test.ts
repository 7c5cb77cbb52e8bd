import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../house/files.ts';

/** The units as they lie on the SD card, with programs in the places that they name, for systemd-analyze to look at. */
const root = mkdtempSync(join(tmpdir(), 'starling-units-'));
const units = join(root, 'etc/systemd/system');
const OVERLAY = join(ROOT, 'image/overlay/etc/systemd/system');
/** Of newer systemd than some machines have that run this test. */
const NEWER_KEYS = /'(RestartSteps|RestartMaxDelaySec|WantsMountsFor)'/;
/** Exposure in tenths, as the project promises it for the radio. */
const MOST_EXPOSED = 25;

const isUnit = (name: string) => /\.(service|path|timer|socket|mount|target)$/.test(name);

function analyze(...words: string[]) {
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', [...words, '--no-pager', `--root=${root}`], {
    encoding: 'utf8',
    cwd: units,
    env: { ...process.env, SYSTEMD_COLORS: '0' },
  });
  if (error !== undefined) throw error;
  return { status, stdout, complaints: stderr.split('\n').filter((line) => line !== '' && !NEWER_KEYS.test(line)) };
}

function placeProgram(path: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), '#!/bin/sh\n');
  chmodSync(join(root, path), 0o755);
}

beforeAll(() => {
  mkdirSync(units, { recursive: true });
  for (const name of readdirSync(join(ROOT, 'systemd')).filter(isUnit)) {
    cpSync(join(ROOT, 'systemd', name), join(units, name));
  }
  for (const entry of readdirSync(OVERLAY, { withFileTypes: true }).filter((each) => !each.isSymbolicLink())) {
    // Drop-ins of other people's units have nothing to hang on here.
    if (!entry.isDirectory() || /^starling/.test(entry.name)) {
      cpSync(join(OVERLAY, entry.name), join(units, entry.name), { recursive: true });
    }
  }
  for (const name of readdirSync(units).filter(isUnit)) {
    const text = readFileSync(join(units, name), 'utf8');
    for (const [, path] of text.matchAll(/^Exec\w+=[-+!@:]*(\/\S+)/gm)) placeProgram(path!);
  }
});
afterAll(() => rmSync(root, { recursive: true }));

describe('the units', () => {
  it('say nothing that systemd does not understand', () => {
    const names = readdirSync(units).filter(isUnit);
    expect(names).toContain('starling.service');
    const { complaints } = analyze('verify', '--recursive-errors=no', ...names);
    expect(complaints).toEqual([]);
  });

  it('are let write below /data only where the start has made a place', () => {
    const start = readFileSync(join(ROOT, 'image/initramfs/starling-data'), 'utf8');
    const made = [...start.matchAll(/^mkdir -p .*$/gm)].flatMap(([line]) =>
      [...line.matchAll(/"\$data\/(\S+)"/g)].map(([, name]) => `/data/${name}`),
    );
    const wanted = readdirSync(units)
      .filter(isUnit)
      .flatMap((name) => [...readFileSync(join(units, name), 'utf8').matchAll(/^ReadWritePaths=(.*)$/gm)])
      .flatMap(([, places]) => places!.split(' '))
      .filter((place) => place.startsWith('/data/'));
    expect(wanted).toContain('/data/update');
    for (const place of wanted) expect(made).toContain(place);
  });

  it('give the radio no more than it needs', () => {
    const { status, stdout } = analyze('security', '--offline=true', `--threshold=${MOST_EXPOSED}`, 'starling.service');
    expect(stdout).toContain('Overall exposure level for starling.service');
    expect(status, stdout).toBe(0);
  });
});

describe("the country's unit", () => {
  const unit = readFileSync(join(ROOT, 'systemd/starling-country.service'), 'utf8');
  const dir = mkdtempSync(join(tmpdir(), 'starling-country-'));
  const country = join(dir, 'country');
  const told = join(dir, 'told');
  afterAll(() => rmSync(dir, { recursive: true }));

  /** Runs its command on another file. @returns what iw was told */
  const run = () => {
    const [, command = ''] = /^ExecStart=\/bin\/sh -c '(.*)'$/m.exec(unit) ?? [];
    writeFileSync(join(dir, 'iw'), `#!/bin/sh\necho "$*" >>'${told}'\n`);
    chmodSync(join(dir, 'iw'), 0o755);
    rmSync(told, { force: true });
    const { error } = spawnSync('/bin/sh', ['-c', command.replaceAll('/var/lib/starling', dir)], {
      env: { PATH: `${dir}:/usr/bin:/bin` },
      timeout: 5_000,
    });
    if (error !== undefined) throw error;
    return existsSync(told) ? readFileSync(told, 'utf8') : null;
  };

  it.each([
    ['DE\n', 'reg set DE\n'],
    ['DE', 'reg set DE\n'],
    ['DEU\n', null],
    ['de\n', null],
    ['-h\n', null],
    ['', null],
  ])('takes two capital letters and nothing else: %j', (text, said) => {
    writeFileSync(country, text);
    expect(run()).toBe(said);
  });

  it('waits for nothing that is no file, and follows no link', () => {
    const others: [string, () => void][] = [
      ['nothing', () => {}],
      ['a pipe', () => void execFileSync('mkfifo', [country])],
      ['a link without an end', () => symlinkSync('/dev/zero', country)],
      ['a folder', () => mkdirSync(country)],
      [
        'a link',
        () => {
          writeFileSync(join(dir, 'secret'), 'DE\n');
          symlinkSync('secret', country);
        },
      ],
    ];
    for (const [name, make] of others) {
      rmSync(country, { recursive: true, force: true });
      make();
      expect(run(), name).toBeNull();
    }
  });

  it('has the rights of the radio, but for this one, and an end', () => {
    const lines = unit.split('\n');
    for (const line of [
      'User=starling',
      'CapabilityBoundingSet=CAP_NET_ADMIN',
      'AmbientCapabilities=CAP_NET_ADMIN',
      'TimeoutStartSec=10',
      'MemoryMax=32M',
    ])
      expect(lines).toContain(line);
  });
});
