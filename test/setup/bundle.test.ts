import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleIsReady, makeBundle } from '../../src/setup/bundle.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const BUNDLE = join(ROOT, 'dist/starling.mjs');
const UP_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 15_000;

let dir: string;
beforeAll(async () => {
  if (!bundleIsReady(ROOT)) await makeBundle(ROOT);
  dir = mkdtempSync(join(tmpdir(), 'starling-bundle-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Run {
  child: ChildProcess;
  output(): { stdout: string; stderr: string };
  ended: Promise<number | null>;
}

/** Starts the bundle from another directory, as a service would. */
function run(...args: string[]): Run {
  const child = spawn(process.execPath, [BUNDLE, ...args], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  return { child, output: () => texts, ended: once(child, 'close').then(([code]) => code as number | null) };
}

describe('the bundle', () => {
  it('tells its version and its options', async () => {
    const version = run('--version');
    expect(await version.ended).toBe(0);
    expect(version.output()).toEqual({
      stdout: `${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`,
      stderr: '',
    });
    const help = run('--help');
    expect(await help.ended).toBe(0);
    expect(help.output().stdout).toContain('--station-key KEY');
  });

  it('starts nothing when settings are wrong', async () => {
    const data = join(dir, 'wrong');
    const wrong = run('--data', data, '--http', 'x', '--volum', '3');
    expect(await wrong.ended).toBe(2);
    expect(wrong.output().stdout).toBe('');
    expect(wrong.output().stderr).toMatch(/2 settings are wrong[\s\S]*--volum[\s\S]*--http x: is not a whole number/);
    expect(existsSync(data)).toBe(false);
  });

  it('runs a node that answers, and stops cleanly', async () => {
    const data = join(dir, 'data');
    const music = join(dir, 'music');
    mkdirSync(music);
    writeFileSync(join(music, 'not music.mp3'), 'this only pretends');
    const own = ['--data', data, '--music', music, '--name', 'Bundled', '--output', 'null', '--no-mdns'];
    const node = run(...own, '--http', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0');
    try {
      const file = join(data, 'run.json');
      const deadline = performance.now() + UP_WITHIN_MS;
      while (!existsSync(file)) {
        if (node.child.exitCode !== null || performance.now() > deadline)
          throw new Error(`not up:\n${node.output().stderr}`);
        await sleep(50);
      }
      const { http_port } = JSON.parse(readFileSync(file, 'utf8')) as { http_port: number };
      const answer = await fetch(`http://127.0.0.1:${http_port}/api/status`);
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
      expect(await answer.json()).toMatchObject({
        node: { name: 'Bundled' },
        station: { name: 'Starling', closed: false },
      });
      const page = await fetch(`http://127.0.0.1:${http_port}/`);
      expect(page.status).toBe(200);
      expect(await page.text()).toContain('</html>');
    } finally {
      node.child.kill('SIGTERM');
    }
    const code = await Promise.race([node.ended, sleep(STOP_WITHIN_MS).then(() => 'still running')]);
    if (code !== 0) node.child.kill('SIGKILL');
    expect(code, node.output().stderr).toBe(0);
    expect(existsSync(join(data, 'run.json'))).toBe(false);
  });
});
