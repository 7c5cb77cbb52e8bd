/** The surface of the playback room: what it is given, what it tells. */

/** Playback's sample rate; everything is resampled to it once. */
export const RATE_HZ = 48_000;
export const FRAMES_PER_MS = RATE_HZ / 1_000;
/** Interleaved stereo, 16 bit. */
export const CHANNELS = 2;
export const BYTES_PER_FRAME = 4;

/** A track as playback needs it: the manifest without its tags. */
export interface PlayableTrack {
  trackHash: string;
  name: string;
  codec: string;
  container: string;
  sampleRate: number;
  channels: number;
  /** Samples a channel that are to be heard, at `sampleRate`. */
  samples: number;
  /** Samples the decoder puts out before the first one that is to be heard. */
  skipSamples: number;
  /** CID of the initialisation part; null where the container needs none. */
  init: string | null;
  /** `samples`: what the decoder puts out for this segment. */
  segments: { cid: string; samples: number }[];
  /** Loudness correction, -24 to 12 dB; none if left out. */
  gainDb?: number;
}

/** One place of the programme. Slots must not overlap; a repeated number replaces the earlier word. */
export interface PlaybackSlot {
  slot: number;
  /** Station time, whole milliseconds. */
  startMs: number;
  durationMs: number;
  track: PlayableTrack;
  /**
   * Station time of the track's first sample, whole milliseconds; the slot's start if left out. Later for a track that takes
   * over within the slot: up to then the one before sounds on.
   */
  trackStartMs?: number;
  /** Why this box plays this one in place of the flock's: passed on to `onPlaying`. */
  reason?: 'moderation' | null;
}

/** What sounds now. */
export interface Playing {
  /** Null where the programme has no slot. */
  slot: number | null;
  /** Hash of the slot's track; null: filler or silence. */
  actual: string | null;
  /** `fetch`: the slot's track is missing parts. */
  reason: 'moderation' | 'fetch' | null;
  /** Something else bridges the gap: the filler, or what sounded before a jump of the time. */
  filler: boolean;
}

export type PlaybackState = 'stopped' | 'starting' | 'playing' | 'filler' | 'idle';

export interface PlaybackStatus {
  /** Of what is heard. `starting`: nothing yet; `idle`: neither slot nor filler, so silence. */
  state: PlaybackState;
  /** What is played to, such as `alsa`, `alsa:boxA`, `null`. */
  output: string;
  slot: number | null;
  /** Of what is heard at this instant, from the start of the slot's track. */
  positionMs: number | null;
  /** What is heard against station time; positive: the sound is ahead. Null until measured. */
  offsetMs: number | null;
  /** How much faster than the machine's clock the sound card plays. */
  driftPpm: number;
  /** Standard deviation of one reading of the player. */
  sensorNoiseMs: number;
  /** Jumps of the source to get back in time, since the start (the first one, before anything is heard, not counted). */
  corrections: number;
  /** Single frames left out or repeated to follow the clocks. */
  slips: number;
  underruns: number;
  /** Restarts of the player after it ended by itself. */
  restarts: number;
  fillerMs: number;
  /** Silent, after the first sound, where a track or the filler should have sounded. Short rests between tracks do not count. */
  silentMs: number;
  /** Decoded of this slot's track, ahead of what is heard. */
  bufferedMs: number;
  /** True while nothing can be heard, by choice (`null`) or because no output works. */
  silent: boolean;
  /** Why it is silent; null if by choice. */
  reason: string | null;
}

/** How far the player of now has come: read from it, never reckoned from the time. */
export interface PlaybackProgress {
  /** Counts players, the silent one among them: another number, other frames. */
  player: number;
  /** Frames that it was last seen to have reached. */
  heardFrames: number;
  /** Frames that were written to it. */
  writtenFrames: number;
}

export interface Logger {
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
  debug(message: string, fields?: object): void;
}

/** Where segments come from. */
export interface SegmentSource {
  /** Null: not here (yet). */
  segment(cid: string, signal: AbortSignal): Promise<Uint8Array | null>;
}

export interface PlaybackComponents {
  clock: { stationNowMs(): number };
  content: SegmentSource;
  /** A local track to sound where the programme has a hole; null: there is none. Asked often: the same one until the choice changes. */
  filler(): PlayableTrack | null;
  /** For the output `auto`: ALSA devices to be tried before its default, best first. Asked before each attempt. */
  automaticDevices?(): readonly string[];
  log: Logger;
}

export interface PlaybackInit {
  /** See `OUTPUT_FORMS`. */
  output: string;
  /** Percent, 0 to 100. */
  volume?: number;
  /** How much earlier the samples are sent out, to make up for slow loudspeakers. */
  trimMs?: number;
  /** Environment of the player and the decoder; this process's by default. */
  env?: NodeJS.ProcessEnv;
}

/** Gets every slot as the programme does. */
export interface ProgrammeFollower {
  set(slot: PlaybackSlot): void;
  dropFrom(fromSlot: number): void;
  refreshFiller(): void;
}

/** `not_playing`: there is no output that could be heard. */
export type ToneAnswer = 'playing' | 'too_soon' | 'not_playing';

export interface Playback {
  /** Resolves once something plays, if need be silently; never rejects for want of a sound card. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** @throws PlaybackInputError for a slot that cannot be played */
  schedule(slot: PlaybackSlot): void;
  /** Drops this slot and all after it. */
  unschedule(fromSlot: number): void;
  /** What fills holes was chosen anew: if it is another track than the one in use, that gives way under a fade. */
  refreshFiller(): void;
  /** Tells the slots that are known, then every change. Returns the way out. @throws PlaybackInputError when too many follow */
  follow(follower: ProgrammeFollower): () => void;
  onPlaying(handler: (playing: Playing) => void): void;
  /** The station clock was set anew: take the new time at once. */
  clockStepped(): void;
  /** Percent, 0 to 100. */
  setVolume(percent: number): void;
  /**
   * How much earlier the samples are sent out (see `PlaybackInit.trimMs`), from now on: glides there from less than 5 ms away,
   * else jumps under a fade, once in 2 s at most. @throws PlaybackInputError
   */
  setTrim(ms: number): void;
  /** Three quiet beeps over whatever plays, a moment later. */
  testTone(): ToneAnswer;
  status(): PlaybackStatus;
  /** For a watchdog; null while there is no player. */
  progress(): PlaybackProgress | null;
}
