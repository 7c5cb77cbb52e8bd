// Making this phone one that may change things: ask, hold the button on the box, done.

import { get, post, refusalText } from './api.js';
import { openDialog } from './dialog.js';
import { button, field, icon, make, makeText, setText, shape } from './dom.js';
import { refreshSession, session } from './session.js';
import { hasText, t } from './text.js';

const ASK_EVERY_MS = 700;
const SHOW_GRANTED_MS = 1000;
const RING = 2 * Math.PI * 54;

let open = null;

/** @returns {Promise<boolean>} whether this phone is paired when the dialogue is closed */
export function pair() {
  open ??= new Promise((resolve) => {
    const dialog = openDialog(t('pair.open'), {
      className: 'pairing',
      onClose: () => {
        open = null;
        resolve(session.paired);
      },
    });
    showQuestion(dialog);
  });
  return open;
}

function showQuestion(dialog, failure = '') {
  const input = make('input');
  input.type = 'text';
  input.maxLength = 40;
  input.required = true;
  input.autocomplete = 'off';
  input.value = likelyName();
  const ask = makeText('button', 'primary', 'pair.ask');
  const problem = make('p', 'problem', failure);
  problem.setAttribute('role', 'alert');
  problem.hidden = failure === '';
  const form = make('form', 'form', makeText('p', '', 'pair.why'), field('pair.name', input), problem, ask);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (ask.getAttribute('aria-busy') === 'true') return;
    ask.setAttribute('aria-busy', 'true');
    try {
      const { request, expires_in_ms } = await post('/api/pair', { name: input.value.trim() });
      await waitForHold(dialog, request, expires_in_ms);
    } catch (refusal) {
      ask.removeAttribute('aria-busy');
      problem.hidden = false;
      setText(problem, refusalText(refusal));
    }
  });
  dialog.setTitle(t('pair.open'));
  dialog.body.replaceChildren(form);
  ask.focus();
}

/** A name that its owner recognises in the list; the browser tells no more than this. */
function likelyName() {
  const agent = navigator.userAgent;
  const known = /iPhone|iPad|Macintosh|Windows/.exec(agent)?.[0];
  if (known === 'Macintosh') return 'Mac';
  if (known === 'Windows') return 'Windows';
  if (known !== undefined) return known;
  return t(/Android|Mobile/.test(agent) ? 'pair.device' : 'pair.computer');
}

async function waitForHold(dialog, request, expiresInMs) {
  const endsAt = performance.now() + expiresInMs;
  const waiting = waitingPicture();
  let shown = false;
  while (dialog.isOpen()) {
    const { state, cause } = await stateOf(request);
    if (state === 'granted') return showGranted(dialog);
    if (state === 'refused') return showEnd(dialog, 'refused', cause);
    const leftMs = endsAt - performance.now();
    if (state === 'expired' || leftMs <= 0) return showEnd(dialog, 'expired', null);
    if (!shown) showWaiting(dialog, waiting);
    shown = true;
    waiting.update(leftMs, expiresInMs);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

/** A box out of reach for a moment is no refusal: the minute goes on. */
async function stateOf(request) {
  try {
    return await get(`/api/pair/${encodeURIComponent(request)}`);
  } catch (refusal) {
    return { state: refusal.code === 'network' ? 'waiting' : 'expired', cause: null };
  }
}

function waitingPicture() {
  const svg = shape('svg', { viewBox: '0 0 120 120', class: 'ring', 'aria-hidden': 'true' });
  const left = shape('circle', { cx: 60, cy: 60, r: 54, class: 'ring-left', 'stroke-dasharray': RING });
  svg.append(shape('circle', { cx: 60, cy: 60, r: 54, class: 'ring-ground' }), left, ...boxWithButton());
  const seconds = make('p', 'seconds');
  return {
    parts: [svg, seconds],
    update: (leftMs, ofMs) => {
      left.setAttribute('stroke-dashoffset', String(RING * (1 - leftMs / ofMs)));
      setText(seconds, t('pair.left', { n: Math.ceil(leftMs / 1000) }));
    },
  };
}

/** The box with a finger's place on it. */
function boxWithButton() {
  return [
    shape('rect', { x: 38, y: 26, width: 44, height: 68, rx: 8, class: 'ring-box' }),
    shape('circle', { cx: 60, cy: 70, r: 14, class: 'ring-box' }),
    shape('circle', { cx: 60, cy: 41, r: 10, class: 'ring-press' }),
    shape('circle', { cx: 60, cy: 41, r: 5, class: 'ring-button' }),
  ];
}

function showWaiting(dialog, { parts }) {
  const [title, hint] = session.has_button ? ['pair.hold', 'pair.hold.hint'] : ['pair.command', 'pair.command.hint'];
  dialog.setTitle(t('pair.open'));
  const command = session.has_button ? [] : [make('p', '', make('code', 'command', 'npm start -- pair'))];
  const said = make('div', '', makeText('p', 'figure', title), makeText('p', '', hint), ...command);
  said.setAttribute('role', 'status');
  dialog.body.replaceChildren(
    make('div', 'centred', ...parts, said),
    button('cancel', '', () => dialog.close()),
  );
}

async function showGranted(dialog) {
  await refreshSession();
  const said = make('div', 'centred', makeText('p', 'figure', 'pair.granted'), makeText('p', '', 'pair.granted.hint'));
  said.prepend(make('span', 'done-mark', icon('check')));
  said.setAttribute('role', 'status');
  dialog.body.replaceChildren(said);
  setTimeout(() => dialog.close(), SHOW_GRANTED_MS);
}

function showEnd(dialog, state, cause) {
  const known = cause && hasText(`pair.${state}.${cause}`) ? `pair.${state}.${cause}` : `pair.${state}.hint`;
  const said = make('div', 'centred', makeText('p', 'figure', `pair.${state}`), makeText('p', '', known));
  said.setAttribute('role', 'alert');
  const again = button('retry', 'primary', () => showQuestion(dialog));
  dialog.body.replaceChildren(said, again);
  again.focus();
}
