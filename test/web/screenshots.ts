/**
 * `node test/web/screenshots.ts [--music DIR] [--settle 60] [--out web-setup/screenshots]`: takes the pictures for the
 * README from a really running flock in a real Chromium. With `--url URL` from a node that runs already.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { DESKTOP, launch, open, PHONE } from './browser.ts';

const MAX_PICTURE_BYTES = 300_000;
const MAX_TOTAL_BYTES = 1_000_000;

const SHOTS: { name: string; options: BrowserContextOptions; whole: boolean }[] = [
  { name: 'phone-light', options: { viewport: PHONE, colorScheme: 'light', deviceScaleFactor: 2 }, whole: false },
  { name: 'phone-dark', options: { viewport: PHONE, colorScheme: 'dark', deviceScaleFactor: 2 }, whole: false },
  { name: 'desktop-light', options: { viewport: DESKTOP, colorScheme: 'light' }, whole: true },
  { name: 'desktop-dark', options: { viewport: DESKTOP, colorScheme: 'dark' }, whole: true },
  { name: 'plain', options: { viewport: PHONE, colorScheme: 'light', javaScriptEnabled: false }, whole: true },
];

async function takePictures(url: string, out: string): Promise<void> {
  mkdirSync(out, { recursive: true });
  const browser = await launch();
  let total = 0;
  try {
    for (const { name, options, whole } of SHOTS) {
      const { page, complaints } = await open(browser, url, options);
      if (options.javaScriptEnabled !== false) await page.locator('#app').waitFor({ state: 'visible' });
      await page.waitForTimeout(500);
      const path = join(out, `${name}.webp`);
      writeFileSync(path, await picture(page, whole));
      await page.context().close();
      const bytes = statSync(path).size;
      total += bytes;
      console.log(
        `${path}: ${Math.round(bytes / 1_000)} KB${complaints.length > 0 ? `, ${complaints.join('; ')}` : ''}`,
      );
      if (bytes > MAX_PICTURE_BYTES) throw new Error(`${path} is larger than ${MAX_PICTURE_BYTES} bytes`);
    }
  } finally {
    await browser.close();
  }
  if (total > MAX_TOTAL_BYTES) throw new Error(`the pictures are larger than ${MAX_TOTAL_BYTES} bytes together`);
}

/** WebP: skies of many colours take four times as much in PNG. */
async function picture(page: Page, whole: boolean): Promise<Buffer> {
  const { width, height } = page.viewportSize() ?? DESKTOP;
  const full = whole ? await page.evaluate(() => document.documentElement.scrollHeight) : height;
  if (full !== height) await page.setViewportSize({ width, height: full });
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 90,
    // The protocol takes pixels of the page; the device's own come by scaling.
    clip: { x: 0, y: 0, width, height: full, scale: await page.evaluate(() => devicePixelRatio) },
  });
  return Buffer.from(data, 'base64');
}

/** True when a picture of it tells something: a member that plays, with company and a full queue. */
function isTelling(status: StatusSnapshot): boolean {
  return (
    status.station.phase === 'member' &&
    status.now?.source === 'flock' &&
    status.queue.length === 5 &&
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
    await takePictures(`http://127.0.0.1:${run.http_port}/`, out);
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
if (values.url !== undefined) await takePictures(values.url, values.out);
else await ofAFlock(values.music ?? null, Number(values.settle), values.out);
