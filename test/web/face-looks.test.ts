/** How the page looks and can be used: rules of accessibility, sizes, languages, and many of everything. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  accessibilityViolations,
  CHROMIUM,
  DESKTOP,
  launch,
  NO_CHROMIUM,
  type Opened,
  open,
  PHONE,
} from './browser.ts';
import { type Living, paired, serveLiving } from './living.ts';

const VIEWS = ['now', 'flock', 'music', 'box'] as const;
const LONG_TITLE = '夜明け前の干潟に響く何千羽もの椋鳥たちの長い長い歌（二〇二六年の特別な夜の録音）';

describe('the looks of the face', () => {
  let browser: Browser;
  let box: Living;
  let opened: Opened | null = null;

  beforeAll(async () => {
    if (CHROMIUM !== null) browser = await launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async ({ skip }) => {
    if (CHROMIUM === null) skip(NO_CHROMIUM);
    box = await serveLiving();
    for (const peer of box.state.snapshot.peers) Object.assign(peer, { catalog: 'bafkcatalog', tracks: 20_000 });
    box.state.snapshot.notices = [{ level: 'warning', code: 'silent', text: '' }];
    box.wifi.change({ saved: ['Home'], failure: { ssid: 'Attic', cause: 'not_found' } });
    box.music.never(null);
  });
  afterEach(async () => {
    await opened?.page.context().close();
    opened = null;
    await box?.end();
  });

  async function show(options: Parameters<typeof open>[2] = {}): Promise<Page> {
    opened = await open(browser, box.url, options, paired(box));
    await opened.page.locator('#app').waitFor({ state: 'visible' });
    return opened.page;
  }
  async function go(page: Page, view: (typeof VIEWS)[number]): Promise<void> {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, view);
    await page.locator(`#${view}`).waitFor({ state: 'visible' });
    if (view === 'box') await page.locator('#phones-list .item').first().waitFor();
    if (view === 'music') await page.locator('#blacklist .item').first().waitFor();
  }
  const overhang = (page: Page) =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

  it.each([
    ['a phone', PHONE],
    ['a desktop', DESKTOP],
  ])(
    'on %s breaks no rule of accessibility in any view, by day and by night',
    async (_, viewport) => {
      const page = await show({ viewport });
      for (const view of VIEWS) {
        await go(page, view);
        if (view === 'now') await page.locator('#queue summary').first().click();
        if (view === 'music') await page.locator('#skipped-summary').click();
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect([view, colorScheme, await accessibilityViolations(page)]).toEqual([view, colorScheme, []]);
          expect([view, await overhang(page)]).toEqual([view, 0]);
        }
      }
    },
    60_000,
  );

  it('breaks no rule of accessibility in its dialogues', async () => {
    const page = await show();
    await go(page, 'box');
    for (const opener of ['#wifi-other', '#tune', '#reset-all']) {
      await page.locator(opener).click();
      await page.getByRole('dialog').waitFor();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect([opener, await accessibilityViolations(page)]).toEqual([opener, []]);
      }
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
    await page.context().clearCookies();
    await page.reload();
    await page.locator('#pair').click();
    expect(await accessibilityViolations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('Hold the button on the box').waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
  }, 60_000);

  it.each([
    ['a phone', PHONE],
    ['a desktop', DESKTOP],
  ])(
    'fits a phone and a desktop at twice the size, by day and by night: %s',
    async (_, { width, height }) => {
      // What zooming to 200 % does: half as many points across, each drawn twice as large.
      const viewport = { width: Math.floor(width / 2), height: Math.floor(height / 2) };
      const page = await show({ viewport, deviceScaleFactor: 2 });
      for (const view of VIEWS) {
        await go(page, view);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect([view, colorScheme, await accessibilityViolations(page)]).toEqual([view, colorScheme, []]);
          expect([view, await overhang(page)]).toEqual([view, 0]);
        }
      }
    },
    60_000,
  );

  it('plays on the page what the light plays, says what it means, and holds still when it is told to', async () => {
    const page = await show();
    const lamp = page.locator('#light .lamp');
    const plays = () =>
      lamp.evaluate((element) => {
        const [animation] = element.getAnimations();
        const effect = animation?.effect as KeyframeEffect | undefined;
        const moments = (effect?.getKeyframes() ?? []).map(({ computedOffset, opacity }) => [computedOffset, opacity]);
        return { periodMs: Number(effect?.getTiming().duration ?? 0), moments };
      });
    expect(await plays()).toEqual({ periodMs: 0, moments: [] });
    expect(await lamp.getAttribute('data-lit')).toBe('yes');
    box.state.snapshot = {
      ...box.state.snapshot,
      light: { pattern: 'joining', steps: [100, 150, 100, 650], looks: '?', text: '?', help: '?' },
    };
    box.changed();
    await page.locator('#light-name', { hasText: 'two short flashes a second' }).waitFor({ state: 'attached' });
    expect(await plays()).toEqual({
      periodMs: 1_000,
      moments: [
        [0, '1'],
        [0.1, '0'],
        [0.25, '1'],
        [0.35, '0'],
        [1, '0'],
      ],
    });
    await page.locator('#light').click();
    const dialog = page.getByRole('dialog', { name: 'Light' });
    await dialog.getByText('The box looks for its network and its flock.').waitFor();
    await dialog.getByText(/^Wait a minute\./).waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    await dialog.getByLabel('Hold the light still on this page').check();
    expect((await plays()).periodMs).toBe(0);
    await dialog.getByLabel('Hold the light still on this page').uncheck();
    expect((await plays()).periodMs).toBe(1_000);
    // A pattern that a newer box has, in the words of the box.
    const light = { pattern: 'hum', steps: [300, 300], looks: 'humming', text: 'The box hums.', help: 'Hum along.' };
    box.state.snapshot = { ...box.state.snapshot, light };
    box.changed();
    await dialog.getByText('The box hums.').waitFor();
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await expect.poll(async () => (await plays()).periodMs).toBe(0);
  });

  it('fits a narrow phone in twice the size, in every language', async () => {
    Object.assign(box.state.snapshot.now!.track!, { title: LONG_TITLE, artist: LONG_TITLE });
    const page = await show({ viewport: { width: 195, height: 422 }, deviceScaleFactor: 2 });
    for (const language of ['en', 'de', 'es', 'ja']) {
      await go(page, 'box');
      await page.locator('#language').selectOption(language);
      await page.locator(`html[lang="${language}"]`).waitFor();
      for (const view of VIEWS) {
        await go(page, view);
        expect([language, view, await overhang(page)]).toEqual([language, view, 0]);
        expect(await page.locator('#app').textContent()).not.toMatch(
          /\{\w+\}|undefined|\b[a-z]+\.[a-z]+\.[a-z]+\b(?<!\.local)/,
        );
      }
    }
    expect(opened?.complaints).toEqual([]);
  });

  it('stays quick with 50 boxes and 20,000 tracks', async () => {
    const { snapshot } = box.state;
    snapshot.peers = Array.from({ length: 50 }, (_, at) => ({
      ...snapshot.peers[0]!,
      node_id: `12D3KooWWren${at}`,
      name: `Box ${at}`,
      offset_ms: at / 3,
    }));
    Object.assign(snapshot.library, { tracks: 20_000, ready: 20_000 });
    const page = await show();
    await go(page, 'flock');
    expect(await page.locator('#peers .row').count()).toBe(51);
    const drawMs: number[] = [];
    for (let round = 0; round < 8; round++) {
      const state = round % 2 === 0 ? ('diverged' as const) : ('sync' as const);
      box.state.snapshot = { ...snapshot, peers: snapshot.peers.map((peer) => ({ ...peer, state, offset_ms: round })) };
      box.changed();
      await page.locator(`#peers [data-state="${state}"]`).nth(49).waitFor();
      drawMs.push(await page.evaluate(() => performance.getEntriesByName('starling-draw').at(-1)?.duration ?? -1));
    }
    drawMs.sort((a, b) => a - b);
    console.log(
      `50 boxes change: drawn in ${drawMs[4]?.toFixed(1)} ms (median of 8), at most ${drawMs[7]?.toFixed(1)} ms`,
    );
    await page.getByRole('button', { name: /^Catalog.* Box 7$/ }).click();
    await page.locator('.pager .item').nth(49).waitFor();
    const started = performance.now();
    await page.getByRole('button', { name: 'Last page' }).click();
    await page.locator('.pager .item', { hasText: 'Marsh Song No. 20000' }).waitFor();
    const turnedMs = performance.now() - started;
    console.log(`the last page of 20,000 tracks: there after ${Math.round(turnedMs)} ms`);
    // Wide of what is measured (README): a machine that does ten other things is no reason to fail.
    expect(drawMs[4]).toBeLessThan(200);
    expect(turnedMs).toBeLessThan(5_000);
  });

  it('shows a change of the flock at once', async () => {
    const page = await show();
    const delays: number[] = [];
    for (let round = 0; round < 6; round++) {
      const name = `Station ${round}`;
      const shown = page.locator('#station', { hasText: name }).waitFor();
      const started = performance.now();
      box.state.snapshot = { ...box.state.snapshot, station: { ...box.state.snapshot.station, name } };
      box.changed();
      await shown;
      delays.push(performance.now() - started);
      await page.waitForTimeout(300);
    }
    delays.sort((a, b) => a - b);
    console.log(
      `a change is on the page after ${Math.round(delays[3]!)} ms (median of 6), at most ${Math.round(delays[5]!)} ms`,
    );
    expect(delays[3]).toBeLessThan(1_000);
  });
});
