/** Local music for the holes of the programme: an endless voice that is only decoded while it is of use. */
import { checkTrack } from './recipe.ts';
import { TrackReader, type TrackReaderComponents } from './track-reader.ts';
import { type PlayableTrack, RATE_HZ } from './types.ts';

export interface FillerComponents extends TrackReaderComponents {
  filler(): PlayableTrack | null;
}

/** After this long without use the decoders are closed; the next hole gets another track. */
const REST_MS = 5_000;
/** Between two questions for a track after there was none. */
const ASK_PAUSE_MS = 1_000;
/** The next track is opened this long before the present one ends. */
const NEXT_AHEAD_FRAMES = 3 * RATE_HZ;
/** A track that does not supply for so long is given up. */
const GIVE_UP_MS = 3_000;

export class Filler {
  readonly #components: FillerComponents;
  readonly #env: NodeJS.ProcessEnv | undefined;
  /** The one that sounds, and the next when it is near. */
  #readers: TrackReader[] = [];
  /** In the first of them. */
  #position = 0;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #suppliedAtMs = Number.NEGATIVE_INFINITY;
  #complained = false;

  constructor(components: FillerComponents, init: { env?: NodeJS.ProcessEnv }) {
    this.#components = components;
    this.#env = init.env;
  }

  /** Gets a track ready; cheap when one is. */
  warm(nowMs: number): void {
    this.#usedAtMs = nowMs;
    if (this.available() > 0 || this.#readers.length === 0) this.#suppliedAtMs = nowMs;
    if (nowMs - this.#suppliedAtMs > GIVE_UP_MS) this.#next();
    if (this.#readers.length === 0) this.#open(nowMs);
    const rest = (this.#readers[0]?.map.frames ?? Number.POSITIVE_INFINITY) - this.#position;
    if (this.#readers.length === 1 && rest < NEXT_AHEAD_FRAMES) this.#open(nowMs);
    this.#readers[0]?.want(this.#position, nowMs);
    this.#readers[1]?.want(0, nowMs);
  }

  /** Frames that can be taken now. */
  available(): number {
    const [first, second] = this.#readers;
    if (first === undefined) return 0;
    const frames = first.available(this.#position);
    return this.#position + frames < first.map.frames ? frames : frames + (second?.available(0) ?? 0);
  }

  /** Takes the next frames; no more than are available. */
  take(frames: number, out: Int16Array, at: number): void {
    for (let done = 0; done < frames; ) {
      const first = this.#readers[0];
      if (first === undefined) return;
      const run = Math.min(frames - done, first.available(this.#position));
      first.copy(this.#position, run, out, at + done);
      this.#position += run;
      done += run;
      if (this.#position >= first.map.frames) this.#next();
      else if (run === 0) return;
    }
  }

  /** Closes what has not been used for a while. */
  tidy(nowMs: number): void {
    if (this.#readers.length > 0 && nowMs - this.#usedAtMs > REST_MS) this.close();
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
    this.#readers = [];
    this.#position = 0;
  }

  #next(): void {
    this.#readers.shift()?.close();
    this.#position = 0;
  }

  #open(nowMs: number): void {
    if (nowMs - this.#askedAtMs < ASK_PAUSE_MS) return;
    this.#askedAtMs = nowMs;
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
      this.#readers.push(new TrackReader(this.#components, { track, env: this.#env }));
    } catch (error) {
      this.#components.log.warn('the filler cannot be played', { track: track.name, error: (error as Error).message });
    }
  }
}
