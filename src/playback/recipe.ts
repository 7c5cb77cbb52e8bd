/**
 * How a track is decoded, sample-exact from any place. Pure: plans only.
 *
 * Counting. `samples` and `skipSamples` count at the track's own rate, from the decoder's first output sample of segment 0
 * (ffmpeg's own trimming is switched off with `skip_manual`, so the count never depends on where decoding starts). The
 * timeline counts at 48,000 Hz. Of the reduced ratio rate : 48,000 = down : up, every `down` decoded samples become exactly
 * `up` frames, so a decoder that starts on a multiple of `down` meets the same resampler phase as one that started at 0, and
 * ffmpeg's own resampler (swr, exact rational) then gives the same bits. soxr does not (1 to 2 least bits off).
 *
 * Decoders remember: mp3 its bit reservoir, AAC and Opus their overlap. So decoding starts one segment early; where that
 * one is missing, `CONVERGE_SAMPLES` are thrown away instead.
 */
import { PlaybackInputError } from './errors.ts';
import { type PlayableTrack, RATE_HZ } from './types.ts';

/** Decoder output that is thrown away when the segment before is missing; Opus was seen to need 15,362. */
export const CONVERGE_SAMPLES = 16_384;
/** Decoded samples run through the resampler before the first one that counts: its filter is 32 to 64 long. */
const RESAMPLER_WARM_SAMPLES = 1_024;
/** Of one track: a day at 6 s a segment; also bounds what a hostile manifest costs. */
const MAX_SEGMENTS = 14_400;
const MAX_SAMPLE_RATE = 768_000;
const MIN_SAMPLE_RATE = 8_000;
const MAX_GAIN_DB = 12;
const MIN_GAIN_DB = -24;

/** ffmpeg's demuxer for each container a manifest may name. */
const DEMUXERS: Record<string, string> = {
  mpegts: 'mpegts',
  fmp4: 'mp4',
  mp4: 'mp4',
  ogg: 'ogg',
  adts: 'aac',
  mp3: 'mp3',
};

/** Where and how to start decoding so that frames from `firstFrame` on are exact. */
export interface DecodePlan {
  /** Index of the first segment to feed. */
  firstSegment: number;
  /** Decoded samples to drop in front of the resampler. */
  trimSamples: number;
  /** Resampled frames to drop behind it. */
  dropFrames: number;
  /** Position, in 48 kHz frames of the heard track, of the first frame that is kept. */
  firstFrame: number;
}

/** Frames at 48,000 Hz that a track is heard for. */
export function heardFrames(track: PlayableTrack): number {
  return Math.round((track.samples * RATE_HZ) / track.sampleRate);
}

/** @throws PlaybackInputError naming the field */
export function checkTrack(track: PlayableTrack): void {
  const refuse = (field: string, value: unknown, allowed: string): never => {
    throw new PlaybackInputError(`track ${field} is ${String(value).slice(0, 60)}; allowed: ${allowed}`);
  };
  const whole = (value: unknown, min: number, max: number) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
  if (!Object.hasOwn(DEMUXERS, track.container)) refuse('container', track.container, Object.keys(DEMUXERS).join(', '));
  if (!whole(track.sampleRate, MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)) {
    refuse('sampleRate', track.sampleRate, `${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE}`);
  }
  if (!whole(track.samples, 1, Number.MAX_SAFE_INTEGER / RATE_HZ)) refuse('samples', track.samples, 'at least 1');
  if (!whole(track.skipSamples, 0, MAX_SAMPLE_RATE * 60)) refuse('skipSamples', track.skipSamples, '0 to one minute');
  if (track.segments.length === 0 || track.segments.length > MAX_SEGMENTS) {
    refuse('segments', track.segments.length, `1 to ${MAX_SEGMENTS}`);
  }
  for (const segment of track.segments) {
    if (!whole(segment.samples, 0, MAX_SAMPLE_RATE * 3600))
      refuse('segment samples', segment.samples, 'a whole number');
  }
  const gain = track.gainDb ?? 0;
  if (!(gain >= MIN_GAIN_DB && gain <= MAX_GAIN_DB)) refuse('gainDb', gain, `${MIN_GAIN_DB} to ${MAX_GAIN_DB}`);
}

/** Segment boundaries of a track in both countings; made once a track. */
export class TrackMap {
  readonly track: PlayableTrack;
  readonly frames: number;
  /** Decoder output samples before each segment, and after the last. */
  readonly #starts: Float64Array;
  readonly #up: number;
  readonly #down: number;

  constructor(track: PlayableTrack) {
    this.track = track;
    this.frames = heardFrames(track);
    this.#starts = new Float64Array(track.segments.length + 1);
    track.segments.forEach((segment, i) => {
      this.#starts[i + 1] = this.#starts[i]! + segment.samples;
    });
    const divisor = gcd(track.sampleRate, RATE_HZ);
    this.#up = RATE_HZ / divisor;
    this.#down = track.sampleRate / divisor;
  }

  /** Segment that holds the sample heard at a 48 kHz frame. */
  segmentAt(frame: number): number {
    return this.#segmentOfSample(this.track.skipSamples + Math.floor((frame * this.#down) / this.#up));
  }

  /** First frame whose samples lie wholly in this segment or later ones. */
  startFrame(segment: number): number {
    const heard = this.#starts[Math.min(segment, this.track.segments.length)]! - this.track.skipSamples;
    return Math.max(0, Math.ceil((heard * this.#up) / this.#down));
  }

  /** Plan to hear the track from `frame` on, one segment of pre-roll included. */
  plan(frame: number): DecodePlan {
    return this.#plan(frame, (segment) => Math.max(0, segment - 1));
  }

  /** Plan from `frame` on for when the segment before `segment` is missing: the first moments of `segment` are lost. */
  planWithoutPreroll(segment: number, frame: number): DecodePlan {
    const heard =
      this.#starts[segment]! + CONVERGE_SAMPLES + RESAMPLER_WARM_SAMPLES - this.track.skipSamples + 2 * this.#down;
    const first = Math.ceil((Math.max(0, heard) * this.#up) / this.#down);
    return this.#plan(Math.min(Math.max(frame, first), this.frames), () => segment);
  }

  #plan(frame: number, from: (segment: number) => number): DecodePlan {
    const warmBlocks = Math.ceil(RESAMPLER_WARM_SAMPLES / this.#down);
    const block = Math.max(0, Math.floor(frame / this.#up) - warmBlocks);
    const sample = this.track.skipSamples + block * this.#down;
    const firstSegment = Math.min(from(this.#segmentOfSample(sample)), this.#segmentOfSample(sample));
    return {
      firstSegment,
      trimSamples: sample - this.#starts[firstSegment]!,
      dropFrames: frame - block * this.#up,
      firstFrame: frame,
    };
  }

  #segmentOfSample(sample: number): number {
    let low = 0;
    let high = this.track.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= sample) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** ffmpeg's arguments: segments on stdin, 48 kHz stereo s16le on stdout. */
export function decoderArguments(track: PlayableTrack, plan: DecodePlan): string[] {
  const filters = [`atrim=start_sample=${plan.trimSamples}`];
  if (track.gainDb !== undefined && track.gainDb !== 0) filters.push(`volume=${track.gainDb.toFixed(2)}dB`);
  filters.push(`aresample=${RATE_HZ}:internal_sample_fmt=fltp`, 'aformat=sample_fmts=s16:channel_layouts=stereo');
  return [
    ...['-v', 'error', '-nostdin', '-threads', '1', '-protocol_whitelist', 'pipe', '-max_alloc', '67108864'],
    // A live pipe: no waiting for more input than the first packets before the format is settled.
    ...['-probesize', '32768', '-analyzeduration', '0', ...trimmingByHand(track.codec)],
    ...['-f', DEMUXERS[track.container]!, '-i', 'pipe:0', '-map', '0:a:0', '-af', filters.join(',')],
    ...['-f', 's16le', '-flush_packets', '1', 'pipe:1'],
  ];
}

/**
 * Switches ffmpeg's own trimming off. Not for Vorbis: from ffmpeg 6 on its decoder puts out a first packet that is only
 * marked to be dropped, so there the plain decode is the one that counts alike in every version.
 */
function trimmingByHand(codec: string): string[] {
  return codec === 'vorbis' ? [] : ['-flags2', '+skip_manual'];
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
