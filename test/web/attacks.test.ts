/** The security table of `src/web/README.md`, line by line: each attack is tried on a real server, and what answered is held. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CHANGES_PER_MINUTE,
  MAX_BODY_BYTES,
  PAIRINGS_PER_MINUTE,
  PAIRINGS_PER_MINUTE_ALL,
  WRONG_COOKIES_PER_MINUTE,
} from '../../src/web/limits.ts';
import { bodyFor, CHANGES } from './bodies.ts';
import { PLAYING, STATION_KEY, WIFI_PASSWORD } from './fakes.ts';
import { type House, house } from './house.ts';
import type { Phone } from './phone.ts';
import { lines, raw } from './raw.ts';

let home: House;
/** The owner's phone, paired: whoever attacks in its name has its cookie with them. */
let owner: Phone;
beforeEach(async () => {
  home = await house();
  owner = await home.paired();
});
afterEach(() => home.stop());

/** What the box was made to do. */
const done = () => [...home.music.asked, ...home.box.asked, ...home.wifi.asked, ...home.update.asked];
const pairedPhones = () => JSON.parse(readFileSync(join(home.dataDir, 'phones.json'), 'utf8')).phones.length;
const cookie = () => `starling_phone=${owner.cookies.get('starling_phone')}`;

describe('in the name of a paired phone', () => {
  it('DNS rebinding: a foreign host name, with the origin to match', async () => {
    for (const path of CHANGES) {
      const answer = await owner.post(path, bodyFor(path), {
        Host: `evil.example:${home.port}`,
        Origin: `http://evil.example:${home.port}`,
      });
      expect([path, answer.status, answer.json.error.code]).toEqual([path, 421, 'foreign_host']);
    }
    for (const path of ['/api/invitation', '/api/diagnostics', '/api/phones', '/api/session', '/wifi', '/listen']) {
      const answer = await owner.get(path, { Host: 'evil.example' });
      expect([path, answer.status]).toEqual([path, 421]);
      expect(answer.text).not.toContain(STATION_KEY);
    }
    expect(done()).toEqual([]);
  });

  it('CSRF by fetch: another origin, none to be told, another port of this host', async () => {
    const origins = [
      { Origin: 'http://evil.example' },
      { Origin: 'null' },
      { Origin: `http://127.0.0.1:${home.port + 1}` },
      { Origin: `https://127.0.0.1:${home.port}` },
      { Origin: `http://127.0.0.1:${home.port}.evil.example` },
      { Origin: undefined, 'Sec-Fetch-Site': 'cross-site' },
      { Origin: undefined, 'Sec-Fetch-Site': 'same-site' },
      { Origin: undefined, 'Sec-Fetch-Site': 'none' },
    ];
    for (const path of CHANGES) {
      for (const origin of origins) {
        const { status, json } = await owner.post(path, bodyFor(path), origin);
        expect([path, origin, status, json.error.code]).toEqual([path, origin, 403, 'foreign_origin']);
      }
    }
    expect([done(), pairedPhones()]).toEqual([[], 1]);
  });

  it('CSRF by form: without our header, and of the types a form can have', async () => {
    const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined];
    for (const path of CHANGES) {
      const plain = await owner.post(path, bodyFor(path), { 'X-Starling': undefined });
      expect([path, plain.status, plain.json.error.code]).toEqual([path, 403, 'header_missing']);
      for (const type of types) {
        const { status, json } = await owner.post(path, bodyFor(path), { 'Content-Type': type });
        expect([path, type, status, json.error.code]).toEqual([path, type, 415, 'wrong_type']);
      }
    }
    expect([done(), pairedPhones()]).toEqual([[], 1]);
  });

  it('CSRF by picture or link: a change asked for by GET, also with its method overridden', async () => {
    for (const path of CHANGES.filter((other) => !['/api/filters', '/api/settings'].includes(other))) {
      const answer = await owner.get(path);
      expect([path, answer.status, answer.headers.allow]).toEqual([path, 405, 'POST']);
    }
    for (const header of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      await owner.get('/api/skip', { [header]: 'POST', 'X-Starling': '1' });
    }
    expect((await owner.get('/api/settings?_method=POST&volume=0')).status).toBe(400);
    for (const method of ['PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY']) {
      expect([method, (await owner.send(method, '/api/skip')).status]).toEqual([method, 405]);
    }
    expect(done()).toEqual([]);
  });

  it('CORS: a preflight gets no permission', async () => {
    const { status, headers } = await owner.send('OPTIONS', '/api/skip', {
      Origin: 'http://evil.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'x-starling, content-type',
    });
    expect(status).toBe(405);
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it('another site reads what is for paired phones alone', async () => {
    for (const path of ['/api/invitation', '/api/diagnostics', '/api/phones', '/listen']) {
      const { status, json } = await owner.get(path, { 'Sec-Fetch-Site': 'cross-site' });
      expect([path, status, json.error.code]).toEqual([path, 403, 'foreign_origin']);
    }
  });

  it('clickjacking: no page of this box shows inside another', async () => {
    for (const path of ['/', '/wifi', '/api/session', '/api/invitation', '/nothing']) {
      const { headers } = await owner.get(path);
      expect([path, headers['x-frame-options']]).toEqual([path, 'DENY']);
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['content-security-policy']).not.toMatch(/unsafe|\*|data:|http/);
    }
  });

  it('floods with changes are slowed down, phone by phone', async () => {
    const other = await home.paired();
    for (let at = 0; at < CHANGES_PER_MINUTE; at++) await owner.post('/api/test-tone');
    const refused = await owner.post('/api/test-tone');
    expect([refused.status, refused.json.error.code]).toEqual([429, 'too_many_changes']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect((await other.post('/api/test-tone')).status).toBe(200);
  });
});

describe('without a paired phone', () => {
  it('changes, and reads what is for paired phones alone: 401, and no body is read', async () => {
    const stranger = home.phone();
    for (const path of CHANGES.filter((other) => other !== '/api/pair')) {
      const { status, json } = await stranger.post(path, '{"not": json, and never looked at');
      expect([path, status, json.error.code]).toEqual([path, 401, 'not_paired']);
    }
    for (const path of ['/api/invitation', '/api/diagnostics', '/api/phones']) {
      expect([path, (await stranger.get(path)).json.error.code]).toEqual([path, 'not_paired']);
    }
    expect(done()).toEqual([]);
  });

  it('cookie tossing: the name several times, whichever comes first, is no cookie', async () => {
    for (const tossed of [
      `${cookie()}; starling_phone=evil`,
      `starling_phone=evil; ${cookie()}`,
      `${cookie()}; ${cookie()}`,
    ]) {
      const { status } = await home.phone().post('/api/skip', { slot: null }, { Cookie: tossed });
      expect(status).toBe(401);
    }
    const found = await home.phone().post('/api/skip', { slot: null }, { Cookie: `other=1; ${cookie()}; more=2` });
    expect(found.status).toBe(200);
  });

  it('cookies near the right one: cut, longer, in other letters, its hash', async () => {
    const token = owner.cookies.get('starling_phone') ?? '';
    const hash = JSON.parse(readFileSync(join(home.dataDir, 'phones.json'), 'utf8')).phones[0].token_sha256;
    for (const value of [
      '',
      token.slice(1),
      `${token}=`,
      `${token}A`,
      token.toLowerCase(),
      `"${token}"`,
      hash,
      '%00',
    ]) {
      const { status } = await home.phone().post('/api/skip', {}, { Cookie: `starling_phone=${value}` });
      expect([value, status]).toEqual([value, 401]);
    }
  });

  it('brute force over cookies: stopped after a few, for that address alone', async () => {
    const attacker = home.phone();
    const guess = () => attacker.get('/api/session', { Cookie: `starling_phone=${'A'.repeat(43)}` });
    for (let at = 0; at < WRONG_COOKIES_PER_MINUTE; at++) expect((await guess()).json.paired).toBe(false);
    const stopped = await guess();
    expect([stopped.status, stopped.json.error.code]).toEqual([429, 'too_many_attempts']);
    const lucky = await attacker.post('/api/skip', { slot: null }, { Cookie: cookie() });
    expect(lucky.status).toBe(429);
    expect((await owner.get('/api/session')).json.paired).toBe(true);
  });

  it('session fixation: a cookie brought along is never adopted', async () => {
    const victim = home.phone();
    victim.cookies.set('starling_phone', 'B'.repeat(43));
    expect(await victim.pair('Victim', () => home.presence.hold())).toBe('granted');
    expect(victim.cookies.get('starling_phone')).not.toBe('B'.repeat(43));
    const fixed = await home.phone().get('/api/session', { Cookie: `starling_phone=${'B'.repeat(43)}` });
    expect(fixed.json.paired).toBe(false);
  });
});

describe('pairing', () => {
  it('replayed: what was granted is handed out once; asking for the head takes nothing', async () => {
    const phone = home.phone();
    const { json } = await phone.post('/api/pair', { name: 'Phone' });
    home.presence.hold();
    const head = await phone.send('HEAD', `/api/pair/${json.request}`);
    expect(head.headers['set-cookie']).toBeUndefined();
    const first = await phone.get(`/api/pair/${json.request}`);
    expect([first.json.state, first.headers['set-cookie']?.length]).toEqual(['granted', 2]);
    for (const replayer of [phone, home.phone()]) {
      const again = await replayer.get(`/api/pair/${json.request}`);
      expect([again.json, again.headers['set-cookie']]).toEqual([{ state: 'expired', cause: 'used' }, undefined]);
    }
    home.presence.hold();
    expect(pairedPhones()).toBe(2);
  });

  it('two phones take one grant at the same moment: one gets it', async () => {
    const phone = home.phone();
    const { json } = await phone.post('/api/pair', { name: 'Phone' });
    home.presence.hold();
    const answers = await Promise.all(Array.from({ length: 8 }, () => home.phone().get(`/api/pair/${json.request}`)));
    expect(answers.filter(({ headers }) => headers['set-cookie'] !== undefined)).toHaveLength(1);
    expect(pairedPhones()).toBe(2);
  });

  it('guessed names of requests find nothing', async () => {
    await home.phone().post('/api/pair', { name: 'Phone' });
    for (const guess of ['', '1', 'A'.repeat(22), '__proto__', 'constructor', '..%2fphones']) {
      expect([400, 404]).toContain((await home.phone().get(`/api/pair/${guess}`)).status);
    }
  });

  it('slipped in beside another phone: nobody is let in', async () => {
    const [victim, attacker] = [home.phone(), home.phone()];
    const asked = await attacker.post('/api/pair', { name: 'Victim’s phone' });
    expect(await victim.pair('Victim’s phone', () => home.presence.hold())).toBe('refused');
    expect((await attacker.get(`/api/pair/${asked.json.request}`)).json.state).toBe('refused');
    expect(pairedPhones()).toBe(1);
  });

  it('flooded: few requests from one address, and from all', async () => {
    const attacker = home.phone();
    for (let at = 0; at < PAIRINGS_PER_MINUTE; at++)
      expect((await attacker.post('/api/pair', { name: 'x' })).status).toBe(202);
    const refused = await attacker.post('/api/pair', { name: 'x' });
    expect([refused.status, refused.json.error.code]).toEqual([429, 'too_many_requests']);
    let let_in = PAIRINGS_PER_MINUTE + 1; // the owner's phone
    for (let at = 0; at < PAIRINGS_PER_MINUTE_ALL; at++) {
      if ((await home.phone().post('/api/pair', { name: 'x' })).status === 202) let_in += 1;
    }
    expect(let_in).toBe(PAIRINGS_PER_MINUTE_ALL);
  });
});

describe('bodies', () => {
  it('too large: told before, sent in pieces without end, or packed', async () => {
    const large = await owner.post('/api/settings', { name: 'x'.repeat(MAX_BODY_BYTES) });
    expect([large.status, large.json.error.code]).toEqual([413, 'body_too_large']);
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const packed = await owner.post('/api/settings', bomb.toString('latin1'), { 'Content-Encoding': 'gzip' });
    expect([packed.status, packed.json.error.code]).toEqual([415, 'wrong_type']);
    const endless = await pour('Transfer-Encoding: chunked', `1000\r\n${' '.repeat(4_096)}\r\n`);
    expect(endless.answer).toContain('"body_too_large"');
    expect(endless.answer).toContain('Connection: close');
    expect(endless.sent).toBeLessThan(4_000_000);
    expect(done()).toEqual([]);
  });

  it('too slow: an answer and an end after seconds, not minutes', async () => {
    const answer = await raw(home.port, `${lines(...head(), 'Content-Length: 100')}{"volu`, 10_000);
    expect([answer.status, JSON.parse(answer.body).error.code]).toEqual([408, 'request_timeout']);
    expect(answer.headers).toContain('Connection: close');
  });

  it('cut off, of two lengths, or with a second request inside: one request at most, and it changes nothing', async () => {
    const half = connect(home.port, '127.0.0.1');
    half.end(`${lines(...head(), 'Content-Length: 100')}{"volume": 1}`);
    await new Promise((resolve) => half.on('close', resolve).resume());
    const inside = lines('POST /api/skip HTTP/1.1', `Host: 127.0.0.1:${home.port}`, `Cookie: ${cookie()}`);
    const both = await raw(home.port, lines(...head(), 'Content-Length: 5', 'Transfer-Encoding: chunked') + inside);
    expect(both.status).toBe(400);
    const shorter = await raw(home.port, `${lines(...head(), 'Content-Length: 2')}{}${inside}`);
    expect(shorter.status).toBe(200);
    expect(done()).toEqual(['change ']);
  });

  it.each([
    ['', 'bad_json', undefined],
    ['{', 'bad_json', undefined],
    ['[]', 'bad_json', undefined],
    ['null', 'bad_json', undefined],
    ['"volume"', 'bad_json', undefined],
    [`${'['.repeat(4_000)}${']'.repeat(4_000)}`, 'bad_json', undefined],
    ['{"volume": 1, "volume": 100}', 'bad_field', 'volume'],
    [`{"volume": 1, "vol\\u0075me"${' '.repeat(200)}: 100}`, 'bad_field', 'volume'],
    ['{"__proto__": {"volume": 1}}', 'unknown_field', '__proto__'],
    ['{"constructor": {"prototype": {"paired": true}}}', 'unknown_field', 'constructor'],
    ['{"toString": 1}', 'unknown_field', 'toString'],
    ['{"volume": "50"}', 'bad_field', 'volume'],
    ['{"volume": 50.5}', 'bad_field', 'volume'],
    ['{"volume": 1e999}', 'bad_field', 'volume'],
    ['{"volume": 101}', 'bad_field', 'volume'],
    ['{"volume": null}', 'bad_field', 'volume'],
    ['{"trim_ms": [1]}', 'bad_field', 'trim_ms'],
    ['{"name": {"toString": "x"}}', 'bad_field', 'name'],
    ['{"name": "  "}', 'bad_field', 'name'],
    ['{"name": "a\\r\\nSet-Cookie: a=b"}', 'bad_field', 'name'],
    ['{"name": "\\ud800"}', 'bad_field', 'name'],
    ['{"station_key": "00"}', 'bad_field', 'station_key'],
  ])('JSON that is no wish of ours: %.60s', async (body, code, field) => {
    const { status, json } = await owner.post('/api/settings', body);
    expect([status, json.error.code, json.error.field]).toEqual([400, code, field]);
    expect(json.error.allowed ?? json.error.text).toMatch(/\w/);
    expect(done()).toEqual([]);
    expect(({} as { paired?: boolean }).paired).toBeUndefined();
  });

  it('of a refused change are thrown away, and the connection goes on', async () => {
    const socket = connect(home.port, '127.0.0.1').setEncoding('utf8');
    let answers = '';
    const until = async (text: string) => {
      while (!answers.includes(text)) await new Promise((resolve) => socket.once('data', resolve));
    };
    socket.on('data', (chunk) => {
      answers += chunk;
    });
    socket.write(lines(...head().filter((line) => !line.startsWith('Cookie')), 'Content-Length: 13'));
    await until('"not_paired"');
    socket.write(`{"volume":  1}`.slice(0, 13));
    socket.write(lines('GET /api/session HTTP/1.1', `Host: 127.0.0.1:${home.port}`));
    await until('"paired":false');
    socket.destroy();
    expect(done()).toEqual([]);
  });

  it('a wrong secret is not repeated in the answer', async () => {
    const key = await owner.post('/api/settings', { station_key: 'my-wrong-key' });
    const password = await owner.post('/api/wifi/join', { ssid: 'Café', password: 'hunter2' });
    expect([key.status, password.status, password.json.error.field]).toEqual([400, 400, 'password']);
    expect(key.text + password.text + home.logged()).not.toMatch(/my-wrong-key|hunter2/);
  });

  /** The head of a change by the owner. */
  const head = () => [
    'POST /api/settings HTTP/1.1',
    `Host: 127.0.0.1:${home.port}`,
    'X-Starling: 1',
    'Content-Type: application/json',
    `Cookie: ${cookie()}`,
  ];

  /** Sends pieces until the box closes. */
  function pour(field: string, piece: string): Promise<{ answer: string; sent: number }> {
    return new Promise((resolve) => {
      const socket = connect(home.port, '127.0.0.1');
      let answer = '';
      let sent = 0;
      let closed = false;
      const more = () => {
        while (!closed && sent < 50_000_000) {
          sent += piece.length;
          if (!socket.write(piece)) return void socket.once('drain', more);
        }
      };
      socket.setEncoding('utf8').on('data', (chunk) => {
        answer += chunk;
        closed = true;
        socket.end();
      });
      socket.on('error', () => {}).on('close', () => resolve({ answer, sent }));
      socket.write(lines(...head(), field));
      more();
    });
  }
});

describe('what strangers wrote', () => {
  const SCRIPT = '<script>alert(1)</script><img src=x onerror=alert(1)>"\'';

  it('script in the name of a phone, a network or a track goes out as data, or escaped', async () => {
    const phone = home.phone();
    expect(await phone.pair(SCRIPT, () => home.presence.hold())).toBe('granted');
    const list = await phone.get('/api/phones');
    expect(list.json.items[1].name).toBe(SCRIPT);
    expect([list.headers['content-type'], list.headers['x-content-type-options']]).toEqual([
      'application/json; charset=utf-8',
      'nosniff',
    ]);
    home.wifi.change({
      networks: [{ ssid: SCRIPT.slice(0, 32), strength: 50, secured: true, known: false }],
      failure: { ssid: SCRIPT.slice(0, 32), cause: 'not_found' },
      hotspot: { ...home.wifi.state.hotspot, ssid: SCRIPT },
    });
    const page = (await phone.get('/wifi')).text;
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toMatch(/<script|<img src=x|value="[^"]*"[^ >]/);
    const catalog = await phone.get('/api/peers/12D3KooWWrenWrenWren/catalog');
    expect(catalog.headers['content-type']).toContain('application/json');
  });

  it('line breaks for a header, or for the log, do not get through', async () => {
    const named = await home.phone().post('/api/pair', { name: 'a\r\nSet-Cookie: a=b' });
    expect([named.status, named.json.error.field]).toEqual([400, 'name']);
    for (const target of [
      '/api/pair/x%0d%0aSet-Cookie:a=b',
      '/wifi?request=%0d%0aSet-Cookie:a=b',
      '/api/draw/1%0d%0a',
    ]) {
      const answer = await raw(home.port, lines(`GET ${target} HTTP/1.1`, 'Host: localhost'));
      expect(answer.headers).not.toMatch(/set-cookie/i);
    }
    expect(home.logged()).not.toContain('\r');
  });

  it('traversal in the parts of a path that are names', async () => {
    for (const path of [
      '/api/peers/../phones',
      '/api/peers/%2e%2e/catalog',
      '/api/draw/../session',
      '/api/pair/..%2fphones',
    ]) {
      const answer = await raw(home.port, lines(`GET ${path} HTTP/1.1`, 'Host: localhost'));
      expect([path, [400, 404].includes(answer.status)]).toEqual([path, true]);
    }
  });
});

describe('the hotspot', () => {
  const onHotspot = (): Phone => {
    const phone = home.phone();
    home.wifi.guests.add(phone.address);
    return phone;
  };

  it('lets the first phone in without a hand, and only the first', async () => {
    await owner.post('/api/session/end');
    const [one, two, stranger] = [onHotspot(), onHotspot(), home.phone()];
    expect((await one.get('/api/session')).json.setup).toBe(true);
    expect((await stranger.get('/api/session')).json.setup).toBe(false);
    const asked = [await one.post('/api/pair', { name: 'One' }), await two.post('/api/pair', { name: 'Two' })];
    expect((await one.get(`/api/pair/${asked[0]?.json.request}`)).json.state).toBe('granted');
    expect((await two.get(`/api/pair/${asked[1]?.json.request}`)).json).toEqual({
      state: 'refused',
      cause: 'phone_paired',
    });
    expect((await two.get('/api/session')).json.setup).toBe(false);
    expect((await two.post('/api/wifi/join', { ssid: 'Café' })).status).toBe(401);
    expect((await one.post('/api/wifi/join', { ssid: 'Café' })).status).toBe(200);
  });

  it('is worth nothing once a network is kept', async () => {
    await owner.post('/api/session/end');
    home.wifi.change({ saved: ['Home <b>'] });
    const phone = onHotspot();
    const { json } = await phone.post('/api/pair', { name: 'One' });
    expect((await phone.get(`/api/pair/${json.request}`)).json.state).toBe('waiting');
    expect((await phone.post('/api/wifi/join', { ssid: 'Café' })).status).toBe(401);
    expect((await phone.get('/api/wifi')).json.saved).toEqual([]);
  });

  it('gives no unpaired phone more than the Wi-Fi', async () => {
    await owner.post('/api/session/end');
    const phone = onHotspot();
    for (const path of CHANGES.filter((other) => !/wifi|pair$/.test(other))) {
      expect([path, (await phone.post(path, bodyFor(path))).status]).toEqual([path, 401]);
    }
  });

  it('leads phones that look for a way out to the page, and nobody else; never to a place of the asker’s choice', async () => {
    const guest = onHotspot();
    for (const path of [
      '/generate_204',
      '/hotspot-detect.html',
      '/connecttest.txt',
      '/success.txt',
      '/canonical.html',
    ]) {
      const { status, headers } = await guest.get(path, { Host: 'captive.example' });
      expect([path, status, headers.location]).toEqual([path, 302, `http://10.42.0.1:${home.port}/wifi`]);
    }
    const tricked = await guest.get('/generate_204?url=http://evil.example', { Host: 'evil.example\\@x' });
    expect(tricked.headers.location).toBe(`http://10.42.0.1:${home.port}/wifi`);
    expect((await home.phone().get('/generate_204', { Host: 'captive.example' })).status).toBe(421);
    expect((await home.phone().get('/generate_204')).status).toBe(404);
    expect((await guest.post('/api/skip', {}, { Host: 'captive.example' })).status).toBe(421);
    expect((await guest.get('/api/captive')).json).toEqual({
      captive: true,
      'user-portal-url': `http://10.42.0.1:${home.port}/wifi`,
    });
    const outside = await home.phone().get('/api/captive');
    expect([outside.headers['content-type'], outside.json]).toEqual(['application/captive+json', { captive: false }]);
  });
});

describe('the form without script', () => {
  const mark = (page: string) => /name="form" value="([\w-]{22})"/.exec(page)?.[1] ?? '';
  const send = (
    phone: Phone,
    fields: Record<string, string> | string,
    headers: Record<string, string | undefined> = {},
  ) =>
    phone.post('/wifi', new URLSearchParams(fields).toString(), {
      'Content-Type': 'application/x-www-form-urlencoded',
      'X-Starling': undefined,
      ...headers,
    });
  const wish = (form: string) => ({ form, action: 'join', ssid: 'Café', password: '', country: 'DE' });
  let guest: Phone;
  beforeEach(async () => {
    await owner.post('/api/session/end');
    guest = home.phone();
    home.wifi.guests.add(guest.address);
  });

  it('puts the box on a Wi-Fi, and shows what was wrong with the last attempt', async () => {
    const page = await guest.get('/wifi', { 'Accept-Language': 'de' });
    expect(page.text).toContain('<html lang="de"');
    expect(page.text).not.toMatch(/<script|onclick|style=/);
    expect(page.headers['content-security-policy']).toContain("form-action 'self'");
    const sent = await send(guest, { ...wish(mark(page.text)), ssid: 'Home <b>', password: WIFI_PASSWORD });
    expect(sent.status).toBe(200);
    expect(sent.text).toContain(`http://starling-1a2b.local:${home.port}/`);
    expect(sent.text).toContain('<svg');
    expect(sent.text).not.toContain(WIFI_PASSWORD);
    expect(home.wifi.asked).toEqual([
      `join {"ssid":"Home <b>","password":"${WIFI_PASSWORD}","hidden":false,"country":"DE"}`,
    ]);
    home.wifi.change({ phase: 'failed', failure: { ssid: 'Home <b>', cause: 'wrong_password' } });
    expect((await guest.get('/wifi')).text).toMatch(
      /data-level="error"[^>]*><bdi>Home &lt;b&gt;<\/bdi> did not accept/,
    );
  });

  it('sent twice, made up, taken by another phone, or from another site: nothing happens', async () => {
    const first = mark((await guest.get('/wifi')).text);
    expect((await send(guest, wish(first))).status).toBe(200);
    home.wifi.change({ phase: 'hotspot' });
    const others = home.phone();
    home.wifi.guests.add(others.address);
    const fresh = mark((await guest.get('/wifi')).text);
    const attempts = [
      await send(guest, wish(first)),
      await send(guest, wish('A'.repeat(22))),
      await send(guest, wish('')),
      await send(others, wish(fresh)),
      await send(guest, wish(fresh), { Origin: 'http://evil.example' }),
      await send(guest, wish(fresh), { Origin: 'null' }),
    ];
    expect(attempts.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
    expect((await guest.post('/wifi', wish(fresh))).status).toBe(415);
    expect(home.wifi.asked).toHaveLength(1);
  });

  it('is worth nothing any more when set-up ended meanwhile', async () => {
    const form = mark((await guest.get('/wifi')).text);
    home.wifi.change({ saved: ['Home <b>'] });
    expect((await send(guest, wish(form))).status).toBe(401);
    expect(home.wifi.asked).toEqual([]);
  });

  it('with fields twice, unknown or wrong is answered on the page, and a new form is in it', async () => {
    const form = mark((await guest.get('/wifi')).text);
    expect((await send(guest, `form=${form}&ssid=a&ssid=b`)).json.error.code).toBe('bad_field');
    expect((await send(guest, `form=${form}&__proto__=1`)).json.error.code).toBe('unknown_field');
    const wrong = await send(guest, { ...wish(form), password: 'short' });
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([400, true]);
    expect(wrong.text).not.toContain('"short"');
    const none = await send(guest, { ...wish(mark(wrong.text)), ssid: '' });
    expect(none.status).toBe(400);
    expect((await send(guest, wish(mark(none.text)))).status).toBe(200);
  });

  it('lets a phone in that is not paired when a hand says so, for this one form', async () => {
    home.wifi.change({ saved: ['Home <b>'] });
    const page = await guest.get('/wifi');
    expect(page.text).not.toContain('name="password"');
    const asked = await send(guest, { form: mark(page.text), action: 'ask' });
    const url = /url=(\/wifi\?request=[\w-]{22})"/.exec(asked.text)?.[1] ?? '';
    expect((await guest.get(url)).text).not.toContain('name="password"');
    home.presence.hold();
    const let_in = await guest.get(url);
    expect(let_in.text).toContain('name="password"');
    expect((await guest.get(url)).text).not.toContain('name="password"');
    expect((await send(guest, wish(mark(let_in.text)))).status).toBe(200);
    expect(pairedPhones()).toBe(0);
    expect((await guest.post('/api/skip', { slot: null })).status).toBe(401);
  });
});

describe('listening', () => {
  it('comes for a bounded number, and frees its place when the listener goes', async () => {
    const stop = new AbortController();
    const listen = () => fetch(`http://127.0.0.1:${home.port}/listen`, { signal: stop.signal });
    const [one, two] = [await listen(), await listen()];
    expect([one?.status, one?.headers.get('content-type'), two?.status]).toEqual([200, 'audio/mpeg', 200]);
    const reader = one.body!.getReader();
    expect((await reader.read()).value?.[0]).toBe(0xff);
    const refused = await home.phone().get('/listen');
    expect([refused.status, refused.json.error.code]).toEqual([503, 'listen_full']);
    expect(home.web.counters().listeners).toBe(2);
    stop.abort();
    await reader.read().catch(() => {});
    while (home.listen.open_ > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const head = await home.phone().send('HEAD', '/listen');
    expect([head.status, home.listen.open_]).toEqual([200, 0]);
  });
});

it('nothing that anybody gets holds a secret', async () => {
  await owner.post('/api/settings', { station_key: STATION_KEY });
  await owner.post('/api/wifi/join', { ssid: 'Home <b>', password: WIFI_PASSWORD });
  await owner.post('/api/never', { hash: PLAYING.hash });
  const token = owner.cookies.get('starling_phone') ?? '-';
  const paths = [
    '/',
    '/api/status',
    '/api/session',
    '/api/phones',
    '/api/settings',
    '/api/wifi',
    '/api/blacklist',
    '/wifi',
  ];
  for (const path of [...paths, '/api/filters', '/api/diagnostics', '/api/captive']) {
    const { text, headers } = await owner.get(path);
    for (const secret of [STATION_KEY, WIFI_PASSWORD, token])
      expect(text + JSON.stringify(headers)).not.toContain(secret);
  }
  for (const secret of [STATION_KEY, WIFI_PASSWORD, token]) expect(home.logged()).not.toContain(secret);
});
