// A map of the flock: this box in the middle, the others around it, nearer the better they are in time with it.

import { byId, hueOf, matchList, setAttribute, setText, shape, shortId } from './dom.js';
import { t } from './text.js';

const MIDDLE = 200;
const NEAREST = 62;
const FARTHEST_IN_SYNC = 128;
const DIVERGED = 152;
const UNHEARD = 172;
/** An offset as large as this is at the rim of those in sync. */
const WIDEST_OFFSET_MS = 20;
/** More names than this only cover each other; the list beside it has them all. */
const MAX_NAMED = 9;
const MAX_NAME_CHARS = 14;

let svg = null;
let birds = null;

/** @param {'sync' | 'diverged' | 'unknown'} selfState @param {readonly object[]} peers */
export function drawGraph(selfState, peers) {
  if (svg === null) makeFrame();
  const of = (state) => peers.filter((peer) => peer.state === state).length;
  const states = { sync: of('sync') + (selfState === 'sync'), diverged: of('diverged') + (selfState === 'diverged') };
  setAttribute(svg, 'aria-label', t('flock.graph', { ...states, unknown: of('unknown') + (selfState === 'unknown') }));
  setAttribute(svg.querySelector('.graph-self'), 'data-state', selfState);
  // By id, so that each keeps its direction as others come and go.
  const sorted = [...peers].sort((a, b) => (a.node_id < b.node_id ? -1 : 1));
  const named = peers.length <= MAX_NAMED;
  // A crowd jumps where a few glide: fifty that glide at once are too much for a small phone.
  setAttribute(svg, 'class', named ? 'graph-few' : '');
  matchList(
    birds,
    sorted,
    (peer) => peer.node_id,
    makeBird,
    (bird, peer, index) => {
      const angle = ((index + 0.5) / sorted.length) * 2 * Math.PI - Math.PI / 2 - Math.PI / sorted.length;
      placeBird(bird, peer, angle, named);
    },
  );
}

function makeFrame() {
  svg = shape('svg', { viewBox: '14 14 372 372', role: 'img' });
  for (const r of [NEAREST, FARTHEST_IN_SYNC, UNHEARD])
    svg.append(shape('circle', { cx: MIDDLE, cy: MIDDLE, r, class: 'graph-ring' }));
  birds = shape('g');
  const self = shape('g', { class: 'graph-self' });
  self.append(
    shape('circle', { cx: MIDDLE, cy: MIDDLE, r: 30, class: 'graph-halo' }),
    shape('circle', { cx: MIDDLE, cy: MIDDLE, r: 20, class: 'graph-core' }),
    shape('path', { d: 'M186 198c5-3 10-2 14 3 4-5 9-6 14-3', class: 'graph-bird' }),
  );
  svg.append(birds, self);
  byId('graph').append(svg);
}

function makeBird(peer) {
  const bird = shape('g', { class: 'graph-node' });
  bird.append(
    shape('line', { x1: 0, y1: 0, class: 'graph-line' }),
    shape('circle', { r: 9, class: 'graph-dot' }),
    shape('text', { class: 'graph-name' }),
  );
  bird.style.setProperty('--hue', String(hueOf(peer.node_id)));
  return bird;
}

function placeBird(bird, peer, angle, named) {
  const radius = radiusOf(peer);
  const [x, y] = [Math.cos(angle) * radius, Math.sin(angle) * radius];
  const [line, dot, name] = bird.children;
  bird.style.transform = `translate(${(MIDDLE + x).toFixed(1)}px, ${(MIDDLE + y).toFixed(1)}px)`;
  setAttribute(bird, 'data-state', peer.state);
  setAttribute(line, 'x2', (-x * (1 - 22 / radius)).toFixed(1));
  setAttribute(line, 'y2', (-y * (1 - 22 / radius)).toFixed(1));
  setAttribute(line, 'visibility', peer.connected ? 'visible' : 'hidden');
  setAttribute(dot, 'r', named ? 10 : 6.5);
  setAttribute(name, 'y', y < -40 ? -18 : 28);
  setAttribute(name, 'text-anchor', x > 90 ? 'end' : x < -90 ? 'start' : 'middle');
  setAttribute(name, 'x', x > 90 ? 12 : x < -90 ? -12 : 0);
  const full = peer.name || shortId(peer.node_id);
  setText(name, named ? (full.length > MAX_NAME_CHARS ? `${full.slice(0, MAX_NAME_CHARS - 1)}…` : full) : '');
}

/** A logarithm: a tenth of a millisecond is to be told from one, and one from ten. */
function radiusOf({ state, offset_ms }) {
  if (state === 'diverged') return DIVERGED;
  if (state === 'unknown') return UNHEARD;
  if (typeof offset_ms !== 'number') return FARTHEST_IN_SYNC;
  const share = Math.min(1, Math.log10(1 + Math.abs(offset_ms) * 10) / Math.log10(1 + WIDEST_OFFSET_MS * 10));
  return NEAREST + share * (FARTHEST_IN_SYNC - NEAREST);
}
