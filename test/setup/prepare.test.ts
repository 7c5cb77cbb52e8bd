import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Checkout } from './checkout.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

let checkout: Checkout;
beforeEach(() => {
  checkout = new Checkout();
});
afterEach(() => checkout.remove());

/** Gives the checkout the programs that apt-get would install, for tests about the steps after it. */
function withPrograms() {
  for (const name of ['ffmpeg', 'ffprobe', 'mpv']) checkout.program(name, '#!/bin/sh\n');
}

describe('npm packages and bundle', () => {
  beforeEach(withPrograms);

  it('are made once, in a path with spaces, with nothing on stdout', async () => {
    const first = await checkout.prepare();
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toMatch(/^Installing the npm packages[^\n]*\nMade dist\/starling\.mjs/);
    expect(checkout.calls()).toEqual(['npm ci --no-audit --no-fund --ignore-scripts --loglevel=error']);
    const started = await checkout.spawn(['dist/starling.mjs']).outcome;
    expect(started).toMatchObject({ code: 0, stdout: `up ${join(checkout.root, 'dist/starling.mjs')}\n` });

    expect(await checkout.prepare()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(checkout.calls()).toEqual([]);
  });

  it('are made again when what they are made from changed, and only then', async () => {
    await checkout.prepare();
    checkout.calls();
    writeFileSync(join(checkout.root, 'src/main.ts'), 'console.log("two");\n');
    expect((await checkout.prepare()).stderr).toMatch(/^Made dist/);
    expect(checkout.calls()).toEqual([]);
    const lock = { lockfileVersion: 3, packages: { '': {}, 'node_modules/a': { version: '1.0.0', integrity: 'x' } } };
    checkout.writeJson('package-lock.json', lock);
    expect((await checkout.prepare()).stderr).toMatch(/^Installing the npm packages/);
    expect(checkout.calls()).toHaveLength(1);
    expect(await checkout.prepare()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('leave a bundle that works when the source has errors', async () => {
    await checkout.prepare();
    const before = readFileSync(join(checkout.root, 'dist/starling.mjs'), 'utf8');
    writeFileSync(join(checkout.root, 'src/main.ts'), 'import "./none.ts";\n');
    const broken = await checkout.prepare();
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/none\.ts[\s\S]*The bundle could not be made: 1 errors/);
    expect(readFileSync(join(checkout.root, 'dist/starling.mjs'), 'utf8')).toBe(before);
  });

  const causes: [string, RegExp][] = [
    ['npm error code ENOTFOUND\nnpm error network request failed', /npm registry cannot be reached.*no network/],
    ['npm error code ENOSPC', /no space left/],
    ['npm error code EACCES', /may not write/],
    [
      'npm error code EUSAGE\nnpm error Missing: a@1 from lock file',
      /do not fit together[\s\S]*complete-lock[\s\S]*Missing: a@1/,
    ],
    ['npm error something else', /could not install[\s\S]*something else/],
  ];
  it.each(causes)('say why npm failed: %j', async (output, expected) => {
    checkout.set('npm-fails', output);
    const outcome = await checkout.prepare();
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(expected);
  });

  it('are made by one of two preparations at once; the other waits', async () => {
    checkout.set('npm-sleeps', '1');
    const both = await Promise.all([checkout.prepare(), checkout.prepare()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(checkout.calls()).toHaveLength(1);
    expect(both.filter(({ stderr }) => stderr.includes('waiting for it'))).toHaveLength(1);
  });

  it('are made whole after a preparation that was killed', async () => {
    checkout.set('npm-sleeps', '2');
    const { child, outcome } = checkout.spawn(['src/setup/prepare.mjs', 'start', '--locked']);
    while (checkout.calls().length === 0) await sleep(20);
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await outcome;
    checkout.set('npm-sleeps', '0');
    expect((await checkout.prepare()).code).toBe(0);
    expect(checkout.calls()).toHaveLength(1);
  });

  it('bring a Node, linked where npm scripts look for it', async () => {
    const brought = join(checkout.root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin');
    mkdirSync(brought, { recursive: true });
    symlinkSync(process.execPath, join(brought, 'node'));
    expect((await checkout.prepare()).code).toBe(0);
    const link = join(checkout.root, 'node_modules/.bin/node');
    expect(realpathSync(link)).toBe(realpathSync(process.execPath));
    rmSync(link);
    expect(await checkout.prepare()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(realpathSync(link)).toBe(realpathSync(process.execPath));
  });

  it('are not waited for by tools that run no music', async () => {
    for (const name of ['ffmpeg', 'mpv']) checkout.without(name);
    expect(await checkout.prepare('tools')).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^Installing.*\n$/),
    });
    expect(await checkout.prepare('tools')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(join(checkout.root, 'dist/starling.mjs'))).toBe(false);
  });

  it('refuse an unknown purpose', async () => {
    const outcome = await checkout.prepare('fly');
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('Allowed: start, test, image-test, tools');
  });
});

describe('Debian packages', () => {
  it('are named in one command without root, and nothing is installed', async () => {
    const outcome = await checkout.prepare('start', isRoot ? { uid: NOBODY } : {});
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain(
      "su -c 'apt-get update && apt-get install --yes --no-install-recommends ffmpeg mpv'",
    );
    checkout.program('sudo', '#!/bin/sh\necho sudo >> "$CALLS"\n');
    const withSudo = await checkout.prepare('start', isRoot ? { uid: NOBODY } : {});
    expect(withSudo.stderr).toContain(
      '    sudo apt-get update && sudo apt-get install --yes --no-install-recommends ffmpeg mpv\n',
    );
    expect(checkout.calls()).toEqual([]);
  });

  it('are explained on a system without apt-get', async () => {
    checkout.without('apt-get');
    const outcome = await checkout.prepare();
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/no apt-get[\s\S]*ffmpeg, ffprobe: reads and cuts music\n {2}mpv: plays it/);
  });

  it('are asked for one by one', async () => {
    checkout.program('ffmpeg', '#!/bin/sh\n');
    checkout.program('ffprobe', '#!/bin/sh\n');
    const outcome = await checkout.prepare('start', isRoot ? { uid: NOBODY } : {});
    expect(outcome.stderr).toContain('--no-install-recommends mpv');
  });
});

describe('Debian packages as root', () => {
  beforeEach(({ skip }) => {
    if (!isRoot) skip('only root may install packages');
  });
  const INSTALL = /^apt-get .*install --yes --no-install-recommends ffmpeg mpv$/;

  it('are installed once', async () => {
    const outcome = await checkout.prepare();
    expect(outcome).toMatchObject({ code: 0, stdout: '' });
    expect(outcome.stderr).toMatch(/^Installing ffmpeg, mpv \(once\)\n/);
    expect(checkout.calls().filter((call) => INSTALL.test(call))).toHaveLength(1);
    expect(await checkout.prepare()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('and npm packages that root prepared are not touched by a user, who is told why', async () => {
    await checkout.prepare();
    writeFileSync(join(checkout.root, 'src/main.ts'), 'console.log("two");\n');
    const outcome = await checkout.prepare('start', { uid: NOBODY });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/may not write .*dist[\s\S]*sudo chown -R 65534 '.*check out'/);
  });

  it('are installed after an update when the lists are old', async () => {
    checkout.set('apt-stale', '');
    expect((await checkout.prepare()).code).toBe(0);
    const calls = checkout.calls().filter((call) => call.startsWith('apt-get'));
    expect(calls.at(-2)).toMatch(/update$/);
    expect(calls.at(-1)).toMatch(INSTALL);
  });

  const causes: [string, RegExp][] = [
    ["W: Failed to fetch x  Temporary failure resolving 'x'", /package server cannot be reached.*no network/],
    ['E: Unable to locate package mpv', /package lists do not hold/],
    ["E: You don't have enough free space in x", /no space left/],
    ['E: Sub-process returned an error', /could not install[\s\S]*Sub-process/],
  ];
  it.each(causes)('say why apt-get failed: %j', async (output, expected) => {
    checkout.set('apt-fails', output);
    const outcome = await checkout.prepare();
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(expected);
    expect(checkout.calls().filter((call) => call.startsWith('npm'))).toEqual([]);
  });
});
