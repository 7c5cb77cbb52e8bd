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
/** A track's decoder is opened this long before its slot: on a box that has no time one was seen to need 4 s to begin. */
const OPEN_AHEAD_FRAMES = 8 * RATE_HZ;
/** Nothing decoded so far ahead means a thin supply: the filler gets ready. Half of what a healthy decoder has. */
const THIN_AHEAD_FRAMES = 3 * RATE_HZ;
/** Where the programme was taken away and nothing follows, its track sounds on for so long: another one may be on its way. */
const LINGER_FRAMES = RATE_HZ;
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
  /** Position of the track's first frame. */
  trackStart: number;
  /** Frames of the slot that the track sounds. */
  sounding: number;
  reader: TrackReader;
}

/** A source in the mix: the filler, or a track. */
type Voice = FillerVoice | TrackVoice;

interface FillerVoice {
  entry: null;
  gain: number;
}

interface TrackVoice {
  entry: Entry;
  /** The entry's, or the one it had before a jump. */
  reader: TrackReader;
  /** Position of the track's first frame; moves with the programme when the voice carries on over a jump. */
  origin: number;
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
  /** Of entries that were replaced, or before a jump: closed when no voice sounds from them any more. */
  #retired: TrackReader[] = [];
  #voices: Voice[] = [];
  /** Where the next frames are expected; elsewhere is a jump. */
  #next = Number.NaN;
  #playing: Playing = NOTHING;
  #hasSounded = false;
  /** Rendered since there was a slot. */
  #slotlessFrames = 0;
  #fillerFrames = 0;
  #silentFrames = 0;
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

  /** Rendered as silence, after the first sound, where a track or the filler should have sounded. */
  get silentFrames(): number {
    return this.#silentFrames;
  }

  /** What is scheduled, in order of time. */
  slots(): PlaybackSlot[] {
    return this.#entries.map(({ slot }) => slot);
  }

  /** Station time at which a slot's track starts; null if it is not known (any more). */
  trackStartOf(slot: number | null): number | null {
    const entry = this.#entries.find((known) => known.slot.slot === slot);
    return entry === undefined ? null : entry.trackStart / FRAMES_PER_MS;
  }

  /** @throws PlaybackInputError */
  set(slot: PlaybackSlot): void {
    checkSlot(slot);
    const start = slot.startMs * FRAMES_PER_MS;
    const end = start + slot.durationMs * FRAMES_PER_MS;
    const trackStart = (slot.trackStartMs ?? slot.startMs) * FRAMES_PER_MS;
    const same = this.#entries.find((entry) => entry.slot.slot === slot.slot);
    const isSamePlace = same?.start === start && same.end === end && same.trackStart === trackStart;
    if (same !== undefined && isSamePlace && sameTrack(same.slot.track, slot.track)) {
      same.slot = { ...same.slot, reason: slot.reason ?? null };
      return;
    }
    const reader = this.#newReader(slot.track);
    const sounding = Math.min(reader.map.frames, end - trackStart);
    // The newest word holds: whatever it overlaps is void.
    const [kept, void_] = split(
      this.#entries,
      (entry) => entry.slot.slot !== slot.slot && (entry.end <= start || entry.start >= end),
    );
    if (kept.length >= MAX_SLOTS) {
      throw new PlaybackInputError(`slot ${slot.slot}: ${MAX_SLOTS} slots are scheduled already`);
    }
    const entry = { slot, start, end, trackStart, sounding, reader };
    this.#entries = [...kept, entry].sort((a, b) => a.start - b.start);
    this.#retire(void_);
  }

  dropFrom(fromSlot: number): void {
    const [kept, dropped] = split(this.#entries, (entry) => entry.slot.slot < fromSlot);
    this.#entries = kept;
    this.#retire(dropped);
  }

  /** What fills holes was chosen anew. */
  refreshFiller(): void {
    this.#filler.refresh();
  }

  /** How the slot's track at a position is supplied. */
  supply(position: number): Supply {
    const entry = this.#entryAt(position);
    const fillerFrames = this.#filler.available();
    if (entry === null) return { frames: 0, rest: 0, starved: false, fillerFrames };
    const { reader, sounding, trackStart } = entry;
    const local = Math.max(0, position - trackStart);
    const rest = Math.max(0, sounding - local);
    if (rest === 0) return { frames: 0, rest, starved: false, fillerFrames };
    return { frames: Math.min(rest, reader.available(local)), rest, starved: reader.starved(local), fillerFrames };
  }

  /** Opens what is about to sound and closes what has. */
  prepare(position: number, nowMs: number): void {
    const [kept, past] = split(this.#entries, (entry) => entry.end > position - KEEP_BEHIND_FRAMES);
    this.#entries = kept;
    this.#retire(past);
    for (const entry of this.#entries) {
      const near = entry.trackStart < position + OPEN_AHEAD_FRAMES && entry.end > position;
      const local = Math.max(0, position - entry.trackStart);
      if (near && local < entry.sounding) this.#want(entry, local, nowMs);
    }
    this.#filler.prepare(nowMs, this.#mayNeedFiller(position));
  }

  /** Writes `frames` frames from `position` on to `out`. A position that does not follow the last one is a jump. */
  render(position: number, frames: number, out: Int16Array): void {
    if (position !== this.#next) this.#jump(position);
    this.#next = position + frames;
    out.fill(0, 0, frames * CHANNELS);
    for (let done = 0; done < frames; ) {
      const at = position + done;
      const run = Math.min(frames - done, this.#runLength(at), FADE_FRAMES);
      this.#renderRun(at, run, out, done);
      done += run;
    }
  }

  close(): void {
    for (const { reader } of this.#entries) reader.close();
    for (const reader of this.#retired) reader.close();
    this.#entries = [];
    this.#retired = [];
    this.#voices = [];
    this.#next = Number.NaN;
    this.#filler.close();
  }

  #newReader(track: PlayableTrack): TrackReader {
    return new TrackReader(this.#components, { track, env: this.#env });
  }

  #want(entry: Entry, local: number, nowMs: number): void {
    const sounds = this.#voices.some((voice) => voice.entry !== null && voice.reader === entry.reader);
    if (sounds && entry.reader.strays(local)) {
      // What is decoded around the old place bridges the time until the new one is.
      this.#retired.push(entry.reader);
      entry.reader = this.#newReader(entry.slot.track);
    }
    entry.reader.want(local, nowMs);
  }

  #entryAt(position: number): Entry | null {
    return this.#entries.find((entry) => entry.start <= position && position < entry.end) ?? null;
  }

  /** Tracks that have nothing to say at the new place carry on where they were. */
  #jump(position: number): void {
    const frames = position - this.#next;
    if (Number.isNaN(frames)) return;
    const entry = this.#entryAt(position);
    for (const voice of this.#voices) {
      if (voice.entry === null) continue;
      const follows = voice.entry === entry && isInPlace(voice);
      if (follows && voice.reader.available(position - voice.origin) >= FADE_FRAMES) continue;
      voice.origin += frames;
    }
  }

  /** Frames until the next place where the desired voice may change. */
  #runLength(position: number): number {
    const entry = this.#entryAt(position);
    const edges =
      entry === null
        ? this.#entries.map((other) => other.start)
        : [entry.end, entry.trackStart, entry.trackStart + entry.sounding, fadeOutAt(entry)];
    let next = Number.POSITIVE_INFINITY;
    for (const edge of edges) if (edge > position && edge < next) next = edge;
    return next - position;
  }

  #renderRun(position: number, frames: number, out: Int16Array, at: number): void {
    const entry = this.#entryAt(position);
    const rests = entry !== null && isRest(entry, position);
    const desired = rests ? null : this.#desire(entry, position, frames);
    this.#note(entry, desired, position);
    this.#enter(desired, position);
    this.#slotlessFrames = entry === null ? this.#slotlessFrames + frames : 0;
    const got = this.#mixVoices(desired, position, frames, out, at);
    this.#hasSounded ||= got > 0;
    if (!rests && this.#hasSounded && this.#shouldSound(entry, position)) this.#silentFrames += frames - got;
    this.#closeUnheard();
  }

  /** Returns for how many frames anything sounded. */
  #mixVoices(desired: Voice | null, position: number, frames: number, out: Int16Array, at: number): number {
    if (this.#voices.length === 1 && this.#voices[0]!.gain === 1 && desired === this.#voices[0]) {
      return this.#read(desired, position, frames, out, at);
    }
    let most = 0;
    for (const voice of this.#voices) {
      const target = voice === desired ? 1 : 0;
      const step = (target === 1 ? 1 : -1) / FADE_FRAMES;
      this.#scratch.fill(0, 0, frames * CHANNELS);
      const got = this.#read(voice, position, frames, this.#scratch, 0);
      most = Math.max(most, got);
      mix(this.#scratch, got, voice.gain, step, out, at);
      voice.gain = Math.min(1, Math.max(0, voice.gain + step * frames));
      if (got < frames && voice !== desired) voice.gain = 0;
    }
    this.#voices = this.#voices.filter((voice) => voice.gain > 0 || voice === desired);
    return most;
  }

  /**
   * The voice that should sound: the slot's track; until it can, the one that sounded before if waiting is of use; else the
   * filler; else again the one before; else none.
   */
  #desire(entry: Entry | null, position: number, frames: number): Voice | null {
    if (entry !== null && this.#trackServes(entry, position, frames)) return this.#trackVoice(entry);
    const carrier = this.#carrier(position, frames);
    const coming = entry ?? this.#entryAfter(position);
    const soon = coming !== null && comesSoon(coming, position);
    if (carrier !== null && soon) return carrier;
    if (this.#filler.available() >= frames) return this.#fillerVoice();
    return entry !== null || soon || this.#slotlessFrames < LINGER_FRAMES ? carrier : null;
  }

  #entryAfter(position: number): Entry | null {
    return this.#entries.find((entry) => entry.start > position) ?? null;
  }

  #trackServes(entry: Entry, position: number, frames: number): boolean {
    const local = position - entry.trackStart;
    if (local < 0 || local >= entry.sounding) return false;
    const have = entry.reader.available(local);
    const rest = entry.sounding - local;
    const sounds = this.#trackVoice(entry).gain > 0;
    // While it sounds it must reach over a fade out; from its beginning likewise; else it waits for a safe supply.
    const need = sounds || local === 0 ? frames + FADE_FRAMES : Math.max(RETURN_FRAMES, frames + FADE_FRAMES);
    return have >= Math.min(need, rest);
  }

  /** The loudest track that can carry on from where it is, and still fade out. */
  #carrier(position: number, frames: number): TrackVoice | null {
    let best: TrackVoice | null = null;
    for (const voice of this.#voices) {
      if (voice.entry === null || voice.gain <= (best?.gain ?? 0)) continue;
      if (voice.reader.available(position - voice.origin) >= frames + FADE_FRAMES) best = voice;
    }
    return best;
  }

  #trackVoice(entry: Entry): TrackVoice {
    for (const voice of this.#voices) if (voice.entry === entry && isInPlace(voice)) return voice;
    return { entry, reader: entry.reader, origin: entry.trackStart, gain: 0 };
  }

  #fillerVoice(): Voice {
    return this.#voices.find((voice) => voice.entry === null) ?? { entry: null, gain: 0 };
  }

  #enter(desired: Voice | null, position: number): void {
    // Whatever has come to its own end makes room without a fade.
    this.#voices = this.#voices.filter(
      (voice) => voice.entry === null || position < voice.origin + voice.entry.sounding || voice === desired,
    );
    if (desired === null || this.#voices.includes(desired)) return;
    if (desired.entry !== null && position === desired.origin) desired.gain = 1;
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
    const local = position - voice.origin;
    const got = local < 0 ? 0 : Math.min(frames, voice.reader.available(local));
    if (got > 0) voice.reader.copy(local, got, out, at);
    return got;
  }

  #note(entry: Entry | null, desired: Voice | null, position: number): void {
    if (entry === null) {
      this.#noteSlotless(desired);
      return;
    }
    const { slot } = entry.slot;
    // The slot's track, or the one it replaces for as long as that still sounds.
    const sounding = desired !== null && isOfSlot(desired, slot) ? desired.entry.slot : null;
    const over = position >= Math.min(entry.trackStart + entry.sounding, fadeOutAt(entry));
    const old = this.#playing;
    const rests = over && desired === null && old.slot === slot && old.actual !== null;
    const actual = rests ? old.actual : (sounding?.track.trackHash ?? null);
    const own = (sounding ?? entry.slot).reason ?? null;
    const reason = sounding === null && !over ? (own ?? 'fetch') : own;
    const filler = desired !== null && sounding === null;
    this.#setPlaying({ slot, actual, reason, filler });
  }

  /** Before a slot that was put off, what it replaces may still sound. */
  #noteSlotless(desired: Voice | null): void {
    const before = desired?.entry?.slot ?? null;
    const isPutOff = before !== null && this.#entries.some((entry) => entry.slot.slot === before.slot);
    if (isPutOff && isOfSlot(desired!, before.slot)) {
      const { slot, track, reason } = before;
      this.#setPlaying({ slot, actual: track.trackHash, reason: reason ?? null, filler: false });
    } else this.#playing = desired === null ? NOTHING : FILLER_ALONE;
  }

  /** One object for as long as it says the same. */
  #setPlaying(playing: Playing): void {
    const { slot, actual, reason, filler } = this.#playing;
    const isSame = slot === playing.slot && actual === playing.actual && reason === playing.reason;
    if (!isSame || filler !== playing.filler) this.#playing = playing;
  }

  /** Here or soon: the track is missing, or nothing of it is decoded yet. */
  #mayNeedFiller(position: number): boolean {
    if (this.#isHole(position) || this.#isHole(position + OPEN_AHEAD_FRAMES)) return true;
    return this.#isThin(position) || this.#isThin(position + THIN_AHEAD_FRAMES);
  }

  #isHole(position: number): boolean {
    const entry = this.#entryAt(position);
    if (entry === null) return true;
    const local = position - entry.trackStart;
    if (local >= entry.sounding) return !isRest(entry, position);
    return local >= 0 && entry.reader.starved(local);
  }

  #isThin(position: number): boolean {
    const { frames, rest } = this.supply(position);
    return rest > 0 && frames === 0;
  }

  /** Silence here would be a fault: the slot has a track for this place, or there is music to fill it with. */
  #shouldSound(entry: Entry | null, position: number): boolean {
    if (this.#filler.hasMusic) return true;
    const local = entry === null ? -1 : position - entry.trackStart;
    return entry !== null && local >= 0 && local < entry.sounding;
  }

  #retire(entries: Entry[]): void {
    for (const { reader } of entries) this.#retired.push(reader);
    this.#closeUnheard();
  }

  #closeUnheard(): void {
    if (this.#retired.length === 0) return;
    const [heard, done] = split(this.#retired, (reader) =>
      this.#voices.some((voice) => voice.entry !== null && voice.reader === reader),
    );
    for (const reader of done) reader.close();
    this.#retired = heard;
  }
}

/** At the place where the programme has it, from the entry's own reader. */
function isInPlace(voice: TrackVoice): boolean {
  return voice.origin === voice.entry.trackStart && voice.reader === voice.entry.reader;
}

function isOfSlot(voice: Voice, slot: number): voice is TrackVoice {
  return voice.entry !== null && isInPlace(voice) && voice.entry.slot.slot === slot;
}

/** Where a track that is cut by its slot's end begins to fade. */
function fadeOutAt({ reader, sounding, end }: Entry): number {
  return reader.map.frames > sounding + FRAMES_PER_MS ? end - FADE_FRAMES : end;
}

/** Silent on purpose: a cut track's last moments, or a short rest behind a track. */
function isRest(entry: Entry, position: number): boolean {
  if (position >= fadeOutAt(entry)) return true;
  const trackEnd = entry.trackStart + entry.sounding;
  return position >= trackEnd && entry.end - trackEnd <= SILENT_REST_FRAMES;
}

/** The slot's track is not here yet, and only time is missing: its decoder is at work, or its beginning is near. */
function comesSoon(entry: Entry, position: number): boolean {
  const local = position - entry.trackStart;
  if (local < 0) return -local <= OPEN_AHEAD_FRAMES;
  return local < entry.sounding && !entry.reader.starved(local);
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
  const { slot: number, startMs, durationMs, trackStartMs = startMs } = slot;
  if (!Number.isSafeInteger(number) || number < 0)
    throw new PlaybackInputError(`slot number ${number} is not a whole number from 0`);
  if (!Number.isSafeInteger(startMs) || startMs < 0 || startMs > Number.MAX_SAFE_INTEGER / FRAMES_PER_MS / 2) {
    throw new PlaybackInputError(`slot ${number}: startMs ${startMs} is no station time in whole milliseconds`);
  }
  if (!Number.isSafeInteger(durationMs) || durationMs < 1 || durationMs > MAX_DURATION_MS) {
    throw new PlaybackInputError(`slot ${number}: durationMs ${durationMs}; allowed: 1 to ${MAX_DURATION_MS}`);
  }
  if (!Number.isSafeInteger(trackStartMs) || trackStartMs < startMs || trackStartMs >= startMs + durationMs) {
    throw new PlaybackInputError(`slot ${number}: trackStartMs ${trackStartMs} lies outside of the slot`);
  }
  checkTrack(slot.track);
}
