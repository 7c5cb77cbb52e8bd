// The phones that may change things, and taking that back.

import { act } from './act.js';
import { get, post } from './api.js';
import { bdi, button, byId, icon, make, matchList, setText } from './dom.js';
import { pair } from './pairing.js';
import { currentView, onView } from './router.js';
import { onSession, refreshSession, session } from './session.js';
import { dateText, t } from './text.js';
import { toast } from './toast.js';

let phones = [];

export function startPhones() {
  byId('pair').addEventListener('click', () => pair());
  onSession(load);
  onView(load);
}

async function load() {
  byId('phones').hidden = !session.paired;
  if (!session.paired || currentView() !== 'box') return;
  try {
    ({ items: phones } = await get('/api/phones'));
  } catch {
    return;
  }
  drawPhones();
}

/** Shows them again, as in another language. */
export function drawPhones() {
  matchList(byId('phones-list'), phones, ({ id }) => `${document.documentElement.lang} ${id}`, makePhone, drawPhone);
}

function makePhone({ id, name, this: isThis }) {
  const revoke = isThis
    ? button('phones.leave', 'quiet', () =>
        act(revoke, () => post('/api/session/end'), { done: () => toast(t('phones.left')) }).then(refreshSession),
      )
    : button('phones.revoke', 'quiet', () =>
        act(revoke, () => post('/api/phones/revoke', { id }), {
          done: () => toast(t('phones.revoked', { name })),
        }).then(load),
      );
  if (!isThis) revoke.setAttribute('aria-label', `${t('phones.revoke')} · ${name}`);
  return make('li', 'item', icon('phone'), make('span', 'item-words', bdi(name), make('span', 'small')), revoke);
}

function drawPhone(element, { seen_at_ms, this: isThis }) {
  const seen = isThis ? t('phones.this') : t('phones.seen', { date: dateText(seen_at_ms) });
  setText(element.querySelector('.small'), seen);
}
