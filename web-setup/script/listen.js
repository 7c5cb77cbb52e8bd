// The programme on this device's own loudspeaker. The stream is endless: stopping means letting go of it.

import { byId, setAttribute, setText } from './dom.js';
import { onSession } from './session.js';
import { t } from './text.js';
import { toast } from './toast.js';

let audio = null;

export function startListen() {
  byId('listen').addEventListener('click', () => (audio === null ? begin() : stop()));
  onSession(({ can }) => {
    byId('listening').hidden = !can.listen;
    if (!can.listen && audio !== null) stop();
  });
}

function begin() {
  const mine = new Audio('/listen');
  audio = mine;
  mine.addEventListener('playing', drawListen);
  mine.addEventListener('waiting', drawListen);
  mine.addEventListener('error', () => fail(mine));
  mine.addEventListener('ended', () => fail(mine));
  // A refusal to play without a touch is told by the promise alone.
  mine.play().catch(() => fail(mine));
  drawListen();
}

function fail(mine) {
  if (audio !== mine) return;
  stop();
  toast(t('listen.failed'), { level: 'bad' });
}

function stop() {
  const mine = audio;
  audio = null;
  mine.pause();
  mine.removeAttribute('src');
  mine.load();
  drawListen();
}

/** Says again what the button does. */
export function drawListen() {
  const state = audio === null ? 'start' : audio.readyState < HTMLMediaElement.HAVE_FUTURE_DATA ? 'starting' : 'stop';
  setText(byId('listen-text'), t(`listen.${state}`));
  setAttribute(byId('listen'), 'aria-pressed', String(audio !== null));
  setAttribute(byId('listen').querySelector('use'), 'href', audio === null ? '#i-listen' : '#i-stop');
}
