/**
 * Players without a sound card: frames pass by this machine's monotonic clock, unheard or into a file. The radio goes on in
 * time, so a card that comes later finds it at the right place.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { FRAMES_PER_MS, type SoundObservation } from '../clock/steering.ts';
import { OutputUnavailableError } from './errors.ts';
import type { Player } from './player.ts';
import { BYTES_PER_FRAME, CHANNELS, RATE_HZ } from './types.ts';

/** Silence by the clock. */
export class ClockedPlayer implements Player {
  readonly #nowMs: () => number;
  protected written = 0;
  protected beganAtMs: number | null = null;

  constructor(init: { nowMs?: () => number } = {}) {
    this.#nowMs = init.nowMs ?? (() => performance.now());
  }

  async start(): Promise<void> {}

  write(bytes: Uint8Array): void {
    this.written += bytes.byteLength / BYTES_PER_FRAME;
  }

  async begin(): Promise<number> {
    this.beganAtMs ??= this.#nowMs();
    return this.beganAtMs;
  }

  async observe(): Promise<SoundObservation | null> {
    if (this.beganAtMs === null) return null;
    const monoMs = this.#nowMs();
    return { frame: (monoMs - this.beganAtMs) * FRAMES_PER_MS, monoMs, uncertaintyMs: 0 };
  }

  setVolume(_percent: number): void {}

  async stop(): Promise<void> {
    this.beganAtMs = null;
  }

  onEnded(_handler: (reason: string) => void): void {}

  onUnderrun(_handler: () => void): void {}
}

const WAV_HEADER_BYTES = 44;
/** Sizes in a WAV header are 32 bit; a longer recording keeps the largest, which players read as "to the end of the file". */
const MAX_WAV_BYTES = 0xffff_ffff - WAV_HEADER_BYTES;
/** Written to the file and not yet on the disk; past this the disk is too slow and the player ends. 40 s of sound. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024;

/** Writes what would be heard to a WAV file (or bare samples for `.raw` and `.pcm`). */
export class FilePlayer extends ClockedPlayer {
  readonly #path: string;
  #stream: WriteStream | null = null;
  #bytes = 0;
  #ended: (reason: string) => void = () => {};

  constructor(init: { path: string; nowMs?: () => number }) {
    super(init);
    this.#path = init.path;
  }

  get #isWav(): boolean {
    return !/\.(raw|pcm)$/i.test(this.#path);
  }

  override async start(): Promise<void> {
    if (this.#stream !== null) return;
    const stream = createWriteStream(this.#path);
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve());
      stream.once('error', (error) => reject(new OutputUnavailableError(`file output: ${error.message}`)));
    });
    stream.on('error', (error) => this.#fail(`file output: ${error.message}`));
    this.#stream = stream;
    this.#bytes = 0;
    if (this.#isWav) stream.write(wavHeader(0xffff_ffff));
  }

  override write(bytes: Uint8Array): void {
    super.write(bytes);
    const stream = this.#stream;
    if (stream === null) return;
    this.#bytes += bytes.byteLength;
    stream.write(Buffer.from(bytes));
    if (stream.writableLength > MAX_PENDING_BYTES) this.#fail('file output: the disk is too slow');
  }

  override async stop(): Promise<void> {
    await super.stop();
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    await new Promise<void>((resolve) => stream.end(() => resolve()));
    if (!this.#isWav) return;
    const file = await open(this.#path, 'r+').catch(() => null);
    if (file === null) return;
    await file.write(wavHeader(Math.min(this.#bytes, MAX_WAV_BYTES)), 0, WAV_HEADER_BYTES, 0).catch(() => {});
    await file.close();
  }

  override onEnded(handler: (reason: string) => void): void {
    this.#ended = handler;
  }

  #fail(reason: string): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    stream.destroy();
    this.#ended(reason);
  }
}

/** RIFF header of 16 bit PCM, 48,000 Hz stereo. */
function wavHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write('RIFF', 0);
  header.writeUInt32LE(Math.min(0xffff_ffff, dataBytes + WAV_HEADER_BYTES - 8), 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(CHANNELS, 22);
  header.writeUInt32LE(RATE_HZ, 24);
  header.writeUInt32LE(RATE_HZ * BYTES_PER_FRAME, 28);
  header.writeUInt16LE(BYTES_PER_FRAME, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(dataBytes, 40);
  return header;
}
