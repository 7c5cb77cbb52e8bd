// What another box can play, page by page.

import { openDialog } from './dialog.js';
import { bdi, make } from './dom.js';
import { makePager } from './pager.js';
import { t, timeText } from './text.js';

/** @param {string} nodeId @param {string} name */
export function openCatalog(nodeId, name) {
  const dialog = openDialog(t('catalog.of', { name }), { className: 'tall' });
  const count = make('p', 'small');
  const pager = makePager({
    path: `/api/peers/${encodeURIComponent(nodeId)}/catalog`,
    empty: 'catalog.empty',
    row: ({ name: track, duration_ms }) =>
      make('li', 'item', make('span', 'item-words', bdi(track)), make('span', 'length', timeText(duration_ms))),
    onLoaded: ({ total }) => {
      count.textContent = t('catalog.count', { n: total });
    },
    failed: ({ code }) => (code === 'no_catalog' ? 'catalog.none' : null),
  });
  dialog.body.append(count, pager.element);
  pager.load();
}
