// Starts the page: words first, then the live status.

import { byId, make } from './dom.js';
import { follow } from './live.js';
import { heardPosition, startPosition } from './position.js';
import { skippedChanged, startSkipped } from './skipped.js';
import { fillTexts, LANGUAGES, loadTexts, rememberedLanguage, rememberLanguage, t } from './text.js';
import { VIEWS } from './views.js';

/** Names of languages in themselves: they are read by those who cannot read the others. */
const OWN_NAMES = { en: 'English', de: 'Deutsch', es: 'Español', ja: '日本語' };

let latest = null;

function draw(status, changed) {
  latest = status;
  for (const view of VIEWS) {
    if (changed === null || view.fields.some((field) => changed.has(field))) view.draw(status);
  }
  if (changed === null || changed.has('now')) heardPosition(status.now);
  if (changed === null || changed.has('library')) skippedChanged(status.library.skipped_total);
  showApp();
}

/** The live page takes the place of the plain one when it has something to show. */
function showApp() {
  const plain = document.getElementById('plain');
  if (plain === null) return;
  plain.remove();
  byId('app').hidden = false;
}

function showContact(there) {
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
  startSkipped();
  startPosition();
  follow({ onStatus: draw, onContact: showContact });
}

start().catch(() => {
  // Without its words the live page is nothing: the plain one stays.
  document.documentElement.dataset.script = 'no';
});
