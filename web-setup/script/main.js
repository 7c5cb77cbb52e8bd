// Starts the page: words first, then the live status.

import { aboutPart, framePart, noticesPart } from './about.js';
import { byId, make } from './dom.js';
import { startFilters } from './filters.js';
import { flockPart } from './flock.js';
import { lightPart, startLight } from './light.js';
import { drawListen, startListen } from './listen.js';
import { follow } from './live.js';
import { musicPart, startMusic } from './music.js';
import { nowPart, startNow } from './now.js';
import { drawPhones, startPhones } from './phones.js';
import { heardPosition, heardStationTime, startPosition } from './position.js';
import { queuePart } from './queue.js';
import { startReset } from './reset.js';
import { currentView, onView, startRouter } from './router.js';
import { refreshSession } from './session.js';
import { drawSettings, startSettings } from './settings.js';
import { drawStation, startStation } from './station.js';
import { fillTexts, LANGUAGES, loadTexts, rememberedLanguage, rememberLanguage, t } from './text.js';
import { drawUpdate, startUpdate } from './update.js';
import { drawWifi, startWifi } from './wifi.js';

/** Names of languages in themselves: they are read by those who cannot read the others. */
const OWN_NAMES = { en: 'English', de: 'Deutsch', es: 'Español', ja: '日本語' };
/** What the status draws; a part of a view that is not shown waits until it is. */
const PARTS = [framePart, lightPart, noticesPart, nowPart, queuePart, flockPart, musicPart, aboutPart];
const stale = new Set(PARTS);

let latest = null;
let contact = true;

function draw(status, changed) {
  latest = status;
  for (const part of PARTS) {
    if (changed === null || part.fields.some((field) => changed.has(field))) stale.add(part);
  }
  if (changed === null || changed.has('station')) heardStationTime(status.station.time_ms);
  if (changed === null || changed.has('now')) heardPosition(status.now);
  drawStale();
  showApp();
}

/** The time it took is left where the browser's tools, and the tests, find it. */
function drawStale() {
  if (latest === null) return;
  const start = performance.now();
  for (const part of stale) {
    if (part.view !== null && part.view !== currentView()) continue;
    part.draw(latest);
    stale.delete(part);
  }
  performance.clearMeasures('starling-draw');
  performance.measure('starling-draw', { start });
}

/** The live page takes the place of the plain one when it has something to show. */
function showApp() {
  const plain = document.getElementById('plain');
  if (plain === null) return;
  plain.remove();
  byId('app').hidden = false;
}

function showContact(there) {
  // Back again: it may have been reset, or have got other parts.
  if (there && !contact) refreshSession();
  contact = there;
  let banner = document.getElementById('lost');
  if (there) {
    banner?.remove();
    return;
  }
  if (banner !== null) return;
  banner = make('p', 'lost', t('lost'));
  banner.id = 'lost';
  banner.setAttribute('role', 'alert');
  document.body.prepend(banner);
}

async function useLanguage(language) {
  await loadTexts(language);
  fillTexts(document);
  byId('language').options[0].textContent = t('box.language.auto');
  for (const redraw of [drawListen, drawPhones, drawSettings, drawStation, drawUpdate, drawWifi]) redraw();
  if (latest !== null) draw(latest, null);
}

function startLanguages() {
  const select = byId('language');
  const option = (value, text) => {
    const element = make('option', '', text);
    element.value = value;
    if (value !== '') element.lang = value;
    return element;
  };
  select.append(option('', ''), ...LANGUAGES.map((language) => option(language, OWN_NAMES[language])));
  select.value = rememberedLanguage();
  select.addEventListener('change', () => {
    rememberLanguage(select.value);
    useLanguage(select.value).catch(() => showContact(false));
  });
}

async function start() {
  startLanguages();
  await useLanguage(rememberedLanguage());
  startRouter();
  onView(drawStale);
  for (const startPart of [startLight, startNow, startListen, startMusic, startFilters, startSettings]) startPart();
  for (const startPart of [startStation, startWifi, startPhones, startUpdate, startReset, startPosition]) startPart();
  await refreshSession();
  follow({ onStatus: draw, onContact: showContact });
}

start().catch(() => {
  // Without its words the live page is nothing: the plain one stays.
  document.documentElement.dataset.script = 'no';
});
