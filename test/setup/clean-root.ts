/**
 * `npm run test:clean-root -- [--suite trixie] [--only start] [--root DIR]`: a minimal Debian root with nothing but git, Node 20, npm and
 * what they need, this checkout's last commit cloned into it, and both commands of the README run there: first as a
 * user without rights, who is told what to type, then on. Needs root, the network and some minutes; a command of its own.
 *
 * `--root DIR` uses a root that was made before (it is copied first, and stays as it is).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const PROJECT = resolve(import.meta.dirname, '../..');
/** In the root; with a space, because homes have them. */
const CLONE = '/srv/my radio';
const START_WITHIN_MS = 15 * 60_000;
const TEST_WITHIN_MS = 45 * 60_000;
/** All that `npm test` printed, for looking up what failed or was skipped. */
const TEST_LOG = join(tmpdir(), 'starling-clean-root-test.log');
/** A prepared start may take this long until its version is told; npm itself takes most of it. */
const REPEATED_START_MS = 3_000;
/** Mounts that a container has, in a mount namespace of its own: they go when the last process in it ends. */
const ENTER = `
set -e
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys" 2>/dev/null || true
mount -t tmpfs tmpfs "$1/dev/shm" 2>/dev/null || true
exec chroot "$1" /bin/sh -c "$2"
`;

/** As minimal a root as this has no useradd. */
const ADD_USER = `
echo listener:x:1000:1000::/srv/listener:/bin/sh >> /etc/passwd
echo listener:x:1000: >> /etc/group
mkdir -p /srv/listener && chown -R 1000:1000 /srv/listener "${CLONE}"
`;

interface Step {
  name: string;
  good: boolean;
  seconds: number;
  detail: string;
}

const steps: Step[] = [];

async function step(name: string, run: () => Promise<string> | string): Promise<boolean> {
  const startedMs = performance.now();
  const [good, detail] = await Promise.resolve()
    .then(run)
    .then(
      (text) => [true, text] as const,
      (error: Error) => [false, error.message] as const,
    );
  const seconds = (performance.now() - startedMs) / 1000;
  steps.push({ name, good, seconds, detail });
  console.log(
    `${good ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${name}${detail === '' ? '' : `: ${detail}`}`,
  );
  return good;
}

/** What the network of this machine asks for; everything else of its environment stays out. */
function environment(): Record<string, string> {
  const registry = execFileSync('npm', ['config', 'get', 'registry'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name));
  return {
    HOME: '/srv',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    npm_config_registry: registry,
    NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
    ...(Object.fromEntries(proxies) as Record<string, string>),
  };
}

function makeRoot(root: string, suite: string): string {
  const log = execFileSync('mmdebstrap', ['--variant=apt', '--include=git,ca-certificates,nodejs,npm', suite, root], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return log.trim().slice(-200);
}

class CleanRoot {
  readonly path: string;
  readonly #env = environment();

  constructor(path: string) {
    this.path = path;
  }

  /** A command in the root, with processes and mounts of its own; its output is collected. */
  enter(command: string): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
    const args = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', ENTER, 'enter', this.path, command];
    const child = spawn('unshare', args, { env: this.#env, stdio: ['pipe', 'pipe', 'pipe'] });
    let text = '';
    const take = (chunk: string) => {
      text += chunk;
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    const ended = new Promise<number | null>((settle) => child.on('close', settle));
    return { child, output: () => text, ended };
  }

  /** @throws Error with the end of the output when it fails or takes too long. */
  async run(command: string, withinMs: number): Promise<string> {
    const { child, output, ended } = this.enter(command);
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    const code = await ended;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`exit code ${code}\n${output().slice(-3_000)}`);
    return output();
  }
}

/** The command as a user without rights, in the clone. */
function asUser(command: string): string {
  const user = 'setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/srv/listener USER=listener sh -c';
  return `cd "${CLONE}" && ${user} '${command}'`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

interface Status {
  version: number;
  now: { track: { name: string } | null } | null;
  library: { tracks: number; ready: number };
}

/** Waits until a node of the root plays a track. */
async function untilItPlays(port: number, ended: () => boolean): Promise<Status> {
  const deadline = performance.now() + START_WITHIN_MS;
  while (performance.now() < deadline && !ended()) {
    await sleep(500);
    const answer = await fetch(`http://127.0.0.1:${port}/api/status`).catch(() => null);
    const status = answer?.ok ? ((await answer.json()) as Status) : null;
    if (status?.now?.track != null) return status;
  }
  throw new Error(ended() ? 'the node ended' : 'nothing plays');
}

/** `npm start` as the user, with the demo library that it makes itself, until it plays; then a clean stop. */
async function startAndListen(root: CleanRoot): Promise<string> {
  const port = await freePort();
  const command = `npm start -- --output null --http 127.0.0.1:${port} --deploy-after 1 --no-mdns --listen /ip4/127.0.0.1/tcp/0`;
  const stop = `exec 3<&0; ${command} & pid=$!; { read stop <&3; kill -TERM $pid; } & wait $pid`;
  const { child, output, ended } = root.enter(asUser(stop));
  let isOver = false;
  ended.then(() => {
    isOver = true;
  });
  try {
    const status = await untilItPlays(port, () => isOver);
    child.stdin?.write('\n');
    const code = await Promise.race([ended, sleep(20_000).then(() => 'still running after 20 s')]);
    if (code !== 0) throw new Error(`plays, but its stop ends with ${code}\n${output().slice(-2_000)}`);
    return `plays ${status.now?.track?.name} of ${status.library.tracks} tracks, and stops cleanly`;
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${output().slice(-3_000)}`);
  } finally {
    child.kill('SIGKILL');
  }
}

/** What a user without rights is told to type, typed by root. */
async function refusedThenInstalled(root: CleanRoot): Promise<string> {
  const { child, output, ended } = root.enter(asUser('npm start'));
  child.stdin?.end();
  if ((await ended) === 0) throw new Error('npm start did not refuse without ffmpeg and mpv');
  const typed = /su -c '([^']+)'/.exec(output())?.[1];
  if (typed === undefined) throw new Error(`no command is named:\n${output().slice(-2_000)}`);
  await root.run(typed, START_WITHIN_MS);
  return typed;
}

async function startSteps(root: CleanRoot): Promise<void> {
  await step('without rights: npm start names the command, which works', () => refusedThenInstalled(root));
  await step('npm start', () => startAndListen(root));
  await step('npm start again, nothing to prepare', async () => {
    const startedMs = performance.now();
    await root.run(asUser('npm start -- --version'), START_WITHIN_MS);
    const elapsedMs = performance.now() - startedMs;
    return elapsedMs < REPEATED_START_MS ? '' : `slow: ${elapsedMs.toFixed(0)} ms`;
  });
}

async function testSteps(root: CleanRoot): Promise<void> {
  await step('npm test (as root: installs what tests need)', async () => {
    const { child, output, ended } = root.enter(`cd "${CLONE}" && NO_COLOR=1 npm test`);
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), TEST_WITHIN_MS);
    const code = await ended;
    clearTimeout(timer);
    writeFileSync(TEST_LOG, output());
    const failed = [...new Set(output().match(/^ *FAIL .*$/gm) ?? [])];
    const skipped = /^\d+ skipped:/m.exec(output())?.[0] ?? '0 skipped';
    const summary = `${/^ *Tests .*$/m.exec(output())?.[0]?.trim() ?? 'no summary'}, ${skipped} (${TEST_LOG})`;
    if (code !== 0) throw new Error(`exit code ${code}, ${summary}\n${failed.join('\n') || output().slice(-3_000)}`);
    return summary;
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { suite: { type: 'string', default: 'trixie' }, only: { type: 'string' }, root: { type: 'string' } },
  });
  if (process.getuid?.() !== 0) {
    console.error('This test makes a root directory and enters it: run it as root.');
    return 1;
  }
  const base = mkdtempSync(join(tmpdir(), 'starling-clean-root-'));
  const root = new CleanRoot(join(base, 'root'));
  try {
    const made = await step(`a minimal Debian ${values.suite} with git, nodejs and npm`, () => {
      if (values.root === undefined) return makeRoot(root.path, values.suite);
      execFileSync('cp', ['--archive', values.root, root.path]);
      return `copied from ${values.root}`;
    });
    if (!made) return 1;
    await step('what is there', async () => {
      // A machine behind a certificate authority of its own trusts it everywhere.
      cpSync('/etc/ssl/certs/ca-certificates.crt', join(root.path, 'etc/ssl/certs/ca-certificates.crt'));
      cpSync('/etc/resolv.conf', join(root.path, 'etc/resolv.conf'));
      execFileSync('git', ['clone', '--quiet', '--no-local', PROJECT, join(root.path, CLONE)]);
      await root.run(ADD_USER, 60_000);
      const versions = await root.run('for tool in node npm git; do $tool --version; done', 60_000);
      if (existsSync(join(root.path, 'usr/bin/ffmpeg'))) throw new Error('ffmpeg is there already');
      return versions.trim().replaceAll('\n', ', ');
    });
    if (values.only !== 'test') await startSteps(root);
    if (values.only !== 'start') await testSteps(root);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  const failed = steps.filter(({ good }) => !good).length;
  console.log(`${steps.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
