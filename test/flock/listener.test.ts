import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { Flock, type FlockNode } from './flock.ts';

/** A phone that was paired before the box started. */
const TOKEN = randomBytes(32).toString('base64url');
/** What is left of a track when somebody presses: enough to hear something else, and to come back. */
const ENOUGH_MS = 6_000;
/** Two boxes of one machine that play the same sample; a bad seek is off by segments. */
const SAME_PLACE_MS = 60;

/** Two real boxes; a listener of the first one dislikes what plays. */
describe('a listener of one box', () => {
  let flock: Flock;
  let amsel: FlockNode;
  let drossel: FlockNode;

  const addNode = async (name: string, seed: number): Promise<FlockNode> => {
    const music = join(flock.directory, `music-${name}`);
    mkdirSync(music, { recursive: true });
    await makeDemoLibrary(music, { seed, count: 4, minSeconds: 9, maxSeconds: 10 });
    writePhone(join(flock.directory, `data-${flock.nodes.length + 1}`));
    return await flock.add({ name, music });
  };

  beforeAll(async () => {
    flock = await Flock.create({ prefix: 'starling-listener-' });
    amsel = await addNode('Amsel', 11);
    drossel = await addNode('Drossel', 12);
    await flock.until('two boxes in one programme', 40_000, (all) => all.length === 2 && together(all));
  }, 60_000);

  afterAll(() => flock?.stop(), 30_000);

  it('skips: this box plays its own, says so, and is back with the next track', async () => {
    const [before] = await flock.until(
      'well inside a track',
      20_000,
      (all) => together(all) && restMs(all[0]) > ENOUGH_MS,
    );
    const slot = before?.now?.slot ?? -1;
    expect(await post(amsel, 'skip', { slot })).toMatchObject({ status: 200, body: { ok: true, slot } });
    expect(await post(amsel, 'skip', { slot: slot + 1 })).toMatchObject({
      status: 409,
      body: { error: { code: 'slot_over' } },
    });
    const apart = await flock.until('own music here, and the other box knows', 12_000, ([here, there]) => {
      const seen = there?.peers.find((peer) => peer.node_id === amsel.id);
      return here?.now?.slot === slot && here.now.source === 'own' && seen?.state === 'diverged';
    });
    const [here, there] = apart;
    expect(here?.now).toMatchObject({ moderation: 'skip', skipped_until_ms: endMs(before) });
    expect(here).toMatchObject({ diverged: true, diverged_reason: 'moderation' });
    expect(here?.now?.track?.hash).not.toBe(there?.now?.track?.hash);
    expect(there?.peers.find((peer) => peer.node_id === amsel.id)?.reason).toBe('moderation');
    expect(there?.now).toMatchObject({ slot, source: 'flock', moderation: null });
    const again = await flock.until(
      'together in a later track',
      20_000,
      (all) => together(all) && (all[0]?.now?.slot ?? 0) > slot,
    );
    expect(again[0]?.now).toMatchObject({ moderation: null, skipped_until_ms: null });
  }, 60_000);

  it('puts a track on the blacklist and takes it off again, in the right place of the track', async () => {
    const [before] = await flock.until(
      'well inside a track',
      20_000,
      (all) => together(all) && restMs(all[0]) > ENOUGH_MS,
    );
    const hash = before?.now?.track?.hash ?? '';
    const never = await post(amsel, 'never', { hash: null });
    expect(never).toMatchObject({ status: 200, body: { hash, name: before?.now?.track?.name } });
    const [apart] = await flock.until('own music', 8_000, ([here]) => here?.now?.source === 'own');
    expect(apart?.now).toMatchObject({ slot: before?.now?.slot, moderation: 'never' });
    expect(await get(amsel, 'blacklist')).toMatchObject({ total: 1, items: [{ hash }] });
    expect(await post(amsel, 'allow', { hash })).toMatchObject({ status: 200 });
    const back = await flock.until('back in the same track', 8_000, (all) => together(all));
    expect(back[0]?.now).toMatchObject({ slot: before?.now?.slot, moderation: null });
    expect(Math.abs(placeMs(back[0]) - placeMs(back[1]))).toBeLessThan(SAME_PLACE_MS);
    expect(await get(amsel, 'blacklist')).toMatchObject({ total: 0 });
  }, 60_000);

  it('looks at the catalog of the other box, and at a draw', async () => {
    // The other box cuts its tracks meanwhile: its catalog grows.
    await flock.until('a catalog of all tracks', 60_000, ([status]) => {
      const peer = status?.peers[0];
      return peer?.node_id === drossel.id && peer.tracks === 4 && peer.catalog != null;
    });
    await expect
      .poll(() => get(amsel, `peers/${drossel.id}/catalog?offset=1&limit=3`), { timeout: 15_000 })
      .toMatchObject({ total: 4, offset: 1, items: [{}, {}, {}] });
    const [drawn] = await flock.until('a slot that was drawn', 30_000, ([status]) => drawnSlot(status) !== undefined);
    const entry = drawnSlot(drawn)!;
    const draw = (await get(amsel, `draw/${entry.slot}`)) as { winner: string; proposals: { ticket: string }[] };
    expect(draw).toMatchObject({ slot: entry.slot, draw: 'ticket', winner: entry.node_id });
    expect(draw.proposals.map(({ ticket }) => ticket)).toContain(entry.ticket);
    expect(entry.proposals).toBe(draw.proposals.length);
  }, 120_000);

  it('changes what can be changed at once, and refuses what the command line fixed', async () => {
    const refused = await post(amsel, 'settings', { volume: 40, output: 'auto' });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'fixed_by_command_line', field: 'output' } } });
    expect(await get(amsel, 'settings')).toMatchObject({ volume: 100, trim_ms: 0 });
    const changed = await post(amsel, 'settings', { volume: 40, trim_ms: 20 });
    expect(changed).toMatchObject({ status: 200, body: { applied: ['volume', 'trim_ms'], restarts: false } });
    const file = JSON.parse(readFileSync(join(amsel.dataDir, 'settings.json'), 'utf8'));
    expect(file).toEqual({ version: 1, volume: 40, trim: 20 });
  }, 20_000);

  it('tunes in to a closed station: the radio starts anew in its process, on the same port', async () => {
    const { pid } = amsel;
    const port = portOf(amsel);
    const key = randomBytes(32);
    const change = { station_key: key.toString('base64url') };
    expect(await post(amsel, 'settings', change)).toMatchObject({ status: 200, body: { restarts: true } });
    await flock.until('a station of its own', 25_000, ([here]) => {
      return here?.station.closed === true && here.now !== null && existsSync(join(amsel.dataDir, 'run.json'));
    });
    expect([amsel.running, amsel.pid, portOf(amsel)]).toEqual([true, pid, port]);
    expect(await get(amsel, 'settings')).toMatchObject({ closed: true, volume: 40 });
    const text = await (await fetch(urlOf(amsel, 'diagnostics'), { headers: headers() })).text();
    const identity = JSON.parse(readFileSync(join(amsel.dataDir, 'identity.json'), 'utf8'));
    expect(text).toContain('station_key: [redacted] (settings file)');
    const secrets = [identity.signing_seed, identity.vrf_seed, TOKEN, change.station_key, key.toString('hex')];
    for (const secret of secrets) expect(text).not.toContain(secret);
  }, 60_000);
});

function together(statuses: readonly StatusSnapshot[]): boolean {
  const [here, there] = statuses.map((status) => status.now);
  if (here == null || there == null || here.source !== 'flock' || there.source !== 'flock') return false;
  return here.slot === there.slot && here.track?.hash === there.track?.hash && here.moderation === null;
}

const endMs = (status: StatusSnapshot | undefined): number =>
  (status?.now?.start_ms ?? 0) + (status?.now?.duration_ms ?? 0);

const restMs = (status: StatusSnapshot | undefined): number => endMs(status) - (status?.station.time_ms ?? 0);

/** Where in the track the sound is at a common instant. */
const placeMs = (status: StatusSnapshot | undefined): number =>
  (status?.now?.position_ms ?? 0) - (status?.now?.measured_mono_ms ?? 0);

const drawnSlot = (status: StatusSnapshot | undefined) =>
  status?.queue.find((entry) => entry.final && entry.ticket !== null);

function writePhone(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true });
  const token_sha256 = createHash('sha256').update(TOKEN).digest('hex');
  const phone = { id: 'abcdefghijkl', name: 'Phone', token_sha256, paired_at_ms: 0, seen_at_ms: 0 };
  writeFileSync(join(dataDir, 'phones.json'), JSON.stringify({ version: 1, phones: [phone] }));
}

const portOf = (node: FlockNode): number =>
  JSON.parse(readFileSync(join(node.dataDir, 'run.json'), 'utf8')).http_port as number;

const urlOf = (node: FlockNode, path: string): string => `http://127.0.0.1:${portOf(node)}/api/${path}`;

const headers = () => ({ Cookie: `starling_phone=${TOKEN}`, 'X-Starling': '1', 'Content-Type': 'application/json' });

async function post(node: FlockNode, path: string, fields: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(urlOf(node, path), { method: 'POST', headers: headers(), body: JSON.stringify(fields) });
  return { status: response.status, body: await response.json() };
}

async function get(node: FlockNode, path: string): Promise<unknown> {
  return await (await fetch(urlOf(node, path), { headers: headers() })).json();
}
