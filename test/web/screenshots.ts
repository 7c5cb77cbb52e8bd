/**
 * `node test/web/screenshots.ts [--music DIR] [--settle 60] [--out web-setup/screenshots]`: takes the pictures for the
 * README from a really running flock in a real Chromium. With `--url URL` from a node of this machine that runs already.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { DESKTOP, launch, open, PHONE } from './browser.ts';
import { paired, serveLiving } from './living.ts';
import { sampleSnapshot } from './sample.ts';

const MAX_PICTURE_BYTES = 150_000;
const MAX_TOTAL_BYTES = 1_000_000;

interface Shot {
  name: string;
  options: BrowserContextOptions;
  /** The whole page, or what fits the window. */
  whole?: boolean;
  view?: 'now' | 'flock' | 'music' | 'box';
  /** What a finger does before the picture. */
  prepare?: (page: Page) => Promise<void>;
}

const PHONE_LIGHT = { viewport: PHONE, colorScheme: 'light', deviceScaleFactor: 2 } as const;
const PHONE_DARK = { ...PHONE_LIGHT, colorScheme: 'dark' } as const;

/** Of a node that runs. Paired by then, as somebody at the box itself is. */
const SHOTS: Shot[] = [
  { name: 'phone-light', options: PHONE_LIGHT },
  { name: 'phone-dark', options: PHONE_DARK },
  { name: 'why', options: PHONE_LIGHT, prepare: openReason },
  { name: 'flock', options: PHONE_LIGHT, view: 'flock' },
  { name: 'box', options: PHONE_LIGHT, view: 'box' },
  { name: 'light', options: PHONE_LIGHT, prepare: openLight },
  { name: 'desktop-light', options: { viewport: DESKTOP, colorScheme: 'light' } },
  { name: 'desktop-dark', options: { viewport: DESKTOP, colorScheme: 'dark' } },
  { name: 'plain', options: { viewport: PHONE, colorScheme: 'light', javaScriptEnabled: false }, whole: true },
];

/** Of the same page over a Wi-Fi and a button in memory: the machine that takes the pictures has neither. */
const SETUP_SHOTS: Shot[] = [
  { name: 'wifi', options: { ...PHONE_LIGHT, javaScriptEnabled: false }, whole: true },
  { name: 'found', options: { ...PHONE_LIGHT, javaScriptEnabled: false }, prepare: putOnWifi },
  { name: 'pairing', options: PHONE_LIGHT, view: 'box', prepare: askToPair },
];

/** Of a box with sticks, by a phone that is paired: the path of the music of the real one is this machine's. */
const MUSIC_SHOTS: Shot[] = [{ name: 'music', options: PHONE_LIGHT, view: 'music' }];

const WIFI_SHOTS = new Set(['wifi', 'found']);
/** As on a box, so that its address is as short as there; taken where this user may. */
const BOX_PORT = 80;

async function openReason(page: Page): Promise<void> {
  // By its slot: the list moves on while the picture is taken.
  const slot = await page.locator('#queue li:has(.badge[data-state="settled"])').last().getAttribute('data-key');
  const row = page.locator(`#queue li[data-key="${slot}"]`);
  await row.locator('summary').click();
  await row.locator('.why-body p').first().waitFor();
  await row.evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 16));
}

async function openLight(page: Page): Promise<void> {
  await page.locator('#light').click();
  await page.getByRole('dialog').waitFor();
  await page.waitForTimeout(400);
}

async function putOnWifi(page: Page): Promise<void> {
  await page.getByRole('radio', { name: 'Lindenhof' }).check();
  await page.getByRole('textbox', { name: 'Password' }).fill('correct horse battery');
  await page.getByRole('button', { name: 'Connect' }).click();
  await page.locator('.found').waitFor();
}

async function askToPair(page: Page): Promise<void> {
  await page.locator('#pair').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name of this phone').fill('Anna’s phone');
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await dialog.getByText('Hold the button on the box').waitFor();
  await page.waitForTimeout(1_200);
}

/** @param url with a slash at its end @param before what each browser does first, such as being paired */
async function takePictures(
  shots: readonly Shot[],
  url: string,
  out: string,
  before?: (context: BrowserContext) => Promise<void>,
): Promise<void> {
  mkdirSync(out, { recursive: true });
  const browser = await launch();
  let total = 0;
  try {
    for (const { name, options, whole = false, view = 'now', prepare } of shots) {
      const path = WIFI_SHOTS.has(name) ? 'wifi' : `#${view}`;
      const { page, complaints } = await open(browser, `${url}${path}`, options, before);
      if (options.javaScriptEnabled !== false) await page.locator('#app').waitFor({ state: 'visible' });
      if (options.javaScriptEnabled !== false && view === 'now') await page.locator('#queue > li').nth(4).waitFor();
      await page.waitForTimeout(700);
      await prepare?.(page);
      const file = join(out, `${name}.webp`);
      writeFileSync(file, await picture(page, whole));
      await page.context().close();
      const bytes = statSync(file).size;
      total += bytes;
      console.log(
        `${file}: ${Math.round(bytes / 1_000)} kB${complaints.length > 0 ? `, ${complaints.join('; ')}` : ''}`,
      );
      if (bytes > MAX_PICTURE_BYTES) throw new Error(`${file} is larger than ${MAX_PICTURE_BYTES} bytes`);
    }
  } finally {
    await browser.close();
  }
  if (total > MAX_TOTAL_BYTES) throw new Error(`the pictures are larger than ${MAX_TOTAL_BYTES} bytes together`);
}

/** Asks under the machine's own name and from the machine itself: that is granted at once. */
function pairAtTheBox(url: string): (context: BrowserContext) => Promise<void> {
  return async ({ request }) => {
    const headers = { 'X-Starling': '1' };
    const asked = await request.post(`${url}api/pair`, { data: { name: 'Anna’s phone' }, headers });
    const { request: id } = (await asked.json()) as { request: string };
    await request.get(`${url}api/pair/${id}`);
  };
}

/** Setting up: the Wi-Fi page as a hotspot's little browser shows it, and a phone that asks to be paired. */
async function ofSetUp(out: string): Promise<void> {
  const box = await serveLiving({ init: { port: BOX_PORT } }).catch(() => serveLiving());
  try {
    box.wifi.guests.add('127.0.0.1');
    const hotspot = { on: true, ssid: 'Starling-1a2b', address: '10.42.0.1' };
    box.wifi.change({ country: 'DE', networks: NETWORKS, hotspot });
    await takePictures(SETUP_SHOTS.slice(0, 2), `${box.url}/`, out);
    box.wifi.guests.clear();
    box.music.never(null);
    box.state.snapshot = sampleSnapshot();
    await takePictures(MUSIC_SHOTS, `${box.url}/`, out, paired(box));
    await takePictures(SETUP_SHOTS.slice(2), `${box.url}/`, out);
  } finally {
    await box.end();
  }
}

const NETWORKS = [
  { ssid: 'Lindenhof', strength: 84, secured: true, known: false },
  { ssid: 'Garden House', strength: 61, secured: true, known: false },
  { ssid: 'Café am Deich', strength: 38, secured: false, known: false },
];

/** WebP: skies of many colours take four times as much in PNG. */
async function picture(page: Page, whole: boolean): Promise<Buffer> {
  const { width, height } = page.viewportSize() ?? DESKTOP;
  const full = whole ? await page.evaluate(() => document.documentElement.scrollHeight) : height;
  if (full !== height) await page.setViewportSize({ width, height: full });
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 82,
    // The protocol takes pixels of the page; the device's own come by scaling.
    clip: {
      x: 0,
      y: whole ? 0 : await page.evaluate(() => scrollY),
      width,
      height: full,
      scale: await page.evaluate(() => devicePixelRatio),
    },
  });
  return Buffer.from(data, 'base64');
}

/** True when a picture of it tells something: a member that plays, with company and a full queue. */
function isTelling(status: StatusSnapshot): boolean {
  return (
    status.station.phase === 'member' &&
    status.now?.source === 'flock' &&
    status.queue.length === 5 &&
    status.queue.filter(({ proposals }) => (proposals ?? 0) > 2).length > 2 &&
    status.peers.length > 1
  );
}

/** Starts three nodes with music dealt out among them, and shows the first once it is well under way. */
async function ofAFlock(music: string | null, settleS: number, out: string): Promise<void> {
  const { Flock } = await import('../flock/flock.ts');
  const { dealMusic } = await import('../demo/deal.ts');
  const flock = await Flock.create({ prefix: 'starling-screenshots-' });
  try {
    for (const share of await dealMusic({ nodes: 3, music, into: flock.directory })) {
      await flock.add({ name: share.name, music: share.directory });
    }
    await flock.until('a programme with company', settleS * 1_000 + 120_000, (statuses) => {
      const [first] = statuses;
      return first !== undefined && isTelling(first) && first.node.uptime_ms > settleS * 1_000;
    });
    const run = JSON.parse(readFileSync(join(flock.nodes[0]!.dataDir, 'run.json'), 'utf8')) as { http_port: number };
    const url = `http://localhost:${run.http_port}/`;
    await takePictures(SHOTS, url, out, pairAtTheBox(url));
  } finally {
    await flock.stop();
  }
}

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    music: { type: 'string' },
    settle: { type: 'string', default: '60' },
    out: { type: 'string', default: resolve(import.meta.dirname, '../../web-setup/screenshots') },
  },
});
await ofSetUp(values.out);
if (values.url !== undefined) await takePictures(SHOTS, values.url, values.out, pairAtTheBox(values.url));
else await ofAFlock(values.music ?? null, Number(values.settle), values.out);
