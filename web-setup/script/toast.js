// Short answers at the lower edge. They wait as long as somebody points at them or is inside.

import { byId, make, setText } from './dom.js';

const SHOWN_MS = 6000;
const MAX_TOASTS = 3;

/**
 * @param {string} text
 * @param {{ level?: 'good' | 'bad', button?: HTMLElement, forMs?: number }} [options]
 */
export function toast(text, { level = 'good', button = null, forMs = SHOWN_MS } = {}) {
  const words = make('p');
  const element = make('div', 'toast', words);
  element.dataset.level = level;
  if (button !== null) {
    button.addEventListener('click', () => element.remove());
    element.append(button);
  }
  const list = byId('toasts');
  while (list.children.length >= MAX_TOASTS) list.firstElementChild.remove();
  list.append(element);
  // Said after it was put in place: what is there from the start is not read out everywhere.
  setText(words, text);
  let left = forMs;
  const timer = setInterval(() => {
    if (!element.isConnected) clearInterval(timer);
    else if (!element.matches(':hover, :focus-within')) left -= 500;
    if (left <= 0) element.remove();
  }, 500);
}
