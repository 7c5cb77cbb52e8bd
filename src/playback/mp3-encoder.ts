/** One ffmpeg process: 48 kHz stereo frames in, MP3 frames out, at low priority. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { CHANNELS, RATE_HZ } from './types.ts';

export const MP3_TYPE = 'audio/mpeg';
export const MP3_BITS_PER_SECOND = 128_000;
/** MPEG-1 layer III, 1,152 samples: at 48 kHz the division leaves no rest, so every frame is as long. */
export const MP3_FRAME_BYTES = (144 * MP3_BITS_PER_SECOND) / RATE_HZ;
/** Handed on together: 288 ms. Single frames would be 42 writes a second to each phone. */
const CHUNK_BYTES = 12 * MP3_FRAME_BYTES;
const MAX_COMPLAINT_LENGTH = 400;

const ARGUMENTS = [
  ...['-v', 'error', '-nostdin', '-threads', '1', '-protocol_whitelist', 'pipe', '-probesize', '32'],
  ...['-f', 's16le', '-ar', String(RATE_HZ), '-ac', String(CHANNELS), '-i', 'pipe:0'],
  // Without bit reservoir each frame stands alone: a phone may come in, or lose some, at any of them.
  ...['-c:a', 'libmp3lame', '-b:a', String(MP3_BITS_PER_SECOND), '-reservoir', '0', '-map_metadata', '-1'],
  ...['-f', 'mp3', '-write_xing', '0', '-id3v2_version', '0', '-flush_packets', '1', 'pipe:1'],
];

export interface Mp3EncoderHandlers {
  /** Whole MP3 frames. The bytes are the receiver's. */
  frames(bytes: Uint8Array): void;
  /** The process has ended by itself. */
  ended(complaint: string): void;
}

export class Mp3Encoder {
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #handlers: Mp3EncoderHandlers;
  #child: ChildProcessByStdio<Writable, Readable, Readable> | null = null;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #complaint = '';

  constructor(init: { env?: NodeJS.ProcessEnv }, handlers: Mp3EncoderHandlers) {
    this.#env = init.env;
    this.#handlers = handlers;
  }

  start(): void {
    if (this.#child !== null) return;
    const child = spawn('ffmpeg', ARGUMENTS, { stdio: ['pipe', 'pipe', 'pipe'], env: this.#env });
    this.#child = child;
    lowerPriority(child.pid);
    child.on('error', (error) => this.#finish(error.message));
    child.on('close', () => this.#finish(this.#complaint));
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(0, MAX_COMPLAINT_LENGTH);
    });
    child.stdout.on('data', (bytes: Buffer) => {
      if (this.#child === child) this.#take(bytes);
    });
  }

  /** Bytes written and not yet taken by the process. */
  get waitingBytes(): number {
    return this.#child?.stdin.writableLength ?? 0;
  }

  /** Interleaved frames; copied. */
  write(frames: Int16Array): void {
    if (this.#child?.stdin.writable !== true) return;
    this.#child.stdin.write(Buffer.from(new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength)));
  }

  stop(): void {
    const child = this.#child;
    this.#child = null;
    child?.kill('SIGKILL');
  }

  #take(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < CHUNK_BYTES) return;
    const all = Buffer.concat(this.#pending);
    const whole = all.length - (all.length % MP3_FRAME_BYTES);
    this.#pending = [all.subarray(whole)];
    this.#pendingBytes = all.length - whole;
    this.#handlers.frames(all.subarray(0, whole));
  }

  #finish(complaint: string): void {
    if (this.#child === null) return;
    this.#child = null;
    this.#handlers.ended(complaint.trim());
  }
}

/** The box's own sound comes first. */
function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Gone already, or not allowed here: it then runs like everybody.
  }
}
