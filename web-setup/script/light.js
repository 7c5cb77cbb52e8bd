// The light of the box, on the page: the same pattern from the same table, what it means and what to do about it.

import { openDialog } from './dialog.js';
import { byId, make, setParts, setText } from './dom.js';
import { hasText, t } from './text.js';

export const lightPart = { view: null, fields: ['light'], draw: drawLight };

/** Whoever asked the machine for less motion is spared a blinking page. */
const lessMotion = matchMedia('(prefers-reduced-motion: reduce)');

let light = null;
/** The dialogue that tells of it, while it is open. */
let told = null;
/** Held still by hand, until the page is left: what blinks must be stoppable. */
let still = false;

export function startLight() {
  byId('light').addEventListener('click', openLight);
  lessMotion.addEventListener('change', playAll);
}

function drawLight(status) {
  light = status.light?.pattern && status.light.steps ? status.light : null;
  byId('light').hidden = light === null;
  if (light === null) return;
  setText(byId('light-name'), `${t('light.heading')}: ${words('looks')}. ${words('')}`);
  playAll();
  if (told !== null) tellIn(told);
}

/** In the reader's language where the page knows the pattern, else as the box says it. */
function words(part) {
  const key = `light.${light.pattern}${part === '' ? '' : `.${part}`}`;
  return hasText(key) ? t(key) : (light[part === '' ? 'text' : part] ?? '');
}

function playAll() {
  for (const lamp of document.querySelectorAll('.lamp')) play(lamp);
}

/** Plays the pattern on one lamp; it goes on by itself, and is left alone while it is the same. */
function play(lamp) {
  if (light === null) return;
  const { steps } = light;
  const moves = !still && !lessMotion.matches && !steps.includes(0);
  const signature = `${steps} ${moves}`;
  if (lamp.dataset.plays === signature) return;
  lamp.dataset.plays = signature;
  for (const running of lamp.getAnimations()) running.cancel();
  lamp.dataset.lit = steps[0] > 0 ? 'yes' : 'no';
  if (moves) lamp.animate(keyframes(steps), { duration: total(steps), iterations: Number.POSITIVE_INFINITY });
}

const total = (steps) => steps.reduce((sum, ms) => sum + ms, 0);

/** Lit and dark in turn, with nothing between. */
function keyframes(steps) {
  const whole = total(steps);
  let atMs = 0;
  const frames = steps.map((ms, index) => {
    const frame = { opacity: index % 2 === 0 ? 1 : 0, offset: atMs / whole, easing: 'step-end' };
    atMs += ms;
    return frame;
  });
  return [...frames, { opacity: frames.at(-1).opacity, offset: 1 }];
}

function openLight() {
  const dialog = openDialog(t('light.heading'), {
    onClose: () => {
      told = null;
    },
  });
  told = make('div', 'light-told');
  const hold = make('input');
  hold.type = 'checkbox';
  hold.checked = still;
  hold.addEventListener('change', () => {
    still = hold.checked;
    playAll();
  });
  dialog.body.append(told, make('label', 'choice', hold, make('span', '', t('light.still'))));
  tellIn(told);
}

function tellIn(element) {
  setParts(element, light?.pattern ?? '', () => {
    if (light === null) return [];
    return [
      make('span', 'led led-large', make('span', 'lamp')),
      make('p', 'small', words('looks')),
      make('p', 'figure', words('')),
      make('p', '', words('help')),
    ];
  });
  playAll();
}
