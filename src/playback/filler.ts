/** Local music for the holes of the programme: an endless voice that is only decoded while it is of use. */
import { checkTrack } from './recipe.ts';
import { TrackReader, type TrackReaderComponents } from './track-reader.ts';
import type { PlayableTrack } from './types.ts';

export interface FillerComponents extends TrackReaderComponents {
  filler(): PlayableTrack | null;
}

/** After this long without use the decoder is closed; the next hole gets another track. */
const REST_MS = 5_000;
/** Between two questions for a track after there was none. */
const ASK_PAUSE_MS = 1_000;

export class Filler {
  readonly #components: FillerComponents;
  readonly #env: NodeJS.ProcessEnv | undefined;
  #reader: TrackReader | null = null;
  #position = 0;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #complained = false;

  constructor(components: FillerComponents, init: { env?: NodeJS.ProcessEnv }) {
    this.#components = components;
    this.#env = init.env;
  }

  /** Gets a track ready; cheap when one is. */
  warm(nowMs: number): void {
    this.#usedAtMs = nowMs;
    if (this.#reader !== null && this.#position >= this.#reader.map.frames) this.close();
    if (this.#reader === null && nowMs - this.#askedAtMs >= ASK_PAUSE_MS) {
      this.#askedAtMs = nowMs;
      this.#open();
    }
    this.#reader?.want(this.#position, nowMs);
  }

  /** Frames that can be copied now. */
  available(): number {
    return this.#reader?.available(this.#position) ?? 0;
  }

  /** True if it can sound for so many frames, or up to its end. */
  ready(frames: number): boolean {
    const available = this.available();
    if (available >= frames) return true;
    return available > 0 && this.#position + available >= this.#reader!.map.frames;
  }

  /** Takes the next frames; `frames` must be available. */
  take(frames: number, out: Int16Array, at: number): void {
    this.#reader?.copy(this.#position, frames, out, at);
    this.#position += frames;
  }

  /** Closes what has not been used for a while. */
  tidy(nowMs: number): void {
    if (this.#reader !== null && nowMs - this.#usedAtMs > REST_MS) this.close();
  }

  close(): void {
    this.#reader?.close();
    this.#reader = null;
    this.#position = 0;
  }

  #open(): void {
    const track = this.#components.filler();
    if (track === null) {
      if (!this.#complained)
        this.#components.log.info('the programme has a hole and there is no local track to fill it');
      this.#complained = true;
      return;
    }
    this.#complained = false;
    try {
      checkTrack(track);
    } catch (error) {
      this.#components.log.warn('the filler cannot be played', { track: track.name, error: (error as Error).message });
      return;
    }
    this.#reader = new TrackReader(this.#components, { track, env: this.#env });
  }
}
