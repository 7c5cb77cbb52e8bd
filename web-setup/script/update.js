// Updates of the whole box: what lies on a stick, a file from this device, and how it goes.

import { act } from './act.js';
import { get, post, Refusal, refusalText } from './api.js';
import { openDialog } from './dialog.js';
import { bdi, button, byId, icon, make, makeText, matchList, setAttribute, setText } from './dom.js';
import { currentView, onView } from './router.js';
import { onSession, session } from './session.js';
import { dateText, hasText, t } from './text.js';
import { toast } from './toast.js';

const ASK_EVERY_MS = 3000;

/** As last heard; null before. */
let update = null;
/** Percent of a file that this page sends; null while it sends none. */
let sent = null;

export function startUpdate() {
  onSession(load);
  onView(load);
  setInterval(() => {
    if (document.visibilityState === 'visible') load();
  }, ASK_EVERY_MS);
  byId('update-choose').addEventListener('click', () => byId('update-file').click());
  byId('update-file').addEventListener('change', () => {
    const [file] = byId('update-file').files;
    // The same file may be chosen again.
    if (file !== undefined) send(file).finally(() => (byId('update-file').value = ''));
  });
}

async function load() {
  byId('update').hidden = !session.can.update;
  if (!session.can.update || currentView() !== 'box') return;
  try {
    update = await get('/api/update');
  } catch {
    return;
  }
  drawUpdate();
}

/** Says again what is there. */
export function drawUpdate() {
  if (update === null) return;
  const { version, phase, found, last } = update;
  setText(byId('update-now'), t('update.now', { version }));
  drawLast(phase === 'idle' ? last : null);
  drawProgress();
  byId('update-bring').hidden = phase !== 'idle' && sent === null;
  const list = byId('update-found');
  list.hidden = found.length === 0;
  matchList(list, found, keyOf, makeFound, () => {});
  for (const start of list.querySelectorAll('button')) start.disabled = phase !== 'idle' || sent !== null;
}

const versionText = (version) => `${t('box.version')} ${version}`;
const keyOf = (found) => `${document.documentElement.lang} ${JSON.stringify(found)}`;

function makeFound(found) {
  const { version, created, age, name, place, refused } = found;
  const words = make('span', 'item-words', version === null ? bdi(name) : versionText(version));
  const more = refused === null ? `${t(`update.age.${age}`)} · ${dateText(Date.parse(created))}` : refusalText(refused);
  words.append(make('span', 'small', more));
  if (refused !== null || place === 'upload')
    return make('li', 'item', icon(place === 'stick' ? 'stick' : 'phone'), words, ...startOf(found));
  words.append(make('span', 'small', bdi(name)));
  return make('li', 'item', icon('stick'), words, ...startOf(found));
}

function startOf(found) {
  if (found.refused !== null) return [];
  const start = button('update.install', found.age === 'newer' ? 'primary' : '', () => openInstall(found));
  start.setAttribute('aria-label', `${t('update.install')} · ${versionText(found.version)}`);
  return [start];
}

function drawLast(last) {
  const line = byId('update-last');
  line.hidden = last === null;
  if (last === null) return;
  const { outcome, version, code, text } = last;
  const isKnown = code !== null && (hasText(`update.cause.${code}`) || hasText(`error.${code}`));
  const key = hasText(`update.cause.${code}`) ? `update.cause.${code}` : `error.${code}`;
  const cause = isKnown ? t(key, { text: text ?? '' }) : (text ?? '');
  const said = t(`update.last.${outcome}`, { version: version ?? t('box.unknown') });
  setText(line, cause === '' ? said : `${said} ${cause}`);
  setAttribute(line, 'class', outcome === 'confirmed' ? 'small' : 'problem');
}

function drawProgress() {
  const { phase, percent, target } = update;
  const isSending = sent !== null;
  const share = isSending ? sent : percent;
  const shown = isSending ? 'receiving' : phase;
  byId('update-progress').hidden = shown === 'idle';
  if (shown === 'idle') return;
  byId('update-track').hidden = share === null;
  setAttribute(byId('update-track'), 'aria-valuenow', share ?? 0);
  byId('update-bar').style.setProperty('--share', String((share ?? 0) / 100));
  setText(byId('update-doing'), t(`update.phase.${shown}`, { version: target ?? '', percent: share ?? 0 }));
}

/** It takes the box away for a minute or two: asked once more. */
function openInstall(found) {
  const { file, version, age } = found;
  const dialog = openDialog(t('update.ask', { version }));
  const start = makeText('button', 'primary', 'update.install');
  const warning = age === 'newer' ? [] : [makeText('p', 'problem', `update.ask.${age}`)];
  const form = make('form', 'form', ...warning, makeText('p', '', 'update.ask.hint'), start);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const wish = { file, any_version: age !== 'newer' };
    if (!(await act(start, () => post('/api/update/install', wish)))) return;
    dialog.close();
    load();
  });
  dialog.body.append(form);
}

/** Room is made first: nobody waits for minutes to hear that there is none. */
function send(file) {
  return act(
    byId('update-choose'),
    async () => {
      if (update !== null && file.size > update.max_bytes) throw new Refusal('too_large', '');
      await post('/api/update/prepare', { bytes: file.size });
      try {
        return await upload(file);
      } finally {
        sent = null;
        drawUpdate();
      }
    },
    {
      done: ({ found }) => {
        toast(t('update.sent', { version: found.version }));
        load();
        openInstall(found);
      },
    },
  );
}

/** As `post`, for a whole file; it tells how far it is, which `fetch` does not. @throws {Refusal} */
function upload(file) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = () => reject(new Refusal('network', 'No answer.'));
    request.open('POST', '/api/update/upload');
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.setRequestHeader('X-Starling', '1');
    request.responseType = 'json';
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      sent = Math.floor((100 * loaded) / Math.max(1, total));
      drawUpdate();
    });
    request.addEventListener('error', fail);
    request.addEventListener('abort', fail);
    request.addEventListener('load', () => {
      const { response, status } = request;
      if (status === 200 && response !== null) return resolve(response);
      const { code, text, ...details } = response?.error ?? {};
      reject(new Refusal(String(code ?? 'internal'), String(text ?? status), details));
    });
    request.send(file);
  });
}
