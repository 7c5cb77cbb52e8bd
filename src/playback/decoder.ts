/** One ffmpeg process: segments in, 48 kHz stereo frames out, both with back-pressure. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { type DecodePlan, decoderArguments } from './recipe.ts';
import { BYTES_PER_FRAME, type Logger, type PlayableTrack, type SegmentSource } from './types.ts';

/** Pause between questions for a segment that is not here: short enough to get back in soon, cheap enough to last. */
export const SEGMENT_RETRY_MS = 250;
/** ffmpeg's complaints kept for the log. */
const MAX_COMPLAINT_LENGTH = 400;

export interface DecoderHandlers {
  /** Whole frames, in order. Called synchronously; return false to pause the decoder. */
  frames(bytes: Buffer): boolean;
  /** A segment is missing (its index), or has come (null). */
  waiting(segment: number | null): void;
  /** The process is gone; `complaint` is empty after a clean end. */
  ended(complaint: string): void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export class Decoder {
  readonly #components: { content: SegmentSource; log: Logger };
  readonly #init: { track: PlayableTrack; plan: DecodePlan; env?: NodeJS.ProcessEnv };
  readonly #handlers: DecoderHandlers;
  readonly #abort = new AbortController();
  #child: Child | null = null;
  #dropBytes = 0;
  #carry: Buffer | null = null;
  #complaint = '';

  constructor(
    components: { content: SegmentSource; log: Logger },
    init: { track: PlayableTrack; plan: DecodePlan; env?: NodeJS.ProcessEnv },
    handlers: DecoderHandlers,
  ) {
    this.#components = components;
    this.#init = init;
    this.#handlers = handlers;
  }

  start(): void {
    const { track, plan, env } = this.#init;
    this.#dropBytes = plan.dropFrames * BYTES_PER_FRAME;
    void this.#run(track, plan, env).catch((error: Error) => this.#finish(error.message));
  }

  /** Lets a paused decoder go on. */
  resume(): void {
    this.#child?.stdout.resume();
  }

  stop(): void {
    this.#abort.abort();
    this.#child?.kill('SIGKILL');
  }

  async #run(track: PlayableTrack, plan: DecodePlan, env: NodeJS.ProcessEnv | undefined): Promise<void> {
    // The first parts are fetched before the process is made, so that waiting for them costs no process.
    const first = await this.#first(track, plan.firstSegment);
    if (first === null) return;
    const child = spawn('ffmpeg', decoderArguments(track, plan), { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child = child;
    child.on('error', (error) => this.#finish(error.message));
    child.on('close', () => this.#finish(this.#complaint));
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(0, MAX_COMPLAINT_LENGTH);
    });
    child.stdout.on('data', (bytes: Buffer) => this.#take(child, bytes));
    for (const bytes of first) await this.#feed(child, bytes);
    for (let i = plan.firstSegment + 1; i < track.segments.length; i++) {
      const bytes = await this.#await(track.segments[i]!.cid, i);
      if (bytes === null) return;
      await this.#feed(child, bytes);
    }
    child.stdin.end();
  }

  async #first(track: PlayableTrack, segment: number): Promise<Uint8Array[] | null> {
    const parts: Uint8Array[] = [];
    for (const cid of [track.init, track.segments[segment]!.cid]) {
      if (cid === null) continue;
      const bytes = await this.#await(cid, segment);
      if (bytes === null) return null;
      parts.push(bytes);
    }
    return parts;
  }

  /** Asks for a part until it is here; null once stopped. */
  async #await(cid: string, segment: number): Promise<Uint8Array | null> {
    const { signal } = this.#abort;
    for (let waited = false; !signal.aborted; waited = true) {
      const bytes = await this.#components.content.segment(cid, signal).catch((error: Error) => {
        if (!signal.aborted) this.#components.log.debug('a segment could not be read', { cid, error: error.message });
        return null;
      });
      if (signal.aborted) return null;
      if (bytes !== null) {
        if (waited) this.#handlers.waiting(null);
        return bytes;
      }
      if (!waited) this.#handlers.waiting(segment);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, SEGMENT_RETRY_MS);
        function done() {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        }
        signal.addEventListener('abort', done);
      });
    }
    return null;
  }

  async #feed(child: Child, bytes: Uint8Array): Promise<void> {
    if (this.#abort.signal.aborted || child.stdin.destroyed) return;
    if (child.stdin.write(bytes)) return;
    await once(child.stdin, 'drain', { signal: this.#abort.signal }).catch(() => {});
  }

  #take(child: Child, incoming: Buffer): void {
    if (this.#abort.signal.aborted) return;
    let bytes = this.#carry === null ? incoming : Buffer.concat([this.#carry, incoming]);
    this.#carry = null;
    if (this.#dropBytes > 0) {
      const drop = Math.min(this.#dropBytes, bytes.length);
      this.#dropBytes -= drop;
      bytes = bytes.subarray(drop);
    }
    const whole = bytes.length - (bytes.length % BYTES_PER_FRAME);
    if (whole < bytes.length) this.#carry = Buffer.from(bytes.subarray(whole));
    if (whole > 0 && !this.#handlers.frames(bytes.subarray(0, whole))) child.stdout.pause();
  }

  #finish(complaint: string): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#handlers.ended(complaint.trim());
  }
}
