// This box's own music: how far it is, where it comes from, what was left out, and what is never to be played.

import { bdi, button, byId, icon, make, matchList, setAttribute, setText } from './dom.js';
import { allow } from './now.js';
import { makePager } from './pager.js';
import { currentView, onView } from './router.js';
import { onSession, session } from './session.js';
import { dateText, t } from './text.js';

export const musicPart = { view: 'music', fields: ['library'], draw: drawMusic };

let skippedTotal = 0;
let skipped = null;
let blacklist = null;

function drawMusic({ library }) {
  const none = library.tracks === 0 && !library.scanning;
  setText(byId('music-ready'), none ? t('music.empty') : t('music.ready', { ready: library.ready, n: library.tracks }));
  byId('music-progress').hidden = !library.scanning;
  setAttribute(byId('music-track'), 'aria-valuemax', Math.max(1, library.total_files));
  setAttribute(byId('music-track'), 'aria-valuenow', library.done_files);
  byId('music-bar').style.setProperty('--share', String(library.done_files / Math.max(1, library.total_files)));
  const speed = library.realtime_x > 1 ? ` · ${t('music.speed', { x: Math.round(library.realtime_x) })}` : '';
  setText(
    byId('music-scanning'),
    t('music.scanning', { done: library.done_files, total: library.total_files }) + speed,
  );
  byId('sources-part').hidden = library.sources.length === 0;
  matchList(
    byId('sources'),
    library.sources,
    (source) => source,
    makeSource,
    () => {},
  );
  byId('skipped-none').hidden = library.skipped_total > 0;
  byId('skipped').hidden = library.skipped_total === 0;
  setText(byId('skipped-summary'), t('music.skipped', { n: library.skipped_total }));
  if (library.skipped_total === skippedTotal) return;
  skippedTotal = library.skipped_total;
  if (byId('skipped').open) skipped.load();
}

/** The last part of a path is what people know it by. */
function makeSource(source) {
  const name = source.split('/').filter(Boolean).at(-1) ?? source;
  const whole = make('span', 'small', bdi(source));
  return make('li', 'item', icon('stick'), make('span', 'item-words', bdi(name), ...(name === source ? [] : [whole])));
}

export function startMusic() {
  skipped = makePager({
    path: '/api/library/skipped',
    empty: 'music.skipped.none',
    row: (file) =>
      make('li', 'item item-tall', make('span', 'item-words', bdi(file.path)), make('span', 'small', file.text)),
  });
  byId('skipped-list').append(skipped.element);
  byId('skipped').addEventListener('toggle', () => {
    if (byId('skipped').open) skipped.load();
  });
  blacklist = makePager({ path: '/api/blacklist', empty: 'music.blacklist.empty', row: blacklistRow });
  byId('blacklist-list').append(blacklist.element);
  onView(showBlacklist);
  onSession(showBlacklist);
  addEventListener('starling-blacklist', showBlacklist);
}

function showBlacklist() {
  byId('blacklist').hidden = !session.can.music;
  if (session.can.music && currentView() === 'music') blacklist.load();
}

function blacklistRow({ hash, name, at_ms }) {
  const again = button('music.blacklist.allow', 'quiet', () => allow(again, hash, name));
  again.setAttribute('aria-label', `${t('music.blacklist.allow')} · ${name}`);
  const since = make('span', 'small', t('music.blacklist.since', { date: dateText(at_ms) }));
  return make('li', 'item', make('span', 'item-words', bdi(name), since), again);
}
