/**
 * Local music for the holes of the programme: an endless voice that is always ready.
 *
 * At rest it holds the first seconds of a track, decoded, and no process: a hole that comes without warning (a jump of the
 * time, another programme) is filled at once, and the decoder goes on behind what is there.
 */
import { checkTrack } from './recipe.ts';
import { TrackReader, type TrackReaderComponents } from './track-reader.ts';
import { type PlayableTrack, RATE_HZ } from './types.ts';

export interface FillerComponents extends TrackReaderComponents {
  filler(): PlayableTrack | null;
}

/** After this long without use it rests; the next hole gets another track. */
const REST_MS = 5_000;
/** Between two questions for a track after there was none. */
const ASK_PAUSE_MS = 1_000;
/** While it rests: how often the choice of the track is looked at again. */
const REVIEW_PAUSE_MS = 10_000;
/** The next track is opened this long before the present one ends: twice what a reader decodes ahead. */
const NEXT_AHEAD_FRAMES = 8 * RATE_HZ;
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
  #reviewedAtMs = Number.NEGATIVE_INFINITY;
  #complained = false;

  constructor(components: FillerComponents, init: { env?: NodeJS.ProcessEnv }) {
    this.#components = components;
    this.#env = init.env;
  }

  /** There is a local track. */
  get hasMusic(): boolean {
    return this.#readers.length > 0;
  }

  /** Keeps music ready; `needed`: it may sound soon. To be called all the time. */
  prepare(nowMs: number, needed: boolean): void {
    if (needed) this.#usedAtMs = nowMs;
    const rests = nowMs - this.#usedAtMs > REST_MS;
    if (rests && this.#isStale(nowMs)) this.#renew();
    if (this.available() > 0 || this.#readers.length === 0) this.#suppliedAtMs = nowMs;
    if (nowMs - this.#suppliedAtMs > GIVE_UP_MS) {
      this.#next();
      this.#suppliedAtMs = nowMs;
    }
    if (this.#readers.length === 0 || (!rests && this.#readers.length === 1 && this.#endsSoon())) {
      this.#open(nowMs, needed);
    }
    const [first, second] = this.#readers;
    first?.want(this.#position, nowMs);
    second?.want(0, nowMs);
    if (rests && first?.isAhead === true) first.suspend();
  }

  /** Frames that can be taken now. */
  available(): number {
    const [first, second] = this.#readers;
    if (first === undefined) return 0;
    const frames = first.available(this.#position);
    return this.#isLast(first, this.#position + frames) ? frames + (second?.available(0) ?? 0) : frames;
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
      if (this.#isLast(first, this.#position)) this.#next();
      else if (run === 0) return;
    }
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
    this.#readers = [];
    this.#position = 0;
  }

  /** Nothing comes behind this place: the track is over, or broken off. */
  #isLast(reader: TrackReader, position: number): boolean {
    return position >= reader.map.frames || reader.starved(position);
  }

  #endsSoon(): boolean {
    const first = this.#readers[0]!;
    const end = this.#position + first.available(this.#position);
    return first.map.frames - this.#position < NEXT_AHEAD_FRAMES || first.starved(end);
  }

  /** Heard already, or no longer what this box would choose. */
  #isStale(nowMs: number): boolean {
    const first = this.#readers[0];
    if (first === undefined) return false;
    if (this.#position > 0 || this.#readers.length > 1) return true;
    if (nowMs - this.#reviewedAtMs < REVIEW_PAUSE_MS) return false;
    this.#reviewedAtMs = nowMs;
    const wished = this.#components.filler();
    return wished !== null && wished.trackHash !== first.map.track.trackHash;
  }

  #renew(): void {
    this.close();
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
  }

  #next(): void {
    this.#readers.shift()?.close();
    this.#position = 0;
  }

  #open(nowMs: number, needed: boolean): void {
    if (nowMs - this.#askedAtMs < ASK_PAUSE_MS) return;
    this.#askedAtMs = nowMs;
    const track = this.#components.filler();
    if (track === null) {
      if (needed && !this.#complained) {
        this.#components.log.info('the programme has a hole and there is no local track to fill it');
        this.#complained = true;
      }
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
