import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClockedPlayer, FilePlayer } from '../../src/playback/clocked-player.ts';
import { OutputUnavailableError, PlayerMissingError } from '../../src/playback/errors.ts';
import { MpvPlayer } from '../../src/playback/mpv-player.ts';
import type { Player } from '../../src/playback/player.ts';
import { type SoundLab, soundLabMissing, startSoundLab } from '../sound-lab/sound-lab.ts';
import { keptLog } from './support.ts';

const dir = mkdtempSync(join(tmpdir(), 'starling-players-'));
const noLab = soundLabMissing();
if (noLab !== null) console.log(`players: no sound lab (${noLab}); mpv over ALSA is not tested`);
let lab: SoundLab | null = null;

beforeAll(async () => {
  if (noLab === null) lab = await startSoundLab(['A']);
});

afterAll(async () => {
  await lab?.stop();
  rmSync(dir, { recursive: true });
});

const mpv = (driver: string, device: string | null, env?: NodeJS.ProcessEnv) =>
  new MpvPlayer({ log: keptLog() }, { driver, device, volume: 50, env });

const KINDS: [string, () => Player][] = [
  ['silent by the clock', () => new ClockedPlayer()],
  ['a file', () => new FilePlayer({ path: join(dir, 'out.wav') })],
  ['mpv, null output', () => mpv('null', null)],
  ...(noLab === null
    ? ([['mpv over ALSA', () => mpv('alsa', lab!.alsaDevice('A'), lab!.env)]] as [string, () => Player][])
    : []),
];

/** Half a second. */
const HALF = new Uint8Array(24_000 * 4);

describe.each(KINDS)('the player contract: %s', (_, make) => {
  let player: Player;
  afterEach(() => player.stop());

  it('is opened, fed, begun, and then its frames pass at 48,000 a second', async () => {
    player = make();
    player.setVolume(40);
    await player.start();
    for (let i = 0; i < 6; i++) player.write(HALF);
    const before = await player.observe();
    expect(before === null || before.frame <= 0).toBe(true);
    const beganAtMs = await player.begin();
    expect(beganAtMs).toBeLessThanOrEqual(performance.now());
    const first = await player.observe();
    await sleep(700);
    const second = await player.observe();
    const passed = second!.frame - first!.frame;
    expect(passed / (second!.monoMs - first!.monoMs) / 48).toBeCloseTo(1, 1);
    // What it said of its beginning holds, give or take what a sound system needs to get going.
    expect(Math.abs(second!.monoMs - beganAtMs - second!.frame / 48)).toBeLessThan(60);
    expect(second!.uncertaintyMs).toBeGreaterThanOrEqual(0);
  });

  it('stops as often as it is told to, is quiet after that, and can be started again', async () => {
    player = make();
    let ended = 0;
    player.onEnded(() => ended++);
    await player.start();
    await player.start();
    player.write(HALF);
    await player.begin();
    await player.stop();
    await player.stop();
    expect(await player.observe()).toBeNull();
    player.write(HALF);
    player.setVolume(10);
    expect(ended).toBe(0);
    await player.start();
    player.write(HALF);
    await player.begin();
    expect((await player.observe())!.frame).toBeLessThan(24_000);
  });
});

describe('the file player', () => {
  it('leaves a WAV file of all that was written, and bare samples for .raw', async () => {
    const samples = Uint8Array.from({ length: 4_000 }, (_, i) => i % 251);
    for (const name of ['kept.wav', 'kept.raw']) {
      const player = new FilePlayer({ path: join(dir, name) });
      await player.start();
      player.write(samples);
      await player.stop();
      const bytes = readFileSync(join(dir, name));
      const header = name.endsWith('.wav') ? 44 : 0;
      expect(bytes.length).toBe(header + 4_000);
      expect(new Uint8Array(bytes.subarray(header))).toEqual(samples);
      if (header > 0) expect([bytes.readUInt32LE(4), bytes.readUInt32LE(40)]).toEqual([4_036, 4_000]);
    }
  });

  it('names what is wrong with its path', async () => {
    const player = new FilePlayer({ path: join(dir, 'no', 'such', 'directory.wav') });
    await expect(player.start()).rejects.toThrow(OutputUnavailableError);
    await expect(player.start()).rejects.toThrow('ENOENT');
  });
});

describe('mpv', () => {
  it('is missed by name where it is not installed', async () => {
    await expect(mpv('null', null, { PATH: dir }).start()).rejects.toThrow(PlayerMissingError);
  });

  it('says that a device cannot be opened', async () => {
    const player = mpv('alsa', 'no-such-device');
    await player.start();
    player.write(HALF);
    await expect(player.begin()).rejects.toThrow(OutputUnavailableError);
    await player.stop();
  });
});
