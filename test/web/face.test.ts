/** What a phone does with the page, in a real browser against a real server over a box in memory. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accessibilityViolations, CHROMIUM, launch, NO_CHROMIUM, type Opened, open } from './browser.ts';
import { ON_STICK } from './fakes.ts';
import { type Living, paired, serveLiving } from './living.ts';

type View = 'now' | 'flock' | 'music' | 'box';

describe('the face', () => {
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
  });
  afterEach(async () => {
    await opened?.page.context().close();
    opened = null;
    await box?.end();
  });

  async function show(view: View = 'now', before?: Parameters<typeof open>[3]): Promise<Page> {
    opened = await open(browser, `${box.url}/#${view}`, {}, before);
    await opened.page.locator('#app').waitFor({ state: 'visible' });
    return opened.page;
  }
  /** The dialogue that a touch has opened: a name, a hand at the box, and it is gone. */
  async function pairIn(page: Page): Promise<void> {
    const dialog = page.getByRole('dialog', { name: 'Pair this phone' });
    await dialog.getByLabel('Name of this phone').fill('Anna’s phone');
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByText('Hold the button on the box').waitFor();
    box.presence.hold();
    await dialog.getByText('This phone may change things now.').waitFor();
    await dialog.waitFor({ state: 'detached' });
  }
  const toast = (page: Page, text: string) => page.locator('.toast', { hasText: text }).waitFor();

  it('pairs at the first touch, and then does what was touched: skip', async () => {
    const page = await show();
    await page.getByRole('button', { name: 'Skip', exact: true }).click();
    await pairIn(page);
    await toast(page, 'Skipped.');
    await page.locator('#now-moderation', { hasText: 'Skipped here. Back with the flock in 0:' }).waitFor();
    expect(await page.locator('#state-text').textContent()).toBe('Playing something of its own');
    // Refused, and said why: the slot that this page shows is over.
    box.state.snapshot.now = { ...box.state.snapshot.now!, slot: 99 };
    await page.getByRole('button', { name: 'Skip', exact: true }).click();
    await toast(page, 'That track is over already.');
    expect(opened?.complaints.filter((text) => !text.includes('409'))).toEqual([]);
  });

  it('blacklists, takes it back at once, and likes', async () => {
    const page = await show('now', paired(box));
    await page.getByRole('button', { name: 'Never again' }).click();
    await toast(page, 'will not be played on this box again');
    await page.locator('#now-moderation', { hasText: 'Off the programme of this box' }).waitFor();
    expect(box.music.entries).toHaveLength(1);
    await page.getByRole('button', { name: 'Undo' }).click();
    await toast(page, 'may be played again');
    expect(box.music.entries).toEqual([]);
    await page.locator('#state-text', { hasText: 'In the flock' }).waitFor();
    await page.getByRole('button', { name: 'Like' }).click();
    await page.locator('#like[aria-pressed="true"]').waitFor();
    expect(box.music.liked).toEqual([box.state.snapshot.now!.track!.hash]);
  });

  it('tells of a refused and of an expired request, and asks again', async () => {
    const page = await show('box');
    await page.getByRole('button', { name: 'Pair this phone' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByText('Hold the button on the box').waitFor();
    const other = await browser.newContext();
    await (await other.newPage()).goto(box.url);
    await other.request.post(`${box.url}/api/pair`, { data: { name: 'Stranger' }, headers: { 'X-Starling': '1' } });
    box.presence.hold();
    await dialog.getByText('Several phones asked at the same time').waitFor();
    await other.close();
    await page.route('**/api/pair/*', (route) => route.fulfill({ json: { state: 'expired', cause: null } }));
    await dialog.getByRole('button', { name: 'Try again' }).click();
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByText('The minute is over').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('pair');
  });

  it('explains a draw with its numbers, the winner first', async () => {
    const page = await show();
    await page.locator('#queue summary').first().click();
    const first = page.locator('.proposal').first();
    await first.waitFor();
    expect(await first.getAttribute('data-won')).toBe('yes');
    const tickets = await page.locator('.proposal .ticket').allTextContents();
    expect(tickets.length).toBeGreaterThan(1);
    expect([...tickets].sort()).toEqual(tickets);
    expect(tickets.every((ticket) => /^[0-9a-f]{64}$/.test(ticket))).toBe(true);
    await page.locator('.why-body', { hasText: 'The lowest ticket wins' }).waitFor();
  });

  it('changes the volume, the name and the trim, and shows what another phone changed', async () => {
    const page = await show('box');
    const slider = page.getByLabel('Volume');
    await slider.waitFor();
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await pairIn(page);
    await expect.poll(() => box.box.view.volume).toBe(71);
    await page.locator('#volume-value', { hasText: '71' }).waitFor();
    await page.getByRole('button', { name: 'Later' }).click();
    await expect.poll(() => box.box.view.trim_ms).toBe(5);
    await page.locator('#name').fill('Pantry');
    await page.locator('#name-form button').click();
    await expect.poll(() => box.box.view.name).toBe('Pantry');
    await page.getByRole('button', { name: 'Play a test tone' }).click();
    await expect.poll(() => box.box.asked).toContain('tone');
    box.box.view = { ...box.box.view, volume: 20 };
    await page.locator('#volume-value', { hasText: '20' }).waitFor();
    expect(await slider.inputValue()).toBe('20');
  });

  it('tunes to another station by its invitation, and shares its own', async () => {
    const page = await show('box', paired(box));
    await page.getByRole('button', { name: 'Invite another box' }).click();
    await page.getByRole('img', { name: 'QR code of the invitation' }).waitFor();
    expect(await page.locator('.invitation-text').inputValue()).toMatch(
      /^starling:\/\/station\?name=Night%20Birds&key=/,
    );
    await page.getByRole('button', { name: 'Hide the invitation' }).click();
    expect(await page.locator('.invitation-text').count()).toBe(0);
    await page.getByRole('button', { name: 'Tune to another station' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Invitation, if you have one').fill('http://example.org/');
    await dialog.getByText('That is no invitation.').waitFor();
    const key = 'A'.repeat(43);
    await dialog.getByLabel('Invitation, if you have one').fill(`starling://station?name=Roof%20Garden&key=${key}`);
    expect(await dialog.getByLabel('Name of the station').inputValue()).toBe('Roof Garden');
    expect(await dialog.getByLabel('Key', { exact: true }).inputValue()).toBe(key);
    await dialog.getByRole('button', { name: 'Tune in' }).click();
    await toast(page, 'The radio starts anew');
    await page.locator('#station-now', { hasText: 'Roof Garden' }).waitFor();
    expect(box.box.view.station).toBe('Roof Garden');
  });

  it('puts the box on the Wi-Fi, and tells why it failed', async () => {
    box.wifi.change({ country: null });
    const page = await show('box', paired(box));
    await page.getByRole('img', { name: 'QR code of the address' }).waitFor();
    await page.locator('#wifi-networks button', { hasText: 'Home <b>' }).click();
    const dialog = page.getByRole('dialog', { name: 'Home <b>' });
    await dialog.getByLabel('Password', { exact: true }).fill('wrong password');
    await dialog.getByLabel('Show the password').check();
    expect(await dialog.getByLabel('Password', { exact: true }).getAttribute('type')).toBe('text');
    await dialog.getByLabel('Country').selectOption('JP');
    await dialog.getByRole('button', { name: 'Connect' }).click();
    await dialog.waitFor({ state: 'detached' });
    const wish = { ssid: 'Home <b>', password: 'wrong password', hidden: false, country: 'JP' };
    expect(box.wifi.asked).toContain(`join ${JSON.stringify(wish)}`);
    await page.locator('#wifi-state', { hasText: 'Trying' }).waitFor();
    box.wifi.change({ phase: 'failed', failure: { ssid: 'Home <b>', cause: 'wrong_password' } });
    await page.locator('#wifi-state .problem', { hasText: 'Home <b> did not accept the password.' }).waitFor();
    box.wifi.change({ phase: 'idle', ssid: 'Home <b>', failure: null, hotspot: { on: false, ssid: '', address: '' } });
    await page.locator('#wifi-state', { hasText: 'Connected to Home <b>' }).waitFor();
    await page.locator('#wifi-other').click();
    await page.getByRole('dialog').getByLabel('Name of the network').fill('Attic');
    await page.getByRole('dialog').getByLabel('This network does not show its name').check();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('puts the box on the Wi-Fi without script, as a hotspot’s little browser does', async () => {
    box.wifi.guests.add('127.0.0.1');
    box.wifi.change({ country: null, hotspot: { on: true, ssid: 'Starling 1a2b', address: '127.0.0.1' } });
    // A probe of a phone on the hotspot leads to the page.
    opened = await open(browser, `${box.url}/generate_204`, { javaScriptEnabled: false, locale: 'de-DE' });
    const { page } = opened;
    await page.getByRole('heading', { name: 'Die Box in dein WLAN bringen' }).waitFor();
    await page.getByRole('radio', { name: 'Home <b>' }).check();
    await page.getByRole('textbox', { name: 'Passwort' }).fill('wrong password');
    await page.getByRole('combobox', { name: 'Land' }).selectOption('DE');
    await page.getByRole('button', { name: 'Verbinden' }).click();
    await page.getByText('wird ausprobiert').waitFor();
    const wish = { ssid: 'Home <b>', password: 'wrong password', hidden: false, country: 'DE' };
    expect(box.wifi.asked).toContain(`join ${JSON.stringify(wish)}`);
    await page.getByRole('link', { name: /^http:\/\/starling-1a2b\.local/ }).waitFor();
    box.wifi.change({ phase: 'failed', failure: { ssid: 'Home <b>', cause: 'wrong_password' } });
    await page.getByRole('link', { name: 'Nachsehen, wie es lief' }).click();
    await page.getByText('hat das Passwort nicht angenommen').waitFor();
    // axe-core itself is a script.
    const scripted = await open(browser, `${box.url}/wifi`);
    expect(await accessibilityViolations(scripted.page)).toEqual([]);
    await scripted.page.context().close();
  });

  it('lets a phone in at once that is on the hotspot at the first set-up', async () => {
    box.wifi.guests.add('127.0.0.1');
    const page = await show('box');
    await page.locator('#wifi-networks button', { hasText: 'Café' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Connect' }).click();
    await page.locator('#wifi-state', { hasText: 'Trying Café' }).waitFor();
    await page.locator('#pair').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Continue' }).click();
    await page.getByText('This phone may change things now.').waitFor();
  });

  it('filters genres and explicit tracks, and lists what is never played', async () => {
    box.music.never(null);
    const page = await show('music', paired(box));
    await page.getByLabel('Play tracks marked as explicit').uncheck();
    await expect.poll(() => box.music.kept.explicit).toBe(false);
    await page.getByLabel('Genre', { exact: true }).fill('Schlager');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.locator('.chip', { hasText: 'schlager' }).waitFor();
    await page.getByRole('button', { name: 'Remove polka' }).click();
    await page.locator('.chip', { hasText: 'polka' }).waitFor({ state: 'detached' });
    expect(box.music.kept).toEqual({ explicit: false, genres: ['schlager'] });
    await page.getByRole('button', { name: /^Allow again .*Ensemble/ }).click();
    await page.locator('#blacklist', { hasText: 'Nothing is on this list.' }).waitFor();
  });

  it('lists paired phones, and lets each of them go', async () => {
    const page = await show('box', paired(box));
    const item = page.locator('#phones-list .item');
    expect(await item.textContent()).toContain('Anna’s phone');
    await page.getByRole('button', { name: 'Unpair this phone' }).click();
    await toast(page, 'This phone is no longer paired.');
    await page.locator('#locked').waitFor();
    expect(await page.locator('#phones').isHidden()).toBe(true);
  });

  it('resets only after the name was typed, and hands out the diagnostics as a file', async () => {
    const page = await show('box', paired(box));
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download diagnostics' }).click();
    expect((await download).suggestedFilename()).toMatch(/\.txt$/);
    await page.getByRole('button', { name: 'Reset everything' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('kitchen?');
    await dialog.getByRole('button', { name: 'Reset everything' }).click();
    await dialog.getByText('That is not the name of the box.').waitFor();
    expect(box.box.asked).not.toContain('reset all');
    await dialog.getByRole('textbox').fill('Kitchen');
    await dialog.getByRole('button', { name: 'Reset everything' }).click();
    await toast(page, 'The box starts over.');
    expect(box.box.asked).toContain('reset all');
  });

  it('installs the update that lies on the stick, and tells how it goes and how it went', async () => {
    const page = await show('box', paired(box));
    const card = page.locator('#update');
    await card.getByText('Version 1.2.0 runs').waitFor();
    const row = card.locator('.item', { hasText: 'starling-1.3.0-arm64.update' });
    await row.getByText('newer than what runs').waitFor();
    await row.getByRole('button', { name: 'Install · Version 1.3.0' }).click();
    const dialog = page.getByRole('dialog', { name: 'Install version 1.3.0?' });
    await dialog.getByText('the one before comes back by itself').waitFor();
    await dialog.getByRole('button', { name: 'Install' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(box.update.asked).toEqual([`install ${ON_STICK.file} false`]);
    await card.getByText('The update begins').waitFor();
    expect(await card.getByRole('button', { name: 'Choose a file' }).isHidden()).toBe(true);
    box.update.change({ phase: 'installing', percent: 40, found: [] });
    await card.getByText('Version 1.3.0 is being written: 40 %.').waitFor();
    expect(await card.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('40');
    box.update.change({ phase: 'restarting', percent: null });
    await card.getByText('The box starts anew with version 1.3.0.').waitFor();
    box.update.change({ version: '1.3.0', phase: 'trying' });
    await card.getByText('Version 1.3.0 runs on trial').waitFor();
    const last = { version: '1.3.0', text: 'its sound card did not work', at_ms: 0 };
    box.update.change({ phase: 'idle', target: null, last: { outcome: 'confirmed', code: null, ...last, text: null } });
    await card.getByText('Version 1.3.0 was installed and works.').waitFor();
    box.update.change({ version: '1.2.0', last: { outcome: 'fell_back', code: 'no_sound', ...last } });
    await card.getByText('did not come up; the version from before runs. Its sound card did not work.').waitFor();
    await page.getByLabel('Language').selectOption('de');
    await card.getByText('kam nicht hoch; die vorige Version läuft. Seine Soundkarte ging nicht.').waitFor();
    expect(opened?.complaints).toEqual([]);
  });

  it('sends an update from this device, with its progress, and asks before it goes back to an older version', async () => {
    const page = await show('box', paired(box));
    const card = page.locator('#update');
    const choose = (text: string, bytes = 200_000) =>
      page.locator('#update-file').setInputFiles({
        name: 'any.update',
        mimeType: 'application/octet-stream',
        buffer: Buffer.from(text.padEnd(bytes, 'x')),
      });
    await card.getByRole('button', { name: 'Choose a file' }).waitFor();
    const gate = Promise.withResolvers<void>();
    box.update.pace = () => gate.promise;
    await choose('update 1.1.0 ');
    await card.getByText('The file is on its way').waitFor();
    gate.resolve();
    await toast(page, 'Version 1.1.0 has arrived.');
    const dialog = page.getByRole('dialog', { name: 'Install version 1.1.0?' });
    await dialog.getByText('This version is older than the one that runs.').waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Install' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(box.update.asked).toContain('install upload true');
    box.update.change({ phase: 'idle', target: null });
    await card.getByRole('button', { name: 'Choose a file' }).waitFor();
    await choose('a song');
    await toast(page, 'That is no Starling update.');
    await choose('update 1.4.0 ', 350_000);
    await toast(page, 'The card has no room for it.');
    await choose('update 1.4.0 ', 400_001);
    await toast(page, 'That is too large for this card.');
    expect(box.update.asked.filter((word) => word.startsWith('received'))).toEqual([
      'received 200000',
      'received 200000',
    ]);
  });

  it('plays on this device too, and says when the box has no hands free', async () => {
    const page = await show();
    await page.getByRole('button', { name: 'Listen here' }).click();
    await page.getByRole('button', { name: 'Stop listening' }).waitFor();
    expect(box.listen.listeners).toBe(1);
    await page.getByRole('button', { name: 'Stop listening' }).click();
    await expect.poll(() => box.listen.listeners).toBe(0);
    box.listen.listeners = 1;
    await page.getByRole('button', { name: 'Listen here' }).click();
    await toast(page, 'one more listener');
    await page.getByRole('button', { name: 'Listen here' }).waitFor();
  });

  it('turns the pages of a catalog of 20,000 tracks, and tells of one that is not to be had', async () => {
    for (const peer of box.state.snapshot.peers) Object.assign(peer, { catalog: 'bafkcatalog', tracks: 20_000 });
    const page = await show('flock');
    await page.getByRole('button', { name: /^Catalog.* Wren$/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Catalog of Wren' });
    await dialog.locator('.item', { hasText: 'Marsh Song No. 1' }).first().waitFor();
    await dialog.getByRole('button', { name: 'Last page' }).click();
    await dialog.locator('.item', { hasText: 'Marsh Song No. 20000' }).waitFor();
    expect(await dialog.locator('.item').count()).toBe(50);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Catalog.* Rook$/ }).click();
    await page.getByText('This box has not told what it can play.').waitFor();
  });

  it('hides what the box lacks', async () => {
    await box.end();
    box = await serveLiving({ without: ['music', 'box', 'wifi', 'listen', 'update'] });
    const page = await show();
    for (const id of ['now-controls', 'listening']) expect(await page.locator(`#${id}`).isHidden()).toBe(true);
    await page.locator('.tabs a[href="#box"]').click();
    for (const id of ['wifi', 'sound', 'tuning', 'naming', 'update', 'help', 'locked', 'phones']) {
      expect([id, await page.locator(`#${id}`).isHidden()]).toEqual([id, true]);
    }
    await page.locator('.tabs a[href="#music"]').click();
    expect(await page.locator('#filters, #blacklist').filter({ visible: true }).count()).toBe(0);
  });
});
