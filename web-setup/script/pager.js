// A long list, one page at a time: twenty thousand rows cost no more than fifty.

import { get } from './api.js';
import { button, iconButton, make, makeText, setText } from './dom.js';
import { t } from './text.js';

export const PAGE_ROWS = 50;

/**
 * @param {{ path: string, row: (item: object) => Element, empty: string, onLoaded?: (page: object) => void, failed?: (refusal: object) => string | null }} options
 *   `path` answers ?offset&limit with { total, items }; `failed` names the text for a refusal that has its own
 */
export function makePager({ path, row, empty, onLoaded, failed }) {
  const element = make('div', 'pager');
  let offset = 0;
  let asked = 0;

  async function load(wanted) {
    const mine = ++asked;
    element.setAttribute('aria-busy', 'true');
    try {
      const page = await get(`${path}?offset=${wanted}&limit=${PAGE_ROWS}`);
      if (mine !== asked) return;
      // The last rows of the last page may have gone meanwhile.
      if (page.items.length === 0 && wanted > 0) return load(Math.max(0, lastOffset(page.total)));
      offset = wanted;
      show(page);
      onLoaded?.(page);
    } catch (refusal) {
      if (mine === asked) showFailure(failed?.(refusal) ?? null);
    } finally {
      if (mine === asked) element.removeAttribute('aria-busy');
    }
  }

  function show(page) {
    if (page.total === 0) {
      element.replaceChildren(makeText('p', 'empty', empty));
      return;
    }
    const list = make('ul', 'items', ...page.items.map(row));
    element.replaceChildren(list, ...(page.total > PAGE_ROWS ? [turner(page.total)] : []));
  }

  function turner(total) {
    const range = make('span', 'small');
    setText(range, t('page.range', { from: offset + 1, to: Math.min(total, offset + PAGE_ROWS), n: total }));
    range.setAttribute('role', 'status');
    const to = (name, target) => {
      const turn = iconButton(name, t(`page.${name}`), async () => {
        await load(target);
        element.querySelector(`[data-turn="${name}"]:not(:disabled)`)?.focus();
        element.scrollIntoView({ block: 'nearest' });
      });
      turn.dataset.turn = name;
      turn.disabled = target < 0 || target >= total || target === offset;
      return turn;
    };
    const last = lastOffset(total);
    const ahead = [to('next', offset + PAGE_ROWS), to('last', last)];
    return make('div', 'turner', to('first', 0), to('previous', offset - PAGE_ROWS), range, ...ahead);
  }

  function showFailure(key) {
    if (key !== null) element.replaceChildren(makeText('p', 'empty', key));
    else
      element.replaceChildren(
        makeText('p', 'problem', 'load.failed'),
        button('retry', '', () => load(offset)),
      );
  }

  return { element, load: () => load(offset), restart: () => load(0) };
}

function lastOffset(total) {
  return Math.floor((total - 1) / PAGE_ROWS) * PAGE_ROWS;
}
