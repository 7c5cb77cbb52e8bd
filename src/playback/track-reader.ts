/**
 * Decoded frames of one track around the place that is played, from segments that may come late or never.
 *
 * Holds a bounded window of frames; a decoder runs ahead of the wanted position and is paused when far enough. When a
 * segment is missing the reader waits for it as long as it is of use, then goes on behind it.
 */
import { Decoder } from './decoder.ts';
import { PcmWindow } from './pcm-window.ts';
import { type DecodePlan, TrackMap } from './recipe.ts';
import { BYTES_PER_FRAME, type Logger, type PlayableTrack, RATE_HZ, type SegmentSource } from './types.ts';

/** Decoded ahead: rides out a busy disk, a late block, a processor that has no time for a new decoder; 1.2 MB. */
export const AHEAD_FRAMES = 6 * RATE_HZ;
/** Kept behind, for small jumps back; 0.2 MB. */
export const BEHIND_FRAMES = RATE_HZ;
/** Most that a decoder may still deliver after it was paused: the pipes between. */
const PIPE_FRAMES = RATE_HZ;
/** A position this far behind the decoder's place is worth waiting for; farther, a fresh start is quicker. */
const CATCH_UP_FRAMES = 2 * RATE_HZ;
/** While a segment is missing: how long before its end the next one is tried. */
const GIVE_UP_FRAMES = 2 * RATE_HZ;
/** A decode that ends this much short is filled up with silence: two packets of AAC. */
const MAX_PADDED_FRAMES = 4_096;
/** Without a decoder (at rest): one is made when less than this is left. */
const RESUME_FRAMES = AHEAD_FRAMES - RATE_HZ / 2;
/** A decoder keeps its last packet back until the next one comes. */
const PACKET_FRAMES = 9_600;
/** Between two starts of a decoder: a track that cannot be decoded costs no more than this. */
const RESTART_PAUSE_MS = 1_000;

export interface TrackReaderComponents {
  content: SegmentSource;
  log: Logger;
}

export class TrackReader {
  readonly map: TrackMap;
  readonly #components: TrackReaderComponents;
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #window = new PcmWindow(BEHIND_FRAMES + AHEAD_FRAMES + PIPE_FRAMES);
  #decoder: Decoder | null = null;
  #missing: number | null = null;
  #wanted = 0;
  #paused = false;
  #ended = false;
  #suspended = false;
  #startedAtMs = Number.NEGATIVE_INFINITY;

  constructor(components: TrackReaderComponents, init: { track: PlayableTrack; env?: NodeJS.ProcessEnv }) {
    this.#components = components;
    this.#env = init.env;
    this.map = new TrackMap(init.track);
  }

  /** What is needed at a position does not come by waiting for the decoder. */
  starved(position: number): boolean {
    if (this.#missing !== null && position >= this.map.startFrame(this.#missing) - PACKET_FRAMES) return true;
    const { start, end } = this.#window;
    return position < start || (this.#ended && position >= end && end < this.map.frames);
  }

  /** A position to which the decoder does not come: wanting it empties the window. */
  strays(position: number): boolean {
    const { start, end } = this.#window;
    return position < start || position > end + CATCH_UP_FRAMES;
  }

  /** As much is decoded as is ever kept ahead. */
  get isAhead(): boolean {
    return this.#suspended || this.#paused || this.#ended;
  }

  /** Ends the decoder and keeps what is decoded; a new one goes on behind it as soon as that is read. */
  suspend(): void {
    if (this.#suspended || this.#ended || this.#missing !== null || this.#window.end === this.#window.start) return;
    this.close();
    this.#suspended = true;
  }

  /** Says where the track is (about to be) read; opens, moves on or restarts the decoder as needed. */
  want(position: number, nowMs: number): void {
    this.#wanted = Math.max(0, Math.min(position, this.map.frames));
    const at = this.#restartPosition();
    if (at !== null && at < this.map.frames && nowMs - this.#startedAtMs >= RESTART_PAUSE_MS) {
      this.#startedAtMs = nowMs;
      this.#open(at);
    }
    if (this.#paused && !this.#suspended && this.#window.end - this.#wanted < AHEAD_FRAMES) {
      this.#paused = false;
      this.#decoder?.resume();
    }
  }

  available(position: number): number {
    return Math.min(this.#window.available(position), Math.max(0, this.map.frames - position));
  }

  copy(position: number, frames: number, out: Int16Array, at: number): void {
    this.#window.copy(position, frames, out, at);
  }

  close(): void {
    this.#decoder?.stop();
    this.#decoder = null;
  }

  /** Where a new decoder must start; null: the present one serves. */
  #restartPosition(): number | null {
    const { end } = this.#window;
    const wanted = this.#wanted;
    if (this.#suspended && !this.strays(wanted)) return end - wanted < RESUME_FRAMES ? Math.max(wanted, end) : null;
    if (this.#decoder === null && !this.#ended) return wanted;
    if (this.strays(wanted)) return wanted;
    if (this.#missing !== null) {
      const next = this.map.startFrame(this.#missing + 1);
      return wanted >= next - GIVE_UP_FRAMES && wanted >= end ? Math.max(next, wanted) : null;
    }
    // The decoder ended early: its input is damaged. Try again behind the place.
    return this.#ended && end < this.map.frames && wanted >= end ? wanted : null;
  }

  #open(position: number): void {
    const missing = this.#missing;
    this.close();
    let plan: DecodePlan = this.map.plan(position);
    if (missing !== null && plan.firstSegment <= missing && this.map.segmentAt(position) > missing) {
      plan = this.map.planWithoutPreroll(missing + 1, position);
    }
    this.#missing = null;
    this.#ended = false;
    this.#paused = false;
    this.#suspended = false;
    // A decoder that goes on where the window ends leaves it whole: decoding is exact from any place.
    if (plan.firstFrame !== this.#window.end) this.#window.reset(plan.firstFrame);
    const decoder = new Decoder(
      this.#components,
      { track: this.map.track, plan, env: this.#env },
      {
        frames: (bytes) => this.#decoder !== decoder || this.#append(bytes),
        waiting: (segment) => {
          if (this.#decoder === decoder) this.#missing = segment;
        },
        ended: (complaint) => {
          if (this.#decoder === decoder) this.#end(complaint);
        },
      },
    );
    this.#decoder = decoder;
    decoder.start();
  }

  #append(bytes: Buffer): boolean {
    this.#window.append(bytes);
    if (this.#window.end >= this.map.frames) {
      // All that is to be heard is here; what a hostile file adds is not wanted.
      this.close();
      this.#ended = true;
      return false;
    }
    this.#paused = this.#window.end - this.#wanted >= AHEAD_FRAMES;
    return !this.#paused;
  }

  #end(complaint: string): void {
    this.#decoder = null;
    this.#ended = true;
    const short = this.map.frames - this.#window.end;
    if (short <= MAX_PADDED_FRAMES) {
      // Some frames short: encoders round their last packet. The track keeps its length.
      this.#window.append(new Uint8Array(short * BYTES_PER_FRAME));
    } else {
      this.#components.log.warn('a track could not be decoded to its end', {
        track: this.map.track.name,
        missingMs: Math.round(short / 48),
        complaint,
      });
    }
  }
}
