// The way into the household's network, and where the box is found afterwards.

import { act } from './act.js';
import { get, post } from './api.js';
import {
  bdi,
  button,
  byId,
  icon,
  make,
  makeText,
  matchList,
  setAttribute,
  setParts,
  setText,
  setValue,
  shape,
} from './dom.js';
import { qrPicture } from './qr.js';
import { currentView, onView } from './router.js';
import { onSession, session } from './session.js';
import { countryOptions, t } from './text.js';
import { toast } from './toast.js';
import { openJoin } from './wifi-join.js';

const ASK_EVERY_MS = 2000;
const MINUTE_MS = 60_000;

let wifi = null;
/** Kept for when the hotspot is gone and nothing can be asked any more. */
let found = null;
/** The network that was chosen here: the box does not name it while it tries. */
let chosen = null;

export function startWifi() {
  onSession(load);
  onView(load);
  setInterval(() => {
    if (document.visibilityState === 'visible') load();
  }, ASK_EVERY_MS);
  byId('wifi-scan').addEventListener('click', () =>
    act(byId('wifi-scan'), () => post('/api/wifi/scan'), { setup: true, done: load }),
  );
  byId('wifi-other').addEventListener('click', () => openJoin(null, wifi, joining));
  byId('wifi-country').addEventListener('change', (event) => {
    const country = event.target.value;
    if (country === '') return;
    act(event.target, () => post('/api/wifi/country', { country }), {
      setup: true,
      done: () => toast(t('settings.saved')),
    }).then(load);
  });
}

function joining(ssid) {
  chosen = ssid;
  load();
}

async function load() {
  byId('wifi').hidden = !session.can.wifi;
  byId('reset-wifi').hidden = !session.can.wifi;
  if (!session.can.wifi || currentView() !== 'box') return;
  try {
    wifi = await get('/api/wifi');
  } catch {
    return;
  }
  found = wifi.found ?? found;
  drawWifi();
}

/** Shows what the box said last. */
export function drawWifi() {
  if (wifi === null) return;
  const { phase, networks, saved, country, scanned_ago_ms } = wifi;
  byId('wifi-set').hidden = phase === 'unavailable';
  drawState();
  drawFound();
  matchList(byId('wifi-networks'), networks, ({ ssid }) => ssid, makeNetwork, drawNetwork);
  byId('wifi-none').hidden = networks.length > 0;
  const minutes = scanned_ago_ms === null ? 0 : Math.floor(scanned_ago_ms / MINUTE_MS);
  setText(byId('wifi-scanned'), minutes < 1 ? '' : t('wifi.scanned', { n: minutes }));
  byId('wifi-saved-part').hidden = saved.length === 0;
  matchList(
    byId('wifi-saved'),
    saved,
    (ssid) => `${document.documentElement.lang} ${ssid}`,
    makeSaved,
    () => {},
  );
  setParts(byId('wifi-country'), 'countries', countryOptions);
  setValue(byId('wifi-country'), country ?? '');
}

function drawState() {
  const { phase, ssid, hotspot, failure } = wifi;
  const tried = chosen ?? ssid;
  const lines = [];
  if (phase === 'unavailable') lines.push(['unknown', t('wifi.unavailable')]);
  else if (phase === 'trying')
    lines.push(['diverged', tried === null ? t('wifi.seeking') : t('wifi.trying', { ssid: tried })]);
  else if (ssid !== null) lines.push(['sync', t('wifi.connected', { ssid })]);
  else if (hotspot.on) lines.push(['diverged', t('wifi.hotspot', { ssid: hotspot.ssid })]);
  else lines.push(['unknown', t('wifi.none')]);
  const failed =
    failure === null || phase === 'trying' ? '' : t(`wifi.failed.${failure.cause}`, { ssid: failure.ssid });
  const [[state, text]] = lines;
  setParts(byId('wifi-state'), `${state} ${text} ${failed}`, () => {
    const line = make('p', 'state figure', make('span', 'dot'), make('span', '', text));
    line.dataset.state = state;
    const hints =
      phase !== 'trying' || tried === null
        ? []
        : [make('p', 'small', t('wifi.trying.hint', { ssid: tried })), makeText('p', 'small', 'wifi.back')];
    return [line, ...(failed === '' ? [] : [make('p', 'problem', failed)]), ...hints];
  });
}

/** Told where it matters: while the network changes, and when it has changed. */
function drawFound() {
  const part = byId('wifi-found');
  const place = found?.url ?? `http://${wifi.hostname}/`;
  // The hotspot's own address ends with it.
  const others = wifi.addresses.filter((address) => !place.includes(address) && address !== wifi.hotspot.address);
  part.hidden = wifi.phase === 'unavailable';
  setParts(part, `${place} ${others.join(' ')} ${found?.qr?.length}`, () => {
    const link = make('a', 'place', place);
    link.href = /^http:\/\//.test(place) ? place : '#box';
    const words = make('div', '', makeText('p', 'small', 'wifi.found'), make('p', '', link));
    if (others.length > 0) words.append(make('p', 'small', others.join(' · ')));
    const picture = qrPicture(found?.qr, t('wifi.found.qr'));
    return picture === null ? [words] : [picture, words];
  });
}

function makeNetwork({ ssid }) {
  const choose = make(
    'button',
    'row-button',
    make('span', 'signal'),
    make('span', 'row-words', make('bdi', 'row-title'), make('span', 'small')),
    make('span', 'badges'),
  );
  choose.type = 'button';
  choose.addEventListener('click', () => {
    const network = wifi.networks.find((other) => other.ssid === ssid);
    if (network !== undefined) openJoin(network, wifi, joining);
  });
  return make('li', '', choose);
}

function drawNetwork(item, { ssid, strength, secured, known }) {
  const [signal, words, badges] = item.firstElementChild.children;
  const bars = Math.max(1, Math.min(4, Math.ceil(strength / 25)));
  setParts(signal, String(bars), () => [signalPicture(bars)]);
  setText(words.children[0], ssid);
  const access = known ? 'wifi.known' : secured ? 'wifi.secured' : 'wifi.open';
  setText(words.children[1], [t(access), t('wifi.strength', { n: strength })].join(' · '));
  const inUse = wifi.ssid === ssid && wifi.phase !== 'trying';
  setParts(badges, `${inUse} ${secured}`, () => {
    const badge = makeText('span', 'badge', 'wifi.inuse');
    badge.dataset.state = 'sync';
    return [...(inUse ? [badge] : []), ...(secured ? [icon('lock')] : [])];
  });
  setAttribute(item, 'data-ssid', ssid);
}

function signalPicture(bars) {
  const svg = shape('svg', { viewBox: '0 0 24 24', class: 'icon bars', 'aria-hidden': 'true' });
  for (let bar = 1; bar <= 4; bar++) {
    const height = 4 + bar * 3.5;
    svg.append(
      shape('rect', {
        x: bar * 5 - 2,
        y: 20 - height,
        width: 3,
        height,
        rx: 1,
        class: bar <= bars ? 'bar-on' : 'bar-off',
      }),
    );
  }
  return svg;
}

function makeSaved(ssid) {
  const forget = button('wifi.forget', 'quiet', () =>
    act(forget, () => post('/api/wifi/forget', { ssid }), {
      setup: true,
      done: () => toast(t('wifi.forgotten', { ssid })),
    }).then(load),
  );
  forget.setAttribute('aria-label', `${t('wifi.forget')} · ${ssid}`);
  return make('li', 'item', make('span', 'item-words', bdi(ssid)), forget);
}
