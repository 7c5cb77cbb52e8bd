// The list of skipped files: loaded page by page, and only when somebody looks.

import { bdi, byId, make } from './dom.js';

const PAGE = 50;
let shown = 0;
let total = 0;
let loading = false;

export function startSkipped() {
  byId('skipped').addEventListener('toggle', () => {
    if (byId('skipped').open && shown === 0) loadMore();
  });
  byId('skipped-more').addEventListener('click', loadMore);
}

/** The list has changed: what is open is read afresh. @param {number} newTotal */
export function skippedChanged(newTotal) {
  if (newTotal === total) return;
  total = newTotal;
  shown = 0;
  byId('skipped-list').replaceChildren();
  if (byId('skipped').open) loadMore();
}

async function loadMore() {
  if (loading) return;
  loading = true;
  try {
    const response = await fetch(`/api/library/skipped?offset=${shown}&limit=${PAGE}`);
    if (!response.ok) throw new Error(String(response.status));
    const { items } = await response.json();
    byId('skipped-list').append(
      ...items.map((file) => make('li', '', make('span', 'path', bdi(file.path)), make('span', 'why', file.text))),
    );
    shown += items.length;
    byId('skipped-more').hidden = items.length === 0 || shown >= total;
    byId('skipped-failed').hidden = true;
  } catch {
    byId('skipped-failed').hidden = false;
    byId('skipped-more').hidden = false;
  } finally {
    loading = false;
  }
}
