/** The page of a real node: a process with its own music, in a flock of two, looked at and touched in a real browser. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { Flock, FlockNode } from '../flock/flock.ts';
import { CHROMIUM, launch, NO_CHROMIUM, type Opened, open } from './browser.ts';

/** What is left of a track when the button is touched. */
const ENOUGH_MS = 5_000;
const STATION = 'Dawn chorus';

describe('the face of a real node', () => {
  let browser: Browser;
  let flock: Flock;
  let kitchen: FlockNode;
  let opened: Opened;
  let page: Page;

  beforeAll(async () => {
    if (CHROMIUM === null) return;
    flock = await Flock.create({ prefix: 'starling-face-node-', station: STATION });
    // Tuned by its settings file, not by its command line: what is said there cannot be changed from a phone.
    const dataDir = join(flock.directory, 'data-kitchen');
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'settings.json'), JSON.stringify({ version: 1, name: 'Kitchen', station: STATION }));
    kitchen = new FlockNode({ name: 'Kitchen', music: await musicOf(22) }, dataDir, [
      ...['--music', join(flock.directory, 'music-22'), '--data', dataDir, '--http', '0', '--output', 'null'],
      ...['--rules', join(flock.directory, 'rules.json'), '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns'],
      ...['--deploy-after', '3'],
    ]);
    await kitchen.start([]);
    flock.nodes.push(kitchen);
    // Joins while the first one is looked at already.
    await flock.add({ name: 'Attic', music: await musicOf(21) });
    await flock.until('a programme in company', 60_000, ([here]) => {
      return here !== undefined && isInFlock(here) && here.peers.some(({ connected }) => connected);
    });
    browser = await launch();
    // Under the machine's own name, from the machine itself: the phone of somebody who is at the box.
    const { http_port } = JSON.parse(readFileSync(join(kitchen.dataDir, 'run.json'), 'utf8')) as { http_port: number };
    opened = await open(browser, `http://localhost:${http_port}/`);
    page = opened.page;
    await page.locator('#app').waitFor({ state: 'visible' });
  }, 90_000);
  async function musicOf(seed: number): Promise<string> {
    const music = join(flock.directory, `music-${seed}`);
    mkdirSync(music);
    await makeDemoLibrary(music, { seed, count: 5, minSeconds: 10, maxSeconds: 11 });
    return music;
  }
  beforeEach(({ skip }) => {
    if (CHROMIUM === null) skip(NO_CHROMIUM);
  });
  afterAll(async () => {
    await browser?.close();
    await flock?.stop();
  }, 30_000);

  const isInFlock = (status: StatusSnapshot) => status.station.phase === 'member' && status.now?.source === 'flock';
  const wellInside = () =>
    flock.until('well inside a track', 30_000, ([here]) => {
      if (here === undefined || !isInFlock(here) || here.diverged) return false;
      return here.now!.start_ms + here.now!.duration_ms - here.station.time_ms > ENOUGH_MS;
    });
  async function pairIfAsked(): Promise<void> {
    const go = page.getByRole('dialog').getByRole('button', { name: 'Continue' });
    await go.click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }

  it('shows what the node plays, and moves on with it', async () => {
    const [status] = await wellInside();
    const { title, name } = status!.now!.track!;
    await page.locator('#now-title', { hasText: title ?? name }).waitFor();
    await page.locator('#queue summary').nth(4).waitFor();
    const slot = status!.now!.slot;
    await flock.until('the next track', 30_000, ([here]) => (here?.now?.slot ?? 0) > slot);
    const started = performance.now();
    const next = (await kitchen.status())!.now!.track!;
    await page.locator('#now-title', { hasText: next.title ?? next.name }).waitFor();
    console.log(`the next track of a real node is on the page ${Math.round(performance.now() - started)} ms later`);
    expect(opened.complaints).toEqual([]);
  });

  it('skips after pairing, says so, and is back by itself', async () => {
    await wellInside();
    await page.locator('#skip').click();
    await pairIfAsked();
    await page.locator('.toast', { hasText: /Skipped|over already/ }).waitFor();
    if ((await page.locator('.toast', { hasText: 'over already' }).count()) > 0) await page.locator('#skip').click();
    await page.locator('#now-moderation', { hasText: 'Skipped here. Back with the flock in' }).waitFor();
    await page.locator('#state-text', { hasText: 'Playing something of its own' }).waitFor();
    await page.locator('#state-text', { hasText: 'In the flock' }).waitFor();
    expect(await page.locator('#now-moderation').textContent()).toBe('');
  });

  it('takes a track off the programme, and back with Undo', async () => {
    await wellInside();
    await page.locator('#never').click();
    await page.locator('#now-moderation', { hasText: 'Off the programme of this box' }).waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.locator('.toast', { hasText: 'may be played again' }).waitFor();
    await page.locator('#state-text', { hasText: 'In the flock' }).waitFor();
    await page.locator('.tabs a[href="#music"]').click();
    await page.locator('#blacklist', { hasText: 'Nothing is on this list.' }).waitFor();
  });

  it('explains a real draw, and the lowest ticket has won it', async () => {
    const [status] = await flock.until('a slot that was drawn', 60_000, ([here]) =>
      (here?.queue ?? []).some(({ ticket, final }) => ticket !== null && final),
    );
    const drawn = status!.queue.find(({ ticket, final }) => ticket !== null && final)!;
    const draw = (await page.evaluate(async (slot) => (await fetch(`/api/draw/${slot}`)).json(), drawn.slot)) as {
      winner: string;
      proposals: { node_id: string; ticket: string }[];
    };
    const [lowest] = [...draw.proposals].sort((a, b) => (a.ticket < b.ticket ? -1 : 1));
    expect([lowest?.node_id, lowest?.ticket]).toEqual([draw.winner, drawn.ticket]);
    await page.locator('.tabs a[href="#now"]').click();
    await page.locator(`#queue > li[data-key="${drawn.slot}"] summary`).click();
    expect(await page.locator('.proposal[data-won] .ticket').first().textContent()).toBe(drawn.ticket);
  });

  it('shows the catalog of the other box', async () => {
    await flock.until('five tracks over there', 30_000, ([here]) => here?.peers[0]?.tracks === 5);
    await page.locator('.tabs a[href="#flock"]').click();
    await page.getByRole('button', { name: /^Catalog.* Attic$/ }).click();
    await page.locator('.pager .item').first().waitFor();
    expect(await page.locator('.pager .item').count()).toBe(5);
    await page.keyboard.press('Escape');
  });

  it('changes the volume for good, and tunes to another station and comes back by itself', async () => {
    await page.locator('.tabs a[href="#box"]').click();
    await page.locator('#volume').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    const settings = () => JSON.parse(readFileSync(join(kitchen.dataDir, 'settings.json'), 'utf8'));
    await expect.poll(() => settings().volume, { timeout: 5_000 }).toBe(1);
    expect(await page.locator('#output').isDisabled()).toBe(true);
    expect(await page.locator('#output').getAttribute('title')).toContain('Given when the box was started');
    await page.locator('#tune').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name of the station').fill('Roof Garden');
    await dialog.getByRole('button', { name: 'Tune in' }).click();
    await page.locator('.toast', { hasText: 'The radio starts anew' }).waitFor();
    await page.locator('#station', { hasText: 'Roof Garden' }).waitFor();
    expect(settings()).toMatchObject({ station: 'Roof Garden', volume: 1 });
    await page.locator('#lost').waitFor({ state: 'detached' });
  });

  it('says when the node is gone', async () => {
    await kitchen.kill();
    await page.locator('#lost').waitFor();
    await page.locator('#lost', { hasText: 'No contact with the box' }).waitFor();
  });
});
