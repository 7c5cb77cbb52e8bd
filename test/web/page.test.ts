import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM, launch, NO_CHROMIUM, type Opened, open } from './browser.ts';
import { type Served, serve } from './serve.ts';

describe('the page', () => {
  let browser: Browser;
  let served: Served;
  let opened: Opened | null = null;

  beforeAll(async () => {
    if (CHROMIUM !== null) browser = await launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async ({ skip }) => {
    if (CHROMIUM === null) skip(NO_CHROMIUM);
    served = await serve();
  });
  afterEach(async () => {
    await opened?.page.context().close();
    opened = null;
    await served?.web.stop();
  });

  async function show(options: Parameters<typeof open>[2] = {}): Promise<Opened['page']> {
    opened = await open(browser, served.url, options);
    if (options.javaScriptEnabled !== false) await opened.page.locator('#app').waitFor({ state: 'visible' });
    return opened.page;
  }
  /** Another view, as a finger on its tab opens it. */
  async function go(view: 'now' | 'flock' | 'music' | 'box'): Promise<void> {
    await opened!.page.locator(`.tabs a[href="#${view}"]`).click();
    await opened!.page.locator(`#${view}`).waitFor({ state: 'visible' });
  }
  const words = async (selector: string) =>
    (await opened!.page.locator(selector).allInnerTexts()).map((text) => text.replace(/\s+/g, ' '));

  it('shows what plays, what comes, who chose it, who is here and how far the library is', async () => {
    await show();
    expect(await words('#now-title, #now-artist, #now-by')).toEqual([
      'Murmuration over the Pier',
      'Ensemble',
      'brought by Wren',
    ]);
    const queue = await words('#queue .row');
    expect(queue).toHaveLength(5);
    expect(queue[1]).toMatch(/^Salt Marsh The Low Tide brought by this box in \d+ min settled here$/);
    expect(queue[4]).toMatch(/settling on its way$/);
    await go('flock');
    expect(await words('#peers .row')).toEqual([
      'Kitchen this box in sync',
      'Wren 1.2 ms away in sync 0.4 ms off',
      'Rook its own choice · plays Corvid – Alone diverged',
    ]);
    await go('music');
    expect(await words('#music-ready, #music-scanning')).toEqual([
      '17 of 42 tracks ready',
      'Preparing: 20 of 45 files · 930 times as fast as it plays',
    ]);
    expect(opened?.complaints).toEqual([]);
  });

  it('moves on with the music', async () => {
    const page = await show();
    const position = async () => {
      const text = (await page.locator('#now-position').textContent()) ?? '';
      const [minutes = 0, seconds = 0] = text.split(':').map(Number);
      return minutes * 60 + seconds;
    };
    const before = await position();
    expect(before).toBeGreaterThanOrEqual(61);
    await page.waitForFunction((from) => Number(document.getElementById('now-track')?.ariaValueNow) > from, before);
    expect(await position()).toBeGreaterThan(before);
  });

  it('shows a change without being reloaded, and keeps what did not change', async () => {
    const page = await show();
    await page
      .locator('#queue .row')
      .nth(1)
      .evaluate((row) => row.setAttribute('data-marked', 'yes'));
    const { queue, now } = served.state.snapshot;
    const [next, ...rest] = queue;
    served.state.snapshot = {
      ...served.state.snapshot,
      now: {
        ...now!,
        slot: next!.slot,
        track: next!.track,
        node_id: next!.node_id,
        node_name: next!.node_name,
        position_ms: 0,
      },
      queue: rest,
      diverged: true,
    };
    served.changed();
    await page.locator('#now-title', { hasText: 'Reed Bed at Dusk' }).waitFor();
    expect(await words('#queue .row-title')).toEqual(['Salt Marsh', '夕焼け', 'Canción de la bandada', 'Roost']);
    expect(await page.locator('#queue .row').first().getAttribute('data-marked')).toBe('yes');
    expect(await words('#state-text')).toEqual(['Playing something of its own']);
    expect(await page.locator('#now-position').textContent()).toBe('0:00');
  });

  it('loads the skipped files when they are asked for, page by page', async () => {
    served.state.snapshot.library.skipped = Array.from({ length: 70 }, (_, at) => ({
      path: `album/${at}.mp3`,
      reason: 'empty',
      text: 'The file is empty.',
    }));
    const page = await show();
    await go('music');
    await page.locator('#skipped-summary', { hasText: '70 files skipped' }).click();
    await page.locator('#skipped-list li').nth(49).waitFor();
    expect(await words('#skipped-list .turner')).toEqual(['1–50 of 70']);
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.locator('#skipped-list li', { hasText: 'album/69.mp3' }).waitFor();
    expect(await words('#skipped-list .turner')).toEqual(['51–70 of 70']);
    expect(await page.getByRole('button', { name: 'Next page' }).isDisabled()).toBe(true);
    expect((await words('#skipped-list li')).at(-1)).toBe('album/69.mp3 The file is empty.');
  });

  it('shows names that are attacks as the text that they are', async () => {
    const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202egnp.exe';
    const { snapshot } = served.state;
    snapshot.station.name = evil;
    snapshot.node.name = evil;
    snapshot.now!.track = { hash: evil, name: evil, title: evil, artist: evil, cover: '../../api/status?<x>' };
    snapshot.now!.node_name = evil;
    snapshot.queue[0]!.track = { hash: evil, name: evil };
    snapshot.queue[0]!.node_name = evil;
    snapshot.peers[0]!.name = evil;
    snapshot.peers[1]!.track = { hash: evil, name: evil };
    snapshot.library.sources = [evil];
    snapshot.library.skipped = [{ path: evil, reason: evil, text: evil }];
    snapshot.notices = [{ level: 'error', code: evil, text: evil }];
    snapshot.output.reason = evil;
    snapshot.host.model = evil;
    const page = await show();
    await go('flock');
    await page.locator('#peers .row').nth(2).waitFor();
    await go('box');
    await page.locator('#box-list .fact').first().waitFor();
    await go('music');
    await page.locator('#skipped-summary').click();
    await page.locator('#skipped-list li').waitFor();
    const shown = evil.replace('\u202e', ' ');
    for (const place of [
      '#station',
      '#now-title',
      '#queue .row-title',
      '#peers .row-title',
      '#skipped-list bdi',
      '#sources bdi',
      '#mini-title',
      '#box-list dd',
      '.notice',
    ]) {
      expect((await page.locator(place).allTextContents()).some((text) => text.includes(shown))).toBe(true);
    }
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
    expect(await page.locator('img[src="x"], #app script').count()).toBe(0);
    // The cover that was none is the only thing that failed.
    expect(opened?.complaints.filter((text) => !text.includes('Failed to load resource'))).toEqual([]);
  });

  it('says when the box is gone, and goes on by itself when it is back', async () => {
    const page = await show();
    const { port } = served;
    await served.web.stop();
    await page.locator('#lost').waitFor();
    served = await serve({ port });
    served.state.snapshot.station.name = 'Back Again';
    await page.locator('#station', { hasText: 'Back Again' }).waitFor({ timeout: 15_000 });
    await page.locator('#lost').waitFor({ state: 'detached' });
  });

  it('speaks the language of the browser, or the one chosen, and remembers it', async () => {
    const page = await show({ locale: 'es-MX' });
    expect(await words('#now-heading')).toEqual(['Suena ahora']);
    await go('box');
    await page.locator('#language').selectOption('de');
    await go('now');
    await page.locator('#now-heading', { hasText: 'Jetzt läuft' }).waitFor();
    expect(await words('#now-by')).toEqual(['mitgebracht von Wren']);
    await page.reload();
    await page.locator('#now-heading', { hasText: 'Jetzt läuft' }).waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('de');
  });

  it('is a plain page that renews itself where there is no script', async () => {
    const page = await show({ javaScriptEnabled: false, locale: 'de-DE' });
    const text = await page.locator('#plain').textContent();
    for (const part of [
      'Night Birds',
      'Murmuration over the Pier',
      'mitgebracht von Wren',
      'noch offen',
      'locked.m4p',
    ]) {
      expect(text).toContain(part);
    }
    expect(await page.locator('#app').isHidden()).toBe(true);
    expect(await page.locator('meta[http-equiv="refresh"]').count()).toBe(1);
  });

  it('stays the plain page where a part of its script does not arrive', async () => {
    opened = await open(browser, 'about:blank');
    await opened.page.route('**/script/queue.js', (route) => route.abort());
    await opened.page.goto(served.url);
    await opened.page.locator('#plain', { hasText: 'Murmuration over the Pier' }).waitFor({ state: 'visible' });
  });

  it('can be used with the keyboard alone', async () => {
    const page = await show();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    const focused = (part: 'id' | 'tagName') => page.evaluate((part) => document.activeElement?.[part], part);
    await expect.poll(() => focused('id')).toBe('now');
    await page.keyboard.press('Tab');
    expect(await focused('tagName')).toBe('SUMMARY');
    // The browser's word that the address changed can come after the next key: it takes nobody back.
    await page.evaluate(() => dispatchEvent(new HashChangeEvent('hashchange')));
    expect(await focused('tagName')).toBe('SUMMARY');
    await page.keyboard.press('Enter');
    await page.locator('.why[open] .why-body p').first().waitFor();
  });
});
