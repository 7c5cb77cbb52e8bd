/** Who may change things: pairing a phone, the list of paired phones, this phone's own session. */
import type { Request, Response, Router } from 'express';
import express from 'express';
import { checkQuery, sendAnswer } from './answers.ts';
import { checkChange, checkReadOrigin } from './change-guards.ts';
import { onChange } from './changes.ts';
import { ASKING_COOKIE, cookieField, PHONE_COOKIE, readCookie } from './cookies.ts';
import { RequestError } from './errors.ts';
import { parseObject, readBody } from './json-body.ts';
import { MAX_PHONE_NAME_CHARS, PAIRING_AFTER_MS, PAIRING_WAIT_MS, PHONE_COOKIE_S } from './limits.ts';
import type { PairingDoor } from './pairing-door.ts';
import type { Phone, PhoneBook } from './phone-book.ts';
import { checkFields, type Rules } from './schema.ts';
import type { Visitors } from './visitors.ts';
import type { WebLogger } from './web.ts';

export interface SessionComponents {
  book: PhoneBook | null;
  pairing: PairingDoor;
  visitors: Visitors;
  hasButton: boolean;
  can: { music: boolean; box: boolean; wifi: boolean; listen: boolean; update: boolean };
  log: WebLogger;
}

/** Version of `/api/session` and of all that goes with it. */
const API_VERSION = 1;
const PAIR_RULES = {
  name: {
    kind: 'text',
    pattern: new RegExp(`^(?=.*\\S).{1,${MAX_PHONE_NAME_CHARS}}$`),
    allowed: `1 to ${MAX_PHONE_NAME_CHARS} characters`,
  },
} satisfies Rules;
const ID = { id: { kind: 'text', pattern: /^[A-Za-z0-9_-]{12}$/, allowed: 'an id from /api/phones' } } satisfies Rules;
const REQUEST_ID = /^[A-Za-z0-9_-]{22}$/;

export function sessionRoutes(components: SessionComponents): Router {
  const { visitors, book } = components;
  const router = express.Router({ caseSensitive: true, strict: true });
  const paired = (request: Request) => visitors.paired(request);
  router.get('/api/session', (request, response) => session(components, request, response));
  router.post('/api/pair', (request, response) => ask(components, request, response));
  router.get('/api/pair/:request', (request, response) => look(components, request, response));
  router.get('/api/phones', (request, response) => {
    checkQuery(request, []);
    checkReadOrigin(request);
    const { phone } = paired(request);
    response.json({ items: (book?.list() ?? []).map((other) => shownPhone(other, phone)) });
  });
  onChange(router, '/api/phones/revoke', ID, visitors, paired, ({ fields, visitor, response }) => {
    endPhone(components, fields.id);
    if (fields.id === visitor.phone.id) forgetCookie(response);
    sendAnswer(response, { ok: true, value: null });
  });
  onChange(router, '/api/session/end', {}, visitors, paired, ({ visitor, response }) => {
    endPhone(components, visitor.phone.id);
    forgetCookie(response);
    sendAnswer(response, { ok: true, value: null });
  });
  return router;
}

function session(components: SessionComponents, request: Request, response: Response): void {
  checkQuery(request, []);
  const { phone, setup } = components.visitors.who(request);
  const hadCookie = readCookie(request.headers.cookie, PHONE_COOKIE) !== null;
  if (phone === null && hadCookie) forgetCookie(response);
  response.json({
    version: API_VERSION,
    paired: phone !== null,
    phone: phone === null ? null : { id: phone.id, name: phone.name },
    setup,
    has_button: components.hasButton,
    can: components.can,
  });
}

function shownPhone(phone: Phone, own: Phone): Record<string, unknown> {
  const { id, name, paired_at_ms, seen_at_ms } = phone;
  return { id, name, paired_at_ms, seen_at_ms, this: phone.id === own.id };
}

async function ask({ visitors, pairing }: SessionComponents, request: Request, response: Response): Promise<void> {
  checkChange(request);
  const visitor = visitors.who(request);
  pairing.admit(visitor);
  const { name } = checkFields(parseObject(await readBody(request)), PAIR_RULES);
  const id = pairing.enter(request, visitor, name);
  const keptS = (PAIRING_WAIT_MS + PAIRING_AFTER_MS) / 1_000;
  response.append('Set-Cookie', cookieField(ASKING_COOKIE, id, keptS, '/api/pair'));
  response.status(202).json({ ok: true, request: id, expires_in_ms: PAIRING_WAIT_MS });
}

/** Tells where a request is, and hands the cookie out once. Asking for the head alone takes nothing. */
function look(components: SessionComponents, request: Request, response: Response): void {
  checkQuery(request, []);
  checkReadOrigin(request);
  const { book, pairing, log } = components;
  const id = String(request.params.request);
  const found = REQUEST_ID.test(id) ? pairing.look(id, request.method === 'GET') : null;
  if (found === null || book === null) {
    throw new RequestError(404, 'no_such_request', 'There is no such request to be paired. Ask again.');
  }
  const { state, cause, taken } = found;
  if (taken === null) {
    response.json({ state, cause });
    return;
  }
  const { phone, token, kept } = book.add(taken.name);
  log.info('a phone was paired', { id: phone.id, name: phone.name, kept });
  response.append('Set-Cookie', cookieField(PHONE_COOKIE, token, PHONE_COOKIE_S));
  response.append('Set-Cookie', cookieField(ASKING_COOKIE, '', 0, '/api/pair'));
  response.json({ state, cause });
}

function forgetCookie(response: Response): void {
  response.append('Set-Cookie', cookieField(PHONE_COOKIE, '', 0));
}

/** @throws {RequestError} 404 `no_such_phone`, 503 `not_kept` */
function endPhone({ book, log }: SessionComponents, id: string): void {
  const ended = book?.revoke(id) ?? null;
  if (ended === null) throw new RequestError(404, 'no_such_phone', 'There is no such phone.', { field: 'id' });
  log.info('a phone was taken off the list', { id });
  if (ended.kept) return;
  throw new RequestError(
    503,
    'not_kept',
    'The phone is taken off the list, but the list could not be written: after a restart the phone is on it again.',
  );
}
