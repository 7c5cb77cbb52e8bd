import { spawn } from 'node:child_process';

export interface NotifyLogger {
  warn(message: string, fields?: Record<string, unknown>): void;
}

/** What systemd hears of this process, see sd_notify(3). Never throws, never waits; without systemd nothing happens. */
export interface Notify {
  /** How long systemd waits for `alive()` before it ends this process; null: it does not wait. */
  readonly watchdogMs: number | null;
  /** The radio plays. */
  ready(): void;
  /** Feeds the watchdog. */
  alive(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  stopping(): void;
}

/** What is left of NOTIFY_SOCKET and WATCHDOG_USEC for the child processes of this one: nothing. */
export interface NotifyInit {
  socket: string | null;
  watchdogMs: number | null;
  /** But for tests: "systemd-notify". */
  program?: string;
}

/** systemd-notify waits up to 5 s until it was heard (see its --no-block); one that takes longer hangs. */
const SEND_LIMIT_MS = 10_000;
/** A status is one line of a terminal. */
const MAX_STATUS_CHARS = 200;

/** Takes what systemd put into the environment out of it: players and decoders are not to speak for the radio. */
export function takeNotifyInit(env: NodeJS.ProcessEnv): NotifyInit {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  const watchdogMs = /^[1-9]\d{0,15}$/.test(usec ?? '') ? Number(usec) / 1_000 : null;
  const isUsable = socket !== undefined && /^[/@]./.test(socket);
  return { socket: isUsable ? socket : null, watchdogMs: isUsable ? watchdogMs : null };
}

/**
 * Node opens no datagram sockets of the Unix kind, so each message is a process: systemd-notify, 5 ms of processor time
 * on a PC. At most one runs at a time; what is to be said meanwhile goes with the next, each word once.
 */
export function createNotify(components: { log: NotifyLogger }, init: NotifyInit): Notify {
  return new Notifier(components, init);
}

class Notifier implements Notify {
  readonly watchdogMs: number | null;
  readonly #log: NotifyLogger;
  readonly #socket: string | null;
  readonly #program: string;
  /** By name: READY, WATCHDOG, STATUS, STOPPING. */
  readonly #waiting = new Map<string, string>();
  #isSending = false;
  #hasFailed = false;

  constructor({ log }: { log: NotifyLogger }, init: NotifyInit) {
    this.#log = log;
    this.#socket = init.socket;
    this.watchdogMs = init.watchdogMs;
    this.#program = init.program ?? 'systemd-notify';
  }

  ready(): void {
    this.#say('READY', '1');
  }

  alive(): void {
    this.#say('WATCHDOG', '1');
  }

  status(text: string): void {
    this.#say('STATUS', oneLine(text));
  }

  stopping(): void {
    this.#say('STOPPING', '1');
  }

  #say(name: string, value: string): void {
    if (this.#socket === null) return;
    this.#waiting.set(name, value);
    if (!this.#isSending) this.#send(this.#socket);
  }

  #send(socket: string): void {
    const words = [...this.#waiting].map(([name, value]) => `${name}=${value}`);
    this.#waiting.clear();
    this.#isSending = true;
    const done = (failure: string | null) => {
      if (!this.#isSending) return;
      this.#isSending = false;
      this.#tellOnce(failure);
      if (this.#waiting.size > 0) this.#send(socket);
    };
    const child = spawn(this.#program, words, {
      stdio: 'ignore',
      timeout: SEND_LIMIT_MS,
      killSignal: 'SIGKILL',
      env: { PATH: process.env.PATH, NOTIFY_SOCKET: socket },
    });
    child.once('error', (error) => done(error.message));
    child.once('exit', (code, signal) => done(code === 0 ? null : `it ended with ${code ?? signal}`));
    // A word to systemd is no reason to stay alive.
    child.unref();
  }

  #tellOnce(failure: string | null): void {
    if (failure !== null && !this.#hasFailed) {
      this.#log.warn('systemd cannot be told how the radio is', { program: this.#program, cause: failure });
    }
    this.#hasFailed = failure !== null;
  }
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_STATUS_CHARS);
}
