/**
 * Local music for the holes of the programme: an endless voice that is always ready.
 *
 * At rest it holds the next seconds of a track, decoded, and no process: a hole that comes without warning (a jump of the
 * time, another programme) is filled at once, and the decoder goes on behind what is there. Nothing that is ready is let go
 * before something else is.
 */
import { checkTrack } from './recipe.ts';
import { TrackReader, type TrackReaderComponents } from './track-reader.ts';
import { CHANNELS, type PlayableTrack, RATE_HZ } from './types.ts';

export interface FillerComponents extends TrackReaderComponents {
  filler(): PlayableTrack | null;
}

/** After this long without use it rests. */
const REST_MS = 5_000;
/** Between two questions for a track after there was none. */
const ASK_PAUSE_MS = 1_000;
/** While it rests: how often the choice of the track is looked at again. */
const REVIEW_PAUSE_MS = 10_000;
/** The next track is opened this long before the present one ends: more than a reader decodes ahead. */
const NEXT_AHEAD_FRAMES = 10 * RATE_HZ;
/** A track that is no longer wanted makes room when so much of the other one is decoded, under a fade of 100 ms. */
const REPLACE_FRAMES = RATE_HZ;
const FADE_FRAMES = RATE_HZ / 10;
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
  /** The first track gives way as soon as the second is ready. */
  #replacing = false;
  /** The last moments of the track that gave way, and how much of them was heard. */
  #tail: Int16Array | null = null;
  #tailAt = 0;

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
    if (rests) this.#review(nowMs);
    if (this.available() > 0 || this.#readers.length === 0) this.#suppliedAtMs = nowMs;
    if (nowMs - this.#suppliedAtMs > GIVE_UP_MS) {
      this.#next();
      this.#suppliedAtMs = nowMs;
    }
    const wantsNext = this.#readers.length === 1 && (this.#replacing || this.#endsSoon());
    if (this.#readers.length === 0 || wantsNext) this.#open(nowMs, needed);
    const [first, second] = this.#readers;
    first?.want(this.#position, nowMs);
    second?.want(0, nowMs);
    if (this.#replacing && second !== undefined && second.available(0) >= REPLACE_FRAMES) this.#giveWay(!rests);
    if (rests) for (const reader of this.#readers) if (reader.isAhead) reader.suspend();
  }

  /** The choice has changed: another track takes over soon if this one is no longer wanted. */
  refresh(): void {
    const first = this.#readers[0];
    const wished = this.#components.filler();
    if (first === undefined || wished?.trackHash === first.map.track.trackHash) return;
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    if (wished === null) {
      this.close();
      return;
    }
    for (const reader of this.#readers.splice(1)) reader.close();
    this.#replacing = true;
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
      if (first === undefined) break;
      const run = Math.min(frames - done, first.available(this.#position));
      first.copy(this.#position, run, out, at + done);
      this.#position += run;
      done += run;
      if (this.#isLast(first, this.#position)) this.#next();
      else if (run === 0) break;
    }
    if (this.#tail !== null) this.#fadeTail(this.#tail, frames, out, at);
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
    this.#readers = [];
    this.#position = 0;
    this.#replacing = false;
    this.#tail = null;
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

  /** Whether what is ready is still what this box would choose. */
  #review(nowMs: number): void {
    if (this.#replacing || nowMs - this.#reviewedAtMs < REVIEW_PAUSE_MS) return;
    this.#reviewedAtMs = nowMs;
    this.refresh();
  }

  #next(): void {
    this.#readers.shift()?.close();
    this.#position = 0;
    this.#replacing = false;
  }

  #giveWay(sounds: boolean): void {
    const first = this.#readers[0]!;
    if (sounds) {
      const frames = Math.min(FADE_FRAMES, first.available(this.#position));
      this.#tail = new Int16Array(FADE_FRAMES * CHANNELS);
      this.#tailAt = 0;
      first.copy(this.#position, frames, this.#tail, 0);
    }
    this.#next();
  }

  /** Fades the tail out over what was just taken, and that in. */
  #fadeTail(tail: Int16Array, frames: number, out: Int16Array, at: number): void {
    const run = Math.min(frames, FADE_FRAMES - this.#tailAt);
    for (let i = 0; i < run; i++) {
      const gain = (this.#tailAt + i + 1) / (FADE_FRAMES + 1);
      for (let channel = 0; channel < CHANNELS; channel++) {
        const index = (at + i) * CHANNELS + channel;
        out[index] = Math.round(gain * out[index]! + (1 - gain) * tail[(this.#tailAt + i) * CHANNELS + channel]!);
      }
    }
    this.#tailAt += run;
    if (this.#tailAt === FADE_FRAMES) this.#tail = null;
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
