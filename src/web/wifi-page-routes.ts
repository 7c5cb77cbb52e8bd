/** The page without script, and what its form sends. */
import type { Request, Response, Router } from 'express';
import express from 'express';
import { checkQuery, notOnThisBox } from './answers.ts';
import type { WifiPort } from './box.ts';
import { WIFI_PAGE } from './captive.ts';
import { checkOrigin, isType } from './change-guards.ts';
import { RequestError } from './errors.ts';
import { type FormRight, Forms } from './forms.ts';
import { readBody } from './json-body.ts';
import type { PairingDoor } from './pairing-door.ts';
import { pickLanguage, type Texts, translator } from './plain-text.ts';
import { checkFields, type Rules } from './schema.ts';
import type { Visitor, Visitors } from './visitors.ts';
import { renderWifiPage, type WifiPage, type WifiPageState } from './wifi-page.ts';
import { JOIN, shownWifi } from './wifi-routes.ts';

export interface WifiPageComponents {
  wifi: WifiPort | null;
  visitors: Visitors;
  pairing: PairingDoor;
  /** Languages on offer, English first. */
  texts: ReadonlyMap<string, Texts>;
}

/** No script at all here; the form may go to this box alone. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const FORM_FIELDS: readonly string[] = ['form', 'action', 'ssid', 'other', 'hidden', 'password', 'country'];
const ACTION = {
  action: { kind: 'choice', of: ['ask', 'join'] },
} as const satisfies Rules;

export function wifiPageRoutes(components: WifiPageComponents): Router {
  const forms = new Forms();
  const router = express.Router({ caseSensitive: true, strict: true });
  router.get(WIFI_PAGE, (request, response) => show(components, forms, request, response));
  router.post(WIFI_PAGE, (request, response) => receive(components, forms, request, response));
  return router;
}

function show(components: WifiPageComponents, forms: Forms, request: Request, response: Response): void {
  checkQuery(request, ['request', 'password']);
  if (components.wifi === null) throw notOnThisBox('Wi-Fi');
  const visitor = components.visitors.who(request);
  const asking = typeof request.query.request === 'string' ? request.query.request : null;
  const right = ownRight(visitor);
  if (right === 'own' || asking === null) {
    send(components, forms, request, response, visitor, { right, passwordShown: request.query.password === 'shown' });
    return;
  }
  const { state, cause } = components.pairing.look(asking, request.method === 'GET') ?? {
    state: 'expired',
    cause: null,
  };
  if (state === 'waiting') {
    sendPage(components, request, response, visitor, { kind: 'waiting', request: asking });
    return;
  }
  const problem = state === 'granted' ? null : { code: cause === 'several_asked' ? cause : state, text: state };
  send(components, forms, request, response, visitor, { right: state === 'granted' ? 'let-in' : 'ask', problem });
}

function ownRight(visitor: Visitor): FormRight {
  return visitor.phone !== null || visitor.setup ? 'own' : 'ask';
}

interface Shown {
  right: FormRight;
  problem?: WifiPage['problem'];
  chosen?: string | null;
  passwordShown?: boolean;
}

function send(
  components: WifiPageComponents,
  forms: Forms,
  request: Request,
  response: Response,
  visitor: Visitor,
  { right, problem = null, chosen = null, passwordShown = false }: Shown,
): void {
  const mark = forms.make(visitor.key, right, performance.now());
  const state: WifiPageState = right !== 'ask' ? { kind: 'form', mark, chosen, passwordShown } : { kind: 'ask', mark };
  sendPage(components, request, response, visitor, state, problem);
}

function sendPage(
  { wifi, texts }: WifiPageComponents,
  request: Request,
  response: Response,
  visitor: Visitor,
  state: WifiPageState,
  problem: WifiPage['problem'] = null,
): void {
  if (wifi === null) throw notOnThisBox('Wi-Fi');
  const may = state.kind === 'form' ? { ...visitor, setup: true } : visitor;
  const { found, ...view } = shownWifi(wifi.view(), may, request.socket.localPort);
  const language = languageOf(request, texts);
  const page: WifiPage = { state, view, found, problem, country: view.country };
  response.set({
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': PAGE_POLICY,
    // With no referrer at all, browsers hide the origin of a form too ("Origin: null", Fetch standard).
    'Referrer-Policy': 'same-origin',
    Vary: 'Accept-Language, Cookie',
  });
  response.end(renderWifiPage(page, language, texts.get(language) ?? {}));
}

function languageOf(request: Request, texts: ReadonlyMap<string, Texts>): string {
  const offered = ['en', ...[...texts.keys()].filter((language) => language !== 'en')];
  return pickLanguage(request.headers['accept-language'], offered);
}

/** What is wrong with the sender is answered as everywhere; what is wrong with the wish, on the page with a new form. */
async function receive(
  components: WifiPageComponents,
  forms: Forms,
  request: Request,
  response: Response,
): Promise<void> {
  checkQuery(request, []);
  if (components.wifi === null) throw notOnThisBox('Wi-Fi');
  checkOrigin(request);
  if (!isType(request.headers['content-type'], 'application/x-www-form-urlencoded')) {
    throw new RequestError(415, 'wrong_type', 'The body must be a form.', {
      allowed: 'Content-Type: application/x-www-form-urlencoded',
    });
  }
  const visitor = components.visitors.who(request);
  components.visitors.countChange(visitor);
  const fields = parseForm(await readBody(request));
  const right = forms.take(fields.form ?? '', visitor.key, performance.now());
  try {
    if (right === null) throw new RequestError(403, 'form_over', 'This form was used already or is too old.');
    const { action } = checkFields({ action: fields.action }, ACTION);
    if (action === 'ask') ask(components, request, response, visitor);
    else join(components, right, fields, request, response, visitor);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    response.status(error.status);
    const { code, message: text } = error;
    send(components, forms, request, response, visitor, {
      right: right === 'let-in' ? right : ownRight(visitor),
      problem: { code, text },
      chosen: fields.other || fields.ssid || null,
    });
  }
}

function ask(components: WifiPageComponents, request: Request, response: Response, visitor: Visitor): void {
  const { texts, pairing } = components;
  const language = languageOf(request, texts);
  const name = translator(language, { 'wifi.ask.name': 'Wi-Fi page', ...texts.get(language) })('wifi.ask.name');
  const id = pairing.ask(request, visitor, name);
  sendPage(components, request, response, visitor, { kind: 'waiting', request: id });
}

function join(
  components: WifiPageComponents,
  right: FormRight,
  fields: Record<string, string>,
  request: Request,
  response: Response,
  visitor: Visitor,
): void {
  if (right !== 'let-in' && ownRight(visitor) !== 'own') {
    throw new RequestError(401, 'not_paired', 'This phone is not paired with the box.');
  }
  const ssid = fields.other || fields.ssid || '';
  if (ssid === '') throw new RequestError(400, 'ssid_missing', 'Choose a network, or type its name.');
  const wish = checkFields(
    {
      ssid,
      password: fields.password || null,
      hidden: fields.hidden === 'yes',
      country: fields.country || null,
    },
    JOIN,
  );
  const { password = null, hidden = false, country = null } = wish;
  const answer = components.wifi?.join({ ssid, password, hidden, country });
  if (answer?.ok === false) throw new RequestError(409, answer.code, answer.text);
  sendPage(components, request, response, visitor, { kind: 'trying', ssid });
}

/** @throws {RequestError} 400 for a field that is unknown or stands there twice */
function parseForm(text: string): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    const field = name.slice(0, 40);
    const allowed = FORM_FIELDS.join(', ');
    if (!FORM_FIELDS.includes(name)) {
      throw new RequestError(400, 'unknown_field', `Unknown field "${field}". Allowed: ${allowed}.`, {
        field,
        allowed,
      });
    }
    if (name in fields) throw new RequestError(400, 'bad_field', `Field "${field}" stands there twice.`, { field });
    fields[name] = value;
  }
  return fields;
}
