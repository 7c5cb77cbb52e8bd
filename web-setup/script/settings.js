// The box's settings as far as a phone may change them, shown as the box has them.

import { act } from './act.js';
import { get, post } from './api.js';
import { byId, make, setAttribute, setText, setValue } from './dom.js';
import { currentView, onView } from './router.js';
import { onSession, session } from './session.js';
import { hasText, t } from './text.js';
import { toast } from './toast.js';

/** Another phone may change them too. */
const ASK_EVERY_MS = 4000;
/** A finger that rests on the slider has decided. */
const VOLUME_REST_MS = 350;
const TRIM_STEP_MS = 5;

/** As last heard; null before. */
export let settings = null;
const handlers = new Set();

export function onSettings(handler) {
  handlers.add(handler);
}

export function startSettings() {
  onSession(load);
  onView(load);
  setInterval(() => {
    if (document.visibilityState === 'visible') load();
  }, ASK_EVERY_MS);
  startVolume();
  startTrim();
  byId('output').addEventListener('change', () => change(byId('output'), { output: byId('output').value }));
  byId('tone').addEventListener('click', () =>
    act(byId('tone'), () => post('/api/test-tone'), { done: () => toast(t('sound.tone.done')) }),
  );
  byId('name-form').addEventListener('submit', (event) => {
    event.preventDefault();
    change(event.submitter ?? byId('name'), { name: byId('name').value.trim() });
  });
}

async function load() {
  for (const id of ['sound', 'naming', 'tuning', 'help']) byId(id).hidden = !session.can.box;
  byId('locked').hidden = session.paired || !Object.values(session.can).some(Boolean);
  if (!session.can.box || currentView() !== 'box') return;
  try {
    settings = await get('/api/settings');
  } catch {
    return;
  }
  drawSettings();
}

/** Shows what the box said last. */
export function drawSettings() {
  if (settings === null) return;
  const { name, volume, trim_ms, fixed } = settings;
  if (!byId('volume').matches(':active')) setValue(byId('volume'), volume);
  drawVolume();
  setValue(byId('trim'), trim_ms);
  setValue(byId('name'), name);
  drawOutputs();
  for (const [id, field] of Object.entries({ volume: 'volume', trim: 'trim_ms', output: 'output', name: 'name' })) {
    const isFixed = fixed.includes(field);
    byId(id).disabled = isFixed;
    byId(id).title = isFixed ? t('settings.fixed') : '';
  }
  setText(byId('name-hint'), t(fixed.includes('name') ? 'settings.fixed' : 'box.name.hint'));
  for (const handler of handlers) handler(settings);
}

function drawOutputs() {
  const select = byId('output');
  const all = settings.outputs.includes(settings.output) ? settings.outputs : [settings.output, ...settings.outputs];
  const signature = `${document.documentElement.lang} ${all.join('\n')}`;
  if (select.dataset.signature !== signature) {
    select.dataset.signature = signature;
    select.replaceChildren(
      ...all.map((output) => {
        const option = make('option', '', hasText(`box.output.${output}`) ? t(`box.output.${output}`) : output);
        option.value = output;
        return option;
      }),
    );
  }
  setValue(select, settings.output);
}

/**
 * @param {HTMLElement} control
 * @param {object} wanted
 * @param {{ quiet?: boolean, failed?: (refusal: object) => void }} [options]
 */
export async function change(control, wanted, { quiet = false, failed } = {}) {
  const agreed = await act(control, () => post('/api/settings', wanted), {
    done: ({ restarts }) => {
      Object.assign(
        settings,
        Object.fromEntries(Object.entries(wanted).filter(([key]) => Object.hasOwn(settings, key))),
      );
      if (restarts || !quiet) toast(t(restarts ? 'settings.restarts' : 'settings.saved'));
    },
    failed,
  });
  // Refused: what the box still has is shown again.
  if (document.activeElement === control && !agreed) control.blur();
  drawSettings();
  return agreed;
}

/**
 * Sends what an input shows, and what it shows by the time of the answer, until the box has the last of it: fingers are
 * quicker than boxes. A refusal puts back what the box has.
 */
function makeSender(input, field) {
  return async () => {
    if (settings === null || input.dataset.pending) return;
    input.dataset.pending = 'yes';
    const wanted = () => Math.round(Number(input.value));
    let agreed = true;
    while (agreed && input.value !== '' && wanted() !== settings[field]) {
      agreed = await change(input, { [field]: wanted() }, { quiet: true });
    }
    delete input.dataset.pending;
    input.value = String(settings[field]);
    drawSettings();
  };
}

function startVolume() {
  const slider = byId('volume');
  const send = makeSender(slider, 'volume');
  let rest = 0;
  slider.addEventListener('input', () => {
    drawVolume();
    clearTimeout(rest);
    rest = setTimeout(send, VOLUME_REST_MS);
  });
  slider.addEventListener('change', () => {
    clearTimeout(rest);
    send();
  });
}

function drawVolume() {
  const { value } = byId('volume');
  setText(byId('volume-value'), t('sound.percent', { n: Number(value) }));
  byId('volume').style.setProperty('--share', String(Number(value) / 100));
  setAttribute(byId('volume'), 'aria-valuetext', t('sound.percent', { n: Number(value) }));
}

function startTrim() {
  const input = byId('trim');
  const send = makeSender(input, 'trim_ms');
  const step = (by) => {
    input.value = String(Math.round(Number(input.value)) + by);
    send();
  };
  input.addEventListener('change', send);
  byId('trim-less').addEventListener('click', () => step(-TRIM_STEP_MS));
  byId('trim-more').addEventListener('click', () => step(TRIM_STEP_MS));
}
