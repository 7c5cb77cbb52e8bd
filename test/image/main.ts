/**
 * npm run image:test [-- --long | --only NAME[,NAME]]: boots the built image in an emulator and looks at it from outside,
 * as a person with a phone, a stick and loudspeakers would. Each check is a line; the summary is written as JSON; serial
 * log and recording of a scenario that failed are kept.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import { Box } from './box.ts';
import { emulatorMissing } from './machine.ts';
import { Report } from './report.ts';
import { SCENARIOS } from './scenarios/index.ts';
import type { Lab, Scenario } from './scenarios/scenario.ts';

const OUT = resolve(import.meta.dirname, '../../image/out');
const KEPT = resolve(import.meta.dirname, '../../dist/image-test');
/** Made for the occasion when no folder is named; long enough to be told apart, short enough to be cut soon. */
const MUSIC = { seed: 7, count: 6, minSeconds: 30, maxSeconds: 45 };

/** For a journal of a whole scenario, from a slow box. */
const JOURNAL_MS = 120_000;

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    music: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  const image = newestImage();
  const missing = emulatorMissing() ?? (image === null ? 'there is no image: npm run image' : null);
  const chosen = choose();
  if (missing !== null || image === null || typeof chosen === 'string') {
    console.error(`image:test cannot run: ${missing ?? chosen}`);
    return 2;
  }
  if (chosen.some(({ hostTime }) => hostTime) && !(await isAlone())) {
    console.error(
      "image:test cannot run: another one of those that go by the host's clock runs; they would slow each other",
    );
    return 2;
  }
  const work = mkdtempSync(join(tmpdir(), 'starling-image-'));
  const report = new Report();
  try {
    const music = values.music ?? join(work, 'music');
    if (values.music === undefined) {
      mkdirSync(music);
      await makeDemoLibrary(music, MUSIC);
    }
    for (const scenario of chosen) await play(scenario, { image, music, report, work: join(work, scenario.name) });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return finish(report);
}

/** Runs one scenario; its boxes end with it, and what they said is kept if it failed. */
async function play(scenario: Scenario, given: Pick<Lab, 'image' | 'music' | 'report' | 'work'>): Promise<void> {
  const { report, work, image } = given;
  const { hostTime = false } = scenario;
  const boxes: Box[] = [];
  mkdirSync(work);
  const failedBefore = report.failed;
  report.begin(scenario.name);
  const lab: Lab = {
    ...given,
    freePort,
    box: async (name, init = {}) => {
      const box = await Box.make(image, { directory: join(work, name), httpPort: await freePort(), hostTime, ...init });
      boxes.push(box);
      return box;
    },
  };
  try {
    await scenario.run(lab);
  } catch (error) {
    await report.check('runs to its end', async () => {
      throw error;
    });
  }
  const kept = report.failed > failedBefore || values.keep;
  if (kept) for (const box of boxes) await keepJournal(box);
  for (const box of boxes) await box.quit();
  if (kept) keep(scenario.name, boxes, work);
  rmSync(work, { recursive: true, force: true });
}

/** What the box itself noted, where it still answers. */
async function keepJournal(box: Box): Promise<void> {
  if (!box.running) return;
  try {
    const { output } = await box.agent.run('journalctl -o short-monotonic --no-pager | tail -c 190000', JOURNAL_MS);
    writeFileSync(box.journal, output);
  } catch {
    // A box that cannot be asked has its serial log all the same.
  }
}

function keep(scenario: string, boxes: readonly Box[], work: string): void {
  // Of a board that is no `Box`.
  const ownLog = join(work, 'serial.log');
  if (existsSync(ownLog)) {
    mkdirSync(join(KEPT, scenario), { recursive: true });
    cpSync(ownLog, join(KEPT, scenario, 'serial.log'));
    console.log(`       serial log: ${join(KEPT, scenario)}`);
  }
  for (const { init, serialLog, journal, wav } of boxes) {
    const folder = join(KEPT, scenario, init.directory.split('/').at(-1) ?? 'box');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const file of [serialLog, journal, wav])
      if (existsSync(file)) cpSync(file, join(folder, file.split('/').at(-1)!));
    console.log(`       serial log, journal and sound: ${folder}`);
  }
}

/** @returns the scenarios to run, or what is wrong with the wish */
function choose(): Scenario[] | string {
  if (values.only === undefined) return SCENARIOS.filter(({ short }) => values.long || short === true);
  const names = values.only.split(',');
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    return `no scenario ${unknown.join(', ')}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`;
  }
  return SCENARIOS.filter(({ name }) => names.includes(name));
}

function newestImage(): string | null {
  if (!existsSync(OUT)) return null;
  const [name] = readdirSync(OUT)
    .filter((file) => file.endsWith('.img'))
    .sort()
    .reverse();
  return name === undefined ? null : join(OUT, name);
}

/** One at a time of those that go by the host's clock. The kernel lets go of the name however this ends. */
async function isAlone(): Promise<boolean> {
  const lock = createServer();
  return await new Promise((tell) => {
    lock.once('error', () => tell(false));
    lock.listen('\0starling-image-test', () => tell(true));
    lock.unref();
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

function finish(report: Report): number {
  const summary = { passed: report.passed, failed: report.failed, checks: report.lines };
  mkdirSync(KEPT, { recursive: true });
  writeFileSync(join(KEPT, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  if (values.json) console.log(JSON.stringify(summary));
  console.log(`${report.passed} passed, ${report.failed} failed`);
  return report.failed === 0 && report.passed > 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main();
