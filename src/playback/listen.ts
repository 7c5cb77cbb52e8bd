/**
 * The programme as one endless MP3 stream, for a phone's own loudspeaker: what this box plays, moderation included, at station
 * time, encoded once for all who listen. Nothing runs while nobody does.
 */
import { Listener } from './listener.ts';
import { MP3_BITS_PER_SECOND, MP3_FRAME_BYTES, MP3_TYPE, Mp3Encoder } from './mp3-encoder.ts';
import { Timeline } from './timeline.ts';
import {
  BYTES_PER_FRAME,
  CHANNELS,
  FRAMES_PER_MS,
  type Logger,
  type PlayableTrack,
  type Playback,
  type PlaybackSlot,
  RATE_HZ,
  type SegmentSource,
} from './types.ts';

/** Phones at one time: a small box has better things to do. */
const MAX_LISTENERS = 3;
/** Kept for a listener that does not keep up: 10 s. What is older is lost to it. */
export const MAX_BACKLOG_BYTES = (10 * MP3_BITS_PER_SECOND) / 8;
/** A listener that takes nothing for so long is let go. */
const PATIENCE_MS = 30_000;
/** Kept running for so long without anybody: players open, look, close and open again, and nobody can make a box start it over and over. */
const LINGER_MS = 5_000;
/** Given to a new listener at once, so that it has something to begin with: players wait for a second or two of sound. */
const BURST_MS = 2_000;
const BURST_BYTES = wholeFrames((BURST_MS / 1_000) * (MP3_BITS_PER_SECOND / 8));
const TICK_MS = 100;
/** The first listener waits so long at most for decoded sound. */
const WARM_UP_MS = 2_000;
/** Decoded frames that are worth beginning with: the burst, and what a track needs to come in. */
const WARM_FRAMES = (5 * RATE_HZ) / 2;
/** Behind station time by more (this process was held up, the time was set): jumps instead of catching up. */
const MAX_LATE_FRAMES = 5 * RATE_HZ;
/** Ahead of station time by more: jumps back instead of waiting. */
const MAX_EARLY_FRAMES = RATE_HZ;
/** Not taken by the encoder: 2 s. Past this nothing is rendered, and later there is a jump. */
const MAX_WAITING_BYTES = 2 * RATE_HZ * BYTES_PER_FRAME;
/** Rendered in one go. */
const RUN_FRAMES = 4_800;
/** Nothing came out for so long (no encoder, no station time): those who listen are let go. */
const MUTE_MS = 15_000;
/** Between the end of an encoder and the next one. */
const RESTART_PAUSE_MS = 1_000;

export interface ListenComponents {
  clock: { stationNowMs(): number };
  content: SegmentSource;
  filler(): PlayableTrack | null;
  /** Whose programme it is. */
  playback: Pick<Playback, 'follow'>;
  log: Logger;
}

export interface ListenInit {
  env?: NodeJS.ProcessEnv;
  maxListeners?: number;
  patienceMs?: number;
}

export interface ListenStream {
  /** MIME type. */
  type: string;
  stream: AsyncIterable<Uint8Array>;
  close(): void;
}

export interface Listen {
  /** A stream from now on, beginning at a whole frame; null when there is no room for one more. Ends when it is not read. */
  open(): ListenStream | null;
  /** Ends all streams; none opens any more. */
  stop(): void;
  status(): { listeners: number; lostBytes: number };
}

export function createListen(components: ListenComponents, init: ListenInit = {}): Listen {
  return new ListenRoom(components, init);
}

class ListenRoom implements Listen {
  readonly #components: ListenComponents;
  readonly #init: ListenInit;
  readonly #listeners = new Set<Listener>();
  #broadcast: Broadcast | null = null;
  #lingering: NodeJS.Timeout | null = null;
  #lostBytes = 0;
  #stopped = false;

  constructor(components: ListenComponents, init: ListenInit) {
    this.#components = components;
    this.#init = init;
  }

  open(): ListenStream | null {
    if (this.#stopped || this.#listeners.size >= (this.#init.maxListeners ?? MAX_LISTENERS)) return null;
    const patienceMs = this.#init.patienceMs ?? PATIENCE_MS;
    const listener = new Listener({ maxBacklogBytes: MAX_BACKLOG_BYTES, patienceMs }, () => this.#leave(listener));
    this.#listeners.add(listener);
    if (this.#lingering !== null) clearTimeout(this.#lingering);
    this.#broadcast ??= this.#begin();
    for (const chunk of this.#broadcast.recent()) listener.push(chunk);
    return { type: MP3_TYPE, stream: listener, close: () => listener.close() };
  }

  stop(): void {
    this.#stopped = true;
    this.#endAll();
    this.#end();
  }

  status(): { listeners: number; lostBytes: number } {
    let lostBytes = this.#lostBytes;
    for (const listener of this.#listeners) lostBytes += listener.lostBytes;
    return { listeners: this.#listeners.size, lostBytes };
  }

  #begin(): Broadcast {
    const broadcast = new Broadcast(
      this.#components,
      { env: this.#init.env },
      {
        chunk: (chunk) => {
          for (const listener of [...this.#listeners]) listener.push(chunk);
        },
        mute: () => {
          this.#endAll();
          this.#end();
        },
      },
    );
    broadcast.start();
    return broadcast;
  }

  #endAll(): void {
    for (const listener of [...this.#listeners]) listener.close();
  }

  #leave(listener: Listener): void {
    this.#lostBytes += listener.lostBytes;
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    if (this.#lingering !== null) clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => this.#end(), LINGER_MS);
  }

  #end(): void {
    if (this.#lingering !== null) clearTimeout(this.#lingering);
    this.#lingering = null;
    this.#broadcast?.stop();
    this.#broadcast = null;
  }
}

interface BroadcastHandlers {
  /** Whole MP3 frames. */
  chunk(chunk: Uint8Array): void;
  /** Nothing comes out. */
  mute(): void;
}

/** One timeline and one encoder, from the first listener to the last. */
class Broadcast {
  readonly #components: ListenComponents;
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #handlers: BroadcastHandlers;
  readonly #timeline: Timeline;
  readonly #frames = new Int16Array(RUN_FRAMES * CHANNELS);
  /** The last chunks, for who comes later. */
  #recent: Uint8Array[] = [];
  #recentBytes = 0;
  #encoder: Mp3Encoder | null = null;
  #restartAtMs = 0;
  #complained = false;
  #unfollow: () => void = () => {};
  #timer: NodeJS.Timeout | null = null;
  /** Of the next frame to be rendered; null before the first. */
  #position: number | null = null;
  #warmUntilMs = 0;
  #chunkAtMs = 0;

  constructor(components: ListenComponents, init: { env?: NodeJS.ProcessEnv }, handlers: BroadcastHandlers) {
    this.#components = components;
    this.#env = init.env;
    this.#handlers = handlers;
    this.#timeline = new Timeline(components, init);
  }

  start(): void {
    this.#unfollow = this.#components.playback.follow({
      set: (slot) => this.#set(slot),
      dropFrom: (slot) => this.#timeline.dropFrom(slot),
      refreshFiller: () => this.#timeline.refreshFiller(),
    });
    this.#chunkAtMs = performance.now();
    this.#warmUntilMs = this.#chunkAtMs + WARM_UP_MS;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#unfollow();
    this.#encoder?.stop();
    this.#encoder = null;
    this.#timeline.close();
  }

  recent(): readonly Uint8Array[] {
    return this.#recent;
  }

  /** The box's own programme took it; here it may lie beside slots that are over and not yet dropped. */
  #set(slot: PlaybackSlot): void {
    try {
      this.#timeline.set(slot);
    } catch (error) {
      this.#components.log.warn('the stream for phones cannot take a slot', { cause: (error as Error).message });
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#chunkAtMs > MUTE_MS) {
      this.#handlers.mute();
      return;
    }
    const dueMs = this.#components.clock.stationNowMs();
    if (!Number.isFinite(dueMs)) return;
    const due = Math.round(dueMs * FRAMES_PER_MS);
    this.#ensureEncoder(nowMs);
    const from = this.#position ?? due - BURST_MS * FRAMES_PER_MS;
    this.#timeline.prepare(from, nowMs);
    if (this.#position === null && nowMs < this.#warmUntilMs && !this.#isWarm(from)) return;
    this.#position = this.#place(from, due);
    this.#render(due);
  }

  #isWarm(position: number): boolean {
    const { frames, rest, starved, fillerFrames } = this.#timeline.supply(position);
    return rest > 0 && !starved ? frames >= Math.min(rest, WARM_FRAMES) : fillerFrames >= WARM_FRAMES;
  }

  /** Where to go on: behind what was rendered, or where the programme is if that is too far from it. */
  #place(from: number, due: number): number {
    const late = due - from;
    return late > MAX_LATE_FRAMES || late < -MAX_EARLY_FRAMES ? due : from;
  }

  #render(due: number): void {
    const encoder = this.#encoder;
    if (encoder === null) return;
    while (this.#position! < due && encoder.waitingBytes < MAX_WAITING_BYTES) {
      const frames = Math.min(RUN_FRAMES, due - this.#position!);
      this.#timeline.render(this.#position!, frames, this.#frames);
      encoder.write(this.#frames.subarray(0, frames * CHANNELS));
      this.#position! += frames;
    }
  }

  #ensureEncoder(nowMs: number): void {
    if (this.#encoder !== null || nowMs < this.#restartAtMs) return;
    const encoder = new Mp3Encoder(
      { env: this.#env },
      {
        frames: (bytes) => {
          if (this.#encoder === encoder) this.#hear(bytes);
        },
        ended: (complaint) => {
          if (this.#encoder === encoder) this.#encoderEnded(complaint);
        },
      },
    );
    this.#encoder = encoder;
    encoder.start();
  }

  #encoderEnded(complaint: string): void {
    this.#encoder = null;
    this.#restartAtMs = performance.now() + RESTART_PAUSE_MS;
    if (!this.#complained) this.#components.log.warn('the stream for phones was interrupted', { complaint });
    this.#complained = true;
  }

  #hear(chunk: Uint8Array): void {
    this.#recent.push(chunk);
    this.#recentBytes += chunk.byteLength;
    while (this.#recentBytes - this.#recent[0]!.byteLength >= BURST_BYTES) {
      this.#recentBytes -= this.#recent.shift()!.byteLength;
    }
    this.#chunkAtMs = performance.now();
    this.#handlers.chunk(chunk);
  }
}

function wholeFrames(bytes: number): number {
  return Math.floor(bytes / MP3_FRAME_BYTES) * MP3_FRAME_BYTES;
}
