import encodeQR from 'qr';

/** Quiet zone, in modules (ISO/IEC 18004). */
const QUIET = 4;

/**
 * A QR code as an SVG of one path: `viewBox="0 0 N N"` in modules, quiet zone included, and a run of dark modules as
 * `M x y h n v 1 h -n z`. No colour of its own but the current one, no script, no style.
 */
export function qrSvg(text: string): string {
  const modules = encodeQR(text, 'raw', { border: QUIET, ecc: 'medium' });
  let path = '';
  for (const [y, row] of modules.entries()) {
    for (let x = 0; x < row.length; x++) {
      if (row[x] !== true) continue;
      const from = x;
      while (row[x + 1] === true) x++;
      const run = x + 1 - from;
      path += `M${from} ${y}h${run}v1h-${run}z`;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${modules.length} ${modules.length}"><path d="${path}"/></svg>`;
}
