/** Three quiet beeps, mixed over whatever is written to the player: so somebody hears which box, and that it sounds at all. */
import { CHANNELS, FRAMES_PER_MS, RATE_HZ } from './types.ts';

const BEEPS = 3;
const BEEP_FRAMES = 150 * FRAMES_PER_MS;
/** From one beep's start to the next one's. */
const PERIOD_FRAMES = 300 * FRAMES_PER_MS;
/** Each beep swells and falls for so long: no click. */
const RAMP_FRAMES = 15 * FRAMES_PER_MS;
/** A whole number of waves in a beep. */
const TONE_HZ = 880;
/** -20 dBFS: a tenth of full scale. */
const PEAK = 3_276;
/** The whole tone. */
export const TONE_FRAMES = (BEEPS - 1) * PERIOD_FRAMES + BEEP_FRAMES;

export class TestTone {
  /** Frame of the tone that comes next. */
  #at = TONE_FRAMES;

  /** From the next frame on, from its beginning. */
  begin(): void {
    this.#at = 0;
  }

  /** Adds what is due of the tone to the next stretch of interleaved frames, clipped to 16 bits. */
  mixInto(out: Int16Array): void {
    const frames = Math.min(out.length / CHANNELS, TONE_FRAMES - this.#at);
    for (let i = 0; i < frames; i++) {
      const sample = toneAt(this.#at + i);
      for (let channel = 0; channel < CHANNELS; channel++) {
        const index = i * CHANNELS + channel;
        out[index] = Math.min(32_767, Math.max(-32_768, out[index]! + sample));
      }
    }
    this.#at += frames;
  }
}

function toneAt(frame: number): number {
  const at = frame % PERIOD_FRAMES;
  if (at >= BEEP_FRAMES) return 0;
  const edge = Math.min(at, BEEP_FRAMES - at);
  const gain = edge >= RAMP_FRAMES ? 1 : (1 - Math.cos((Math.PI * edge) / RAMP_FRAMES)) / 2;
  return Math.round(PEAK * gain * Math.sin((2 * Math.PI * TONE_HZ * at) / RATE_HZ));
}
