/**
 * `npm run test:wifi [-- --only NAME] [--keep]`: Wi-Fi set-up for real. A Debian guest in an emulator, simulated radios, NetworkManager, access
 * points of every kind, and a phone. A line for each check, a summary as JSON, the logs kept on failure. Needs root and QEMU; takes some
 * ten minutes on two cores, more the first time. It says what is missing where it cannot run, and ends with code 2.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checks } from './checks.ts';
import { Guest } from './guest.ts';
import { prepareRig, type Rig } from './prepare.ts';
import { World } from './world.ts';

interface Result {
  check: string;
  ok: boolean;
  seconds: number;
  figures: Record<string, number>;
  cause?: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, keep: { type: 'boolean' }, json: { type: 'string' } },
  });
  let rig: Rig;
  try {
    rig = await prepareRig();
  } catch (error) {
    // The script that makes the guest has said what is missing.
    console.error(`The Wi-Fi test cannot run here: ${(error as Error).message.split('\n')[0]}`);
    return 2;
  }
  const guest = new Guest(rig);
  const world = new World(guest);
  const results: Result[] = [];
  try {
    await guest.start();
    await world.start();
    for (const { name, run } of checks) {
      if (values.only !== undefined && !name.includes(values.only)) continue;
      results.push(await checked(name, world, run));
    }
  } finally {
    await finish(world, rig, results, values.keep === true);
    await guest.stop();
  }
  const failed = results.filter(({ ok }) => !ok);
  const summary = { checks: results.length, failed: failed.length, results };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
  console.log(JSON.stringify({ checks: results.length, failed: failed.length }));
  return failed.length === 0 && results.length > 0 ? 0 : 1;
}

async function checked(check: string, world: World, run: (world: World) => Promise<void>): Promise<Result> {
  const from = performance.now();
  const figures = world.beginFigures();
  const cause = await run(world).then(
    () => null,
    (error: Error) => error.message,
  );
  const seconds = Math.round((performance.now() - from) / 100) / 10;
  const told = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  console.log(`${cause === null ? 'ok    ' : 'FAILED'} ${check} (${[`${seconds} s`, ...told].join(', ')})`);
  if (cause !== null) console.log(`       ${cause}`);
  return { check, ok: cause === null, seconds, figures, ...(cause === null ? {} : { cause }) };
}

async function finish(world: World, rig: Rig, results: readonly Result[], keep: boolean): Promise<void> {
  if (results.length > 0 && results.every(({ ok }) => ok) && !keep) {
    rmSync(rig.work, { recursive: true, force: true });
    return;
  }
  const journal = join(rig.work, 'journal.log');
  await world.journal().then(
    (text) => writeFileSync(journal, text),
    () => undefined,
  );
  console.log(`Logs: ${rig.work}`);
}

process.exitCode = await main();
