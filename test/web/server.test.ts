import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BindAddressError, PortInUseError, WebRootError } from '../../src/web/errors.ts';
import { MAX_EVENT_CLIENTS_PER_CLIENT, MAX_SKIPPED_ROWS } from '../../src/web/limits.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { createWeb } from '../../src/web/web.ts';
import { lines, raw } from './raw.ts';
import { type Served, serve, WEB_ROOT } from './serve.ts';

let served: Served;
beforeEach(async () => {
  served = await serve();
});
afterEach(() => served.web.stop());

const get = (path: string, init?: RequestInit) => fetch(served.url + path, init);
const causeOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; text: string } }).error;

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

describe('GET', () => {
  it('/api/status answers with the snapshot', async () => {
    const response = await get('/api/status');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual(served.state.snapshot);
  });

  it('/api/library/skipped answers page by page', async () => {
    served.state.snapshot.library.skipped = Array.from({ length: 130 }, (_, at) => ({
      path: `${at}.mp3`,
      reason: 'empty',
      text: 'The file is empty.',
    }));
    const status = (await (await get('/api/status')).json()) as StatusSnapshot;
    expect([status.library.skipped.length, status.library.skipped_total]).toEqual([MAX_SKIPPED_ROWS, 130]);
    const page = await (await get('/api/library/skipped?offset=120&limit=50')).json();
    expect(page).toMatchObject({ version: 1, total: 130, offset: 120, limit: 50 });
    expect(page.items.map((file: { path: string }) => file.path)).toEqual(
      Array.from({ length: 10 }, (_, at) => `${120 + at}.mp3`),
    );
    expect((await (await get('/api/library/skipped?offset=9999')).json()).items).toEqual([]);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=1e1', 'limit'],
    ['limit=', 'limit'],
    ['offset=-1', 'offset'],
    ['offset=1&offset=2', 'offset'],
    ['page=2', 'page'],
    ['__proto__=1', '__proto__'],
  ])('/api/library/skipped?%s is refused and the parameter named', async (query, name) => {
    const response = await get(`/api/library/skipped?${query}`);
    expect(response.status).toBe(400);
    const { text } = await causeOf(response);
    expect(text).toContain(`"${name}"`);
    expect(text).toMatch(/Allowed|once only/);
  });

  it('/cover/<cid> answers with pictures alone, whatever the block is said to be', async () => {
    served.state.covers.set(CID, PNG);
    const picture = await get(`/cover/${CID}`);
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(picture.headers.get('cache-control')).toContain('immutable');
    expect(picture.headers.get('content-security-policy')).toContain('sandbox');
    expect(Buffer.from(await picture.arrayBuffer())).toEqual(PNG);

    served.state.covers.set(CID, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'));
    expect((await get(`/cover/${CID}`)).status).toBe(404);
    served.state.covers.set(CID, Buffer.concat([PNG, Buffer.alloc(3 * 1024 * 1024)]));
    expect((await get(`/cover/${CID}`)).status).toBe(404);
    served.state.covers.clear();
    expect(await causeOf(await get(`/cover/${CID}`))).toMatchObject({ code: 'no_cover' });
    const wrong = await get('/cover/not-a-cid');
    expect([wrong.status, (await causeOf(wrong)).code]).toEqual([400, 'bad_cid']);
  });

  it("/ and the page's files answer with what a browser needs, and again only when they changed", async () => {
    const page = await get('/', { headers: { 'Accept-Language': 'de-DE' } });
    expect(await page.text()).toContain('<html lang="de"');
    for (const path of ['/style/page.css', '/script/main.js', '/text/ja.json', '/image/starling.svg']) {
      const file = await get(path);
      expect([path, file.status, file.headers.get('content-encoding')]).toEqual([path, 200, 'gzip']);
      const etag = file.headers.get('etag') ?? '';
      expect((await get(path, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    }
    const plain = await raw(served.port, lines('GET /style/page.css HTTP/1.1', 'Host: localhost'));
    expect(plain.headers).not.toContain('Content-Encoding');
    expect(plain.body).toContain('--ground');
  });

  it('carries the same guarding headers everywhere', async () => {
    for (const path of ['/', '/api/status', '/script/main.js', '/nothing']) {
      const { headers } = await get(path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe|\*|data:|http/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it('anything else is answered with the cause, as JSON', async () => {
    const nothing = await get('/nothing/here.html');
    expect([nothing.status, await causeOf(nothing)]).toEqual([
      404,
      { code: 'not_found', text: 'There is nothing at /nothing/here.html.' },
    ]);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const response = await get('/api/status', { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
      expect((await causeOf(response)).code).toBe('method_not_allowed');
    }
    const head = await get('/api/status', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('a status that cannot be made is an error without its insides, and the next one is fine', async () => {
    served.state.fail = true;
    for (const path of ['/api/status', '/', '/api/library/skipped', '/api/events']) {
      const response = await get(path);
      const text = await response.text();
      expect([path, response.status]).toEqual([path, 500]);
      expect(text).not.toMatch(/secret|\.ts|at /);
    }
    expect(served.logged.filter(({ level }) => level === 'error')).toHaveLength(4);
    served.state.fail = false;
    expect((await get('/api/status')).status).toBe(200);
  });
});

describe('a hostile request', () => {
  const answer = (...parts: string[]) => raw(served.port, lines(...parts));

  it.each(['evil.example', 'localhost.evil.example', 'evil.example:80', '127.0.0.1.evil.example'])(
    'under the host name %s (DNS rebinding) gets nothing',
    async (host) => {
      for (const path of ['/api/status', '/', '/api/events', '/script/main.js']) {
        const { status, body } = await answer(`GET ${path} HTTP/1.1`, `Host: ${host}`);
        expect([status, JSON.parse(body).error.code]).toEqual([421, 'foreign_host']);
        expect(body).not.toContain('Night Birds');
      }
    },
  );

  it('under its own names gets an answer', async () => {
    for (const host of ['localhost', '192.168.7.9:8080', '[::1]', 'starling-1a2b.local']) {
      expect((await answer('GET /api/status HTTP/1.1', `Host: ${host}`)).status).toBe(200);
    }
  });

  it('without a host, or with two, gets nothing', async () => {
    expect((await answer('GET /api/status HTTP/1.1')).status).toBe(400);
    expect((await answer('GET /api/status HTTP/1.0')).status).toBe(421);
    const two = await answer('GET /api/status HTTP/1.1', 'Host: localhost', 'Host: evil.example');
    expect([200, 400, 421]).toContain(two.status);
  });

  it.each([
    '/../package.json',
    '/../../../../etc/passwd',
    '/script/../../package.json',
    '/%2e%2e/package.json',
    '/%2e%2e%2fpackage.json',
    '/..%5cpackage.json',
    '/script/..%2f..%2fpackage.json',
    '/cover/..%2f..%2fetc%2fpasswd',
    '/cover/%2e%2e/',
    '//etc/passwd',
    '/.git/config',
    '/./index.html',
    '/script/%00main.js',
    '/script/main.js%00',
    '/script\\main.js',
    '/%',
    '/%ff%fe',
    'http://evil.example/api/status',
    '*',
  ])('for %s leaves the folder nowhere', async (target) => {
    const { status, body } = await answer(`GET ${target} HTTP/1.1`, 'Host: localhost');
    expect([400, 404]).toContain(status);
    expect(JSON.parse(body).error.text).toBeTypeOf('string');
    for (const secret of ['root:', '"name": "starling"']) expect(body).not.toContain(secret);
  });

  it('with huge or endless headers, a long URL, a body or nonsense is refused with the cause', async () => {
    const causes: [number, string, Promise<{ status: number; body: string }>][] = [
      [431, 'headers_too_large', answer('GET / HTTP/1.1', 'Host: localhost', `X: ${'a'.repeat(20_000)}`)],
      [414, 'url_too_long', answer(`GET /${'a'.repeat(2_000)} HTTP/1.1`, 'Host: localhost')],
      [413, 'body_not_allowed', answer('GET / HTTP/1.1', 'Host: localhost', 'Content-Length: 99999999')],
      [413, 'body_not_allowed', answer('GET / HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked')],
      [400, 'malformed_request', answer('\u0016\u0003\u0001 hello')],
      [400, 'malformed_request', answer('GET / HTTP/1.1', 'Host: localhost', 'Content-Length: 5', 'Content-Length: 6')],
      [400, 'malformed_request', answer('GET / HTTP/1.1', 'Host: localhost', 'X: a\u0000b')],
    ];
    for (const [status, code, pending] of causes) {
      const found = await pending;
      expect([code, found.status, JSON.parse(found.body).error.code]).toEqual([code, status, code]);
    }
    const smuggled = await raw(
      served.port,
      `${lines('POST / HTTP/1.1', 'Host: localhost', 'Content-Length: 44')}GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    expect(smuggled.status).toBe(405);
    expect((await get('/api/status')).status).toBe(200);
    expect(served.web.counters()).toMatchObject({ refused_headers_too_large: 1, refused_url_too_long: 1 });
  });

  it('cannot put a line break of its own into an answer', async () => {
    const { headers } = await answer('GET /x%0d%0aSet-Cookie:a=b HTTP/1.1', 'Host: localhost');
    expect(headers).not.toMatch(/set-cookie/i);
  });

  it('again and again is slowed down, and told for how long', async () => {
    await served.web.stop();
    served = await serve({ rate: { burst: 5, perSecond: 1 } });
    const answers = await Promise.all(Array.from({ length: 12 }, () => get('/api/status')));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(5);
    const refused = answers.find(({ status }) => status === 429);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await causeOf(refused!)).code).toBe('too_many_requests');
  });
});

describe('live events', () => {
  /** Reads events until one satisfies. */
  async function until(response: Response, satisfied: (text: string) => boolean): Promise<string> {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!satisfied(text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the stream ended: ${text}`);
      text += value;
    }
    await reader.cancel();
    return text;
  }

  it('start with the whole status and go on with a change, long before a second is over', async () => {
    const response = await get('/api/events');
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    let changedAt = 0;
    setTimeout(() => {
      served.state.snapshot = { ...served.state.snapshot, diverged: true };
      changedAt = performance.now();
      served.changed();
    }, 600);
    const text = await until(response, (soFar) => /event: change\ndata: .*\n\n/.test(soFar));
    expect(text).toMatch(/^retry: 2000\nid: 0\nevent: status\ndata: {"version":1,/);
    expect(text).toContain('event: change\ndata: {"diverged":true}\n\n');
    expect(changedAt).toBeGreaterThan(0);
  });

  it('come in a bounded number, and the next one is told so', async () => {
    const stop = new AbortController();
    const open = await Promise.all(
      Array.from({ length: MAX_EVENT_CLIENTS_PER_CLIENT }, () => get('/api/events', { signal: stop.signal })),
    );
    expect(open.every(({ status }) => status === 200)).toBe(true);
    const refused = await get('/api/events');
    expect([refused.status, (await causeOf(refused)).code]).toEqual([503, 'events_many']);
    expect((await get('/api/status')).status).toBe(200);
    stop.abort();
    while (served.web.counters().event_clients !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const again = await get('/api/events', { signal: AbortSignal.timeout(2_000) });
    expect(again.status).toBe(200);
    await again.body?.cancel();
  });

  it('drop a client that does not read, while others go on', async () => {
    const socket: Socket = connect({ port: served.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.pause();
    socket.write(lines('GET /api/events HTTP/1.1', 'Host: localhost'));
    while (served.web.counters().event_clients !== 1) await new Promise((resolve) => setTimeout(resolve, 10));
    // Some MB have room in the buffers of both ends' kernels, so the changes are as large as bounds allow.
    const long = '鳥'.repeat(500);
    const big = (round: number) =>
      Array.from({ length: 128 }, (_, at) => ({
        ...served.state.snapshot.peers[0]!,
        node_id: `${round} ${at} ${long}`,
        name: long,
        head: long,
        track: { hash: long, name: long },
      }));
    for (let round = 0; served.web.counters().event_clients === 1 && round < 400; round++) {
      served.state.snapshot = { ...served.state.snapshot, peers: big(round) };
      served.changed();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(served.web.counters()).toMatchObject({ event_clients: 0, refused_event_client_slow: 1 });
    socket.destroy();
  });
});

describe('starting and stopping', () => {
  const components = {
    snapshot: () => served.state.snapshot,
    onChange: () => () => {},
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };

  it('a port in use is an error that names it and says what to do, and later it may work', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const web = createWeb(components, { port, host: '127.0.0.1', webRoot: WEB_ROOT });
    await expect(web.start()).rejects.toThrow(PortInUseError);
    await expect(web.start()).rejects.toThrow(`Port ${port} on 127.0.0.1 is already in use`);
    await expect(web.start()).rejects.toThrow('--http PORT');
    expect(web.address()).toBeNull();
    await new Promise((resolve) => other.close(resolve));
    await web.start();
    expect(web.address()).toEqual({ host: '127.0.0.1', port, url: `http://127.0.0.1:${port}/` });
    await web.stop();
  });

  it('an address of another machine, or a folder without a page, is an error that says so', async () => {
    const elsewhere = createWeb(components, { port: 0, host: '203.0.113.7', webRoot: WEB_ROOT });
    await expect(elsewhere.start()).rejects.toThrow(BindAddressError);
    for (const webRoot of [`${WEB_ROOT}/nowhere`, `${WEB_ROOT}/style`]) {
      await expect(createWeb(components, { port: 0, host: '127.0.0.1', webRoot }).start()).rejects.toThrow(
        WebRootError,
      );
    }
  });

  it('both may be said twice, and stopping ends live pages and frees the port', async () => {
    const { port } = served;
    await served.web.start();
    const live = await get('/api/events');
    await served.web.stop();
    await served.web.stop();
    await expect(live.text()).resolves.toContain('event: status');
    await expect(get('/api/status')).rejects.toThrow();
    expect(served.web.address()).toBeNull();
    served = await serve({ port });
    expect((await get('/api/status')).status).toBe(200);
  });

  it('one address cannot take all connections', async () => {
    const sockets = Array.from({ length: 80 }, () => connect({ port: served.port, host: '127.0.0.1' }));
    let closed = 0;
    for (const socket of sockets) socket.on('error', () => {}).on('close', () => closed++);
    while (closed < 80 - 48) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(served.web.counters().refused_connections_many).toBe(32);
    for (const socket of sockets) socket.destroy();
    while (closed < 80) await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await get('/api/status')).status).toBe(200);
  });
});
