// One view at a time, named by the address: the way back is the browser's own.

import { byId } from './dom.js';

const VIEWS = ['now', 'flock', 'music', 'box'];
const handlers = new Set();
let current = 'now';

export function currentView() {
  return current;
}

/** Calls back whenever another view is shown. */
export function onView(handler) {
  handlers.add(handler);
}

export function startRouter() {
  addEventListener('hashchange', () => show(true));
  show(false);
}

function show(byHand) {
  const wanted = location.hash.slice(1);
  current = VIEWS.includes(wanted) ? wanted : 'now';
  for (const view of VIEWS) byId(view).hidden = view !== current;
  document.documentElement.dataset.view = current;
  byId('skip-link').setAttribute('href', `#${current}`);
  for (const link of document.querySelectorAll('.tabs a')) {
    if (link.getAttribute('href') === `#${current}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  for (const handler of handlers) handler(current);
  if (!byHand) return;
  // A new page begins at its top, and is read from there.
  scrollTo(0, 0);
  // The browser may have been there first, and the reader a step further since: their place is kept.
  const view = byId(current);
  if (!view.contains(document.activeElement)) view.focus({ preventScroll: true });
}
