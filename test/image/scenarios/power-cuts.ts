import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

const CUTS = 20;
/** From the moment the power comes on: in U-Boot, in the kernel, while the radio starts, while it plays. */
const LATEST_CUT_MS = 100_000;

/** What must be the same after every cut. */
interface Memory {
  name: string;
  machineId: string;
  nodeId: string;
  slot: number;
  nodeName: string;
}

/** Pulls the plug at random moments, twenty times, with a stick in that is being read; the next start is clean each time. */
export async function powerCuts({ report, box: make, music, work }: Lab): Promise<void> {
  const stick = join(work, 'stick.img');
  makeStick(stick, music);
  const box = await make('box');
  const startWithStick = async () => {
    await box.start();
    await box.plug('stick', stick);
  };
  let before: Memory | null = null;
  const first = await report.check('a box that plays, with a setting of its own', async () => {
    await startWithStick();
    await box.until('no track is ready', BOOT_MS + MUSIC_MS, ({ library }) => library.ready > 0);
    before = await remember(box);
    return `${before.name}, slot ${before.slot}`;
  });
  if (!first || before === null) return;
  for (let cut = 1; cut <= CUTS; cut += 1) {
    const afterMs = Math.round(Math.random() * LATEST_CUT_MS);
    await report.check(`cut ${cut}: ${(afterMs / 1_000).toFixed(1)} s after power on`, async () => {
      await box.kill();
      await startWithStick();
      await sleep(afterMs);
      await box.kill();
      await startWithStick();
      const after = await checkAlive(box, before!);
      before = after;
      return `slot ${after.slot}, ${after.name}`;
    });
    if (!box.running) await startWithStick();
  }
  await report.check('the stick is read to its end after all that', async () => {
    const { library } = await box.until('not all tracks are ready', MUSIC_MS, ({ library: now }) => {
      return now.sources.some((source) => source.startsWith('/media/')) && now.ready >= now.tracks && !now.scanning;
    });
    box.knowMusic(music);
    const { name } = await box.hear();
    return `${library.ready} tracks, ${name} is heard`;
  });
}

async function remember(box: Box): Promise<Memory> {
  const status = await box.page();
  return {
    name: await box.agent.must('hostname'),
    machineId: await box.agent.must('cat /etc/machine-id'),
    nodeId: status.node.id,
    slot: status.station.head_slot,
    nodeName: status.node.name,
  };
}

/** @throws when something was lost, is damaged, or does not run */
async function checkAlive(box: Box, before: Memory): Promise<Memory> {
  await box.agent.up(1, BOOT_MS);
  await box.until('nothing plays', BOOT_MS, ({ now, station }) => now?.track != null && station.phase !== 'stopped');
  const state = await box.settled();
  const complaints = await box.complaints();
  if (state !== 'running' || complaints.length > 0) throw new Error([state, ...complaints].slice(0, 3).join(' | '));
  const kept = await box.agent.must('cat /run/starling-boot');
  if (!kept.startsWith('data=kept')) throw new Error(`the data partition was not mounted: ${kept}`);
  const aside = await box.agent.must("find /var/lib/starling -name '*damaged*' | head -n 3");
  if (aside !== '') throw new Error(`set aside as damaged: ${aside}`);
  const after = await remember(box);
  for (const key of ['name', 'machineId', 'nodeId', 'nodeName'] as const) {
    if (after[key] !== before[key]) throw new Error(`${key} was ${before[key]}, is ${after[key]}`);
  }
  return after;
}
