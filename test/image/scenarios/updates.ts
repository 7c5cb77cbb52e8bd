import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LastUpdate, UpdateView } from '../../../src/system/update/updates.ts';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { Phone, updateView } from '../phone.ts';
import type { Report } from '../report.ts';
import { makeStick } from '../stick.ts';
import { CUT, FLIPPED, GOOD, MUTE, PANICS, STRANGE, UpdateFiles } from '../update-files.ts';
import type { Lab } from './scenario.ts';

/** 350 MB read twice from an emulated stick, written, and read again: a minute and a half on an idle host. */
const INSTALL_MS = 900_000;
/** A trial is given up after eight minutes; a shutdown before it, a start after it. */
const TRIAL_MS = 600_000 + BOOT_MS;
const UPDATER = '/opt/starling/node_modules/.bin/node /opt/starling/dist/updater.mjs';
const KEYS = '/usr/lib/starling/release-keys';
/** The first third of an installation only reads; then the slot is being written. */
const WRITING_PERCENT = 45;
const NAME = 'Attic';
const STICK = 'stick';

/** What a test has in its hands. */
interface Hands {
  report: Report;
  box: Box;
  phone: Phone;
  stick: string;
  /** Its updates, before they were on it. */
  folder: string;
  publicKey: string;
  /** What must be the same after every start. */
  before: Memory;
}

interface Memory {
  nodeId: string;
  nodeName: string;
  hostName: string;
  machineId: string;
}

/** Updates from a stick and a phone: refused ones, a cut in the middle, a good one, one that does not come up, one that panics. */
export async function updates(lab: Lab): Promise<void> {
  const { report } = lab;
  const files = new UpdateFiles(lab.image, lab.work);
  const stick = join(lab.work, 'stick.img');
  const made = await report.check('updates are made of the built slot', async () => {
    files.makeAll();
    cpSync(lab.music, files.folder, { recursive: true });
    makeStick(stick, files.folder, 'UPDATES');
    return [GOOD, MUTE, PANICS].map(({ version }) => version).join(', ');
  });
  const box = await lab.box('box');
  box.knowMusic(lab.music);
  let hands: Hands | null = null;
  const ready = await report.check('a box that plays, with a paired phone and a name of its own', async () => {
    await box.start();
    hands = await takeInHand(box, report, stick, files);
    return `${hands.before.nodeName}, ${hands.before.hostName}`;
  });
  if (!made || !ready || hands === null) return;
  await refused(hands);
  await cutInTheMiddle(hands);
  if (!(await good(hands))) return;
  await mute(hands);
  await panics(hands);
}

async function takeInHand(box: Box, report: Report, stick: string, files: UpdateFiles): Promise<Hands> {
  const { folder, publicKey } = files;
  await box.plug(STICK, stick);
  await box.until('no track is ready', BOOT_MS + MUSIC_MS, ({ library }) => library.ready > 0);
  await trust(box, publicKey);
  const phone = await Phone.pair(box);
  const { status, json } = await phone.post('/api/settings', { name: NAME });
  if (status !== 200) throw new Error(`the name was not taken: ${JSON.stringify(json)}`);
  await box.until('the name is not on the page', BOOT_MS, ({ node }) => node.name === NAME);
  await box.until('nothing plays', BOOT_MS, ({ now }) => now?.track != null);
  return { report, box, phone, stick, folder, publicKey, before: await remember(box) };
}

/** The card of the test has no release key of its own, or another one; a start forgets this one. */
async function trust(box: Box, publicKey: string): Promise<void> {
  const packed = Buffer.from(publicKey).toString('base64');
  await box.agent.must(
    `mkdir -p /run/test-keys && base64 -d <<<${packed} >/run/test-keys/test.pem && mount --bind /run/test-keys ${KEYS}`,
  );
}

async function remember(box: Box): Promise<Memory> {
  const { node } = await box.page();
  return {
    ...{ nodeId: node.id, nodeName: node.name },
    hostName: await box.agent.must('hostname'),
    machineId: await box.agent.must('cat /etc/machine-id'),
  };
}

async function refused(hands: Hands): Promise<void> {
  const { report, box, phone } = hands;
  const untouched = await cardOf(box);
  await report.check('refused at a look: cut short, and signed with another key', async () => {
    const seen: string[] = [];
    for (const [name, code] of [
      [CUT, 'truncated'],
      [STRANGE, 'unknown_key'],
    ] as const) {
      const row = (await rows(box)).find((found) => found.name === name);
      if (row?.refused?.code !== code) throw new Error(`${name} in the list: ${JSON.stringify(row)}`);
      const { status, json } = await phone.post('/api/update/install', { file: row.file });
      if (status !== 409 || json.error?.code !== code) throw new Error(`${name}: ${status} ${JSON.stringify(json)}`);
      await refusedByRoot(box, name, code);
      seen.push(`${code}: ${json.error.text}`);
    }
    return seen.join(' ').slice(0, 160);
  });
  await report.check('refused once it was read: one byte flipped', async () => {
    await ask(hands, FLIPPED);
    const last = await ended(box, INSTALL_MS);
    if (last.outcome !== 'refused' || last.code !== 'bad_hash') throw new Error(JSON.stringify(last));
    return `${last.code}: ${last.text}`.slice(0, 160);
  });
  await report.check('after refusals the boot state and the other slot are as they were', async () => {
    const now = await cardOf(box);
    if (now !== untouched) throw new Error(`the card was ${untouched}, is ${now}`);
    return now;
  });
}

/** The page only looks; the part with all rights must not rely on it. */
async function refusedByRoot(box: Box, name: string, code: string): Promise<void> {
  const { code: exit, output } = await box.agent.run(`${UPDATER} install --any-version /media/*/${name}`, 120_000);
  if (exit !== 1 || !output.includes(`updater: ${code}:`)) throw new Error(`root on ${name}: exit ${exit}, ${output}`);
}

async function cutInTheMiddle(hands: Hands): Promise<void> {
  const { report, box } = hands;
  await report.check('power goes in the middle of an installation: the old slot is whole', async () => {
    await ask(hands, GOOD.name);
    const percent = await percentOf(box, WRITING_PERCENT);
    await box.kill();
    await box.start();
    await box.plug(STICK, hands.stick);
    await box.agent.up(1, BOOT_MS);
    await startedFrom(box, 'a', false);
    await settle(hands);
    const view = await viewOf(box);
    if (view.phase !== 'idle' || view.last?.outcome !== 'interrupted') throw new Error(JSON.stringify(view));
    return `cut at ${percent} %, ${view.last.outcome}`;
  });
}

async function good(hands: Hands): Promise<boolean> {
  const { report, box } = hands;
  const installed = await report.check('the same update installs now, and the box starts anew by itself', async () => {
    const boots = box.agent.boots;
    await ask(hands, GOOD.name);
    await percentOf(box, WRITING_PERCENT);
    await box.agent.up(boots + 1, INSTALL_MS + BOOT_MS);
    return `into ${await startedFrom(box, 'b', true)}`;
  });
  if (!installed) return false;
  await report.check('it is confirmed', async () => {
    const last = await ended(box, TRIAL_MS);
    if (last.outcome !== 'confirmed' || last.version !== GOOD.version) throw new Error(JSON.stringify(last));
    const { node } = await box.page();
    if (node.version !== GOOD.version) throw new Error(`the page says version ${node.version}`);
    const state = await bootState(box);
    if (state !== 'b/null') throw new Error(`boot state ${state}`);
    return `version ${node.version}, boot state ${state}, ${Math.round(await box.uptimeS())} s after the kernel started`;
  });
  return await report.check('it stays: reset, and slot b again with settings, identity and music', async () => {
    const boots = box.agent.boots;
    await box.reset();
    await box.agent.up(boots + 1, BOOT_MS);
    const line = await startedFrom(box, 'b', false);
    await settle(hands);
    const { name, correlation } = await box.hear();
    return { detail: `${line}; ${name} is heard`, figures: { correlation } };
  });
}

async function mute(hands: Hands): Promise<void> {
  const { report, box } = hands;
  await report.check('an update whose radio never answers is tried once, and left', async () => {
    const boots = box.agent.boots;
    await ask(hands, MUTE.name);
    await percentOf(box, WRITING_PERCENT);
    await box.agent.up(boots + 1, INSTALL_MS + BOOT_MS);
    const tried = await startedFrom(box, 'a', true);
    await box.agent.up(boots + 2, TRIAL_MS);
    const back = await startedFrom(box, 'b', false);
    return `${tried}, then ${back}`;
  });
  await fellBack(hands, MUTE.version, 'no_answer');
}

async function panics(hands: Hands): Promise<void> {
  const { report, box } = hands;
  await report.check('an update sent from a phone is there; one signed with another key is not', async () => {
    const strange = await hands.phone.send(join(hands.folder, STRANGE));
    if (strange.json.error?.code !== 'unknown_key')
      throw new Error(`${strange.status} ${JSON.stringify(strange.json)}`);
    const { status, json } = await hands.phone.send(join(hands.folder, PANICS.name));
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`);
    const sent = (await rows(box)).filter(({ place }) => place === 'upload');
    if (sent.length !== 1 || sent[0]?.version !== PANICS.version) throw new Error(JSON.stringify(sent));
    return `${sent[0].version}, ${strange.json.error.text}`.slice(0, 160);
  });
  await report.check('it panics, and is left by the kernel itself', async () => {
    const boots = box.agent.boots;
    const seen = box.serial().split('Kernel panic').length;
    await ask(hands, null);
    await box.agent.up(boots + 1, INSTALL_MS + 2 * BOOT_MS);
    if (box.serial().split('Kernel panic').length !== seen + 1) throw new Error('the kernel did not panic once');
    return await startedFrom(box, 'b', false);
  });
  await fellBack(hands, PANICS.version, null);
}

async function fellBack(hands: Hands, version: string, code: string | null): Promise<void> {
  const { report, box } = hands;
  await report.check('the version from before plays, and the page says what happened', async () => {
    await settle(hands);
    const { last } = await viewOf(box);
    if (last?.outcome !== 'fell_back' || last.version !== version || last.code !== code) {
      throw new Error(JSON.stringify(last));
    }
    const { node, notices } = await box.page();
    const notice = notices.find((each) => each.code === 'updateFailed');
    if (notice === undefined || node.version !== GOOD.version) {
      throw new Error(`version ${node.version}, notices ${JSON.stringify(notices)}`);
    }
    await box.hear();
    return notice.text;
  });
}

/** Asks for an update as the page does. @param name on the stick; null: the one that the phone sent */
async function ask({ box, phone }: Hands, name: string | null): Promise<void> {
  const row = (await rows(box)).find((found) => (name === null ? found.place === 'upload' : found.name === name));
  if (row === undefined) throw new Error(`${name ?? 'what the phone sent'} is not found`);
  const { status, json } = await phone.post('/api/update/install', { file: row.file });
  if (status !== 200) throw new Error(`${name}: ${status} ${JSON.stringify(json)}`);
}

async function rows(box: Box): Promise<UpdateView['found']> {
  const view = await viewOf(box, ({ found }) => found.length > 0);
  return view.found;
}

/** @throws when nobody answers so */
async function viewOf(
  box: Box,
  holds: (view: UpdateView) => boolean = () => true,
  withinMs = 180_000,
): Promise<UpdateView> {
  const deadline = performance.now() + withinMs;
  let view: UpdateView | null = null;
  while (performance.now() < deadline && box.running) {
    view = (await updateView(box)) ?? view;
    if (view !== null && holds(view)) return view;
    await sleep(1_000);
  }
  throw new Error(`updates are not as expected within ${withinMs / 1_000} s: ${JSON.stringify(view)}`);
}

async function percentOf(box: Box, atLeast: number): Promise<number> {
  const { percent, last } = await viewOf(
    box,
    (view) => view.phase === 'idle' || view.phase === 'restarting' || (view.percent ?? 0) >= atLeast,
    INSTALL_MS,
  );
  if (percent === null) throw new Error(`it ended before ${atLeast} %: ${JSON.stringify(last)}`);
  return percent;
}

async function ended(box: Box, withinMs: number): Promise<LastUpdate> {
  const { last } = await viewOf(box, ({ phase, last: how }) => phase === 'idle' && how !== null, withinMs);
  return last!;
}

/** All is as before, and music is on. */
async function settle({ box, phone, publicKey, before }: Hands): Promise<void> {
  await trust(box, publicKey);
  await box.until('nothing plays', BOOT_MS + MUSIC_MS, ({ now, library }) => now?.track != null && library.ready > 0);
  const after = await remember(box);
  if (JSON.stringify(after) !== JSON.stringify(before)) {
    throw new Error(`was ${JSON.stringify(before)}, is ${JSON.stringify(after)}`);
  }
  const { json } = await phone.get('/api/session');
  if (json.paired !== true) throw new Error('the phone is not known any more');
  const complaints = await box.complaints();
  if (complaints.length > 0) throw new Error(complaints.slice(0, 3).join(' | '));
}

/** @throws when the kernel was started otherwise */
async function startedFrom(box: Box, slot: 'a' | 'b', onTrial: boolean): Promise<string> {
  const line = await box.agent.must("grep -oE 'starling\\.[a-z]+=[^ ]+' /proc/cmdline | tr '\\n' ' '");
  const wanted = `starling.slot=${slot} starling.trial=${onTrial ? 1 : 0}`;
  if (line.trim() !== wanted) throw new Error(`started with ${line}, not ${wanted}`);
  return wanted;
}

async function bootState(box: Box): Promise<string> {
  const { boot_state } = JSON.parse(await box.agent.must(`${UPDATER} status`)) as {
    boot_state: { slot: string; try: string | null } | null;
  };
  return boot_state === null ? 'none' : `${boot_state.slot}/${boot_state.try}`;
}

/** Boot state, and what is at the beginning of the other slot. */
async function cardOf(box: Box): Promise<string> {
  const hash = await box.agent.must(
    'dd if=/dev/disk/by-partuuid/53544152-03 bs=1M count=16 iflag=direct status=none | sha256sum | cut -c1-16',
  );
  const sector = await box.agent.must(
    'dd if=/dev/vda bs=512 skip=4096 count=1 iflag=direct status=none | sha256sum | cut -c1-16',
  );
  return `boot state ${await bootState(box)} (${sector}), slot b ${hash}`;
}
