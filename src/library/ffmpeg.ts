import { type ChildProcess, spawn } from 'node:child_process';
import { constants, getPriority, setPriority } from 'node:os';
import type { Readable } from 'node:stream';
import { FfmpegMissingError, SkippedFileError } from './errors.ts';
import { FFMPEG_MAX_ALLOC, FFMPEG_NICE, FFMPEG_SILENCE_MS, MAX_COMPLAINT_LENGTH } from './limits.ts';

/** Options of every run: nothing is asked, no file is opened but the one that is given. */
const COMMON = [
  ...['-nostdin', '-hide_banner', '-v', 'error', '-protocol_whitelist', 'file,pipe'],
  ...['-max_alloc', String(FFMPEG_MAX_ALLOC), '-threads', '1'],
];
/** A killed process that reads from a dead stick cannot end before the kernel lets it; nobody waits for that. */
const END_WAIT_MS = 2_000;

export interface FfmpegInit {
  /** Name or path of the program. */
  program?: string;
  silenceMs?: number;
  /** Added to the niceness of this process; 0 where somebody waits for it. */
  nice?: number;
}

export interface RunOptions {
  args: string[];
  /** File descriptors that become 3 and so on; `out` is a further output. */
  extra: (number | 'out')[];
  signal: AbortSignal;
  /** Written to standard input. */
  input?: Uint8Array;
  /** Takes standard output, piece by piece. */
  output(chunk: Buffer): Promise<void> | void;
  /** Takes the further output. */
  second?(chunk: Buffer): void;
}

/** Starts ffmpeg politely, watches over it, and ends it: on abort, on silence, and when its reader fails. */
export class Ffmpeg {
  readonly #init: FfmpegInit;
  readonly #children = new Set<ChildProcess>();

  constructor(init: FfmpegInit = {}) {
    this.#init = init;
  }

  /** Process ids that are running now. */
  get running(): number[] {
    return [...this.#children].flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
  }

  /**
   * Runs to the end. Resolves with what ffmpeg complained of, even when it failed: what came out may still be of use.
   * @throws FfmpegMissingError, SkippedFileError('timeout'), the signal's reason, what `output` throws
   */
  async run(options: RunOptions): Promise<{ ok: boolean; complaint: string }> {
    options.signal.throwIfAborted();
    const program = this.#init.program ?? 'ffmpeg';
    const child = spawn(program, [...COMMON, ...options.args], {
      stdio: [
        options.input ? 'pipe' : 'ignore',
        'pipe',
        'pipe',
        ...options.extra.map((it) => (it === 'out' ? 'pipe' : it)),
      ],
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
    });
    this.#children.add(child);
    const ended = endOf(child, program);
    ended.catch(() => {});
    if (child.pid !== undefined) beNice(child.pid, this.#init.nice ?? FFMPEG_NICE);
    try {
      return await this.#attend(child, ended, options);
    } finally {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await Promise.race([ended.catch(() => {}), pause(END_WAIT_MS)]);
      }
      for (const stream of child.stdio) stream?.destroy();
      this.#children.delete(child);
    }
  }

  async #attend(
    child: ChildProcess,
    ended: Promise<number | null>,
    options: RunOptions,
  ): Promise<{ ok: boolean; complaint: string }> {
    let complaint = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < MAX_COMPLAINT_LENGTH) complaint = (complaint + text).slice(0, MAX_COMPLAINT_LENGTH);
    });
    if (options.input) child.stdin!.on('error', () => {}).end(options.input);
    const silenceMs = this.#init.silenceMs ?? FFMPEG_SILENCE_MS;
    const watchdog = new Watchdog(silenceMs);
    const second = consume(
      options.extra.includes('out') ? (child.stdio[3 + options.extra.indexOf('out')] as Readable) : null,
      (chunk) => {
        watchdog.feed();
        options.second?.(chunk);
      },
    );
    const work = (async () => {
      await consume(child.stdout, async (chunk) => {
        watchdog.feed();
        await options.output(chunk);
        watchdog.feed();
      });
      await second;
      const code = await ended;
      return { ok: code === 0, complaint: tidy(complaint) };
    })();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(options.signal.reason);
    options.signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([work, watchdog.fired, aborted, ended.then(() => work)]);
    } finally {
      watchdog.stop();
      options.signal.removeEventListener('abort', abort);
      work.catch(() => {});
      second.catch(() => {});
    }
  }
}

/** Rejects when it was not fed for a while. */
class Watchdog {
  readonly fired: Promise<never>;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.fired = promise;
    promise.catch(() => {});
    this.#timer = setTimeout(() => reject(new SkippedFileError('timeout')), ms);
  }

  feed(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

async function consume(stream: Readable | null, take: (chunk: Buffer) => Promise<void> | void): Promise<void> {
  if (stream === null) return;
  for await (const chunk of stream) await take(chunk as Buffer);
}

function endOf(child: ChildProcess, program: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new FfmpegMissingError(program) : error),
    );
    child.on('exit', (code) => resolve(code));
  });
}

function beNice(pid: number, nice: number): void {
  if (nice === 0) return;
  try {
    setPriority(pid, Math.min(getPriority() + nice, constants.priority.PRIORITY_LOW));
  } catch {
    // gone already
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** Without addresses of objects, which differ every time, and without the name under which the file was opened. */
function tidy(complaint: string): string {
  return complaint
    .replace(/ @ 0x[0-9a-f]+/g, '')
    .replace(/file:\/dev\/fd\/\d+:?/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
