/**
 * mpv as the player: raw frames on its stdin, its clock read over JSON IPC.
 *
 * `audio-pts` says which frame is heard (mpv subtracts what the sound system still holds); through ALSA it is steady to 0.01 ms.
 * `speed` is never touched: mpv's time-stretcher hops by milliseconds. IPC runs over an inherited socket, so there is no file
 * that another user could open, and mpv ends when this process does, because its stdin ends.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Duplex, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { FRAMES_PER_MS, type SoundObservation } from '../clock/steering.ts';
import { OutputUnavailableError, PlayerMissingError, PlayerProtocolError } from './errors.ts';
import { MpvIpc } from './mpv-ipc.ts';
import type { Player } from './player.ts';
import { CHANNELS, type Logger, RATE_HZ } from './types.ts';

/** A small board reads mpv's hundred libraries from a slow card, while the rest of the box starts too. */
const START_TIMEOUT_MS = 30_000;
/** Until its sound is open, and again to the first reading of its clock; a sound system that needs longer is taken for broken. */
const BEGIN_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
/** After SIGTERM. */
const STOP_TIMEOUT_MS = 2_000;
/** From the end of its socket to the end of its process. */
const GONE_TIMEOUT_MS = 1_000;
/** Real-time priority of the player, where allowed: below sound servers, which take 20 and more. */
const PLAYER_PRIORITY = '10';
/** Unread frames in this process: mpv has stopped reading. 5 s of sound. */
const MAX_PENDING_BYTES = 1024 * 1024;
const MAX_REASON_LENGTH = 300;

export interface MpvInit {
  /** mpv's audio output driver: alsa, pipewire, null. */
  driver: string;
  /** The driver's device; null: its default. */
  device: string | null;
  volume: number;
  env?: NodeJS.ProcessEnv;
}

export class MpvPlayer implements Player {
  readonly #log: Logger;
  readonly #init: MpvInit;
  #child: ChildProcess | null = null;
  #ipc: MpvIpc | null = null;
  #lastWords = '';
  #endReason: string | null = null;
  #stopping = false;
  #gone: Promise<void> = Promise.resolve();
  #ended: (reason: string) => void = () => {};
  #underrun: () => void = () => {};

  constructor(components: { log: Logger }, init: MpvInit) {
    this.#log = components.log;
    this.#init = init;
  }

  async start(): Promise<void> {
    if (this.#child !== null) return;
    this.#stopping = false;
    this.#endReason = null;
    const child = spawn('mpv', mpvArguments(this.#init), {
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
      env: this.#init.env,
    });
    this.#child = child;
    this.#gone = new Promise((resolve) => child.once('close', () => resolve()));
    child.stdin!.on('error', () => {});
    child.once('close', (code, signal) => this.#end(`mpv ended (${signal ?? `code ${code}`})`));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', () => resolve());
      child.on('error', (error: NodeJS.ErrnoException) => {
        this.#child = null;
        const missing = error.code === 'ENOENT';
        reject(missing ? new PlayerMissingError('mpv is not installed') : new PlayerProtocolError(error.message));
      });
    });
    this.#ipc = new MpvIpc(child.stdio[3] as Duplex, (event) => this.#hear(event));
    await this.#ipc.requestWithin(START_TIMEOUT_MS, 'request_log_messages', 'warn');
    favour(child);
  }

  write(bytes: Uint8Array): void {
    const stdin = this.#child?.stdin as Writable | null | undefined;
    if (stdin === null || stdin === undefined || stdin.destroyed) return;
    stdin.write(Buffer.from(bytes));
    if (stdin.writableLength > MAX_PENDING_BYTES) this.#fail('mpv does not read');
  }

  async begin(): Promise<number> {
    const deadlineMs = performance.now() + BEGIN_TIMEOUT_MS;
    while ((await this.#property('current-ao')) === null) await this.#pause(deadlineMs, 'has no sound');
    await this.#ipc!.request('set_property', 'pause', false);
    for (;;) {
      const observation = await this.observe();
      if (observation !== null && observation.frame > 0) return observation.monoMs - observation.frame / FRAMES_PER_MS;
      await this.#pause(deadlineMs, 'does not advance');
    }
  }

  async observe(): Promise<SoundObservation | null> {
    if (this.#child === null) return null;
    const beforeMs = performance.now();
    const seconds = await this.#property('audio-pts');
    const afterMs = performance.now();
    if (typeof seconds !== 'number') return null;
    return { frame: seconds * RATE_HZ, monoMs: (beforeMs + afterMs) / 2, uncertaintyMs: (afterMs - beforeMs) / 2 };
  }

  setVolume(percent: number): void {
    this.#ipc?.request('set_property', 'volume', percent).catch(() => {});
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#stopping = true;
    this.#child = null;
    this.#ipc?.close();
    child.stdin?.destroy();
    if (child.pid === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  onEnded(handler: (reason: string) => void): void {
    this.#ended = handler;
  }

  onUnderrun(handler: () => void): void {
    this.#underrun = handler;
  }

  /** A property's value, null while mpv has none; throws only if mpv is gone. */
  async #property(name: string): Promise<unknown> {
    try {
      return (await this.#ipc!.request('get_property', name)) ?? null;
    } catch (error) {
      // Its socket closes a moment before its end is known, with the reason.
      if (this.#ipc?.closed === true) await Promise.race([this.#gone, sleep(GONE_TIMEOUT_MS)]);
      if (this.#endReason !== null) throw new OutputUnavailableError(this.#endReason);
      if (/unavailable|not found/.test((error as Error).message)) return null;
      throw error;
    }
  }

  async #pause(deadlineMs: number, what: string): Promise<void> {
    if (this.#endReason !== null) throw new OutputUnavailableError(this.#endReason);
    if (performance.now() > deadlineMs)
      throw new OutputUnavailableError(`${this.#name} ${what}. ${this.#lastWords}`.trim());
    await sleep(POLL_MS);
  }

  get #name(): string {
    const { driver, device } = this.#init;
    return device === null ? driver : `${driver}:${device}`;
  }

  #hear(event: { event: string } & Record<string, unknown>): void {
    if (event.event !== 'log-message') return;
    const text = `${String(event.prefix)}: ${String(event.text).trim()}`.slice(0, MAX_REASON_LENGTH);
    if (/underrun/i.test(text)) this.#underrun();
    if (text === this.#lastWords) return;
    // The driver's own words tell more than mpv's summary that follows.
    if (text.startsWith('ao/') || !this.#lastWords.startsWith('ao/')) this.#lastWords = text;
    this.#log.debug('mpv', { text });
  }

  #fail(reason: string): void {
    this.#child?.kill('SIGKILL');
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.#endReason !== null) return;
    this.#endReason = `${this.#name}: ${[reason, this.#lastWords].filter((part) => part !== '').join('; ')}`;
    this.#ipc?.close();
    if (!this.#stopping) this.#ended(this.#endReason);
  }
}

/**
 * The player must not wait for whatever else the box does: real-time scheduling by util-linux' chrt, as a sound server has
 * it. Once it has started: loading a hundred libraries first would keep the small board's rest, this process too, from running.
 * Needs CAP_SYS_NICE or LimitRTPRIO; where that is not granted the player runs as it is.
 */
function favour(child: ChildProcess): void {
  const pid = String(child.pid);
  execFile('chrt', ['--all-tasks', '--rr', '--pid', PLAYER_PRIORITY, pid], () => {});
}

function mpvArguments(init: MpvInit): string[] {
  const device = init.device === null ? [] : [`--audio-device=${init.driver}/${init.device}`];
  return [
    ...[
      '--no-config',
      '--no-terminal',
      '--no-video',
      '--load-scripts=no',
      '--ytdl=no',
      '--osc=no',
      '--input-default-bindings=no',
    ],
    '--input-ipc-client=fd://3',
    ...['--demuxer=rawaudio', `--demuxer-rawaudio-rate=${RATE_HZ}`, `--demuxer-rawaudio-channels=${CHANNELS}`],
    ...['--demuxer-rawaudio-format=s16le', '--cache=no', '--demuxer-readahead-secs=0', '--audio-buffer=0.2'],
    ...['--idle=no', '--keep-open=no', '--pause', '--speed=1', '--volume-max=100', `--volume=${init.volume}`],
    ...[`--ao=${init.driver}`, ...device, '--audio-fallback-to-null=no', '--audio-client-name=starling', '-'],
  ];
}
