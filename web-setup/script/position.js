// Where the music is, between two words from the box, and what time it is at the station.

import { byId, setAttribute, setText } from './dom.js';
import { t, timeText } from './text.js';

/** Two words that differ by less than this differ by their way here: the bar need not jump for it. */
const JITTER_MS = 400;

let playing = null;
let stationAhead = 0;
let moderation = null;

/** Station time now, in ms. */
export function stationNow() {
  return performance.now() + stationAhead;
}

/** @param {number} timeMs station time, as just heard */
export function heardStationTime(timeMs) {
  stationAhead = timeMs - performance.now();
}

/** Takes what the box says of the present. @param {object | null} now */
export function heardPosition(now) {
  moderation = now?.moderation && now.skipped_until_ms ? { kind: now.moderation, untilMs: now.skipped_until_ms } : null;
  if (now === null || now.track === null || now.position_ms === null) {
    playing = null;
    draw();
    return;
  }
  const startedAt = performance.now() - now.position_ms;
  const same = playing !== null && playing.slot === now.slot && playing.hash === now.track.hash;
  const near = same && Math.abs(playing.startedAt - startedAt) < JITTER_MS;
  playing = {
    slot: now.slot,
    hash: now.track.hash,
    durationMs: now.duration_ms,
    startedAt: near ? playing.startedAt : startedAt,
  };
  draw();
}

/** Moves the bar; twice a second is as often as a figure changes. */
export function startPosition() {
  setInterval(() => {
    if (document.visibilityState === 'visible') draw();
  }, 500);
}

function draw() {
  drawModeration();
  const track = byId('now-track');
  track.hidden = playing === null;
  const positionMs =
    playing === null ? 0 : Math.min(playing.durationMs, Math.max(0, performance.now() - playing.startedAt));
  setText(byId('now-position'), playing === null ? '' : timeText(positionMs));
  setText(byId('now-duration'), playing === null ? '' : timeText(playing.durationMs));
  const share = playing === null ? '0' : String(positionMs / Math.max(1, playing.durationMs));
  byId('mini-bar').style.setProperty('--share', share);
  if (playing === null) return;
  const position = timeText(positionMs);
  setAttribute(track, 'aria-label', t('now.position'));
  setAttribute(track, 'aria-valuemax', Math.floor(playing.durationMs / 1000));
  setAttribute(track, 'aria-valuenow', Math.floor(positionMs / 1000));
  setAttribute(track, 'aria-valuetext', t('now.of', { position, duration: timeText(playing.durationMs) }));
  byId('now-bar').style.setProperty('--share', share);
}

/** Why this box goes its own way, and until when. */
function drawModeration() {
  const leftMs = moderation === null ? 0 : moderation.untilMs - stationNow();
  const text = leftMs <= 0 ? '' : t(`now.moderation.${moderation.kind}`, { time: timeText(leftMs) });
  setText(byId('now-moderation'), text);
}
