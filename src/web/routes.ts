import type { Request, Response, Router } from 'express';
import express from 'express';
import { checkQuery, wholeNumber } from './answers.ts';
import { clientKey } from './client-address.ts';
import { RequestError } from './errors.ts';
import type { EventHub } from './event-hub.ts';
import { imageType, isCidText } from './images.ts';
import { DEFAULT_PAGE_ROWS, MAX_COVER_BYTES, MAX_PAGE_ROWS } from './limits.ts';
import type { PageFile } from './page-files.ts';
import { renderPage } from './plain-page.ts';
import { pickLanguage, type Texts } from './plain-text.ts';
import { clean } from './public-status.ts';
import { type SkippedFile, STATUS_VERSION, type StatusSnapshot } from './snapshot.ts';

export interface RouteComponents {
  /** The status as it leaves the box. */
  status(): StatusSnapshot;
  skipped(): readonly SkippedFile[];
  cover: ((cid: string) => Promise<{ bytes: Uint8Array } | null>) | null;
  hub: EventHub;
  files: ReadonlyMap<string, PageFile>;
  /** The page's words, by language. */
  texts: ReadonlyMap<string, Texts>;
}

/** All that can be read of this box by anybody. */
export function routes(components: RouteComponents): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  router.get('/api/status', (request, response) => {
    checkQuery(request, []);
    response.json(components.status());
  });
  router.get('/api/events', (request, response) => events(components.hub, request, response));
  router.get('/api/library/skipped', (request, response) => skipped(components, request, response));
  router.get('/cover/:cid', (request, response) => cover(components, request, response));
  router.get('/', pageRoute(components));
  router.get('/{*path}', (request, response, next) => {
    const file = components.files.get(request.path);
    if (file === undefined || request.path === '/index.html') return next();
    checkQuery(request, []);
    sendFile(file, request, response);
  });
  return router;
}

function events(hub: EventHub, request: Request, response: Response): void {
  checkQuery(request, []);
  const client = clientKey(request.socket.remoteAddress, request.socket.localAddress);
  const refusal = hub.refusal(client);
  if (refusal !== null) {
    throw new RequestError(503, `events_${refusal}`, 'Too many live pages are open. Close one, or ask /api/status.', {
      retryAfterMs: 10_000,
    });
  }
  hub.prepare();
  response.status(200).set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' });
  response.flushHeaders();
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  request.socket.setNoDelay(true);
  hub.add(response, client);
}

function skipped(components: RouteComponents, request: Request, response: Response): void {
  checkQuery(request, ['offset', 'limit']);
  const offset = wholeNumber(request, 'offset', 0, 0, Number.MAX_SAFE_INTEGER);
  const limit = wholeNumber(request, 'limit', DEFAULT_PAGE_ROWS, 1, MAX_PAGE_ROWS);
  const all = components.skipped();
  const items = clean(all.slice(offset, offset + limit));
  response.json({ version: STATUS_VERSION, total: all.length, offset, limit, items });
}

async function cover(
  components: RouteComponents,
  request: Request<{ cid: string }>,
  response: Response,
): Promise<void> {
  checkQuery(request as unknown as Request, []);
  const { cid } = request.params;
  if (!isCidText(cid)) {
    throw new RequestError(400, 'bad_cid', 'That is no CID. Allowed: CID version 1 in base32, as in the status.');
  }
  const found = (await components.cover?.(cid)) ?? null;
  const type = found === null || found.bytes.length > MAX_COVER_BYTES ? null : imageType(found.bytes);
  if (found === null || type === null) {
    throw new RequestError(404, 'no_cover', 'There is no picture under that CID on this box.');
  }
  // Named by its content, so it never changes; opened by itself it is a picture and nothing else.
  response.set({
    'Content-Type': type,
    'Cache-Control': 'private, max-age=31536000, immutable',
    'Content-Security-Policy': "default-src 'none'; sandbox",
  });
  response.end(Buffer.from(found.bytes.buffer, found.bytes.byteOffset, found.bytes.byteLength));
}

function pageRoute(components: RouteComponents): (request: Request, response: Response) => void {
  const template = components.files.get('/index.html')?.bytes.toString('utf8') ?? '';
  const { texts } = components;
  const offered = ['en', ...[...texts.keys()].filter((language) => language !== 'en')];
  return (request, response) => {
    checkQuery(request, []);
    const language = pickLanguage(request.headers['accept-language'], offered);
    response.set({ 'Content-Type': 'text/html; charset=utf-8', Vary: 'Accept-Language' });
    response.end(renderPage(template, components.status(), language, texts.get(language) ?? {}));
  };
}

function sendFile(file: PageFile, request: Request, response: Response): void {
  response.set({ 'Content-Type': file.type, 'Cache-Control': 'no-cache', ETag: file.etag, Vary: 'Accept-Encoding' });
  if (request.headers['if-none-match'] === file.etag) {
    response.status(304).end();
    return;
  }
  if (file.gzipped !== null && request.acceptsEncodings('gzip') === 'gzip') {
    response.set('Content-Encoding', 'gzip').end(file.gzipped);
    return;
  }
  response.end(file.bytes);
}
