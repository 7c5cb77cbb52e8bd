/**
 * The page of a real node: a process with its own music, in a flock of two, looked at and touched in a real browser by a
 * phone and a computer in the same house. What each test shows stands in web-setup/README.md, word by word.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { Flock, FlockNode } from '../flock/flock.ts';
import {
  accessibilityViolations,
  CHROMIUM,
  DESKTOP,
  launch,
  NO_CHROMIUM,
  type Opened,
  open,
  PHONE,
  resolving,
} from './browser.ts';
import { Phone } from './phone.ts';
import { Wire } from './wire.ts';

/** What is left of a track when the button is touched. */
const ENOUGH_MS = 5_000;
const STATION = 'Dawn chorus';
/** A name as on the household's network: under the machine's own, nobody would have to be let in. */
const HOST = 'starling-1a2b.local';
const VIEWS = ['now', 'flock', 'music', 'box'] as const;
const BUNDLE = join(import.meta.dirname, '../../dist/starling.mjs');

/** Stands in a file's own tags, and goes the way of every title: library, catalog, network, log, page. */
const EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

function retitle(file: string, title: string): void {
  const other = `${file}.new${extname(file)}`;
  execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-c', 'copy', '-metadata', `title=${title}`, other]);
  renameSync(other, file);
}

/** A browser says of each page without TLS that one header is of no use there; a box in a house has no certificate. */
const faults = ({ complaints }: Opened) =>
  complaints.filter((text) => !text.startsWith('The Cross-Origin-Opener-Policy header has been ignored'));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe('the face of a real node', () => {
  let browser: Browser;
  let flock: Flock;
  let kitchen: FlockNode;
  let attic: FlockNode;
  let wire: Wire;
  let url: string;
  const opened: Record<string, Opened> = {};
  let phone: Page;
  let desk: Page;

  beforeAll(async () => {
    if (CHROMIUM === null) return;
    flock = await Flock.create({ prefix: 'starling-face-node-', station: STATION });
    // Tuned by its settings file, not by its command line: what is said there cannot be changed from a phone.
    const dataDir = join(flock.directory, 'data-kitchen');
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'settings.json'), JSON.stringify({ version: 1, name: 'Kitchen', station: STATION }));
    // The same port after a power cut, as on a box.
    const port = await freePort();
    kitchen = new FlockNode({ name: 'Kitchen', music: await musicOf(22) }, dataDir, [
      ...['--music', join(flock.directory, 'music-22'), '--data', dataDir, '--http', String(port), '--output', 'null'],
      ...['--rules', join(flock.directory, 'rules.json'), '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns'],
      ...['--deploy-after', '3'],
    ]);
    await kitchen.start([]);
    flock.nodes.push(kitchen);
    // Joins while the first one is looked at already.
    attic = await flock.add({ name: 'Attic', music: await musicOf(21) });
    await flock.until('a programme in company', 60_000, ([here]) => {
      return here !== undefined && isInFlock(here) && here.peers.some(({ connected }) => connected);
    });
    browser = await launch(resolving(HOST));
    wire = await Wire.open(port);
    url = `http://${HOST}:${wire.port}/`;
    opened.phone = await open(browser, url, { viewport: PHONE, hasTouch: true, isMobile: true });
    opened.desk = await open(browser, url, { viewport: DESKTOP });
    phone = opened.phone.page;
    desk = opened.desk.page;
    for (const page of [phone, desk]) await page.locator('#app').waitFor({ state: 'visible' });
  }, 90_000);
  async function musicOf(seed: number): Promise<string> {
    const music = join(flock.directory, `music-${seed}`);
    mkdirSync(music);
    await makeDemoLibrary(music, { seed, count: 5, minSeconds: 10, maxSeconds: 11 });
    const [first = ''] = readdirSync(music).sort();
    retitle(join(music, first), EVIL);
    return music;
  }
  beforeEach(({ skip }) => {
    if (CHROMIUM === null) skip(NO_CHROMIUM);
  });
  afterAll(async () => {
    await browser?.close();
    await wire?.close();
    await flock?.stop();
  }, 30_000);

  const both = () => [phone, desk];
  const of = (size: string) => (size === 'a phone' ? phone : desk);
  const SIZES = ['a phone', 'a desktop'];
  const isInFlock = (status: StatusSnapshot) => status.station.phase === 'member' && status.now?.source === 'flock';
  const wellInside = () =>
    flock.until('well inside a track', 30_000, ([here]) => {
      if (here === undefined || !isInFlock(here) || here.diverged) return false;
      return here.now!.start_ms + here.now!.duration_ms - here.station.time_ms > ENOUGH_MS;
    });
  const go = (page: Page, view: (typeof VIEWS)[number]) => page.locator(`.tabs a[href="#${view}"]`).click();
  const settings = () => JSON.parse(readFileSync(join(kitchen.dataDir, 'settings.json'), 'utf8'));
  const backInTheFlock = (page: Page) => page.locator('#state-text', { hasText: 'In the flock' }).waitFor();

  /** A track may end between the look at it and the touch; the page says so, and the next one is touched. */
  async function touchSkip(page: Page): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await wellInside();
      await page.locator('#skip').click();
      const toast = page.locator('.toast', { hasText: /Skipped|over already/ }).last();
      await toast.waitFor();
      if ((await toast.textContent())?.includes('Skipped')) return;
    }
    throw new Error('no track could be skipped');
  }

  it('shows what the node plays, and moves on with it', async () => {
    const [status] = await wellInside();
    const { title, name } = status!.now!.track!;
    for (const page of both()) {
      await page.locator('#now-title', { hasText: title ?? name }).waitFor();
      await page.locator('#queue summary').nth(4).waitFor();
    }
    const slot = status!.now!.slot;
    await flock.until('the next track', 30_000, ([here]) => (here?.now?.slot ?? 0) > slot);
    const started = performance.now();
    const next = (await kitchen.status())!.now!.track!;
    await phone.locator('#now-title', { hasText: next.title ?? next.name }).waitFor();
    console.log(`the next track of a real node is on the page ${Math.round(performance.now() - started)} ms later`);
    for (const one of Object.values(opened)) expect(faults(one)).toEqual([]);
  });

  it.each(SIZES)('lets %s in when somebody at the machine says so, and not before', async (size) => {
    const page = of(size);
    await go(page, 'box');
    await page.locator('#pair').click();
    const dialog = page.getByRole('dialog', { name: 'Pair this phone' });
    await dialog.getByLabel('Name of this phone').fill(size);
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByText('npm start -- pair').waitFor();
    expect(await page.locator('#sound').isVisible()).toBe(true);
    execFileSync(process.execPath, [BUNDLE, 'pair', '--data', kitchen.dataDir]);
    await dialog.getByText('This phone may change things now.').waitFor();
    await dialog.waitFor({ state: 'detached' });
    await page.locator('#phones-list .item', { hasText: size }).waitFor();
  });

  it.each(SIZES)('skips on %s, says so, and is back by itself', async (size) => {
    const page = of(size);
    await go(page, 'now');
    await touchSkip(page);
    await page.locator('#now-moderation', { hasText: 'Skipped here. Back with the flock in' }).waitFor();
    // Whoever looks from elsewhere sees it, too.
    for (const other of both())
      await other.locator('#state-text', { hasText: 'Playing something of its own' }).waitFor();
    await backInTheFlock(page);
    expect(await page.locator('#now-moderation').textContent()).toBe('');
  });

  it.each(SIZES)('takes a track off the programme on %s, and back with Undo', async (size) => {
    const page = of(size);
    await go(page, 'now');
    await wellInside();
    await page.locator('#never').click();
    await page.locator('#now-moderation', { hasText: 'Off the programme of this box' }).waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.locator('.toast', { hasText: 'may be played again' }).waitFor();
    await backInTheFlock(page);
    await go(page, 'music');
    await page.locator('#blacklist', { hasText: 'Nothing is on this list.' }).waitFor();
  });

  it('explains a real draw, and the lowest ticket has won it', async () => {
    await go(phone, 'now');
    const [status] = await flock.until('a slot that was drawn', 60_000, ([here]) =>
      (here?.queue ?? []).some(({ ticket, final }) => ticket !== null && final),
    );
    const drawn = status!.queue.find(({ ticket, final }) => ticket !== null && final)!;
    const draw = (await phone.evaluate(async (slot) => (await fetch(`/api/draw/${slot}`)).json(), drawn.slot)) as {
      winner: string;
      proposals: { node_id: string; ticket: string }[];
    };
    const [lowest] = [...draw.proposals].sort((a, b) => (a.ticket < b.ticket ? -1 : 1));
    expect([lowest?.node_id, lowest?.ticket]).toEqual([draw.winner, drawn.ticket]);
    await phone.locator(`#queue > li[data-key="${drawn.slot}"] summary`).click();
    expect(await phone.locator('.proposal[data-won] .ticket').first().textContent()).toBe(drawn.ticket);
  });

  it('shows the catalog of the other box, and a title that is an attack as the text that it is', async () => {
    await flock.until('five tracks over there', 30_000, ([here]) => here?.peers[0]?.tracks === 5);
    await go(phone, 'flock');
    await phone.getByRole('button', { name: /^Catalog.* Attic$/ }).click();
    await phone.locator('.pager .item').first().waitFor();
    const titles = await phone.locator('.pager .item').allTextContents();
    expect(titles).toHaveLength(5);
    expect(titles.filter((text) => text.includes(EVIL))).toHaveLength(1);
    expect(await phone.evaluate(() => 'hacked' in window)).toBe(false);
    expect(await phone.locator('img[src="x"], #app script, dialog script').count()).toBe(0);
    await phone.keyboard.press('Escape');
  });

  it('shows within a second what the box has heard of another one', async () => {
    const { http_port } = JSON.parse(readFileSync(join(attic.dataDir, 'run.json'), 'utf8')) as { http_port: number };
    // At that machine itself nobody has to be let in.
    const there = new Phone(http_port);
    expect(await there.pair('Anna at the attic', () => {})).toBe('granted');
    await go(desk, 'flock');
    const delaysMs: number[] = [];
    for (let round = 0; round < 3; round++) {
      await wellInside();
      await desk.locator('#peers .row', { hasText: 'Attic' }).locator('.badge[data-state="sync"]').waitFor();
      const watching = desk.evaluate(watchForDiverged, 'Attic');
      const { status } = await there.post('/api/skip', { slot: null });
      expect(status).toBe(200);
      const { knownMs, shownMs } = await watching;
      delaysMs.push(Math.round(shownMs - knownMs));
      await desk.locator('#peers .row', { hasText: 'Attic' }).getByText('its own choice').waitFor();
    }
    console.log(`what another box does is on the page ${delaysMs.join(', ')} ms after the status has it`);
    expect(Math.max(...delaysMs)).toBeLessThan(1_000);
  });

  it('speaks four languages, and keeps the one that was chosen', async () => {
    const spoken = { de: 'Im Schwarm', es: 'En la bandada', ja: '群れに参加中', en: 'In the flock' };
    for (const [language, words] of Object.entries(spoken)) {
      for (const page of both()) {
        await go(page, 'box');
        await page.locator('#language').selectOption(language);
        await page.locator(`html[lang="${language}"]`).waitFor();
        await page.locator('#state-text', { hasText: words }).waitFor();
      }
    }
    await phone.locator('#language').selectOption('de');
    await phone.locator('html[lang="de"]').waitFor();
    await phone.reload();
    await phone.locator('#state-text', { hasText: spoken.de }).waitFor();
    await phone.locator('#language').selectOption('en');
    await backInTheFlock(phone);
  });

  it.each([
    ['a phone', PHONE],
    ['a desktop', DESKTOP],
  ])('tells %s without script what plays and what the light says, in its language', async (_, viewport) => {
    const [status] = await wellInside();
    const plain = await open(browser, url, { viewport, javaScriptEnabled: false, locale: 'de-DE' });
    const text = await plain.page.locator('#plain').textContent();
    const { title, name } = status!.now!.track!;
    for (const part of [title ?? name, 'Attic', 'Licht: dauernd an. Die Box spielt mit anderen.'])
      expect(text).toContain(part);
    expect(await plain.page.locator('meta[http-equiv="refresh"]').count()).toBe(1);
    expect(faults(plain)).toEqual([]);
    await plain.page.context().close();
  });

  it.each(SIZES)(
    'breaks no rule of accessibility with real music on %s, in any view, by day and by night',
    async (size) => {
      const page = of(size);
      for (const view of VIEWS) {
        await go(page, view);
        await page.locator(`#${view}`).waitFor({ state: 'visible' });
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect([view, colorScheme, await accessibilityViolations(page)]).toEqual([view, colorScheme, []]);
        }
      }
    },
  );

  it('shows the light of the box, with what it means and what to do', async () => {
    await phone.locator('#light').click();
    const dialog = phone.getByRole('dialog', { name: 'Light' });
    const [told] = await flock.until('a light', 10_000, ([here]) => here?.light?.text !== undefined);
    await dialog.getByText(told!.light!.text!, { exact: true }).waitFor();
    await dialog.getByText(told!.light!.help!, { exact: true }).waitFor();
    await phone.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  it('is set up: a name that the others see, and a volume for good', async () => {
    await go(phone, 'box');
    await phone.locator('#name').fill('Pantry');
    await phone.locator('#name-form button').click();
    await phone.locator('.toast', { hasText: 'The radio starts anew' }).waitFor();
    await flock.until('the new name over there', 60_000, (statuses) =>
      statuses.some(({ node, peers }) => node.name === 'Attic' && peers.some(({ name }) => name === 'Pantry')),
    );
    await backInTheFlock(phone);
    await go(desk, 'box');
    await desk.locator('#volume').focus();
    await desk.keyboard.press('Home');
    await desk.keyboard.press('ArrowRight');
    await expect.poll(() => settings().volume, { timeout: 5_000 }).toBe(1);
    await phone.locator('#volume-value', { hasText: '1 %' }).waitFor();
    expect(await phone.locator('#output').isDisabled()).toBe(true);
    expect(await phone.locator('#output').getAttribute('title')).toContain('Given when the box was started');
    expect(settings()).toMatchObject({ name: 'Pantry', volume: 1 });
  });

  it('tunes to another station and comes back by itself', async () => {
    await go(phone, 'box');
    await phone.locator('#tune').click();
    const dialog = phone.getByRole('dialog');
    await dialog.getByLabel('Name of the station').fill('Roof Garden');
    await dialog.getByRole('button', { name: 'Tune in' }).click();
    await phone.locator('.toast', { hasText: 'The radio starts anew' }).waitFor();
    for (const page of both()) await page.locator('#station', { hasText: 'Roof Garden' }).waitFor();
    expect(settings()).toMatchObject({ station: 'Roof Garden', volume: 1 });
    await phone.locator('#lost').waitFor({ state: 'detached' });
  });

  it('says when the network is gone, and goes on by itself when it is back', async () => {
    wire.cut();
    for (const page of both()) await page.locator('#lost', { hasText: 'No contact with the box' }).waitFor();
    wire.mend();
    for (const page of both()) await page.locator('#lost').waitFor({ state: 'detached' });
    await phone.context().setOffline(true);
    await phone.locator('#lost').waitFor();
    await phone.context().setOffline(false);
    await phone.locator('#lost').waitFor({ state: 'detached' });
  });

  it('says when the node is gone, and goes on by itself after the power came back, still paired', async () => {
    await kitchen.kill();
    for (const page of both()) await page.locator('#lost', { hasText: 'No contact with the box' }).waitFor();
    await kitchen.start([]);
    for (const page of both()) await page.locator('#lost').waitFor({ state: 'detached', timeout: 30_000 });
    await desk.locator('#station', { hasText: 'Roof Garden' }).waitFor();
    await desk.locator('#phones-list .item', { hasText: 'a desktop' }).waitFor();
    expect(await desk.locator('#locked').isHidden()).toBe(true);
  });
});

/** In the page: when the box knew that another one goes its own way, and when the page showed it. */
function watchForDiverged(name: string): Promise<{ knownMs: number; shownMs: number }> {
  return new Promise((resolve) => {
    let knownMs = 0;
    let shownMs = 0;
    const rows = () => [...document.querySelectorAll<HTMLElement>('#peers .row')];
    const ask = setInterval(async () => {
      const { peers } = (await (await fetch('/api/status')).json()) as { peers: { name: string; state: string }[] };
      if (knownMs === 0 && peers.some((peer) => peer.name === name && peer.state === 'diverged'))
        knownMs = performance.now();
    }, 60);
    const look = setInterval(() => {
      const row = rows().find((one) => one.dataset.name === name);
      if (shownMs === 0 && row?.querySelector('.badge')?.getAttribute('data-state') === 'diverged')
        shownMs = performance.now();
      if (shownMs === 0 || knownMs === 0) return;
      clearInterval(ask);
      clearInterval(look);
      resolve({ knownMs, shownMs });
    }, 10);
  });
}
