/** A bounded stretch of decoded frames, addressed by their absolute position in the track. */
import { BYTES_PER_FRAME, CHANNELS } from './types.ts';

export class PcmWindow {
  /** Made with the first frames: most windows of a queue are never filled at the same time. */
  #samples: Int16Array | null = null;
  readonly #capacity: number;
  #start = 0;
  #end = 0;

  constructor(capacityFrames: number) {
    this.#capacity = capacityFrames;
  }

  /** First position held. */
  get start(): number {
    return this.#start;
  }

  /** Position after the last one held. */
  get end(): number {
    return this.#end;
  }

  /** Empties the window; the next frame appended is the one at `position`. */
  reset(position: number): void {
    this.#start = position;
    this.#end = position;
  }

  /** Appends little-endian frames; what is oldest goes when the window is full. `bytes` holds whole frames. */
  append(bytes: Uint8Array): void {
    const frames = bytes.byteLength / BYTES_PER_FRAME;
    const skip = Math.max(0, frames - this.#capacity);
    this.#samples ??= new Int16Array(this.#capacity * CHANNELS);
    const target = new Uint8Array(this.#samples.buffer);
    for (let done = skip; done < frames; ) {
      const at = (this.#end + done) % this.#capacity;
      const run = Math.min(frames - done, this.#capacity - at);
      target.set(bytes.subarray(done * BYTES_PER_FRAME, (done + run) * BYTES_PER_FRAME), at * BYTES_PER_FRAME);
      done += run;
    }
    this.#end += frames;
    this.#start = Math.max(this.#start, this.#end - this.#capacity);
  }

  /** Frames held from `position` on; 0 if that position itself is not held. */
  available(position: number): number {
    return position >= this.#start && position < this.#end ? this.#end - position : 0;
  }

  /** Copies frames that are held (see `available`) to `out`, from frame `at` of it. */
  copy(position: number, frames: number, out: Int16Array, at: number): void {
    const samples = this.#samples;
    if (samples === null) return;
    for (let done = 0; done < frames; ) {
      const from = (position + done) % this.#capacity;
      const run = Math.min(frames - done, this.#capacity - from);
      out.set(samples.subarray(from * CHANNELS, (from + run) * CHANNELS), (at + done) * CHANNELS);
      done += run;
    }
  }
}
