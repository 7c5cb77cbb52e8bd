import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

/** systemd notices (WatchdogSec=120), ends it (TimeoutStopSec=20), waits (RestartSec=2). By the box's own clock. */
const NOTICED_S = 180;
const STICK_FREE_MS = BOOT_MS + MUSIC_MS;

/** A radio that ends, or hangs, is there again by itself. */
export async function services({ report, box: make, music, work }: Lab): Promise<void> {
  const box = await make('box');
  const ready = await report.check('a box that plays', async () => {
    await box.start();
    await box.agent.up(1, BOOT_MS);
    await box.plug('stick', makeStick(join(work, 'stick.img'), music));
    return await plays(box);
  });
  if (!ready) return;
  for (const [what, signal] of [
    ['is killed', 'KILL'],
    ['hangs', 'STOP'],
  ] as const) {
    await report.check(`a radio that ${what} is started anew, and plays`, async () => {
      const before = await mainPid(box);
      const since = await box.stopwatch();
      await box.agent.must(`kill -${signal} ${before}`);
      await anotherPid(box, before);
      const noticed_s = await since();
      const track = await plays(box);
      const plays_s = await since();
      const result = await box.agent.must('systemctl show -P NRestarts starling.service');
      const detail = `after ${noticed_s} s, plays ${track} after ${plays_s} s, restarts ${result}`;
      return { detail, figures: { noticed_s, plays_s } };
    });
  }
}

/** Plays, and has said so to systemd: before that a start has ten minutes. */
async function plays(box: Box): Promise<string> {
  await box.agent.must('until systemctl is-active --quiet starling.service; do sleep 1; done', STICK_FREE_MS);
  const { now } = await box.until('nothing plays', STICK_FREE_MS, (status) => status.now?.track != null);
  return now?.track?.name ?? '';
}

async function mainPid(box: Box): Promise<string> {
  return await box.agent.must('systemctl show -P MainPID starling.service');
}

async function anotherPid(box: Box, before: string): Promise<void> {
  const since = await box.stopwatch();
  while ((await since()) < NOTICED_S) {
    const pid = await mainPid(box);
    if (pid !== before && pid !== '0') return;
    await sleep(1_000);
  }
  throw new Error(`the same process ${NOTICED_S} s later`);
}
