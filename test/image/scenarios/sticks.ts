import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeDemoLibrary } from '../../../src/library/demo-library.ts';
import type { StatusSnapshot } from '../../../src/web/snapshot.ts';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import {
  makeExfat,
  makeExt4,
  makeFat,
  makeHfsplus,
  makeLuks,
  makeNtfs,
  makePartitions,
  makeUnknown,
} from '../file-systems.ts';
import type { Outcome } from '../report.ts';
import type { Lab } from './scenario.ts';

const GONE_MS = 240_000;
/** One command in an emulator that shares its host with others. */
const COMMAND_MS = 240_000;
/** Time for a stick that is left alone to be mounted after all. */
const LEFT_ALONE_MS = 60_000;
/** New to the box, so that it has to be read for a while. */
const LONG_READ = { seed: 11, count: 4, minSeconds: 30, maxSeconds: 45 };
/** Of a song that lies on two sticks one is ready: each stick has its own. */
const OTHER_SONG = 5;
const OPTIONS = ['ro', 'nosuid', 'nodev', 'noexec'];

/** Sticks of every make beside one that stays in: their music is found, and nothing of them is left when they go. */
export async function sticks(lab: Lab): Promise<void> {
  const { report, work } = lab;
  const box = await lab.box('box');
  const songs = new Songs(lab.music, join(work, 'folders'));
  const sample = new Sticks(box, work);
  const booted = await report.check('a FAT32 stick without partitions, in from the start', async () => {
    makeFat({ image: sample.image('fat'), files: songs.paths(0), label: "$(ID)'#@" });
    await box.start();
    await box.plug('fat', sample.image('fat'));
    const { library } = await box.until('its track is not ready', BOOT_MS + MUSIC_MS, hasSticks(1, 1));
    return await mountedSafely(box, library.sources, 'vfat');
  });
  if (!booted) return;
  await report.check('NTFS, its label and a file beyond ASCII', async () => {
    const files = songs.renamed(1, 'Größe – 日本 ♫');
    makeNtfs({ image: sample.image('ntfs'), files, label: '日本 `x` ♫' });
    return await sample.plays('ntfs', 1, 'ntfs3');
  });
  await report.check('exFAT, filled by another machine, a label of a shell', async () => {
    await fillExfat(box, sample, songs);
    return await sample.plays('exfat', 1, 'exfat');
  });
  await report.check('ext4, a label that climbs, a name with signs', async () => {
    const folder = songs.folder(3, `a "b" $(c) 'd';\n& e`);
    makeExt4({ image: sample.image('ext4'), label: '../../;rm -rf' }, folder);
    return await sample.plays('ext4', 1, 'ext4');
  });
  await report.check('HFS+, of a Mac', async () => {
    makeHfsplus({ image: sample.image('hfsplus'), label: 'Mac "Music"' }, songs.folder(4, 'Été'));
    return await sample.plays('hfsplus', 1, 'hfsplus');
  });
  await report.check('four partitions: three are read, a locked one is told of', async () => {
    makeLuks(sample.image('locked'));
    makeFat({ image: sample.image('other'), files: songs.paths(OTHER_SONG), label: 'OTHER' });
    const types = ['other', 'ext4', 'locked', 'ntfs'] as const;
    const volumes = types.map((name) => ({
      image: sample.image(name),
      type: name === 'other' || name === 'ntfs' ? ('fat' as const) : ('linux' as const),
    }));
    makePartitions(sample.image('four'), volumes);
    const before = await linesOf(box);
    const outcome = await sample.plays('four', 3, null);
    const told = (await linesOf(box)).slice(before.length);
    if (told.length !== 1 || !/sd[a-z]3 is left alone.*LUKS/.test(told[0]!))
      throw new Error(`told: ${told.join(' | ')}`);
    return { ...outcome, detail: `${outcome.detail}; ${told[0]}` };
  });
  for (const [name, what, make] of [
    ['locked', 'a locked stick (LUKS)', makeLuks],
    ['unknown', 'a stick that no system knows', makeUnknown],
  ] as const) {
    await report.check(`${what} is left alone, with one line`, async () => {
      make(sample.image(name));
      return await sample.isLeftAlone(name);
    });
  }
  await pulledWhileRead(lab, box, sample);
  await report.check('nothing failed, and the first stick plays on', async () => {
    const complaints = await box.complaints();
    if (complaints.length > 0) throw new Error(complaints.slice(0, 3).join(' | '));
    const { library, now } = await box.until('the first stick is not there', GONE_MS, hasSticks(1, 1));
    return `${library.sources.join(' ')}, ${now?.track?.name ?? 'silence'}`;
  });
}

/** Pulled in the middle of its music, and put in again. */
async function pulledWhileRead({ report, work }: Lab, box: Box, sample: Sticks): Promise<void> {
  const folder = join(work, 'long-read');
  mkdirSync(folder);
  await makeDemoLibrary(folder, LONG_READ);
  makeFat({ image: sample.image('pulled'), files: filesOf(folder), label: 'PULLED' });
  await report.check('pulled while it is read: gone, and the radio stays', async () => {
    await box.plug('pulled', sample.image('pulled'));
    const { library } = await box.until('it is not read', MUSIC_MS, ({ library: now }) => {
      return now.sources.length === 2 && now.scanning && now.tracks > 1 && now.done_files < now.total_files;
    });
    const seconds = await sample.pull('pulled');
    const { node } = await box.until('the page is gone', GONE_MS, hasSticks(1, 1));
    return {
      detail: `at file ${library.done_files} of ${library.total_files}, up for ${Math.round(node.uptime_ms / 1_000)} s`,
      figures: { gone_s: seconds },
    };
  });
  await report.check(
    'put in again: read to its end',
    async () => await sample.plays('pulled', LONG_READ.count, 'vfat', 1),
  );
}

/** Images by name, plugged under that name. */
class Sticks {
  readonly #box: Box;
  readonly #work: string;
  constructor(box: Box, work: string) {
    this.#box = box;
    this.#work = work;
  }

  image(name: string): string {
    return join(this.#work, `${name}.img`);
  }

  /** Plugs it in beside the first one, waits for its music, pulls it. @param type of the mounts; null: any */
  async plays(name: string, tracks: number, type: string | null, sources = tracks): Promise<Outcome> {
    const since = await this.#box.stopwatch();
    await this.#box.plug(name, this.image(name));
    const found = await this.#box.until(
      'it is not found',
      MUSIC_MS,
      ({ library }) => library.sources.length === 1 + sources,
    );
    const figures: Record<string, number> = { found_s: await since() };
    await this.#box.until('its music is not ready', MUSIC_MS, hasSticks(1 + sources, 1 + tracks));
    figures.ready_s = await since();
    const detail = await mountedSafely(this.#box, found.library.sources, type);
    figures.gone_s = await this.pull(name);
    return { detail, figures };
  }

  async isLeftAlone(name: string): Promise<string> {
    const before = await linesOf(this.#box);
    await this.#box.plug(name, this.image(name));
    const line = `for i in $(seq ${LEFT_ALONE_MS / 1_000}); do journalctl -b -t starling-stick -o cat --no-pager | tail -n +${before.length + 1} | grep . && exit; sleep 1; done; exit 1`;
    await this.#box.agent.must(line, LEFT_ALONE_MS * 4);
    await this.pull(name);
    const told = (await linesOf(this.#box)).slice(before.length);
    const mounted = (await this.#box.agent.must("findmnt -rn -o TARGET | grep '^/media/' || true", COMMAND_MS)).split(
      '\n',
    );
    if (told.length !== 1 || !told[0]!.includes('is left alone')) throw new Error(`told: ${told.join(' | ')}`);
    if (mounted.length !== 1) throw new Error(`mounted: ${mounted.join(' ')}`);
    return told[0]!;
  }

  /** Pulls it, and waits until nothing of it is left in the box. @returns seconds */
  async pull(name: string): Promise<number> {
    const since = await this.#box.stopwatch();
    await this.#box.unplug(name);
    await this.#box.until('it is still listed', GONE_MS, ({ library }) => library.sources.length === 1);
    const gone = `for i in $(seq 60); do [ "$(findmnt -rn -o TARGET | grep -c '^/media/')" = 1 ] && exit; sleep 1; done; findmnt -rn | grep /media/; exit 1`;
    await this.#box.agent.must(gone, GONE_MS);
    return await since();
  }
}

/** The music by number, under other names where a stick wants them. */
class Songs {
  readonly #paths: string[];
  readonly #folders: string;
  constructor(music: string, folders: string) {
    this.#paths = filesOf(music);
    this.#folders = folders;
  }

  paths(index: number): string[] {
    return [this.#paths[index % this.#paths.length]!];
  }

  renamed(index: number, name: string): string[] {
    return filesOf(this.folder(index, name));
  }

  /** A folder with that one song. */
  folder(index: number, name: string): string {
    const folder = join(this.#folders, String(index));
    mkdirSync(folder, { recursive: true });
    const [path = ''] = this.paths(index);
    cpSync(path, join(folder, `${name}${path.slice(path.lastIndexOf('.'))}`));
    return folder;
  }
}

function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

/** The box itself stands in for the other machine, as it has the driver; its own mount is taken away first. */
async function fillExfat(box: Box, sample: Sticks, songs: Songs): Promise<void> {
  makeExfat({ image: sample.image('exfat'), label: '$(reboot)' });
  makeFat({ image: sample.image('carrier'), files: songs.paths(2), label: 'CARRIER' });
  await box.plug('carrier', sample.image('carrier'));
  await box.plug('empty', sample.image('exfat'), true);
  const lines = [
    `for i in $(seq 90); do from=$(findmnt -rn -S LABEL=CARRIER -o TARGET); to=$(findmnt -rn -t exfat -o SOURCE); [ -n "$from" ] && [ -n "$to" ] && break; sleep 1; done`,
    'set -e; umount "$(findmnt -rn -t exfat -o TARGET)"; mkdir -p /run/other; mount -t exfat "$to" /run/other',
    'mkdir /run/other/Music; cp "$from"/* /run/other/Music/; umount /run/other',
  ];
  await box.agent.must(lines.join('\n'), MUSIC_MS);
  await box.unplug('empty');
  await sample.pull('carrier');
}

/** Status with so many sticks and all of so many tracks ready. */
function hasSticks(count: number, tracks: number): (status: StatusSnapshot) => boolean {
  return ({ library }) =>
    library.sources.length === count &&
    library.sources.every((source) => source.startsWith('/media/')) &&
    library.tracks === tracks &&
    library.ready === tracks &&
    !library.scanning;
}

async function linesOf(box: Box): Promise<string[]> {
  const text = await box.agent.must('journalctl -b -t starling-stick -o cat --no-pager', COMMAND_MS);
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('-- '));
}

/** @param type of the last of them; null: any @throws when a stick could be written to, or run programs */
async function mountedSafely(box: Box, sources: readonly string[], type: string | null): Promise<string> {
  const table = await box.agent.must("findmnt -rn -o TARGET,FSTYPE,OPTIONS | grep '^/media/'", COMMAND_MS);
  const mounts = table.split('\n').map((line) => line.split(' '));
  for (const source of sources) {
    const mount = mounts.find(([target]) => target === source);
    const options = mount?.[2]?.split(',') ?? [];
    const lacking = OPTIONS.filter((option) => !options.includes(option));
    if (lacking.length > 0)
      throw new Error(`${source} without ${lacking.join(', ')}: ${mount?.join(' ') ?? 'not mounted'}`);
  }
  if (type !== null && !mounts.some(([, kind]) => kind === type)) throw new Error(`no ${type} in ${table}`);
  return mounts.map(([target, kind]) => `${target} ${kind}`).join(', ');
}
