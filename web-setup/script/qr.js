// A QR code as the box made it. What arrives is text; only numbers and moves of one path become a picture.

import { shape } from './dom.js';

const QUIET = 4;

/** @param {string} text one svg with a square viewBox and one path @param {string} label @returns {SVGElement | null} */
export function qrPicture(text, label) {
  const size = /viewBox="0 0 (\d{1,3}) \1"/.exec(text ?? '')?.[1];
  const path = /<path[^>]*\sd="([MmHhVvLlZz0-9 ,.-]+)"/.exec(text ?? '')?.[1];
  if (size === undefined || path === undefined) return null;
  const whole = Number(size) + 2 * QUIET;
  const svg = shape('svg', {
    viewBox: `${-QUIET} ${-QUIET} ${whole} ${whole}`,
    class: 'qr',
    role: 'img',
    'aria-label': label,
  });
  // Black on white whatever the theme: readers need it so.
  svg.append(shape('rect', { x: -QUIET, y: -QUIET, width: whole, height: whole, fill: '#fff' }));
  svg.append(shape('path', { d: path, fill: '#000' }));
  return svg;
}
