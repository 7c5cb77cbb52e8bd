import { join } from 'node:path';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

/** What everybody does: plug in, open the page, put in the stick, hear it, pull it out, put it in again. */
export async function firstHour({ report, box: make, music, work }: Lab): Promise<void> {
  const stick = join(work, 'stick.img');
  makeStick(stick, music);
  const box = await make('box');
  box.knowMusic(music);
  await box.start();
  const booted = await report.check('boots, and its page answers', async () => {
    // Before the radio starts: it would make music of its own first, and play that for a while.
    await box.agent.up(1, BOOT_MS);
    await box.plug('stick', stick);
    const { node } = await box.page();
    return `${node.name}, version ${node.version}`;
  });
  if (!booted) return;
  await report.check('no unit failed, no ordering cycle', async () => await box.well());
  await report.check('first boot: name, machine id, a card that has grown', async () => {
    const name = await box.agent.must('hostname');
    const id = await box.agent.must('cat /data/system/machine-id');
    const gigabytes = Number(await box.agent.must("df --output=size -BM /data | tail -n 1 | tr -d ' M'")) / 1_000;
    if (!/^starling-[0-9a-f]{4}$/.test(name)) throw new Error(`host name ${name}`);
    if (!/^[0-9a-f]{32}$/.test(id)) throw new Error(`machine id ${id}`);
    if (gigabytes < 2) throw new Error(`the data partition has ${gigabytes} GB`);
    return `${name}, ${gigabytes.toFixed(1)} GB for music`;
  });
  await report.check('a stick is found and its music cut', async () => {
    const { library } = await box.until(
      'no track of the stick is ready',
      MUSIC_MS,
      (status) => status.library.sources.some((source) => source.startsWith('/media/')) && status.library.ready > 0,
    );
    const options = await box.agent.must("findmnt -rn -o OPTIONS,TARGET | grep ' /media/'");
    for (const option of ['ro', 'nosuid', 'nodev', 'noexec']) {
      if (!options.split(' ')[0]!.split(',').includes(option)) throw new Error(`mounted without ${option}: ${options}`);
    }
    return `${library.ready} of ${library.tracks} tracks, ${library.sources.join(' ')}`;
  });
  await report.check('its music is what sounds', async () => {
    const { name, correlation } = await box.hear();
    const level = await cardLevel(box);
    return { detail: `${name}, correlation ${correlation.toFixed(3)}, the card at ${level}`, figures: { correlation } };
  });
  await report.check('the stick is pulled: the radio stays', async () => {
    await box.unplug('stick');
    const { library } = await box.until(
      'the stick is still listed',
      120_000,
      (status) => !status.library.sources.some((source) => source.startsWith('/media/')),
    );
    await box.agent.must(
      "for i in $(seq 60); do findmnt -rn -o TARGET | grep -q '^/media/' || exit 0; sleep 1; done; exit 1",
      120_000,
    );
    return `sources: ${library.sources.join(' ') || 'none'}`;
  });
  await report.check('put in again, it is there again', async () => {
    await box.plug('again', stick);
    const { library } = await box.until(
      'the stick is not back',
      MUSIC_MS,
      (status) => status.library.sources.some((source) => source.startsWith('/media/')) && status.library.ready > 0,
    );
    return `${library.ready} of ${library.tracks} tracks`;
  });
  await report.check('still all well', async () => {
    const complaints = await box.complaints();
    if (complaints.length > 0) throw new Error(complaints.slice(0, 3).join(' | '));
    return 'no unit failed';
  });
}

/** A card has steps: the nearest one to 0 dB. What alsactl begins with by itself is -20 dB. */
const LEAST_DB = -1;

/** A correlation does not see how loud it is. @throws when the card's own volume is turned down */
async function cardLevel(box: Box): Promise<string> {
  const text = await box.agent.must('amixer -c 0 scontents');
  const levels = [...text.matchAll(/\[(-?\d+\.\d+)dB\]/g)].map(([, level]) => Number(level));
  if (levels.length === 0) throw new Error(`the emulated card tells no level: ${text}`);
  if (levels.some((level) => level < LEAST_DB) || text.includes('[off]'))
    throw new Error(`the card is turned down: ${text}`);
  return `${Math.min(...levels)} dB`;
}
