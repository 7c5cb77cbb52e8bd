/**
 * Turns the timeline into what is written to the player, quantum by quantum: straight copies, but for a single frame left out
 * or repeated now and then (smeared over a ramp with a windowed sinc), and cross-fades where the place must jump.
 *
 * So between two corrections the output is the source, bit for bit, and costs no arithmetic.
 */
import { QUANTUM_FRAMES, type SteeringMove } from '../clock/steering.ts';
import { CHANNELS } from './types.ts';

/** A slip is smeared over this many frames: 5 ms. */
export const RAMP_FRAMES = 240;
/** A jump is a cross-fade of this many frames: 5 ms. */
export const JUMP_FADE_FRAMES = 240;
const HALF_TAPS = 8;
const TAPS = 2 * HALF_TAPS;
const PHASES = 256;
const KAISER_BETA = 8;
/** Source frames kept around the place: the taps before and behind. */
const MARGIN_FRAMES = HALF_TAPS;
const BUFFER_FRAMES = QUANTUM_FRAMES + 1 + 2 * MARGIN_FRAMES;

export interface FrameSource {
  render(position: number, frames: number, out: Int16Array): void;
}

export class SlipRenderer {
  readonly #source: FrameSource;
  /** Source frames from #bufferStart on. */
  readonly #buffer = new Int16Array(BUFFER_FRAMES * CHANNELS);
  readonly #fresh = new Int16Array(BUFFER_FRAMES * CHANNELS);
  #bufferStart = 0;
  #bufferFrames = 0;
  #position = Number.NaN;

  constructor(source: FrameSource) {
    this.#source = source;
  }

  /** Source position of the next frame to be written. */
  get position(): number {
    return this.#position;
  }

  /** Sets the place without a fade. */
  seek(position: number): void {
    this.#position = position;
    this.#bufferStart = position - MARGIN_FRAMES;
    this.#bufferFrames = 0;
  }

  /** Writes one quantum to `out`. */
  render(move: SteeringMove, out: Int16Array): void {
    if (move.kind === 'jump') {
      this.#jump(move.frames, out);
      return;
    }
    const slip = move.kind === 'slip' ? move.frames : 0;
    this.#fill();
    const first = this.#position - this.#bufferStart;
    let copied = 0;
    if (slip !== 0) {
      this.#ramp(first, slip, out);
      copied = RAMP_FRAMES;
    }
    const from = first + copied + slip;
    out.set(this.#buffer.subarray(from * CHANNELS, (first + slip + QUANTUM_FRAMES) * CHANNELS), copied * CHANNELS);
    this.#position += QUANTUM_FRAMES + slip;
  }

  #jump(frames: number, out: Int16Array): void {
    this.#fill();
    const first = this.#position - this.#bufferStart;
    const fading = this.#buffer.slice(first * CHANNELS, (first + JUMP_FADE_FRAMES) * CHANNELS);
    this.seek(this.#position + frames);
    this.render({ kind: 'hold' }, out);
    for (let i = 0; i < JUMP_FADE_FRAMES; i++) {
      const gain = (i + 1) / (JUMP_FADE_FRAMES + 1);
      for (let channel = 0; channel < CHANNELS; channel++) {
        const at = i * CHANNELS + channel;
        out[at] = Math.round(gain * out[at]! + (1 - gain) * fading[at]!);
      }
    }
  }

  /** Makes the buffer reach from the margin before the place to the margin behind the longest quantum. */
  #fill(): void {
    const start = this.#position - MARGIN_FRAMES;
    const drop = start - this.#bufferStart;
    if (drop > 0) {
      this.#buffer.copyWithin(0, drop * CHANNELS, this.#bufferFrames * CHANNELS);
      this.#bufferFrames -= drop;
      this.#bufferStart = start;
    }
    const missing = BUFFER_FRAMES - this.#bufferFrames;
    this.#source.render(this.#bufferStart + this.#bufferFrames, missing, this.#fresh);
    this.#buffer.set(this.#fresh.subarray(0, missing * CHANNELS), this.#bufferFrames * CHANNELS);
    this.#bufferFrames = BUFFER_FRAMES;
  }

  #ramp(first: number, slip: 1 | -1, out: Int16Array): void {
    for (let i = 0; i < RAMP_FRAMES; i++) {
      const phase = slip * RAMP[i]!;
      const whole = Math.floor(phase);
      const row = Math.round((phase - whole) * PHASES);
      for (let channel = 0; channel < CHANNELS; channel++) {
        let sum = 0;
        let at = (first + i + whole - HALF_TAPS + 1) * CHANNELS + channel;
        for (let tap = 0; tap < TAPS; tap++, at += CHANNELS) sum += SINC[row * TAPS + tap]! * this.#buffer[at]!;
        out[i * CHANNELS + channel] = Math.min(32_767, Math.max(-32_768, Math.round(sum)));
      }
    }
  }
}

/** Raised cosine from 0 to 1. */
const RAMP = Float64Array.from(
  { length: RAMP_FRAMES },
  (_, i) => (1 - Math.cos((Math.PI * (i + 1)) / RAMP_FRAMES)) / 2,
);

/** Rows of a Kaiser-windowed sinc, one for each fraction, each of sum 1. */
const SINC = makeSinc();

function makeSinc(): Float64Array {
  const table = new Float64Array((PHASES + 1) * TAPS);
  for (let phase = 0; phase <= PHASES; phase++) {
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap++) {
      const x = tap - HALF_TAPS + 1 - phase / PHASES;
      const inside = 1 - (x / HALF_TAPS) ** 2;
      const window = inside <= 0 ? 0 : bessel(KAISER_BETA * Math.sqrt(inside)) / bessel(KAISER_BETA);
      const value = (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)) * window;
      table[phase * TAPS + tap] = value;
      sum += value;
    }
    for (let tap = 0; tap < TAPS; tap++) table[phase * TAPS + tap]! /= sum;
  }
  return table;
}

/** Modified Bessel function of the first kind, order 0, by its series. */
function bessel(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
