/** What every change passes beyond the guards of reading: it must come from this box's own page, as JSON. */
import type { IncomingMessage } from 'node:http';
import { RequestError } from './errors.ts';

/** Takes a whole file: the one body that is neither small nor quick. */
export const UPLOAD_PATH = '/api/update/upload';

/** Every path that takes POST. Anything else reads. */
export const CHANGE_PATHS: ReadonlySet<string> = new Set([
  '/api/pair',
  '/api/phones/revoke',
  '/api/session/end',
  '/api/skip',
  '/api/never',
  '/api/allow',
  '/api/like',
  '/api/filters',
  '/api/settings',
  '/api/test-tone',
  '/api/reset',
  '/api/wifi/join',
  '/api/wifi/forget',
  '/api/wifi/country',
  '/api/wifi/scan',
  '/api/update/prepare',
  '/api/update/install',
  UPLOAD_PATH,
  '/wifi',
]);

/**
 * Whether a request comes from the page of this very box. A browser says where a POST comes from (`Origin`, RFC 6454;
 * `Sec-Fetch-Site` where it deems the box trustworthy); a program says neither, and needs the cookie all the same.
 * @throws {RequestError} 403 `foreign_origin`
 */
export function checkOrigin(request: IncomingMessage): void {
  const { origin, host = '' } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const isOurs = origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase().replace(/:80$/, '')}`;
  if (isOurs && (site === undefined || site === 'same-origin')) return;
  throw new RequestError(403, 'foreign_origin', 'Changes are taken from the page of this box only.', {
    allowed: `http://${host}`,
  });
}

/** As `checkOrigin`, for reading what only a paired phone may see: a page opened by hand is fine as well. */
export function checkReadOrigin(request: IncomingMessage): void {
  const site = request.headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  throw new RequestError(403, 'foreign_origin', 'Another site may not read this.');
}

/** A header that no form and no picture can send. @throws {RequestError} 403 `header_missing` */
export function checkChangeHeader(request: IncomingMessage): void {
  if (request.headers['x-starling'] !== '1') {
    throw new RequestError(403, 'header_missing', 'Changes carry the header "X-Starling: 1".', {
      allowed: 'X-Starling: 1',
    });
  }
}

/**
 * From this box's page, with our header, and of a type that a foreign page cannot send without asking first (CORS
 * preflight, which this box never answers).
 * @throws {RequestError} 403 `foreign_origin` or `header_missing`, 415 `wrong_type`
 */
export function checkChange(request: IncomingMessage): void {
  checkOrigin(request);
  checkChangeHeader(request);
  if (!isType(request.headers['content-type'], 'application/json')) {
    throw new RequestError(415, 'wrong_type', 'The body must be JSON.', { allowed: 'Content-Type: application/json' });
  }
}

/** Whether a Content-Type field names a type, in UTF-8 if it says so. */
export function isType(header: string | undefined, type: string): boolean {
  const [essence = '', ...parameters] = (header ?? '').toLowerCase().split(';');
  return essence.trim() === type && parameters.every((parameter) => /^\s*charset="?utf-8"?\s*$/.test(parameter));
}
