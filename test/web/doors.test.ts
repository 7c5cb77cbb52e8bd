import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWeb } from '../../src/web/web.ts';
import { bodyFor, CHANGES } from './bodies.ts';
import { PLAYING, STATION_KEY, WIFI_PASSWORD } from './fakes.ts';
import { type House, house } from './house.ts';
import { Phone } from './phone.ts';
import { sampleSnapshot } from './sample.ts';
import { WEB_ROOT } from './serve.ts';

let home: House;
beforeEach(async () => {
  home = await house();
});
afterEach(() => home.stop());

/** Asked under a name of the box, by its own page there. */
const asked = (name: string) => ({ Host: `${name}:${home.port}`, Origin: `http://${name}:${home.port}` });
const phonesFile = () => readFileSync(join(home.dataDir, 'phones.json'), 'utf8');

describe('pairing', () => {
  it('takes a hand at the box: then the phone may change things, also after a restart', async () => {
    const phone = home.phone();
    expect((await phone.get('/api/session')).json).toEqual({
      version: 1,
      paired: false,
      phone: null,
      setup: false,
      has_button: true,
      can: { music: true, box: true, wifi: true, listen: true, update: true },
    });
    expect(home.web.pairingWaits()).toBe(false);
    const request = await phone.post('/api/pair', { name: 'Ana’s phone' });
    expect([request.status, request.json.expires_in_ms]).toEqual([202, 60_000]);
    expect((await phone.get(`/api/pair/${request.json.request}`)).json).toEqual({ state: 'waiting', cause: null });
    expect(home.web.pairingWaits()).toBe(true);
    home.presence.hold();
    const granted = await phone.get(`/api/pair/${request.json.request}`);
    expect(granted.json.state).toBe('granted');
    expect(granted.headers['set-cookie']?.[0]).toMatch(
      /^starling_phone=[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect((await phone.post('/api/skip', { slot: null })).json).toMatchObject({ ok: true, slot: 7 });
    await home.restart();
    expect((await phone.get('/api/session')).json).toMatchObject({ paired: true, phone: { name: 'Ana’s phone' } });
  });

  it('keeps hashes only, in a file for its owner alone', async () => {
    const phone = await home.paired();
    const token = phone.cookies.get('starling_phone') ?? '';
    expect(JSON.parse(phonesFile())).toMatchObject({ version: 1, phones: [{ name: 'Phone 1' }] });
    expect(statSync(join(home.dataDir, 'phones.json')).mode & 0o777).toBe(0o600);
    expect(readdirSync(home.dataDir)).toEqual(['phones.json']);
    expect(phonesFile() + home.logged()).not.toContain(token);
  });

  it('lists phones, and takes one off the list at once', async () => {
    const [one, two] = [await home.paired(), await home.paired()];
    const { items } = (await one.get('/api/phones')).json;
    expect(items.map((item: { name: string; this: boolean }) => [item.name, item.this])).toEqual([
      ['Phone 1', true],
      ['Phone 2', false],
    ]);
    expect(JSON.stringify(items)).not.toMatch(/token|sha256/);
    expect((await one.post('/api/phones/revoke', { id: items[1].id })).status).toBe(200);
    expect((await two.post('/api/skip', { slot: null })).json.error.code).toBe('not_paired');
    const again = await one.post('/api/phones/revoke', { id: items[1].id });
    expect([again.status, again.json.error.code]).toEqual([404, 'no_such_phone']);
    expect((await one.post('/api/session/end')).status).toBe(200);
    expect(one.cookies.has('starling_phone')).toBe(false);
    expect(JSON.parse(phonesFile()).phones).toEqual([]);
  });

  it('is refused where several asked within the minute, for nobody at the box can tell them apart', async () => {
    const [one, two] = [home.phone(), home.phone()];
    const [first, second] = [
      await one.post('/api/pair', { name: 'One' }),
      await two.post('/api/pair', { name: 'Two' }),
    ];
    home.presence.hold();
    for (const [phone, { json }] of [[one, first] as const, [two, second] as const]) {
      expect((await phone.get(`/api/pair/${json.request}`)).json).toEqual({ state: 'refused', cause: 'several_asked' });
    }
    expect(home.web.confirmPairing()).toMatchObject({ ok: false, code: 'nobody_asked' });
  });

  it('asked twice by one phone is asked once', async () => {
    const phone = home.phone();
    const { json } = await phone.post('/api/pair', { name: 'Before the reload' });
    expect(await phone.pair('After it', () => home.presence.hold())).toBe('granted');
    expect((await phone.get(`/api/pair/${json.request}`)).json.error.code).toBe('no_such_request');
  });

  it('may be confirmed by a command instead of a button', async () => {
    await home.stop();
    home = await house({ presence: null });
    const phone = home.phone();
    expect(await phone.pair('Phone', () => expect(home.web.confirmPairing()).toMatchObject({ ok: true }))).toBe(
      'granted',
    );
    expect((await phone.get('/api/session')).json.has_button).toBe(false);
  });

  it('needs no hand for a person at the machine itself, where there is neither button nor hotspot', async () => {
    await home.stop();
    home = await house({ presence: null, wifi: null }, { hostNames: ['radio.example'] });
    expect(await home.phone().pair('The browser here', () => {})).toBe('granted');
    for (const headers of [{ 'X-Forwarded-For': '203.0.113.9' }, { Via: '1.1 proxy' }, asked('radio.example')]) {
      const { json } = await home.phone().post('/api/pair', { name: 'Far away' }, headers);
      expect((await home.phone().get(`/api/pair/${json.request}`)).json.state).toBe('waiting');
    }
  });

  it('needs a hand at a machine that has a button or a hotspot, whoever asks from where', async () => {
    const states = [];
    for (const parts of [{ wifi: null }, { presence: null }]) {
      await home.stop();
      home = await house(parts);
      const { json } = await home.phone().post('/api/pair', { name: 'Phone' });
      states.push((await home.phone().get(`/api/pair/${json.request}`)).json.state);
    }
    expect(states).toEqual(['waiting', 'waiting']);
  });

  it('is not there without a place to remember phones', async () => {
    const web = createWeb(
      { snapshot: sampleSnapshot, onChange: () => () => {}, log: { debug() {}, info() {}, warn() {}, error() {} } },
      { port: 0, host: '127.0.0.1', webRoot: WEB_ROOT },
    );
    await web.start();
    const answer = await new Phone(web.address()?.port ?? 0).post('/api/pair', { name: 'Phone' });
    expect([answer.status, answer.json.error.code]).toEqual([501, 'not_on_this_box']);
    await web.stop();
  });

  it('begins anew when the list is damaged, and keeps the damaged one aside', async () => {
    const phone = await home.paired();
    writeFileSync(join(home.dataDir, 'phones.json'), '{"version":1,"phones":[{"id":');
    await home.restart();
    expect((await phone.get('/api/session')).json.paired).toBe(false);
    expect(readdirSync(home.dataDir)).toEqual(['phones.json.damaged']);
  });
});

describe('a paired phone', () => {
  let phone: Phone;
  beforeEach(async () => {
    phone = await home.paired();
  });

  it('skips, blacklists, takes back, likes and filters', async () => {
    expect((await phone.post('/api/skip', { slot: 7 })).json).toEqual({
      ok: true,
      slot: 7,
      until_ms: 1_700_000_200_000,
    });
    const late = await phone.post('/api/skip', { slot: 6 });
    expect([late.status, late.json.error]).toEqual([
      409,
      { code: 'slot_over', text: 'That slot does not play any more.', field: 'slot' },
    ]);
    expect((await phone.post('/api/never', { hash: null })).json).toMatchObject({ ok: true, hash: PLAYING.hash });
    expect((await home.phone().get('/api/blacklist')).json).toMatchObject({ total: 1, offset: 0, limit: 50 });
    expect((await phone.post('/api/allow', { hash: PLAYING.hash })).json).toEqual({ ok: true, hash: PLAYING.hash });
    expect((await phone.post('/api/like', { hash: PLAYING.hash })).json.counted).toBe(false);
    await phone.post('/api/filters', { explicit: false, genres: ['Polka'] });
    expect((await home.phone().get('/api/filters')).json).toEqual({ explicit: false, genres: ['polka'] });
  });

  it('changes settings, and sees the station key in the invitation and nowhere else', async () => {
    const changed = await phone.post('/api/settings', { station: 'Owls', station_key: STATION_KEY, volume: 30 });
    expect(changed.json).toEqual({ ok: true, applied: ['station', 'station_key', 'volume'], restarts: true });
    expect((await home.phone().get('/api/settings')).json).toMatchObject({ volume: 30, station: 'Owls', closed: true });
    const { json } = await phone.get('/api/invitation');
    expect(json.text).toContain(STATION_KEY);
    expect(json.qr).toMatch(/^<svg xmlns="[^"]+" viewBox="0 0 (\d+) \1"><path d="[Mhvz\d .-]+"\/><\/svg>$/);
    expect((await home.phone().get('/api/invitation')).json.error.code).toBe('not_paired');
    for (const path of ['/api/settings', '/api/session', '/api/status', '/api/phones', '/']) {
      expect((await phone.get(path)).text).not.toContain(STATION_KEY);
    }
    expect(home.logged()).not.toContain(STATION_KEY);
  });

  it('resets only with the name of the box, and everything takes the phones with it', async () => {
    const wrong = await phone.post('/api/reset', { what: 'all', confirm: 'kitchen' });
    expect([wrong.status, wrong.json.error]).toEqual([
      400,
      {
        code: 'bad_confirm',
        text: 'Field "confirm" is not the name of this box.',
        field: 'confirm',
        allowed: '"Kitchen"',
      },
    ]);
    expect(home.box.asked).toEqual([]);
    expect((await phone.post('/api/reset', { what: 'wifi', confirm: 'Kitchen' })).status).toBe(200);
    expect((await phone.post('/api/reset', { what: 'all', confirm: 'Kitchen' })).status).toBe(200);
    expect(home.box.asked).toEqual(['reset wifi', 'reset all']);
    expect((await phone.get('/api/session')).json.paired).toBe(false);
    expect(JSON.parse(phonesFile()).phones).toEqual([]);
  });

  it('gets the diagnostics as a file, and a test tone', async () => {
    const file = await phone.get('/api/diagnostics');
    expect([file.headers['content-disposition'], file.text]).toEqual([
      'attachment; filename="starling-diagnostics.txt"',
      'uptime 5 s\n',
    ]);
    expect((await phone.post('/api/test-tone')).json).toEqual({ ok: true });
    expect((await home.phone().get('/api/diagnostics')).status).toBe(401);
  });

  it('puts the box on a Wi-Fi, and sees which networks it keeps; others do not', async () => {
    home.wifi.change({ saved: ['Home <b>'], failure: { ssid: 'Café', cause: 'wrong_password' } });
    const joined = await phone.post('/api/wifi/join', { ssid: 'Home <b>', password: WIFI_PASSWORD, country: 'DE' });
    expect(joined.json).toEqual({ ok: true });
    expect(home.wifi.asked).toEqual([
      `join {"ssid":"Home <b>","password":"${WIFI_PASSWORD}","hidden":false,"country":"DE"}`,
    ]);
    expect((await phone.post('/api/wifi/join', { ssid: 'Café' })).json.error.code).toBe('wifi_busy');
    expect((await phone.get('/api/wifi')).json).toMatchObject({
      saved: ['Home <b>'],
      found: { url: `http://starling-1a2b.local:${home.port}/` },
    });
    const stranger = (await home.phone().get('/api/wifi')).json;
    expect([stranger.saved, stranger.failure]).toEqual([[], null]);
    expect((await phone.post('/api/wifi/forget', { ssid: 'Home <b>' })).status).toBe(200);
    expect((await phone.post('/api/wifi/country', { country: 'GB' })).status).toBe(200);
    expect((await phone.post('/api/wifi/scan')).status).toBe(200);
    expect(home.logged()).not.toContain(WIFI_PASSWORD);
  });

  it("reads another node's catalog page by page", async () => {
    const page = (await phone.get('/api/peers/12D3KooWWrenWrenWren/catalog?offset=10&limit=5')).json;
    expect([page.total, page.offset, page.limit, page.items.length]).toEqual([30, 10, 5, 5]);
    expect((await phone.get('/api/peers/12D3KooWNobody/catalog')).json.error.code).toBe('no_catalog');
    expect((await phone.get('/api/peers/a-b/catalog')).json.error.code).toBe('bad_peer');
  });
});

it('what is not on this box says so', async () => {
  await home.stop();
  home = await house({ music: null, box: null, wifi: null, listen: null, update: null });
  const phone = await home.paired();
  for (const path of CHANGES.filter((other) => !/pair|phones|session/.test(other))) {
    const { status, json } = await phone.post(path, bodyFor(path));
    expect([path, status, json.error.code]).toEqual([path, 501, 'not_on_this_box']);
  }
  for (const path of [
    '/api/settings',
    '/api/filters',
    '/api/blacklist',
    '/api/wifi',
    '/listen',
    '/api/draw/3',
    '/api/update',
  ]) {
    expect([path, (await phone.get(path)).status]).toEqual([path, 501]);
  }
});

it('how a slot was won can be looked up', async () => {
  await home.stop();
  home = await house({ draw: (slot) => (slot === 3 ? { slot, winner: 'Wren\u202e' } : null) });
  expect((await home.phone().get('/api/draw/3')).json).toEqual({ slot: 3, winner: 'Wren ' });
  expect((await home.phone().get('/api/draw/4')).json.error.code).toBe('no_draw');
  expect((await home.phone().get('/api/draw/-1')).json.error.code).toBe('bad_slot');
});
