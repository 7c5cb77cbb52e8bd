import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { writeCardFile } from '../card-file.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

/** systemd notices (WatchdogSec=120), ends it (TimeoutStopSec=20), waits (RestartSec=2). By the box's own clock. */
const NOTICED_S = 180;
const STICK_FREE_MS = BOOT_MS + MUSIC_MS;

const SSH_MS = 120_000;

/** A radio that ends, or hangs, is there again by itself. And SSH: off, until it is asked for. */
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
  await report.check('SSH is off; a key in starling.txt opens it, for that key alone', async () => await ssh(box));
}

/** The box is its own visitor: it has the client, and nothing of its own gets in anywhere. */
async function ssh(box: Box): Promise<string> {
  const listens = "ss -ltnH 'sport = :22'";
  const before = await box.agent.must(listens);
  if (before !== '') throw new Error(`it listens without being asked: ${before}`);
  const makeKey = (name: string) => `ssh-keygen -q -t ed25519 -N "" -C ${name} -f /run/${name}`;
  await box.agent.must(`${makeKey('owner')} && ${makeKey('stranger')}`, SSH_MS);
  const owner = { private: await box.agent.must('cat /run/owner'), public: await box.agent.must('cat /run/owner.pub') };
  await box.quit();
  writeCardFile(box.init.disk, 'starling.txt', `ssh_key = ${owner.public}\n`);
  await box.start();
  await box.agent.up(1, BOOT_MS);
  await box.agent.must(`umask 077; echo '${owner.private}' >/run/owner; ${makeKey('stranger')}`, SSH_MS);
  await box.agent.must(`until [ -n "$(${listens})" ]; do sleep 1; done`, SSH_MS);
  const visit = (key: string, more = '') =>
    `ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o BatchMode=yes ${more} -i /run/${key} root@127.0.0.1 hostname 2>&1 || true`;
  const name = await box.agent.must('hostname');
  const asOwner = await box.agent.must(visit('owner'), SSH_MS);
  if (!asOwner.split('\n').includes(name)) throw new Error(`the owner is told: ${asOwner}`);
  for (const refused of [visit('stranger'), visit('owner', '-o PubkeyAuthentication=no')]) {
    const told = await box.agent.must(refused, SSH_MS);
    if (!told.includes('Permission denied (publickey)')) throw new Error(`${refused}: ${told}`);
  }
  return `the owner is in ${asOwner.split('\n').at(-1)}; another key and passwords are refused`;
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
