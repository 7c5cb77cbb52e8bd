// A picture for tracks that bring none: a murmuration that is different for every track and always the same for one.

import { shape } from './dom.js';

const BIRDS = 260;
/** Where the sun went down: gold, peach, rose, and the green of a clear cold evening. */
const HORIZONS = [42, 24, 350, 165];

/** Each picture's gradient needs a name of its own, also when a track is shown twice. */
let skies = 0;

/** Numbers in 0..1 that follow from a seed (mulberry32). */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The hue of a track's evening sky: what stands around its picture takes it up. */
export function skyOf(hash) {
  return 195 + Math.floor(numbers(seedOf(hash))() * 75);
}

function seedOf(hash) {
  return Number.parseInt(hash.replace(/^sha256:/, '').slice(0, 8), 16) || 1;
}

/** A small one for rows of lists: fewer birds, each larger. */
export function smallMurmuration(hash) {
  return murmuration(hash, 44, 2.4);
}

/**
 * @param {string} hash the track's
 * @param {number} [flock] how many birds
 * @param {number} [scale] how large they are
 */
export function murmuration(hash, flock = BIRDS, scale = 1) {
  const hex = hash.replace(/^sha256:/, '');
  const next = numbers(seedOf(hash));
  const night = 195 + Math.floor(next() * 75);
  const horizon = HORIZONS[Math.floor(next() * HORIZONS.length)];
  const svg = shape('svg', { viewBox: '0 0 400 400', 'aria-hidden': 'true', focusable: 'false' });
  const gradient = shape('linearGradient', {
    id: `sky-${hex.slice(0, 12)}-${flock}-${++skies}`,
    x1: 0,
    y1: 0,
    x2: 0.3,
    y2: 1,
  });
  gradient.append(
    shape('stop', { offset: 0, 'stop-color': `hsl(${night} 48% 26%)` }),
    shape('stop', { offset: 0.55, 'stop-color': `hsl(${night + 25} 42% 56%)` }),
    shape('stop', { offset: 1, 'stop-color': `hsl(${horizon} 85% 78%)` }),
  );
  svg.append(
    gradient,
    shape('rect', { width: 400, height: 400, fill: `url(#${gradient.id})` }),
    birds(next, flock, scale),
  );
  return svg;
}

/** A band of birds along a curve that swings as the numbers say: dense in its middle, loose at its rim. */
function birds(next, flock, scale) {
  const swing = 1 + Math.floor(next() * 3);
  const phase = next() * Math.PI * 2;
  const height = 50 + next() * 60;
  let path = '';
  for (let bird = 0; bird < flock; bird++) {
    const along = (next() + next() + next()) / 3;
    const spread = (next() + next() - 1) * (1 - Math.abs(along - 0.5)) * 130;
    const x = 20 + along * 360 + (next() - 0.5) * 30;
    const y = 190 + Math.sin(along * Math.PI * swing + phase) * height + spread;
    const size = (2 + next() * 5) * scale;
    const tilt = (next() - 0.5) * size;
    path += `M${(x - size).toFixed(1)} ${(y - tilt).toFixed(1)}q${(size / 2).toFixed(1)} ${(-size / 2).toFixed(1)} ${size.toFixed(1)} ${tilt.toFixed(1)}`;
    path += `q${(size / 2).toFixed(1)} ${(-size / 2 - tilt).toFixed(1)} ${size.toFixed(1)} ${(-tilt).toFixed(1)}`;
  }
  return shape('path', {
    d: path,
    fill: 'none',
    stroke: 'hsl(220 40% 10%)',
    'stroke-opacity': 0.82,
    'stroke-width': 2.2 * scale,
    'stroke-linecap': 'round',
  });
}
