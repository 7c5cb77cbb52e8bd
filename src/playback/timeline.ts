/**
 * The programme as one endless stretch of frames: frame P is due at station time P / 48 ms.
 *
 * Slots lie on it at exact frames; each holds its track's frames, sample for sample, and what the track leaves of the slot.
 * Where the track (or the programme) is missing, the filler is mixed in, and out again when the track is back, at the
 * place where the track would be by then.
 */

import { PlaybackInputError } from './errors.ts';
import { Filler } from './filler.ts';
import { checkTrack } from './recipe.ts';
import { TrackReader } from './track-reader.ts';
import {
  CHANNELS,
  FRAMES_PER_MS,
  type Logger,
  type PlayableTrack,
  type PlaybackSlot,
  type Playing,
  RATE_HZ,
  type SegmentSource,
} from './types.ts';

/** Fade between track and filler, and into the middle of a track: 100 ms. */
export const FADE_FRAMES = RATE_HZ / 10;
/** A rest of a slot up to this long stays silent: shorter than two fades, filler would only be a blip. */
export const SILENT_REST_FRAMES = RATE_HZ / 4;
/** Decoded frames a track must have before it takes over from the filler: no flapping over a thin supply. */
const RETURN_FRAMES = 2 * RATE_HZ;
/** A track's decoder is opened this long before its slot. */
const OPEN_AHEAD_FRAMES = 4 * RATE_HZ;
/** Slots past this one are kept this long, for jumps back. */
const KEEP_BEHIND_FRAMES = 2 * RATE_HZ;
/** Slots kept: five queued, one playing, and a generous rest. */
export const MAX_SLOTS = 64;
/** A slot's longest duration: a day. */
const MAX_DURATION_MS = 86_400_000;

interface Entry {
  slot: PlaybackSlot;
  start: number;
  end: number;
  /** Frames of the slot that the track sounds. */
  sounding: number;
  reader: TrackReader;
}

/** A source in the mix. */
interface Voice {
  /** Null: the filler. */
  entry: Entry | null;
  gain: number;
}

export interface Supply {
  /** Decoded without a gap from the position on. */
  frames: number;
  /** Still to be sounded of the track. */
  rest: number;
  /** What is needed next does not come by waiting for the decoder: a segment is missing or damaged. */
  starved: boolean;
  /** Decoded frames of the filler. */
  fillerFrames: number;
}

export interface TimelineComponents {
  content: SegmentSource;
  filler(): PlayableTrack | null;
  log: Logger;
}

const NOTHING: Playing = { slot: null, actual: null, reason: null, filler: false };
const FILLER_ALONE: Playing = { ...NOTHING, filler: true };

export class Timeline {
  readonly #components: TimelineComponents;
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #filler: Filler;
  /** In order of time. */
  #entries: Entry[] = [];
  /** Replaced, still fading out. */
  #retired: Entry[] = [];
  #voices: Voice[] = [];
  #nowMs = 0;
  #playing: Playing = NOTHING;
  #fillerFrames = 0;
  readonly #scratch = new Int16Array(FADE_FRAMES * CHANNELS);

  constructor(components: TimelineComponents, init: { env?: NodeJS.ProcessEnv }) {
    this.#components = components;
    this.#env = init.env;
    this.#filler = new Filler(components, init);
  }

  /** What the last frame rendered belongs to. */
  get playing(): Playing {
    return this.#playing;
  }

  get fillerFrames(): number {
    return this.#fillerFrames;
  }

  /** Station time at which a slot starts; null if it is not known (any more). */
  startOf(slot: number | null): number | null {
    return this.#entries.find((entry) => entry.slot.slot === slot)?.slot.startMs ?? null;
  }

  /** @throws PlaybackInputError */
  set(slot: PlaybackSlot): void {
    checkSlot(slot);
    const start = slot.startMs * FRAMES_PER_MS;
    const end = start + slot.durationMs * FRAMES_PER_MS;
    const same = this.#entries.find((entry) => entry.slot.slot === slot.slot);
    if (same !== undefined && same.start === start && same.end === end && sameTrack(same.slot.track, slot.track)) {
      same.slot = { ...same.slot, reason: slot.reason ?? null };
      return;
    }
    const reader = new TrackReader(this.#components, { track: slot.track, env: this.#env });
    const sounding = Math.min(reader.map.frames, end - start);
    // The newest word holds: whatever it overlaps is void.
    const [kept, void_] = split(
      this.#entries,
      (entry) => entry.slot.slot !== slot.slot && (entry.end <= start || entry.start >= end),
    );
    if (kept.length >= MAX_SLOTS) {
      throw new PlaybackInputError(`slot ${slot.slot}: ${MAX_SLOTS} slots are scheduled already`);
    }
    this.#entries = [...kept, { slot, start, end, sounding, reader }].sort((a, b) => a.start - b.start);
    this.#retire(void_);
  }

  dropFrom(fromSlot: number): void {
    const [kept, dropped] = split(this.#entries, (entry) => entry.slot.slot < fromSlot);
    this.#entries = kept;
    this.#retire(dropped);
  }

  /** How the slot's track at a position is supplied. */
  supply(position: number): Supply {
    const entry = this.#entryAt(position);
    const rest = entry === null ? 0 : Math.max(0, entry.start + entry.sounding - position);
    const fillerFrames = this.#filler.available();
    if (entry === null || rest === 0) return { frames: 0, rest, starved: false, fillerFrames };
    const { reader } = entry;
    const local = position - entry.start;
    return { frames: Math.min(rest, reader.available(local)), rest, starved: reader.starved(local), fillerFrames };
  }

  /** Opens what is about to sound and closes what has. */
  prepare(position: number, nowMs: number): void {
    this.#nowMs = nowMs;
    const [kept, past] = split(this.#entries, (entry) => entry.end > position - KEEP_BEHIND_FRAMES);
    this.#entries = kept;
    this.#retire(past);
    for (const entry of this.#entries) {
      const near = entry.start < position + OPEN_AHEAD_FRAMES && entry.end > position;
      const local = Math.max(0, position - entry.start);
      if (near && local < entry.sounding) entry.reader.want(local, nowMs);
    }
    if (this.#holeAhead(position)) this.#filler.warm(nowMs);
    this.#filler.tidy(nowMs);
  }

  /** Writes `frames` frames from `position` on to `out`. Positions should follow each other, or fades start anew. */
  render(position: number, frames: number, out: Int16Array): void {
    out.fill(0, 0, frames * CHANNELS);
    for (let done = 0; done < frames; ) {
      const at = position + done;
      const run = Math.min(frames - done, this.#runLength(at), FADE_FRAMES);
      this.#renderRun(at, run, out, done);
      done += run;
    }
  }

  close(): void {
    for (const entry of [...this.#entries, ...this.#retired]) entry.reader.close();
    this.#entries = [];
    this.#retired = [];
    this.#voices = [];
    this.#filler.close();
  }

  #entryAt(position: number): Entry | null {
    return this.#entries.find((entry) => entry.start <= position && position < entry.end) ?? null;
  }

  /** Frames until the next place where the desired voice may change. */
  #runLength(position: number): number {
    const entry = this.#entryAt(position);
    const edges =
      entry === null
        ? this.#entries.map((other) => other.start)
        : [entry.end, entry.start + entry.sounding, this.#fadeOutAt(entry)];
    let next = Number.POSITIVE_INFINITY;
    for (const edge of edges) if (edge > position && edge < next) next = edge;
    return next - position;
  }

  /** Where a track that is cut by its slot's end begins to fade. */
  #fadeOutAt(entry: Entry): number {
    const frames = entry.reader.map.frames;
    return frames > entry.sounding + FRAMES_PER_MS ? entry.end - FADE_FRAMES : entry.end;
  }

  #renderRun(position: number, frames: number, out: Int16Array, at: number): void {
    const entry = this.#entryAt(position);
    const desired = this.#desire(entry, position, frames);
    this.#note(entry, desired, position);
    this.#enter(desired, position);
    if (this.#voices.length === 1 && this.#voices[0]!.gain === 1 && desired === this.#voices[0]) {
      this.#read(desired, position, frames, out, at);
      return;
    }
    for (const voice of this.#voices) {
      const target = voice === desired ? 1 : 0;
      const step = (target === 1 ? 1 : -1) / FADE_FRAMES;
      this.#scratch.fill(0, 0, frames * CHANNELS);
      const got = this.#read(voice, position, frames, this.#scratch, 0);
      mix(this.#scratch, got, voice.gain, step, out, at);
      voice.gain = Math.min(1, Math.max(0, voice.gain + step * frames));
      if (got < frames && voice !== desired) voice.gain = 0;
    }
    this.#voices = this.#voices.filter((voice) => voice.gain > 0 || voice === desired);
    this.#closeFaded();
  }

  /** The voice that should sound: the slot's track, else the filler, else none. */
  #desire(entry: Entry | null, position: number, frames: number): Voice | null {
    if (entry !== null) {
      const local = position - entry.start;
      if (position >= this.#fadeOutAt(entry)) return null;
      if (local < entry.sounding) {
        if (this.#trackServes(entry, local, frames)) return this.#voice(entry);
      } else if (entry.end - entry.start - entry.sounding <= SILENT_REST_FRAMES) {
        return null;
      }
    }
    this.#filler.warm(this.#nowMs);
    return this.#filler.available() >= frames ? this.#voice(null) : null;
  }

  #trackServes(entry: Entry, local: number, frames: number): boolean {
    const have = entry.reader.available(local);
    const rest = entry.sounding - local;
    const sounds = this.#voices.some((voice) => voice.entry === entry && voice.gain > 0);
    // While it sounds it must reach over a fade out; from its beginning likewise; else it waits for a safe supply.
    const need = sounds || local === 0 ? frames + FADE_FRAMES : Math.max(RETURN_FRAMES, frames + FADE_FRAMES);
    return have >= Math.min(need, rest);
  }

  #voice(entry: Entry | null): Voice {
    return this.#voices.find((voice) => voice.entry === entry) ?? { entry, gain: 0 };
  }

  #enter(desired: Voice | null, position: number): void {
    // Whatever has come to its own end makes room without a fade.
    this.#voices = this.#voices.filter(({ entry }) => entry === null || position < entry.start + entry.sounding);
    if (desired === null || this.#voices.includes(desired)) return;
    if (desired.entry !== null && position === desired.entry.start) desired.gain = 1;
    this.#voices.push(desired);
  }

  /** Reads what a voice has; returns the frames got. */
  #read(voice: Voice, position: number, frames: number, out: Int16Array, at: number): number {
    if (voice.entry === null) {
      const got = Math.min(frames, this.#filler.available());
      if (got > 0) this.#filler.take(got, out, at);
      this.#fillerFrames += got;
      return got;
    }
    const local = position - voice.entry.start;
    const reader = voice.entry.reader;
    const got = local < 0 ? 0 : Math.min(frames, reader.available(local));
    if (got > 0) reader.copy(local, got, out, at);
    return got;
  }

  #note(entry: Entry | null, desired: Voice | null, position: number): void {
    const filler = desired !== null && desired.entry === null;
    if (entry === null) {
      this.#playing = filler ? FILLER_ALONE : NOTHING;
      return;
    }
    const { slot, track, reason } = entry.slot;
    const over = position >= Math.min(entry.start + entry.sounding, this.#fadeOutAt(entry));
    const sounds = over ? desired === null && this.#playing.actual !== null : desired?.entry === entry;
    const actual = sounds ? track.trackHash : null;
    const why = sounds || over ? (reason ?? null) : 'fetch';
    const old = this.#playing;
    if (old.slot !== slot || old.actual !== actual || old.reason !== why || old.filler !== filler) {
      this.#playing = { slot, actual, reason: why, filler };
    }
  }

  /** The filler is needed here or soon. */
  #holeAhead(position: number): boolean {
    return this.#isHole(position) || this.#isHole(position + OPEN_AHEAD_FRAMES);
  }

  #isHole(position: number): boolean {
    const entry = this.#entryAt(position);
    if (entry === null) return true;
    const local = position - entry.start;
    if (local >= entry.sounding) return entry.end - entry.start - entry.sounding > SILENT_REST_FRAMES;
    return entry.reader.starved(local);
  }

  #retire(entries: Entry[]): void {
    this.#retired.push(...entries);
    this.#closeFaded();
  }

  #closeFaded(): void {
    if (this.#retired.length === 0) return;
    const [fading, done] = split(this.#retired, (entry) => this.#voices.some((voice) => voice.entry === entry));
    for (const entry of done) entry.reader.close();
    this.#retired = fading;
  }
}

/** Adds `frames` frames with a gain that moves by `step` a frame, within 0 and 1, clipped to 16 bits. */
function mix(source: Int16Array, frames: number, gain: number, step: number, out: Int16Array, at: number): void {
  let level = gain;
  for (let i = 0; i < frames; i++) {
    level = Math.min(1, Math.max(0, level + step));
    for (let channel = 0; channel < CHANNELS; channel++) {
      const index = (at + i) * CHANNELS + channel;
      const sum = out[index]! + level * source[i * CHANNELS + channel]!;
      out[index] = Math.min(32_767, Math.max(-32_768, Math.round(sum)));
    }
  }
}

function split<T>(items: T[], keep: (item: T) => boolean): [T[], T[]] {
  const kept: T[] = [];
  const rest: T[] = [];
  for (const item of items) (keep(item) ? kept : rest).push(item);
  return [kept, rest];
}

function sameTrack(a: PlayableTrack, b: PlayableTrack): boolean {
  return (
    a.trackHash === b.trackHash &&
    a.init === b.init &&
    a.samples === b.samples &&
    a.skipSamples === b.skipSamples &&
    a.gainDb === b.gainDb &&
    a.segments.length === b.segments.length &&
    a.segments.every((segment, i) => segment.cid === b.segments[i]!.cid)
  );
}

function checkSlot(slot: PlaybackSlot): void {
  const { slot: number, startMs, durationMs } = slot;
  if (!Number.isSafeInteger(number) || number < 0)
    throw new PlaybackInputError(`slot number ${number} is not a whole number from 0`);
  if (!Number.isSafeInteger(startMs) || startMs < 0 || startMs > Number.MAX_SAFE_INTEGER / FRAMES_PER_MS / 2) {
    throw new PlaybackInputError(`slot ${number}: startMs ${startMs} is no station time in whole milliseconds`);
  }
  if (!Number.isSafeInteger(durationMs) || durationMs < 1 || durationMs > MAX_DURATION_MS) {
    throw new PlaybackInputError(`slot ${number}: durationMs ${durationMs}; allowed: 1 to ${MAX_DURATION_MS}`);
  }
  checkTrack(slot.track);
}
