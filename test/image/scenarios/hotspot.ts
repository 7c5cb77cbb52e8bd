import { join } from 'node:path';
import { Air, airCredentials, airMissing, HOME, HOTSPOT_ADDRESS, makeAirStick, STICK } from '../air.ts';
import { BOOT_MS, type Box } from '../box.ts';
import type { Outcome } from '../report.ts';
import type { Lab } from './scenario.ts';

const WRONG = 'wrong horse';
/** Finding, associating, an address: on a board half a minute at the most. */
const ATTEMPT_MS = 300_000;
/** The product's own time, src/system/wifi/limits.ts: a hotspot without a phone beside a link. */
const IDLE_MS = 60_000;
/** And a lost link. */
const LINK_LOST_MS = 5 * 60_000;
/** By the box's own clock: noticing, scanning and opening take a while. */
const LINK_LOST_SPARE_S = 45;
/** And a boot without a link. From the radio's first moment: a board's own is there before the box asks, the simulated one later. */
const OPENS_S = 25;
/** What the emulator may take on top of them. */
const SLOW_MS = 240_000;
/** The gateway of the emulator's network: what lies beyond the cable. */
const BEYOND = '10.0.2.2';

/** From a box that nobody knows to one in the home, by a phone alone; then a lost link, and a cable. */
export async function hotspot(lab: Lab): Promise<void> {
  const { report, work } = lab;
  const missing = airMissing();
  if (missing !== null) {
    await report.check('radios, a home and a phone', async () => Promise.reject(new Error(missing)));
    return;
  }
  const stick = join(work, 'air.tar');
  makeAirStick(stick);
  const box = await lab.box('box', { credentials: airCredentials() });
  const air = new Air(box);
  const opened = await report.check('without a link the hotspot opens', async () => {
    await box.start();
    await box.link(false);
    await box.plug(STICK, stick);
    await box.agent.up(1, BOOT_MS);
    return await hotspotOpens(box, air);
  });
  if (!opened) return;
  if (!(await phoneIsLed(lab, air))) return;
  await joinsHome(lab, box, air);
  await restartKeepsHome(lab, box, air);
  await lostLink(lab, box, air);
  await cable(lab, box, air);
  await report.check('nothing failed in all that', async () => {
    const complaints = await box.complaints();
    if (complaints.length > 0) throw new Error(complaints.slice(0, 3).join(' | '));
    return 'no unit failed';
  });
}

async function hotspotOpens(box: Box, air: Air): Promise<Outcome> {
  await air.isThere(BOOT_MS);
  const { hotspot: open } = await air.until('no hotspot', BOOT_MS, (view) => view.hotspot.on);
  if (!/^Starling-[0-9a-f]{4}$/.test(open.ssid)) throw new Error(`it is called ${open.ssid}`);
  const openedS = (await air.loggedAt('starling', 'The hotspot is open')) ?? Number.NaN;
  const startedS = (await air.loggedAt('starling', 'Starting starling.service')) ?? Number.NaN;
  const radios = await box.agent.must("journalctl -b -u h -o short-monotonic --no-pager | tail -n 1 | tr -d '[]'");
  const figures = {
    since_kernel_s: round(openedS),
    since_radio_start_s: round(openedS - startedS),
    since_wifi_device_s: round(openedS - Number.parseFloat(radios)),
  };
  const detail = `${open.ssid}, ${figures.since_wifi_device_s} s after the radio, ${figures.since_kernel_s} s after the kernel`;
  if (!(figures.since_wifi_device_s <= OPENS_S)) throw new Error(detail);
  return { detail, figures };
}

/** Joins the hotspot and is shown the page. @returns whether it got that far */
async function phoneIsLed({ report }: Lab, air: Air): Promise<boolean> {
  const joined = await report.check('a phone joins it and gets an address and the way to the page', async () => {
    const lease = await joinHotspot(air);
    const portal = Buffer.from(lease.opt114 ?? '', 'hex').toString();
    if (portal !== `http://${HOTSPOT_ADDRESS}/api/captive`) throw new Error(`DHCP option 114: "${portal}"`);
    if (lease.router !== HOTSPOT_ADDRESS || lease.dns !== HOTSPOT_ADDRESS) throw new Error(JSON.stringify(lease));
    return `${lease.ip}, option 114 ${portal}`;
  });
  if (!joined) return false;
  await report.check('whatever a phone asks for leads it to the page without script', async () => {
    const name = 'connectivitycheck.gstatic.com';
    const names = await air.on('phone', `busybox nslookup ${name} ${HOTSPOT_ADDRESS} || true`);
    if (!/Name:\s+connectivitycheck\S*\s+Address:\s+10\.42\.0\.1\s/.test(`${names}\n`)) throw new Error(names);
    const probe = await air.page('phone', { address: HOTSPOT_ADDRESS, path: '/generate_204', host: name });
    if (probe.status !== 302) throw new Error(`/generate_204: ${probe.status}`);
    const path = /^http:\/\/10\.42\.0\.1(\/.*)$/.exec(probe.headers.location ?? '')?.[1];
    if (path === undefined) throw new Error(`led to ${probe.headers.location}`);
    const page = await air.page('phone', { address: HOTSPOT_ADDRESS, path });
    if (page.status !== 200 || !page.body.includes('<form')) throw new Error(`${path}: ${page.status}`);
    if (/<script/i.test(page.body)) throw new Error('the page has a script');
    const captive = await air.page('phone', { address: HOTSPOT_ADDRESS, path: '/api/captive' });
    if (!captive.body.includes('"captive":true')) throw new Error(captive.body);
    return `${probe.headers.location}, ${page.body.length} characters`;
  });
  return await report.check('it sees the home in the list of networks', async () => {
    const { body } = await wifiPage(air);
    const seen = [...body.matchAll(/name="ssid" value="([^"]*)"/g)].map(([, ssid]) => ssid);
    if (!seen.includes(HOME.ssid)) throw new Error(`seen: ${seen.join(', ') || 'none'}`);
    return seen.join(', ');
  });
}

async function joinsHome({ report }: Lab, box: Box, air: Air): Promise<void> {
  await report.check('a wrong password: the hotspot is back, with the reason', async () => {
    const since = await box.stopwatch();
    await sendForm(air, WRONG);
    await air.until('not back', ATTEMPT_MS, ({ phase, hotspot: open }) => phase === 'failed' && open.on);
    const back_s = await since();
    await joinHotspot(air);
    const { body } = await wifiPage(air);
    const told = /role="alert">(.*?)<\/p>/.exec(body)?.[1]?.replaceAll(/<[^>]*>/g, '') ?? '';
    if (told !== `${HOME.ssid} did not accept the password.`) throw new Error(`told: "${told}"`);
    return { detail: told, figures: { back_s, page_s: await since() } };
  });
  await report.check('the right password: linked, and its page is found in the home', async () => {
    const since = await box.stopwatch();
    await sendForm(air, HOME.password);
    const linked = await linkedHome(air);
    const linked_s = await since();
    await air.phoneLeaves();
    const country = await box.agent.must("iw reg get | grep -m 1 '^country'");
    if (!country.includes('DE')) throw new Error(country);
    return {
      detail: `${await atHome(air, linked)}, ${country.split(':')[0]}`,
      figures: { linked_s, page_s: await since() },
    };
  });
}

async function restartKeepsHome({ report }: Lab, box: Box, air: Air): Promise<void> {
  await report.check('a restart of the machine: linked again, no hotspot', async () => {
    await box.reset();
    await box.agent.up(2, BOOT_MS);
    await air.isThere(BOOT_MS);
    const linked = await linkedHome(air);
    const linked_s = Math.round(await box.uptimeS());
    const state = await box.settled();
    const detail = await atHome(air, linked);
    const opened = await air.loggedAt('starling', 'The hotspot is open');
    if (opened !== null) throw new Error(`the hotspot opened ${opened} s after the kernel`);
    return { detail: `${detail}, ${state}`, figures: { linked_s } };
  });
}

async function lostLink({ report }: Lab, box: Box, air: Air): Promise<void> {
  await report.check('the home goes: the hotspot is back after five minutes', async () => {
    await air.world('away nest');
    await air.until('still linked', SLOW_MS, ({ ssid }) => ssid === null);
    const since = await box.stopwatch();
    await air.until('no hotspot', 4 * LINK_LOST_MS, (view) => view.hotspot.on);
    const opened_s = await since();
    if (Math.abs(opened_s - LINK_LOST_MS / 1_000) > LINK_LOST_SPARE_S) throw new Error(`after ${opened_s} s`);
    return { detail: `${opened_s} s after the link`, figures: { opened_s } };
  });
}

async function cable({ report }: Lab, box: Box, air: Air): Promise<void> {
  await report.check('a cable: a phone on the hotspot is not thrown off', async () => {
    await joinHotspot(air);
    await box.link(true);
    await air.until('no address on the cable', SLOW_MS, ({ addresses }) =>
      addresses.some((each) => each.startsWith('10.0.2.')),
    );
    // Longer than an empty hotspot stays.
    await box.agent.must(`sleep ${IDLE_MS / 1_000 + 15}`, IDLE_MS * 3);
    const { status } = await air.page('phone', { address: HOTSPOT_ADDRESS, path: '/api/status' });
    if (status !== 200) throw new Error(`the phone is answered ${status}`);
    return `answered after ${IDLE_MS / 1_000 + 15} s`;
  });
  await report.check('nothing is forwarded from the hotspot to the cable', async () => {
    const beyond = `ping -c 2 -W 10 ${BEYOND}`;
    await box.agent.must(beyond);
    const forwarding = await box.agent.must('sysctl -n net.ipv4.ip_forward');
    const reached = await air.on('phone', `busybox ping -c 3 -W 5 ${BEYOND} && echo reached || true`);
    if (reached.includes('reached')) throw new Error('the phone reaches what lies beyond the cable');
    const rules = await box.agent.must('nft list table inet starling');
    if (!/iifname "wlan\*" drop/.test(rules)) throw new Error(rules);
    return `the box reaches ${BEYOND}, the phone does not (ip_forward ${forwarding})`;
  });
  await report.check('the phone leaves: the hotspot closes, the page is on the cable', async () => {
    await air.phoneLeaves();
    const since = await box.stopwatch();
    await air.until('still open', IDLE_MS + SLOW_MS, (view) => !view.hotspot.on && view.phase === 'idle');
    const closed_s = await since();
    const { node } = await box.page();
    return { detail: `${node.name} on the cable`, figures: { closed_s } };
  });
}

async function joinHotspot(air: Air): Promise<Record<string, string>> {
  await air.phoneLeaves();
  const view = await air.until('no hotspot', SLOW_MS, ({ hotspot: open }) => open.on);
  return await air.phoneJoins(view.hotspot.ssid);
}

function wifiPage(air: Air) {
  return air.page('phone', { address: HOTSPOT_ADDRESS, path: '/wifi' });
}

/** Fills in the form of the page, as a hand would. */
async function sendForm(air: Air, password: string): Promise<void> {
  const { body } = await wifiPage(air);
  const form = /name="form" value="([^"]+)"/.exec(body)?.[1] ?? '';
  const fields = { form, action: 'join', ssid: HOME.ssid, password, country: 'DE' };
  const answer = await air.page('phone', { address: HOTSPOT_ADDRESS, path: '/wifi' }, fields);
  if (answer.status !== 200 || !answer.body.includes('Trying')) throw new Error(`the form: ${answer.status}`);
}

/** @returns the box's address in the home */
async function linkedHome(air: Air): Promise<string> {
  const { addresses } = await air.until('not linked', ATTEMPT_MS, ({ phase, ssid, hotspot: open, addresses: own }) => {
    return phase === 'idle' && ssid === HOME.ssid && !open.on && own.some((each) => each.startsWith('10.9.'));
  });
  return addresses.find((each) => each.startsWith('10.9.'))!;
}

async function atHome(air: Air, address: string): Promise<string> {
  const { status, body } = await air.page('homes', { address, path: '/' });
  if (status !== 200 || !body.includes('Starling')) throw new Error(`http://${address}/ answers ${status}`);
  return `http://${address}/ answers ${status}`;
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
