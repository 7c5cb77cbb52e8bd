// The dialogue for one network: its name if it hides, its password, the country if none is set.

import { act } from './act.js';
import { post, refusalText } from './api.js';
import { openDialog } from './dialog.js';
import { field, make, makeText, setText } from './dom.js';
import { countryOptions, t } from './text.js';

/** IEEE 802.11: at most 32 bytes; WPA: 8 to 63 characters, or 64 hex digits. */
const MAX_SSID_CHARS = 32;
const MAX_PASSWORD_CHARS = 64;

/**
 * @param {{ ssid: string, secured: boolean, known: boolean } | null} network null: its name is typed
 * @param {{ country: string | null }} wifi
 * @param {(ssid: string) => void} onDone
 */
export function openJoin(network, wifi, onDone) {
  const dialog = openDialog(network?.ssid ?? t('wifi.other'));
  const ssid = input('text', MAX_SSID_CHARS);
  ssid.required = true;
  const hidden = checkbox('wifi.hidden');
  const password = input('password', MAX_PASSWORD_CHARS);
  password.required = network?.secured === true && !network.known;
  const country = make('select', '', ...countryOptions());
  country.required = true;
  const problem = make('p', 'problem');
  problem.hidden = true;
  problem.setAttribute('role', 'alert');
  const join = makeText('button', 'primary', 'wifi.join');
  const parts = [
    ...(network === null ? [field('wifi.ssid', ssid), hidden.element] : []),
    ...(network === null || network.secured ? passwordParts(network, password) : []),
    ...(wifi?.country ? [] : [field('wifi.country', country), makeText('p', 'small', 'wifi.country.hint')]),
  ];
  const form = make('form', 'form', ...parts, problem, join);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const wish = {
      ssid: network?.ssid ?? ssid.value,
      ...(password.value === '' ? {} : { password: password.value }),
      ...(network === null && hidden.box.checked ? { hidden: true } : {}),
      ...(wifi?.country ? {} : { country: country.value }),
    };
    const failed = (refusal) => {
      problem.hidden = false;
      setText(problem, refusalText(refusal));
    };
    if (await act(join, () => post('/api/wifi/join', wish), { setup: true, failed })) {
      dialog.close();
      onDone(wish.ssid);
    }
  });
  dialog.body.append(form);
  form.querySelector('input, select, button').focus();
}

function passwordParts(network, password) {
  const show = checkbox('wifi.password.show');
  show.box.addEventListener('change', () => {
    password.type = show.box.checked ? 'text' : 'password';
  });
  const hint = network === null ? 'wifi.password.none' : network.known ? 'wifi.password.kept' : null;
  return [field('wifi.password', password), ...(hint === null ? [] : [makeText('p', 'small', hint)]), show.element];
}

function input(type, maxLength) {
  const element = make('input');
  Object.assign(element, { type, maxLength, autocomplete: 'off', spellcheck: false });
  element.setAttribute('autocapitalize', 'none');
  return element;
}

function checkbox(key) {
  const box = make('input');
  box.type = 'checkbox';
  return { box, element: make('label', 'choice', box, makeText('span', '', key)) };
}
