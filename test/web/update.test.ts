/** Updates over the page's routes: what everybody sees, what a paired phone may do, and each attack with its answer. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_BODY_BYTES, REQUEST_TIMEOUT_MS } from '../../src/web/limits.ts';
import { ON_STICK } from './fakes.ts';
import { type House, house } from './house.ts';
import type { Phone } from './phone.ts';
import { lines, raw } from './raw.ts';

const UPLOAD = '/api/update/upload';
const OCTETS = { 'Content-Type': 'application/octet-stream' };

let home: House;
let owner: Phone;
beforeEach(async () => {
  home = await house();
  owner = await home.paired();
});
afterEach(() => home.stop());

const cookie = () => `starling_phone=${owner.cookies.get('starling_phone')}`;
/** The head of an upload by the paired phone, but for its length. */
const head = () => [
  `POST ${UPLOAD} HTTP/1.1`,
  `Host: 127.0.0.1:${home.port}`,
  `Origin: http://127.0.0.1:${home.port}`,
  'X-Starling: 1',
  'Content-Type: application/octet-stream',
  `Cookie: ${cookie()}`,
];
const body = (version: string, bytes = 100_000) => `update ${version} `.padEnd(bytes, 'x');

describe('an update', () => {
  it('is seen by everybody, field by field', async () => {
    Object.assign(home.update.state.found[0]!, { path: '/media/sda1', key: 'no business of theirs' });
    home.update.change({ last: { outcome: 'fell_back', version: '1.1.0', code: null, text: 'why\u202e', at_ms: 5 } });
    const { status, json } = await home.phone().get('/api/update');
    expect(status).toBe(200);
    expect(json).toEqual({
      ...{ version: '1.2.0', phase: 'idle', percent: null, target: null, found: [ON_STICK], max_bytes: 400_000 },
      last: { outcome: 'fell_back', version: '1.1.0', code: null, text: 'why ', at_ms: 5 },
    });
  });

  it('on a stick is installed by a paired phone', async () => {
    const answer = await owner.post('/api/update/install', { file: ON_STICK.file });
    expect(answer.json).toEqual({ ok: true, version: '1.3.0' });
    expect(home.update.asked).toEqual([`install ${ON_STICK.file} false`]);
    const again = await owner.post('/api/update/install', { file: ON_STICK.file, any_version: true });
    expect([again.status, again.json.error.code]).toEqual([409, 'update_busy']);
  });

  it('is sent as a whole file, far beyond the size of any other body, and can be older only when that is said', async () => {
    expect((await owner.post('/api/update/prepare', { bytes: 100_000 })).json).toEqual({ ok: true });
    const sent = await owner.post(UPLOAD, body('1.1.0'), OCTETS);
    expect(sent.json).toMatchObject({
      ok: true,
      found: { file: 'upload', version: '1.1.0', age: 'older', refused: null },
    });
    expect(100_000).toBeGreaterThan(MAX_BODY_BYTES);
    const refused = await owner.post('/api/update/install', { file: 'upload' });
    expect([refused.status, refused.json.error.code, refused.json.error.field]).toEqual([
      409,
      'not_newer',
      'any_version',
    ]);
    expect((await owner.post('/api/update/install', { file: 'upload', any_version: true })).status).toBe(200);
  });

  it('tells how far an upload is', async () => {
    const gate = Promise.withResolvers<void>();
    home.update.pace = () => gate.promise;
    const sending = owner.post(UPLOAD, body('1.3.0'), OCTETS);
    while ((await owner.get('/api/update')).json.phase !== 'receiving') await sleep(10);
    const other = await (await home.paired()).post(UPLOAD, body('1.4.0'), OCTETS);
    expect([other.status, other.json.error.code]).toEqual([409, 'update_busy']);
    gate.resolve();
    expect((await sending).status).toBe(200);
    expect((await owner.get('/api/update')).json.found[0].version).toBe('1.3.0');
  });

  it('that is none is refused with the cause', async () => {
    const { status, json } = await owner.post(UPLOAD, 'x'.repeat(50_000), OCTETS);
    expect([status, json.error.code]).toEqual([409, 'not_an_update']);
  });

  it('for which there is no room is not sent in vain', async () => {
    const { status, json } = await owner.post('/api/update/prepare', { bytes: 350_000 });
    expect([status, json.error.code]).toEqual([409, 'no_room']);
  });
});

describe('an upload by somebody who should not', () => {
  it('without a paired phone: 401, and nothing of the file is taken', async () => {
    const { status, json } = await home.phone().post(UPLOAD, body('9.9.9'), OCTETS);
    expect([status, json.error.code]).toEqual([401, 'not_paired']);
    expect(home.update.asked).toEqual([]);
  });

  it('from another site, by form, or without our header: 403', async () => {
    for (const [headers, code] of [
      [{ Origin: 'http://evil.example' }, 'foreign_origin'],
      [{ Origin: 'null' }, 'foreign_origin'],
      [{ Origin: undefined, 'Sec-Fetch-Site': 'same-site' }, 'foreign_origin'],
      [{ 'X-Starling': undefined }, 'header_missing'],
    ] as const) {
      const { status, json } = await owner.post(UPLOAD, body('9.9.9', 1_000), { ...OCTETS, ...headers });
      expect([status, json.error.code]).toEqual([403, code]);
    }
    expect(home.update.asked).toEqual([]);
  });

  it('of a type that a form can have, packed, or as JSON: 415', async () => {
    const types = [
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
      'application/json',
    ];
    for (const type of [...types, undefined]) {
      const { status, json } = await owner.post(UPLOAD, body('9.9.9', 1_000), { 'Content-Type': type });
      expect([type, status, json.error.code]).toEqual([type, 415, 'wrong_type']);
    }
    const packed = await owner.post(UPLOAD, body('9.9.9', 1_000), { ...OCTETS, 'Content-Encoding': 'gzip' });
    expect([packed.status, packed.json.error.code]).toEqual([415, 'wrong_type']);
    expect(home.update.asked).toEqual([]);
  });

  it('too large by what it says: 413, and the connection is closed before it is sent', async () => {
    const answer = await raw(home.port, lines(...head(), 'Content-Length: 400001'));
    expect([answer.status, JSON.parse(answer.body).error.code]).toEqual([413, 'body_too_large']);
    expect(answer.headers).toContain('Connection: close');
    expect(home.update.asked).toEqual([]);
  });

  it('of a size that is not told, or told twice, or none: refused', async () => {
    const endless = await raw(home.port, `${lines(...head(), 'Transfer-Encoding: chunked')}5\r\nupdat\r\n`);
    expect([endless.status, JSON.parse(endless.body).error.code]).toEqual([411, 'length_required']);
    const empty = await raw(home.port, lines(...head(), 'Content-Length: 0'));
    expect([empty.status, JSON.parse(empty.body).error.code]).toEqual([413, 'body_too_large']);
    for (const length of ['-1', '1e3', '0x10', '5, 6', ' ']) {
      const answer = await raw(home.port, lines(...head(), `Content-Length: ${length}`));
      expect([length, [400, 411, 413].includes(answer.status)]).toEqual([length, true]);
    }
    const both = await raw(home.port, lines(...head(), 'Content-Length: 5', 'Transfer-Encoding: chunked'));
    expect(both.status).toBe(400);
    expect(home.update.asked).toEqual([]);
  });

  it('cut off in the middle: nothing is kept', async () => {
    const socket = connect(home.port, '127.0.0.1');
    socket.write(`${lines(...head(), 'Content-Length: 100000')}${body('9.9.9', 20_000)}`);
    while (!home.update.asked.includes('prepare 100000')) await sleep(10);
    socket.destroy();
    while (home.update.state.phase !== 'idle') await sleep(10);
    expect(home.update.state.found).toEqual([ON_STICK]);
    expect(home.update.asked.some((word) => word === 'received 100000')).toBe(false);
  });

  it('without a paired phone, and without end: the connection is closed in seconds', async () => {
    const socket = connect(home.port, '127.0.0.1');
    socket.on('error', () => {}).resume();
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(lines(...head().slice(0, -1), 'Content-Length: 60000'));
    const drip = setInterval(() => socket.write('x'), 200);
    const startedMs = performance.now();
    await closed;
    clearInterval(drip);
    expect(performance.now() - startedMs).toBeLessThan(REQUEST_TIMEOUT_MS + 5_000);
    expect(home.update.asked).toEqual([]);
  });

  it('that names where it should go: the name is nobody’s business', async () => {
    for (const path of [
      `${UPLOAD}?name=../../etc/passwd`,
      `${UPLOAD}/../../etc/passwd`,
      `${UPLOAD}/x.update`,
      `${UPLOAD}%2f..`,
    ]) {
      const { status } = await owner.post(path, body('9.9.9', 1_000), OCTETS);
      expect([path, [400, 404, 405].includes(status)]).toEqual([path, true]);
    }
    const named = { 'Content-Disposition': 'attachment; filename="../../../etc/passwd"', 'X-File-Name': '/etc/passwd' };
    const { json } = await owner.post(UPLOAD, body('1.3.0', 1_000), { ...OCTETS, ...named });
    expect([json.found.file, json.found.name]).toEqual(['upload', 'upload.update']);
  });
});

describe('a wish to install by somebody who should not', () => {
  it('without a paired phone: 401', async () => {
    const { status, json } = await home.phone().post('/api/update/install', { file: ON_STICK.file });
    expect([status, json.error.code]).toEqual([401, 'not_paired']);
    expect(home.update.asked).toEqual([]);
  });

  it.each([
    '../../etc/shadow.update',
    'sda1/../../etc/shadow.update',
    '/etc/passwd',
    'upload/..',
    'file:///etc/passwd',
    'sda1/starling-1.3.0-arm64.update/',
    'SDA1/starling-1.3.0-arm64.update',
    '__proto__',
  ])('of %s: there is no such update', async (file) => {
    const { status, json } = await owner.post('/api/update/install', { file, any_version: true });
    expect([status, json.error.code]).toEqual([409, 'no_such_update']);
    expect(home.update.state.phase).toBe('idle');
  });

  it.each([
    ['file', { file: 7 }],
    ['file', { file: '' }],
    ['file', { file: 'sda1/a\0.update' }],
    ['file', { file: 'x'.repeat(600) }],
    ['file', {}],
    ['any_version', { file: ON_STICK.file, any_version: 'true' }],
    ['slot', { file: ON_STICK.file, slot: 'a' }],
  ])('with a wrong %s: %j', async (field, wish) => {
    const { status, json } = await owner.post('/api/update/install', wish);
    expect([status, json.error.field]).toEqual([400, field]);
    expect(home.update.asked).toEqual([]);
  });
});
