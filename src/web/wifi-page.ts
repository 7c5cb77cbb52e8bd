/**
 * The page on which the box is put on a Wi-Fi, as plain HTML: for the small browsers that phones open on a hotspot, which
 * run no script and keep no cookies. Names of networks were written by strangers and go through `escapeHtml`.
 */
import type { WifiView } from './box.ts';
import { countryNames } from './countries.ts';
import { escapeHtml, type Texts, type Translate, translator } from './plain-text.ts';
import type { Found } from './wifi-routes.ts';

/** Where a texts file lacks a word. */
const ENGLISH: Texts = {
  'wifi.title': 'Put the box on your Wi-Fi',
  'wifi.intro': 'Choose your network. The box tries it and remembers it.',
  'wifi.unavailable': 'This box has no Wi-Fi that could be set up from here.',
  'wifi.connected': 'Connected to {ssid}',
  'wifi.hotspot': 'The box’s own hotspot is open: {ssid}',
  'wifi.trying': 'Trying {ssid} …',
  'wifi.trying.hint':
    'The hotspot closes while the box tries. If this page stops, connect this phone to {ssid} as well; then the box is here:',
  'wifi.back': 'If it fails, the hotspot opens again within a minute or two and tells why.',
  'wifi.failed.wrong_password': '{ssid} did not accept the password.',
  'wifi.failed.not_found': '{ssid} was not found. Is it in reach, and spelled like this?',
  'wifi.failed.no_address': '{ssid} let the box in but gave it no address. Restarting the router may help.',
  'wifi.failed.no_answer': '{ssid} did not answer in time. A place nearer to the router may help.',
  'wifi.failed.refused': '{ssid} refused the box. It may demand WPA3 or let in known devices only.',
  'wifi.networks': 'Networks near by',
  'wifi.networks.none': 'No network was seen.',
  'wifi.strength': 'signal {n} %',
  'wifi.secured': 'needs a password',
  'wifi.open': 'without a password',
  'wifi.known': 'password is kept',
  'wifi.inuse': 'in use',
  'wifi.other': 'Another network',
  'wifi.ssid': 'Name of the network',
  'wifi.hidden': 'This network does not show its name',
  'wifi.password': 'Password',
  'wifi.password.show': 'Show the password',
  'wifi.password.none': 'Leave it empty for a network without a password.',
  'wifi.password.kept': 'Leave it empty to use the one that is kept.',
  'wifi.country': 'Country',
  'wifi.country.none': 'Choose the country',
  'wifi.country.hint': 'It decides which channels the radio may use.',
  'wifi.join': 'Connect',
  'wifi.found': 'You find the box here',
  'wifi.found.qr': 'QR code of the address',
  'wifi.reload': 'Look how it went',
  'wifi.status': 'To what plays',
  'wifi.ask.name': 'Wi-Fi page',
  'pair.why': 'Everybody may look. To change things, the box wants to know that you are near.',
  'pair.ask': 'Continue',
  'pair.hold': 'Hold the button on the box',
  'pair.hold.hint': 'The first button, three seconds long.',
  'pair.refused': 'The box refused',
  'pair.refused.several_asked':
    'Several phones asked at the same time, so none was let in. Ask again, one after the other.',
  'pair.expired': 'The minute is over',
  'error.form_over': 'This form was used already or is too old. Here is a new one.',
  'error.ssid_missing': 'Choose a network, or type its name.',
};

/** What the page is about: putting the box on a Wi-Fi, an attempt that has begun, or asking to be let in first. */
export type WifiPageState =
  | { kind: 'form'; mark: string; chosen: string | null; passwordShown: boolean }
  | { kind: 'trying'; ssid: string }
  | { kind: 'ask'; mark: string }
  | { kind: 'waiting'; request: string };

export interface WifiPage {
  state: WifiPageState;
  view: WifiView;
  found: Found;
  /** What went wrong with what was sent, or with asking. */
  problem: { code: string; text: string } | null;
  /** The country that is chosen to begin with, null for none. */
  country: string | null;
}

/** Seconds between two looks at whether a hand has let this phone in. */
const WAITING_REFRESH_S = 3;

export function renderWifiPage(page: WifiPage, language: string, texts: Texts): string {
  const t = translator(language, { ...ENGLISH, ...texts });
  const { state } = page;
  const again =
    state.kind === 'waiting'
      ? `<meta http-equiv="refresh" content="${WAITING_REFRESH_S}; url=/wifi?request=${escapeHtml(state.request)}">`
      : '';
  return `<!doctype html>
<html lang="${escapeHtml(language)}" data-script="no">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(t('wifi.title'))} – Starling</title>
<link rel="icon" href="/image/starling.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style/page.css">
<link rel="stylesheet" href="/style/parts.css">
${again}
</head>
<body>
<main class="plain">
<h1>${escapeHtml(t('wifi.title'))}</h1>
${parts(page, language, t).join('\n')}
<p class="small"><a href="/">${escapeHtml(t('wifi.status'))}</a></p>
</main>
</body>
</html>
`;
}

function parts(page: WifiPage, language: string, t: Translate): string[] {
  const { state, view, problem } = page;
  const problems = problem === null ? [] : [notice('error', problemText(problem, t))];
  switch (state.kind) {
    case 'trying':
      return [
        notice('info', filled(t, 'wifi.trying', state.ssid)),
        `<p>${filled(t, 'wifi.trying.hint', state.ssid)}</p>`,
        foundPart(page.found, view, t),
        paragraph(t('wifi.back')),
        `<p><a href="/wifi">${escapeHtml(t('wifi.reload'))}</a></p>`,
      ];
    case 'ask':
      return [
        ...problems,
        paragraph(t('pair.why')),
        `<form class="form" method="post" action="/wifi">${hiddenInput('form', state.mark)}${hiddenInput('action', 'ask')}
<button class="primary" type="submit">${escapeHtml(t('pair.ask'))}</button></form>`,
      ];
    case 'waiting':
      return [notice('info', escapeHtml(t('pair.hold'))), paragraph(t('pair.hold.hint'))];
    case 'form':
      if (view.phase === 'unavailable') return [notice('info', escapeHtml(t('wifi.unavailable')))];
      return [
        ...problems,
        ...whereNow(view, t),
        ...(view.ssid === null ? [] : [foundPart(page.found, view, t)]),
        paragraph(t('wifi.intro')),
        joinForm(page, state, language, t),
      ];
  }
}

/** What was sent and is wrong, in the reader's language where its code is known. */
function problemText(problem: { code: string; text: string }, t: Translate): string {
  for (const key of [`error.${problem.code}`, `pair.refused.${problem.code}`, `pair.${problem.code}`]) {
    const text = t(key, { text: problem.text });
    if (text !== key) return escapeHtml(text);
  }
  return escapeHtml(problem.text);
}

function whereNow(view: WifiView, t: Translate): string[] {
  const { failure, ssid, hotspot } = view;
  return [
    ...(failure === null ? [] : [notice('error', filled(t, `wifi.failed.${failure.cause}`, failure.ssid))]),
    ...(ssid === null ? [] : [`<p>${filled(t, 'wifi.connected', ssid)}</p>`]),
    ...(hotspot.on ? [`<p>${filled(t, 'wifi.hotspot', hotspot.ssid)}</p>`] : []),
  ];
}

function joinForm(
  { view, country }: WifiPage,
  state: { mark: string; chosen: string | null; passwordShown: boolean },
  language: string,
  t: Translate,
): string {
  const chosen = state.chosen ?? view.failure?.ssid ?? null;
  const seen = view.networks.some(({ ssid }) => ssid === chosen);
  const networks = view.networks.map(
    (network) =>
      `<label class="choice"><input type="radio" name="ssid" value="${escapeHtml(network.ssid)}"${
        network.ssid === chosen ? ' checked' : ''
      }> <span><bdi>${escapeHtml(network.ssid)}</bdi> <small>${escapeHtml(networkText(network, view, t))}</small></span>${networkPictures(network)}</label>`,
  );
  const typed = chosen !== null && !seen ? ` value="${escapeHtml(chosen)}"` : '';
  const show = state.passwordShown
    ? ''
    : `<p class="small"><a href="/wifi?password=shown">${escapeHtml(t('wifi.password.show'))}</a></p>`;
  const kept = view.networks.some(({ known }) => known) ? paragraph(t('wifi.password.kept')) : '';
  return `<form class="form" method="post" action="/wifi" autocomplete="off">
${hiddenInput('form', state.mark)}${hiddenInput('action', 'join')}
<fieldset><legend>${escapeHtml(t('wifi.networks'))}</legend>
${networks.length === 0 ? paragraph(t('wifi.networks.none')) : networks.join('\n')}
</fieldset>
<label class="field"><span>${escapeHtml(t('wifi.other'))}: ${escapeHtml(t('wifi.ssid'))}</span>
<input type="text" name="other" maxlength="32" autocapitalize="none" spellcheck="false"${typed}></label>
<label class="choice"><input type="checkbox" name="hidden" value="yes"> <span>${escapeHtml(t('wifi.hidden'))}</span></label>
<label class="field"><span>${escapeHtml(t('wifi.password'))}</span>
<input type="${state.passwordShown ? 'text' : 'password'}" name="password" maxlength="64" autocapitalize="none" spellcheck="false"></label>
${paragraph(t('wifi.password.none'))}${kept}${show}
<label class="field"><span>${escapeHtml(t('wifi.country'))}</span>
<select name="country">${countryOptions(country, language, t)}</select></label>
${paragraph(t('wifi.country.hint'))}
<button class="primary" type="submit">${escapeHtml(t('wifi.join'))}</button>
</form>`;
}

/** Strength as bars, and a lock: what the words beside them say, at a glance. */
function networkPictures({ strength, secured }: WifiView['networks'][number]): string {
  const bars = Math.max(1, Math.min(4, Math.ceil(strength / 25)));
  const signal = [1, 2, 3, 4].map((bar) => {
    const height = 4 + bar * 3.5;
    return `<rect class="${bar <= bars ? 'bar-on' : 'bar-off'}" x="${bar * 5 - 2}" y="${20 - height}" width="3" height="${height}" rx="1"/>`;
  });
  const lock = '<rect x="5" y="11" width="14" height="9.5" rx="2"/><path d="M8 11V7.5a4 4 0 0 1 8 0V11"/>';
  const picture = (name: string, shapes: string) =>
    `<svg class="icon ${name}" viewBox="0 0 24 24" aria-hidden="true">${shapes}</svg>`;
  return `<span class="badges">${secured ? picture('lock', lock) : ''}${picture('bars', signal.join(''))}</span>`;
}

function networkText(network: WifiView['networks'][number], view: WifiView, t: Translate): string {
  const protection = network.known ? 'wifi.known' : network.secured ? 'wifi.secured' : 'wifi.open';
  const strength = t('wifi.strength', { n: network.strength });
  return [strength, t(protection), ...(network.ssid === view.ssid ? [t('wifi.inuse')] : [])].join(' · ');
}

function countryOptions(chosen: string | null, language: string, t: Translate): string {
  const none = chosen === null ? `<option value="">${escapeHtml(t('wifi.country.none'))}</option>` : '';
  const options = countryNames(language).map(
    ({ code, name }) => `<option value="${code}"${code === chosen ? ' selected' : ''}>${escapeHtml(name)}</option>`,
  );
  return none + options.join('');
}

/** The name, the addresses where it has some already, and the name again for a camera. */
function foundPart(found: Found, { addresses, hotspot }: WifiView, t: Translate): string {
  // The hotspot's own address ends with it.
  const others = addresses.filter((address) => !found.url.includes(address) && address !== hotspot.address);
  const numbers = others.length === 0 ? '' : `<p class="small">${escapeHtml(others.join(' · '))}</p>\n`;
  // The code is our own SVG of digits; its name stands in the paragraph before.
  return `<section class="found"><h2>${escapeHtml(t('wifi.found'))}</h2>
<p><a href="${escapeHtml(found.url)}">${escapeHtml(found.url)}</a></p>
${numbers}<div class="qr" role="img" aria-label="${escapeHtml(t('wifi.found.qr'))}">${onWhite(found.qr)}</div></section>`;
}

/** Cameras read dark on light, also where the page is dark. */
function onWhite(svg: string): string {
  return svg.replace('<path ', '<rect width="100%" height="100%" fill="#fff"/><path fill="#000" ');
}

/** A text in which the name of a network stands for itself, whatever direction it is written in. */
function filled(t: Translate, key: string, ssid: string): string {
  return escapeHtml(t(key, { ssid: '\u2068' })).replaceAll('\u2068', () => `<bdi>${escapeHtml(ssid)}</bdi>`);
}

function notice(level: 'error' | 'info', html: string): string {
  return `<p class="notice" data-level="${level}"${level === 'error' ? ' role="alert"' : ''}>${html}</p>`;
}

function paragraph(text: string): string {
  return `<p class="small">${escapeHtml(text)}</p>`;
}

function hiddenInput(name: string, value: string): string {
  return `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`;
}
