/** Who may change things: pairing a phone, the list of paired phones, this phone's own session. */
import type { Request, Response, Router } from 'express';
import express from 'express';
import { checkQuery, notOnThisBox, sendAnswer } from './answers.ts';
import type { Answer } from './box.ts';
import { checkChange, checkReadOrigin } from './change-guards.ts';
import { onChange } from './changes.ts';
import { ASKING_COOKIE, cookieField, PHONE_COOKIE, readCookie } from './cookies.ts';
import { RequestError } from './errors.ts';
import { parseObject, readBody } from './json-body.ts';
import {
  MAX_PHONE_NAME_CHARS,
  MAX_RATE_CLIENTS,
  PAIRING_AFTER_MS,
  PAIRING_WAIT_MS,
  PAIRINGS_PER_MINUTE,
  PAIRINGS_PER_MINUTE_ALL,
  PHONE_COOKIE_S,
} from './limits.ts';
import type { PairingDesk } from './pairing-desk.ts';
import type { Phone, PhoneBook } from './phone-book.ts';
import { cleanText } from './public-status.ts';
import { RateLimit } from './rate-limit.ts';
import { checkFields, type Rules } from './schema.ts';
import type { Visitors } from './visitors.ts';
import type { WebLogger } from './web.ts';

export interface SessionComponents {
  book: PhoneBook | null;
  desk: PairingDesk;
  visitors: Visitors;
  hasButton: boolean;
  can: { music: boolean; box: boolean; wifi: boolean; listen: boolean };
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
  const rates = pairingRates();
  router.get('/api/session', (request, response) => session(components, request, response));
  router.post('/api/pair', (request, response) => ask(components, rates, request, response));
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

interface PairingRates {
  one: RateLimit;
  all: RateLimit;
}

function pairingRates(): PairingRates {
  const perMinute = (count: number) =>
    new RateLimit({ burst: count, perSecond: count / 60, maxClients: MAX_RATE_CLIENTS });
  return { one: perMinute(PAIRINGS_PER_MINUTE), all: perMinute(PAIRINGS_PER_MINUTE_ALL) };
}

async function ask(
  components: SessionComponents,
  rates: PairingRates,
  request: Request,
  response: Response,
): Promise<void> {
  checkChange(request);
  if (components.book === null) throw notOnThisBox('place to remember phones');
  const { key, setup, atTheBox } = components.visitors.who(request);
  const nowMs = performance.now();
  // One address after the other first, so that one alone cannot use up what all share.
  const waitMs = rates.one.take(key, nowMs) || rates.all.take('all', nowMs);
  if (waitMs > 0) {
    throw new RequestError(429, 'too_many_requests', 'Too many phones asked to be paired. Wait a little.', {
      allowed: `${PAIRINGS_PER_MINUTE} a minute from one address, ${PAIRINGS_PER_MINUTE_ALL} from all`,
      retryAfterMs: waitMs,
    });
  }
  const { name } = checkFields(parseObject(await readBody(request)), PAIR_RULES);
  const earlier = readCookie(request.headers.cookie, ASKING_COOKIE);
  const granted = atTheBox ? 'at-the-box' : setup ? 'first' : null;
  const id = components.desk.ask(cleanText(name).trim(), earlier, granted, nowMs);
  const keptS = (PAIRING_WAIT_MS + PAIRING_AFTER_MS) / 1_000;
  response.append('Set-Cookie', cookieField(ASKING_COOKIE, id, keptS, '/api/pair'));
  response.status(202).json({ ok: true, request: id, expires_in_ms: PAIRING_WAIT_MS });
}

/** Tells where a request is, and hands the cookie out once. Asking for the head alone takes nothing. */
function look(components: SessionComponents, request: Request, response: Response): void {
  checkQuery(request, []);
  checkReadOrigin(request);
  const { book, desk, log } = components;
  const id = String(request.params.request);
  const nowMs = performance.now();
  const found = REQUEST_ID.test(id) ? desk.look(id, nowMs) : null;
  if (found === null || book === null) {
    throw new RequestError(404, 'no_such_request', 'There is no such request to be paired. Ask again.');
  }
  const taken = request.method === 'GET' ? desk.take(id, book.size > 0, nowMs) : null;
  if (taken === null) {
    response.json(desk.look(id, nowMs));
    return;
  }
  const { phone, token, kept } = book.add(taken.name);
  log.info('a phone was paired', { id: phone.id, name: phone.name, kept });
  response.append('Set-Cookie', cookieField(PHONE_COOKIE, token, PHONE_COOKIE_S));
  response.append('Set-Cookie', cookieField(ASKING_COOKIE, '', 0, '/api/pair'));
  response.json({ state: 'granted', cause: null });
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

/** What a hand at the box, a button or a command, answers to. */
export function confirmPairing(components: SessionComponents): Answer<{ name: string }> {
  const answer = components.desk.confirm(performance.now());
  components.log.info('a hand at the box', answer.ok ? { pairs: answer.value.name } : { refused: answer.code });
  return answer;
}
