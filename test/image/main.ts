/**
 * npm run image:test: boots the built image in an emulator and looks at it from outside, as a person with a phone, a
 * stick and loudspeakers would. Each check is a line; a JSON summary is the last one; the serial log stays on failure.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { decodeFile } from '../fixtures/music.ts';
import { channel, find } from '../sound-lab/correlate.ts';
import { emulatorMissing, Machine, sleep } from './machine.ts';
import { makeStick } from './stick.ts';

const OUT = resolve(import.meta.dirname, '../../image/out');
const RATE_HZ = 48_000;
const WAV_HEADER_BYTES = 44;
/** Booting under emulation takes about a minute on an idle machine, and several on a busy one. */
const PAGE_WITHIN_MS = 300_000;
const MUSIC_WITHIN_MS = 300_000;
const SOUND_WITHIN_MS = 180_000;
/** Of each file this much is looked for in the recording. */
const PIECE_SECONDS = 3;
/** What a sound card and a volume leave of a recording; other music stays far below. */
const LEAST_CORRELATION = 0.9;

interface Check {
  name: string;
  ok: boolean;
  seconds: number;
  detail: string;
}

const { values } = parseArgs({
  options: {
    music: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const checks: Check[] = [];

/** Runs one check and prints its line; a failed one lets the others go on. */
async function check(name: string, run: () => Promise<string>): Promise<boolean> {
  const startedMs = performance.now();
  const [ok, detail] = await run().then(
    (text): [boolean, string] => [true, text],
    (error: Error): [boolean, string] => [false, error.message],
  );
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  checks.push({ name, ok, seconds, detail });
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(34)} ${String(seconds).padStart(6)} s  ${detail}`);
  return ok;
}

async function main(): Promise<number> {
  const image = newestImage();
  const missing = emulatorMissing() ?? (image === null ? 'there is no image: npm run image' : null);
  if (missing !== null || image === null) {
    console.error(`image:test cannot run: ${missing}`);
    return 2;
  }
  const work = mkdtempSync(join(tmpdir(), 'starling-image-'));
  const disk = join(work, 'card.img');
  copyFileSync(`${image}.img`, disk);
  // A card is larger than the image: the data partition is to grow.
  execFileSync('truncate', ['-s', '+2G', disk]);
  const machine = new Machine({
    disk,
    kernel: `${image}.vmlinuz`,
    initrd: `${image}.initrd`,
    directory: join(work, 'box'),
    httpPort: await freePort(),
  });
  try {
    await shortForm(machine, work);
  } finally {
    await machine.kill();
  }
  return finish(machine, work);
}

async function shortForm(machine: Machine, work: string): Promise<void> {
  const music = values.music ?? join(work, 'music');
  if (values.music === undefined) {
    mkdirSync(music);
    await makeDemoLibrary(music, { seed: 7, count: 6, minSeconds: 30, maxSeconds: 45 });
  }
  const stick = join(work, 'stick.img');
  makeStick(stick, music);
  await machine.start();
  const booted = await check('boots, and its page answers', async () => {
    const status = await statusWhere(machine, PAGE_WITHIN_MS, () => true, 'no answer from the page');
    return `${status.node.name}, version ${status.node.version}`;
  });
  if (!booted) return;
  await check('no unit failed, no ordering cycle', async () => {
    const bad = machine
      .serial()
      .split('\n')
      .filter((line) => /\[FAILED\]|ordering cycle|Failed to start/i.test(line));
    if (bad.length > 0) throw new Error(bad.slice(0, 3).join(' | '));
    return 'by its serial console';
  });
  await check('a stick is found and its music cut', async () => {
    await machine.plug('stick1', stick);
    const status = await statusWhere(
      machine,
      MUSIC_WITHIN_MS,
      ({ library }) => library.sources.some((source) => source.startsWith('/media/')) && library.ready > 0,
      'no track of the stick is ready',
    );
    return `${status.library.ready} of ${status.library.tracks} tracks, ${status.library.sources.join(' ')}`;
  });
  await check('its music is what sounds', () => heardMusic(machine, music));
  await check('the stick is pulled: the radio stays', async () => {
    await machine.unplug('stick1');
    const status = await statusWhere(
      machine,
      60_000,
      ({ library }) => !library.sources.some((source) => source.startsWith('/media/')),
      'the stick is still listed',
    );
    return `sources: ${status.library.sources.join(' ') || 'none'}`;
  });
  await machine.quit();
}

/** Looks for a piece of each file in the last half minute that the sound card was given. */
async function heardMusic(machine: Machine, folder: string): Promise<string> {
  const pieces = readdirSync(folder)
    .filter((name) => /\.(mp3|m4a|flac|ogg|opus|wav)$/i.test(name))
    .map((name) => ({ name, all: channel(toSamples(decodeFile(join(folder, name))), 0) }));
  const deadline = performance.now() + SOUND_WITHIN_MS;
  let best = { name: 'nothing', correlation: 0 };
  while (performance.now() < deadline) {
    await sleep(10_000);
    const heard = recorded(machine.wav, PIECE_SECONDS);
    for (const { name, all } of heard === null ? [] : pieces) {
      const { correlation } = find(heard!, all);
      if (correlation > best.correlation) best = { name, correlation };
      if (correlation >= LEAST_CORRELATION) return `${name}, correlation ${correlation.toFixed(3)}`;
    }
  }
  throw new Error(`best match: ${best.name}, correlation ${best.correlation.toFixed(3)}`);
}

/** The last seconds of the recording, left channel; null while it is silent. */
function recorded(wav: string, seconds: number): Float32Array | null {
  const bytes = existsSync(wav) ? readFileSync(wav) : Buffer.alloc(0);
  const wanted = seconds * RATE_HZ * 4;
  if (bytes.length < WAV_HEADER_BYTES + 2 * wanted) return null;
  const end = bytes.length - ((bytes.length - WAV_HEADER_BYTES) % 4);
  const samples = channel(toSamples(bytes.subarray(end - wanted, end)), 0);
  return samples.some((sample) => Math.abs(sample) > 100) ? samples : null;
}

function toSamples(bytes: Buffer): Int16Array {
  const copy = Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % 4)));
  return new Int16Array(copy.buffer);
}

async function statusWhere(
  machine: Machine,
  withinMs: number,
  holds: (status: StatusSnapshot) => boolean,
  complaint: string,
): Promise<StatusSnapshot> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline && machine.running) {
    const status = await fetch(`${machine.url}/api/status`, { signal: AbortSignal.timeout(10_000) })
      .then(async (response) => (await response.json()) as StatusSnapshot)
      .catch(() => null);
    if (status !== null && holds(status)) return status;
    await sleep(1_000);
  }
  throw new Error(machine.running ? `${complaint} within ${withinMs / 1_000} s` : 'the machine stopped');
}

function newestImage(): string | null {
  if (!existsSync(OUT)) return null;
  const [name] = readdirSync(OUT)
    .filter((file) => file.endsWith('.img'))
    .sort()
    .reverse();
  return name === undefined ? null : join(OUT, name.slice(0, -'.img'.length));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

function finish(machine: Machine, work: string): number {
  const failed = checks.filter(({ ok }) => !ok).length;
  if (failed > 0 || values.keep) console.log(`serial log: ${machine.serialLog}`);
  else rmSync(work, { recursive: true, force: true });
  console.log(`${checks.length - failed} checks passed, ${failed} failed`);
  if (values.json) console.log(JSON.stringify({ checks, failed }));
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
