/** How far apart two recordings are, and what they have in common. */

export interface Match {
  /** Samples by which `piece` lies behind the start of `whole`, to a fraction of a sample. */
  lag: number;
  /** Normalised correlation there: 1 the same, 0 nothing in common. */
  correlation: number;
}

/** One channel out of interleaved stereo. */
export function channel(stereo: ArrayLike<number>, which: 0 | 1): Float32Array {
  const out = new Float32Array(Math.floor(stereo.length / 2));
  for (let i = 0; i < out.length; i++) out[i] = stereo[2 * i + which]!;
  return out;
}

/**
 * Finds `piece` in `whole`: cross-correlation by fast Fourier transform, then the peak's place by a parabola through its
 * neighbours (good to some hundredths of a sample for music).
 */
export function find(piece: Float32Array, whole: Float32Array): Match {
  const size = 2 ** Math.ceil(Math.log2(piece.length + whole.length));
  const a = spectrum(whole, size);
  const b = spectrum(piece, size);
  for (let i = 0; i < size; i++) {
    const re = a.re[i]! * b.re[i]! + a.im[i]! * b.im[i]!;
    const im = a.im[i]! * b.re[i]! - a.re[i]! * b.im[i]!;
    a.re[i] = re;
    // Conjugated, so that the forward transform does the inverse one.
    a.im[i] = -im;
  }
  transform(a.re, a.im);
  const lags = whole.length - piece.length;
  let best = 0;
  for (let lag = 0; lag <= lags; lag++) if (a.re[lag]! > a.re[best]!) best = lag;
  const around = (lag: number) => normalised(piece, whole, lag);
  const [left, peak, right] = [around(best - 1), around(best), around(best + 1)];
  const bend = left - 2 * peak + right;
  const shift = bend === 0 ? 0 : (left - right) / (2 * bend);
  return { lag: best + Math.max(-0.5, Math.min(0.5, shift)), correlation: peak };
}

function normalised(piece: Float32Array, whole: Float32Array, lag: number): number {
  let dot = 0;
  let pp = 0;
  let ww = 0;
  for (let i = 0; i < piece.length; i++) {
    const w = whole[lag + i] ?? 0;
    dot += piece[i]! * w;
    pp += piece[i]! ** 2;
    ww += w * w;
  }
  return pp === 0 || ww === 0 ? 0 : dot / Math.sqrt(pp * ww);
}

function spectrum(samples: Float32Array, size: number): { re: Float64Array; im: Float64Array } {
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  re.set(samples);
  transform(re, im);
  return { re, im };
}

/** In-place radix-2 fast Fourier transform. */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    [re[i], re[j]] = [re[j]!, re[i]!];
    [im[i], im[j]] = [im[j]!, im[i]!];
  }
  for (let length = 2; length <= n; length <<= 1) {
    const half = length >> 1;
    const cos = Float64Array.from({ length: half }, (_, k) => Math.cos((-2 * Math.PI * k) / length));
    const sin = Float64Array.from({ length: half }, (_, k) => Math.sin((-2 * Math.PI * k) / length));
    for (let start = 0; start < n; start += length) {
      for (let k = 0; k < half; k++) {
        const p = start + k;
        const q = p + half;
        const tre = re[q]! * cos[k]! - im[q]! * sin[k]!;
        const tim = re[q]! * sin[k]! + im[q]! * cos[k]!;
        re[q] = re[p]! - tre;
        im[q] = im[p]! - tim;
        re[p]! += tre;
        im[p]! += tim;
      }
    }
  }
}
