/** The page without script in a real browser whose script is off, as the small ones that open on a hotspot may be. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accessibilityViolations, CHROMIUM, launch, NO_CHROMIUM, open } from './browser.ts';
import { WIFI_PASSWORD } from './fakes.ts';
import { type House, house } from './house.ts';

describe('the Wi-Fi page in a browser', () => {
  let browser: Browser;
  let home: House;
  beforeAll(async () => {
    if (CHROMIUM !== null) browser = await launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async ({ skip }) => {
    if (CHROMIUM === null) skip(NO_CHROMIUM);
    home = await house();
    home.wifi.guests.add('127.0.0.1');
  });
  afterEach(() => home?.stop());

  const join = async (page: Page) => {
    await page.getByRole('radio', { name: /Home <b>/ }).check();
    await page.getByLabel('Password', { exact: true }).fill(WIFI_PASSWORD);
    await page.getByRole('button', { name: 'Connect' }).click();
  };

  it('puts the box on a network, and says why an attempt failed', async () => {
    const { page, complaints } = await open(browser, `http://127.0.0.1:${home.port}/wifi`, {
      javaScriptEnabled: false,
    });
    await join(page);
    expect(home.wifi.asked).toEqual([
      `join {"ssid":"Home <b>","password":"${WIFI_PASSWORD}","hidden":false,"country":"DE"}`,
    ]);
    expect(await page.getByText(`http://starling-1a2b.local:${home.port}/`).count()).toBe(1);
    home.wifi.change({ phase: 'failed', failure: { ssid: 'Home <b>', cause: 'wrong_password' } });
    await page.getByRole('link', { name: 'Look how it went' }).click();
    expect(await page.getByRole('alert').textContent()).toBe('Home <b> did not accept the password.');
    expect(await page.getByRole('radio', { name: /Home <b>/ }).isChecked()).toBe(true);
    await page.getByRole('link', { name: 'Show the password' }).click();
    expect(await page.getByLabel('Password', { exact: true }).getAttribute('type')).toBe('text');
    await join(page);
    expect(home.wifi.asked).toHaveLength(2);
    // Where it is from now on: its name, its address, and the name for a camera.
    const hotspot = { on: false, ssid: 'Starling 1a2b', address: '10.42.0.1' };
    home.wifi.change({ phase: 'idle', ssid: 'Home <b>', failure: null, addresses: ['192.168.7.9'], hotspot });
    await page.getByRole('link', { name: 'Look how it went' }).click();
    await page.getByText('Connected to Home <b>').waitFor();
    const found = page.locator('section.found');
    const told = await found.locator('p').allTextContents();
    expect(told).toEqual([`http://starling-1a2b.local:${home.port}/`, '192.168.7.9']);
    await found.getByRole('img', { name: 'QR code of the address' }).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('is let in by a hand when it is not first set-up any more', async () => {
    home.wifi.change({ saved: ['Home <b>'] });
    const { page } = await open(browser, `http://127.0.0.1:${home.port}/wifi`, { javaScriptEnabled: false });
    await page.getByRole('button', { name: 'Continue' }).click();
    expect(await page.getByText('Hold the button on the box').count()).toBe(1);
    home.presence.hold();
    // The page looks again by itself every 3 s.
    await page.getByRole('button', { name: 'Connect' }).waitFor();
    await join(page);
    expect(home.wifi.asked).toHaveLength(1);
    await page.context().close();
  });

  it.each(['light', 'dark'] as const)('has no barrier for anybody (%s)', async (colorScheme) => {
    home.wifi.change({ failure: { ssid: 'Home <b>', cause: 'no_address' } });
    const { page, complaints } = await open(browser, `http://127.0.0.1:${home.port}/wifi`, { colorScheme });
    expect(await accessibilityViolations(page)).toEqual([]);
    await join(page);
    expect(await accessibilityViolations(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
