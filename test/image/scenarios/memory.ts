import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOOT_MS, MUSIC_MS } from '../box.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

const MINUTES = 30;
const LOOK_MS = 10_000;
/** Of the 512 MB of the smallest board. */
const LEAST_AVAILABLE_MB = 100;

/** Half an hour of playing on the smallest board's memory, a stick being read in the beginning. */
export async function memory({ report, box: make, music, work }: Lab): Promise<void> {
  const box = await make('box', { memoryMb: 512 });
  await box.start();
  await box.plug('stick', makeStick(join(work, 'stick.img'), music));
  const plays = await report.check('plays the music of a stick', async () => {
    const status = await box.until('nothing plays', BOOT_MS + MUSIC_MS, ({ now, library }) => {
      return library.ready > 0 && now?.track != null;
    });
    return status.now?.track?.name ?? '';
  });
  if (!plays) return;
  await report.check(`${MINUTES} minutes: memory is left, nothing is killed`, async () => {
    const since = await box.stopwatch();
    let leastMb = Number.POSITIVE_INFINITY;
    while ((await since()) < MINUTES * 60) {
      const kilobytes = Number(await box.agent.must("awk '/^MemAvailable/ { print $2 }' /proc/meminfo"));
      leastMb = Math.min(leastMb, Math.floor(kilobytes / 1_024));
      await sleep(LOOK_MS);
    }
    const killed = Number(await box.agent.must("awk '/^oom_kill / { print $2 }' /proc/vmstat"));
    const restarts = Number(await box.agent.must('systemctl show -p NRestarts --value starling'));
    const peakMb = Math.round(Number(await box.agent.must('systemctl show -p MemoryPeak --value starling')) / 1e6);
    const swapMb = Number(await box.agent.must("free -m | awk '/^Swap/ { print $3 }'"));
    const status = await box.page();
    const figures = { least_available_mb: leastMb, killed, restarts, radio_peak_mb: peakMb, swap_mb: swapMb };
    const detail = `${leastMb} MB available at the least, slot ${status.station.slot}, ${status.library.ready} tracks`;
    if (killed > 0 || restarts > 0 || leastMb < LEAST_AVAILABLE_MB)
      throw new Error(`${detail}: ${JSON.stringify(figures)}`);
    return { detail, figures };
  });
}
