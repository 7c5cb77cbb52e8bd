import decodeQR from 'qr/decode.js';
import { describe, expect, it } from 'vitest';
import { qrSvg } from '../../../src/web/qr.ts';

/** Draws the path as a picture, 4 pixels a module, and reads it as a phone's camera would. */
function readBack(svg: string): string {
  const [, size] = /viewBox="0 0 (\d+) \1"/.exec(svg) ?? [];
  const modules = Number(size);
  const scale = 4;
  const side = modules * scale;
  const data = new Uint8Array(side * side * 3).fill(255);
  for (const [, x, y, run] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    for (let row = 0; row < scale; row++) {
      const from = ((Number(y) * scale + row) * side + Number(x) * scale) * 3;
      data.fill(0, from, from + Number(run) * scale * 3);
    }
  }
  return decodeQR({ width: side, height: side, data });
}

describe('a QR code', () => {
  it.each([
    'http://starling-1a2b.local/',
    'http://starling-1a2b.local:8080/',
    `starling://station?name=${encodeURIComponent('Nachtvögel 鳥')}&key=${'A'.repeat(43)}`,
  ])('says %s', (text) => expect(readBack(qrSvg(text))).toBe(text));

  it('is one path of digits, whatever it says', () => {
    expect(qrSvg('"><script>alert(1)</script>')).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"><path d="(M\d+ \d+h\d+v1h-\d+z)+"\/><\/svg>$/,
    );
  });
});
