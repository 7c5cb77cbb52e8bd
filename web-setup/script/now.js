// What plays, and what a listener may do about it.

import { act } from './act.js';
import { post } from './api.js';
import { skyOf } from './art.js';
import { button, byId, setAttribute, setParts, setText } from './dom.js';
import { stationNow } from './position.js';
import { onSession } from './session.js';
import { t } from './text.js';
import { toast } from './toast.js';
import { broughtBy, putCover, words } from './tracks.js';

/** Time to undo where the box names none: as at its buttons. */
const UNDO_MS = 10_000;

let playing = null;
/** Tracks that were liked from here, so that the button shows it. */
const liked = new Set();

export const nowPart = { view: null, fields: ['now', 'node'], draw: drawNow };

function drawNow({ now, node }) {
  playing = now;
  const track = now?.track ?? null;
  const { title, artist } =
    track === null ? { title: t(now === null ? 'now.nothing' : 'now.silence'), artist: '' } : words(track);
  setText(byId('now-title'), title);
  setText(byId('now-artist'), artist);
  putCover(byId('now-cover'), track, title);
  byId('player').style.setProperty('--sky', String(skyOf(track?.hash ?? '0')));
  setParts(byId('now-by'), `${now?.node_id} ${now?.node_name}`, () => (now === null ? [] : broughtBy(now, node.id)));
  byId('now-explicit').hidden = track?.explicit !== true;
  const itsOwn = now !== null && now.source !== 'flock' && !now.moderation;
  setText(byId('now-source'), itsOwn ? t(`source.${now.source}`) : '');
  for (const name of ['like', 'skip', 'never']) byId(name).disabled = track === null;
  setAttribute(byId('like'), 'aria-pressed', String(track !== null && liked.has(track.hash)));
  byId('mini').hidden = track === null;
  setText(byId('mini-title'), title);
  setText(byId('mini-artist'), artist);
  putCover(byId('mini-cover'), track, '', true);
}

export function startNow() {
  onSession(({ can }) => {
    byId('now-controls').hidden = !can.music;
  });
  byId('skip').addEventListener('click', skip);
  byId('never').addEventListener('click', never);
  byId('like').addEventListener('click', like);
}

/** Of the track that was seen when the button was touched, not of one that began meanwhile. */
function skip() {
  if (playing === null) return;
  const slot = playing.slot < 0 ? null : playing.slot;
  act(byId('skip'), () => post('/api/skip', { slot }), { done: () => toast(t('now.skip.done')) });
}

function never() {
  if (!playing?.track) return;
  const { hash } = playing.track;
  act(byId('never'), () => post('/api/never', { hash }), {
    done: ({ name, undo_until_ms }) => {
      const forMs = Math.max(UNDO_MS, (undo_until_ms ?? 0) - stationNow());
      const undo = button('undo', 'quiet', () => allow(undo, hash, name));
      toast(t('now.never.done', { name }), { button: undo, forMs: Math.min(forMs, 60_000) });
      dispatchEvent(new Event('starling-blacklist'));
    },
  });
}

/** Takes a track off the blacklist again. */
export function allow(control, hash, name) {
  return act(control, () => post('/api/allow', { hash }), {
    done: () => {
      toast(t('now.allow.done', { name }));
      dispatchEvent(new Event('starling-blacklist'));
    },
  });
}

function like() {
  if (!playing?.track) return;
  const { hash } = playing.track;
  act(byId('like'), () => post('/api/like', { hash }), {
    done: ({ counted }) => {
      liked.add(hash);
      if (playing?.track?.hash === hash) setAttribute(byId('like'), 'aria-pressed', 'true');
      toast(t(counted ? 'now.like.counted' : 'now.like.noted'));
    },
  });
}
