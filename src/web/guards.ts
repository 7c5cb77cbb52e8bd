/** What every request passes before a route sees it. */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { CHANGE_PATHS } from './change-guards.ts';
import { clientKey } from './client-address.ts';
import { RequestError } from './errors.ts';
import { isAllowedHost } from './host-check.ts';
import { MAX_URL_CHARS, RATE_PER_SECOND, REQUEST_TIMEOUT_MS } from './limits.ts';
import type { RateLimit } from './rate-limit.ts';

/**
 * No script, style, picture or connection but our own, no inline script or style, no frame around us, no text that
 * becomes markup.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "media-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'Cache-Control': 'no-store',
  });
  next();
}

const timers = new WeakMap<Request, NodeJS.Timeout>();

/** A request that does not end holds a connection, however it was answered: it is cut off. */
export function limitTime(request: Request, _response: Response, next: NextFunction): void {
  if (!request.complete && carriesBody(request)) {
    const timer = setTimeout(() => request.socket.destroy(), REQUEST_TIMEOUT_MS);
    timers.set(request, timer);
    request.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
  }
  next();
}

/** For the one request that may take longer, once it was let in. */
export function allowTime(request: Request): void {
  clearTimeout(timers.get(request));
}

/** @param names extra host names under which this box may be called */
export function checkHost(names: readonly string[]): RequestHandler {
  return (request, _response, next) => {
    if (isAllowedHost(request.headers.host, names)) return next();
    next(
      new RequestError(
        421,
        'foreign_host',
        'This box does not answer under that host name. Allowed: its IP address, localhost, its name under .local, ' +
          'and names from its settings.',
      ),
    );
  };
}

export function limitRate(limit: RateLimit): RequestHandler {
  return (request, _response, next) => {
    const waitMs = limit.take(clientKey(request.socket.remoteAddress, request.socket.localAddress), performance.now());
    if (waitMs === 0) return next();
    next(
      new RequestError(
        429,
        'too_many_requests',
        `Too many requests from this address: allowed are ${RATE_PER_SECOND} a second in the long run.`,
        { retryAfterMs: waitMs },
      ),
    );
  };
}

/** Only short plain targets; POST where something changes, and a body there alone. */
export function checkRequest(request: Request, response: Response, next: NextFunction): void {
  const { method, url } = request;
  if (url.length > MAX_URL_CHARS) {
    throw new RequestError(414, 'url_too_long', `The URL is longer than ${MAX_URL_CHARS} characters.`);
  }
  const isChange = method === 'POST' && CHANGE_PATHS.has(url);
  if (!isChange && method !== 'GET' && method !== 'HEAD') {
    response.set('Allow', 'GET, HEAD');
    throw new RequestError(405, 'method_not_allowed', `${method} is not allowed here. Allowed: GET, HEAD.`);
  }
  if (!isChange && carriesBody(request)) {
    throw new RequestError(413, 'body_not_allowed', 'Reading carries no body.');
  }
  if (!isPlainTarget(url)) {
    throw new RequestError(400, 'bad_url', 'The URL must be a plain path of this box, such as /api/status.');
  }
  next();
}

export function carriesBody(request: Request): boolean {
  return Number(request.headers['content-length'] ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined;
}

/** A path and a query of our own spelling: none of our paths needs an escape or a dot segment. */
function isPlainTarget(url: string): boolean {
  const path = url.split('?', 1)[0] ?? '';
  return /^\/[A-Za-z0-9_./-]*$/.test(path) && !/(^|\/)\.{1,2}(\/|$)/.test(path) && !path.includes('//');
}
