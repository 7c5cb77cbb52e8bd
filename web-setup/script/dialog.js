// A dialogue over the page. The browser keeps the focus inside, closes it with Escape and gives the focus back.

import { iconButton, make } from './dom.js';
import { t } from './text.js';

let count = 0;

/**
 * @param {string} title
 * @param {{ className?: string, onClose?: () => void }} [options]
 * @returns {{ body: HTMLElement, close(): void, setTitle(text: string): void, isOpen(): boolean }}
 */
export function openDialog(title, { className = '', onClose } = {}) {
  const dialog = make('dialog', `dialog ${className}`.trim());
  const heading = make('h2', '', title);
  heading.id = `dialog-${++count}`;
  dialog.setAttribute('aria-labelledby', heading.id);
  const close = () => dialog.close();
  const body = make('div', 'dialog-body');
  dialog.append(make('div', 'dialog-top', heading, iconButton('close', t('close'), close)), body);
  dialog.addEventListener('close', () => {
    dialog.remove();
    onClose?.();
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return {
    body,
    close,
    setTitle: (text) => {
      heading.textContent = text;
    },
    isOpen: () => dialog.open,
  };
}
