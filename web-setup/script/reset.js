// The ways back to the beginning, and the file for whoever helps.

import { act } from './act.js';
import { post, refusalText } from './api.js';
import { openDialog } from './dialog.js';
import { byId, make, makeText, setText } from './dom.js';
import { settings } from './settings.js';
import { t } from './text.js';
import { toast } from './toast.js';

export function startReset() {
  byId('reset-wifi').addEventListener('click', () => openReset('wifi'));
  byId('reset-all').addEventListener('click', () => openReset('all'));
  byId('diagnostics').addEventListener('click', () => act(byId('diagnostics'), download));
}

/** The name typed by hand: nobody does this by mistake. */
function openReset(what) {
  if (settings === null) return;
  const { name } = settings;
  const dialog = openDialog(t(`reset.${what}`));
  const typed = make('input');
  Object.assign(typed, { type: 'text', required: true, autocomplete: 'off', spellcheck: false });
  const problem = make('p', 'problem');
  problem.hidden = true;
  problem.setAttribute('role', 'alert');
  const reset = makeText('button', 'danger', `reset.${what}`);
  const label = make('label', 'field', make('span', '', t('reset.confirm', { name })), typed);
  const form = make('form', 'form', makeText('p', '', `reset.${what}.hint`), label, problem, reset);
  const fail = (text) => {
    problem.hidden = false;
    setText(problem, text);
  };
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (typed.value.trim() !== name) return fail(t('error.bad_confirm'));
    const failed = (refusal) => fail(refusalText(refusal));
    if (await act(reset, () => post('/api/reset', { what, confirm: name }), { failed })) {
      dialog.close();
      toast(t('reset.done'));
    }
  });
  dialog.body.append(form);
  typed.focus();
}

/** Asked for by a link, so that the browser saves it as the file that it is. */
async function download() {
  const link = make('a');
  link.href = '/api/diagnostics';
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
}
