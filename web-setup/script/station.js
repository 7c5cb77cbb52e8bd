// Which station the box is tuned to: sharing it with another box, and tuning to another one.

import { act } from './act.js';
import { get, refusalText } from './api.js';
import { openDialog } from './dialog.js';
import { button, byId, field, icon, make, makeText, setParts, setText } from './dom.js';
import { qrPicture } from './qr.js';
import { onSession, session } from './session.js';
import { change, onSettings, settings } from './settings.js';
import { t } from './text.js';
import { toast } from './toast.js';

const KEY_BYTES = 32;
const MAX_STATION_CHARS = 64;

export function startStation() {
  onSettings(drawStation);
  onSession(() => {
    if (!session.paired) hideInvitation();
    drawStation();
  });
  byId('share').addEventListener('click', () => (byId('invitation').hidden ? showInvitation() : hideInvitation()));
  byId('tune').addEventListener('click', openTuner);
}

/** Says again what is there. */
export function drawStation() {
  setText(byId('share-text'), t(byId('invitation').hidden ? 'station.share' : 'station.share.hide'));
  if (settings === null) return;
  setText(byId('station-now'), settings.station);
  const access = settings.closed ? 'closed' : 'open';
  setParts(byId('station-access'), access, () => [
    icon(settings.closed ? 'lock' : 'unlock'),
    makeText('span', '', `station.${access}`),
  ]);
  const fixed = settings.fixed.includes('station') || settings.fixed.includes('station_key');
  byId('tune').disabled = fixed;
  byId('tune').title = fixed ? t('settings.fixed') : '';
}

function showInvitation() {
  return act(byId('share'), () => get('/api/invitation'), {
    done: ({ text, qr }) => {
      const shown = make('textarea', 'invitation-text');
      shown.readOnly = true;
      shown.rows = 3;
      shown.value = text;
      const picture = qrPicture(qr, t('station.share.qr'));
      byId('invitation').replaceChildren(
        ...(picture === null ? [] : [picture]),
        make(
          'div',
          '',
          makeText('p', 'small', 'station.share.hint'),
          field('station.share.text', shown),
          copier(shown),
        ),
      );
      byId('invitation').hidden = false;
      drawStation();
    },
  });
}

/** It holds the key: it is taken away, not only hidden. */
function hideInvitation() {
  byId('invitation').hidden = true;
  byId('invitation').replaceChildren();
  drawStation();
}

/** The clipboard of browsers is for pages that came encrypted; where it is not there, the text is marked. */
function copier(area) {
  return button('copy', '', async () => {
    area.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(area.value);
      else if (!document.execCommand('copy')) throw new Error('refused');
      toast(t('copied'));
    } catch {
      toast(t('copy.failed'));
    }
  });
}

/** @returns {{ station: string, station_key: string | null } | null} */
export function readInvitation(text) {
  const query = /^starling:\/\/station\/?\?(.+)$/.exec(text.trim())?.[1];
  const values = new URLSearchParams(query ?? '');
  const name = values.get('name');
  return name ? { station: name, station_key: values.get('key') || null } : null;
}

function openTuner() {
  if (settings === null) return;
  const dialog = openDialog(t('station.change'));
  const paste = textInput({ required: false, maxLength: 512 });
  paste.placeholder = 'starling://station?name=…';
  const name = textInput({ required: true, maxLength: MAX_STATION_CHARS, value: settings.station });
  const access = accessChoice();
  const problem = make('p', 'problem');
  problem.hidden = true;
  problem.setAttribute('role', 'alert');
  const fail = (text) => {
    problem.hidden = false;
    setText(problem, text);
  };
  paste.addEventListener('input', () => {
    if (paste.value.trim() === '') return;
    const read = readInvitation(paste.value);
    problem.hidden = read !== null;
    if (read === null) return fail(t('station.paste.bad'));
    name.value = read.station;
    access.set(read.station_key);
  });
  const submit = makeText('button', 'primary', 'station.tune');
  const form = make(
    'form',
    'form',
    field('station.paste', paste),
    field('station.name', name),
    access.element,
    problem,
    submit,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const key = access.value();
    const wanted = { station: name.value.trim(), ...(key === undefined ? {} : { station_key: key }) };
    const failed = (refusal) => fail(refusalText(refusal));
    if (await change(submit, wanted, { failed })) dialog.close();
  });
  dialog.body.append(form);
}

function textInput({ required, maxLength, value = '' }) {
  const input = make('input');
  Object.assign(input, { type: 'text', required, maxLength, value, autocomplete: 'off', spellcheck: false });
  input.setAttribute('autocapitalize', 'none');
  return input;
}

/** Everybody, the present key, or another key. `value()`: undefined to keep, null for none, else the key. */
function accessChoice() {
  const legend = makeText('legend', '', 'station.access');
  const key = textInput({ required: false, maxLength: 128 });
  const make32 = button('station.key.make', '', () => {
    key.value = newKey();
  });
  const part = make('div', 'inline-form', field('station.key', key), make32);
  const radios = new Map();
  const choices = ['none', ...(settings.closed ? ['keep'] : []), 'set'].map((choice) => {
    const radio = make('input');
    Object.assign(radio, { type: 'radio', name: 'access', value: choice });
    radios.set(choice, radio);
    return make('label', 'choice', radio, makeText('span', '', `station.key.${choice}`));
  });
  const element = make('fieldset', '', legend, ...choices, part);
  const chosen = () => [...radios].find(([, radio]) => radio.checked)?.[0];
  const update = () => {
    part.hidden = chosen() !== 'set';
    key.required = chosen() === 'set';
  };
  element.addEventListener('change', update);
  const choose = (choice) => {
    radios.get(choice).checked = true;
    update();
  };
  choose(settings.closed ? 'keep' : 'none');
  return {
    element,
    set: (text) => {
      key.value = text ?? '';
      choose(text === null ? 'none' : 'set');
    },
    value: () => ({ none: null, keep: undefined, set: key.value.trim() })[chosen()],
  };
}

/** 32 random bytes in base64url. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
}
