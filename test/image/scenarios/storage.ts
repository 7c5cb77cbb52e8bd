import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusSnapshot } from '../../../src/web/snapshot.ts';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { bootPartitionHolds, readCardFile, writeCardFile } from '../card-file.ts';
import { Phone } from '../phone.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

const NAME = 'Attic';
const NETWORK = 'A house (2.4 GHz)';
const PASSWORD = 'open sesame 42';
const CARD_TEXT = `# As a person writes it.
wifi = ${NETWORK}
wifi_password = ${PASSWORD}
country = Germany
name = ${NAME}
volume = 140
`;
/** Line 6 of the file above, and what is said of it. */
const MISTAKE = 'Line 6 (volume = 140)';
/** Node takes 25 MB even where its program is in memory already, counted elsewhere; a shell with sha256sum stays far below. */
const NODE_STARTS_BYTES = 18e6;
const PLAYS_ON_MS = 60_000;
const NOTICE_MS = 120_000;
const STICK = 'stick';

/** What a card goes through: settings written in a computer, no room, no stick, a reset. */
export async function storage(lab: Lab): Promise<void> {
  const stick = join(lab.work, 'stick.img');
  makeStick(stick, lab.music);
  const box = await lab.box('box');
  box.knowMusic(lab.music);
  writeCardFile(box.init.disk, 'starling.txt', CARD_TEXT);
  if (!(await settingsOnTheCard(lab, box, stick))) return;
  await secondStart(lab, box, stick);
  const phone = await full(lab, box);
  await withoutStick(lab, box);
  await letIn(lab, box);
  if (phone !== null) await reset(lab, box, phone, stick);
  await box.quit();
}

async function settingsOnTheCard({ report }: Lab, box: Box, stick: string): Promise<boolean> {
  const booted = await report.check('starling.txt: the name on the page', async () => {
    await box.start();
    await box.plug(STICK, stick);
    const { node } = await box.page();
    if (node.name !== NAME) throw new Error(`the page says ${node.name}`);
    return node.name;
  });
  if (!booted) return false;
  await report.check('starling.txt: the network and the country', async () => {
    const networks = await box.agent.must('nmcli -t -g NAME connection show');
    if (!networks.includes(NETWORK)) throw new Error(`NetworkManager knows ${networks}`);
    const country = await box.agent.must('cat /var/lib/starling/country');
    if (country !== 'DE') throw new Error(`country ${country}`);
    return `${NETWORK}, ${country}`;
  });
  await report.check('no unit failed', async () => await box.well());
  await report.check('starling-answer.txt names the mistake; the password is nowhere on that partition', async () => {
    await box.until('no track is ready', MUSIC_MS, ({ library }) => library.ready > 0);
    const told = await box.agent.must('journalctl -u starling-card.service -b -o cat --no-pager');
    await box.quit();
    const answer = readCardFile(box.init.disk, 'starling-answer.txt');
    if (answer === null) throw new Error(`there is no answer: ${told}`);
    if (!answer.includes(MISTAKE)) throw new Error(answer);
    const left = readCardFile(box.init.disk, 'starling.txt');
    if (left?.includes(`wifi = ${NETWORK}`) !== true) throw new Error(`starling.txt became ${left}`);
    if (bootPartitionHolds(box.init.disk, PASSWORD)) throw new Error('the password is still there');
    return answer
      .split(/\r?\n/)
      .find((line) => line.includes(MISTAKE))!
      .trim();
  });
  return true;
}

async function secondStart({ report }: Lab, box: Box, stick: string): Promise<void> {
  await report.check('the second start does not start Node for it, and keeps all', async () => {
    await box.start();
    await box.plug(STICK, stick);
    const { node } = await box.page();
    if (node.name !== NAME) throw new Error(`the page says ${node.name}`);
    const peak = await peakBytes(box);
    if (!(peak < NODE_STARTS_BYTES)) throw new Error(`its unit took ${peak} bytes`);
    await box.agent.must('systemctl restart starling-card.service', BOOT_MS);
    await box.agent.must('rm /data/card-settings.json && systemctl restart starling-card.service', BOOT_MS);
    const withNode = await peakBytes(box);
    if (!(withNode > NODE_STARTS_BYTES))
      throw new Error(`with Node its unit took ${withNode} bytes: this check sees nothing`);
    return {
      detail: `${(peak / 1e6).toFixed(1)} MB; ${(withNode / 1e6).toFixed(1)} MB with Node`,
      figures: { peak_bytes: peak },
    };
  });
}

/** The most memory that the unit of starling.txt had. */
async function peakBytes(box: Box): Promise<number> {
  return Number(await box.agent.must('systemctl show -P MemoryPeak starling-card.service'));
}

/** @returns a phone that was paired before there was no room */
async function full({ report }: Lab, box: Box): Promise<Phone | null> {
  let phone: Phone | null = null;
  await report.check('a full data partition: a notice, and the radio plays on', async () => {
    phone = await Phone.pair(box);
    await box.until('nothing plays', MUSIC_MS, ({ now }) => now?.track != null);
    await box.agent.must(
      'fallocate -l "$(df --output=avail -B1 /data | tail -n 1)" /data/filler; dd if=/dev/zero of=/data/filler.rest bs=4k status=none; sync; df --output=avail /data',
      120_000,
    );
    await box.until('no notice of a full card', NOTICE_MS, hasNotice('storageFull'));
    const first = await playsFor(box, PLAYS_ON_MS);
    return `${await box.agent.must("df --output=avail /data | tail -n 1 | tr -d ' '")} KiB free, ${first}`;
  });
  await report.check('full, the next start is fine', async () => {
    await restart(box);
    await box.until('nothing plays', BOOT_MS + MUSIC_MS, ({ now }) => now?.track != null);
    await box.until('no notice of a full card', NOTICE_MS, hasNotice('storageFull'));
    return await box.well();
  });
  await report.check('freed again, all is well', async () => {
    await box.agent.must('rm /data/filler /data/filler.rest');
    await box.until('the notice stays', NOTICE_MS, (status) => !hasNotice('storageFull')(status));
    const { status, json } = await phone!.post('/api/settings', { volume: 60 });
    if (status !== 200) throw new Error(`a setting was not kept: ${status} ${JSON.stringify(json)}`);
    await box.agent.must('grep -q \'"volume": *60\' /var/lib/starling/settings.json');
    const damaged = await box.agent.must("find /var/lib/starling -name '*damaged*' | head -n 3");
    if (damaged !== '') throw new Error(`set aside as damaged: ${damaged}`);
    return `${await box.agent.must("df --output=avail -BM /data | tail -n 1 | tr -d ' '")} free`;
  });
  return phone;
}

async function withoutStick({ report }: Lab, box: Box): Promise<void> {
  await report.check('a start without the stick that was there before', async () => {
    await box.quit();
    writeCardFile(box.init.disk, 'starling.txt', `${readCardFile(box.init.disk, 'starling.txt')}let_in = yes\n`);
    await box.start();
    await box.agent.up(1, BOOT_MS);
    const { library, now } = await box.until(
      'nothing plays',
      BOOT_MS + MUSIC_MS,
      (status) => status.now?.track != null && !status.library.sources.some((source) => source.startsWith('/media/')),
    );
    return `${now?.track?.name}, sources ${library.sources.join(' ') || 'none'}; ${await box.well()}`;
  });
}

/** The line was written before the start that runs now. */
async function letIn({ report }: Lab, box: Box): Promise<void> {
  await report.check('let_in = yes: one phone is let in with nobody at the box, and only one', async () => {
    await Phone.alone(box);
    const next = await Phone.alone(box).then(
      () => 'let in',
      (error: Error) => error.message,
    );
    if (!next.includes('waiting')) throw new Error(`the next phone: ${next}`);
    const { name } = (await box.page()).node;
    if (name !== NAME) throw new Error(`the page says ${name}`);
    const left = await box.agent.must('cat /boot/firmware/starling.txt');
    if (/let_in *= *yes/.test(left)) throw new Error('it stands in the file still');
    return 'the next one waits for a hand';
  });
}

async function reset({ report }: Lab, box: Box, phone: Phone, stick: string): Promise<void> {
  await report.check('a reset of all: as new, with its host name and its music', async () => {
    await box.plug(STICK, stick);
    const before = await box.page();
    const hostName = await box.agent.must('hostname');
    const boots = box.agent.boots;
    const { status, json } = await phone.post('/api/reset', { what: 'all', confirm: NAME });
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`);
    await box.agent.up(boots + 1, 2 * BOOT_MS);
    const after = await box.until(
      'the music of the stick does not play',
      BOOT_MS + MUSIC_MS,
      ({ now, library }) => now?.track != null && library.sources.some((source) => source.startsWith('/media/')),
    );
    if (after.node.id === before.node.id) throw new Error('it kept its identity');
    if ((await box.agent.must('hostname')) !== hostName) throw new Error('it has another host name');
    if (after.node.name === NAME) throw new Error('starling.txt, which is the former owner’s, was applied again');
    const networks = await box.agent.must('nmcli -t -g NAME connection show');
    if (networks.includes(NETWORK)) throw new Error(`NetworkManager still knows ${networks}`);
    const session = await phone.get('/api/session');
    if (session.json.paired === true) throw new Error('the phone is still known');
    return `${before.node.id.slice(-6)} became ${after.node.id.slice(-6)}, ${hostName}; ${await box.well()}`;
  });
}

async function restart(box: Box): Promise<void> {
  const boots = box.agent.boots;
  await box.reset();
  await box.agent.up(boots + 1, BOOT_MS);
}

/** @throws when the page stays away or nothing is on meanwhile */
async function playsFor(box: Box, ms: number): Promise<string> {
  const since = await box.stopwatch();
  const names = new Set<string>();
  while ((await since()) * 1_000 < ms) {
    const status = await box.status();
    const name = status?.now?.track?.name;
    if (name === undefined) throw new Error(status === null ? 'the page does not answer' : 'nothing plays');
    names.add(name);
    await sleep(1_000);
  }
  return `${names.size} tracks in ${ms / 1_000} s`;
}

const hasNotice = (code: string) => (status: StatusSnapshot) => status.notices.some((notice) => notice.code === code);
