/**
 * A sound studio for tests: a PipeWire of its own, without any sound card, in which every "box" has an ALSA device, and
 * all boxes play into one multi-channel null sink. One recording of that sink holds all of them under one clock, so the
 * time between two boxes is a cross-correlation in samples.
 *
 * Everything lives in a temporary XDG_RUNTIME_DIR with a session bus of its own; `stop()` ends every process and removes
 * the directory. Needs the programs named in SOUND_LAB_PROGRAMS (Debian: dbus, pipewire, wireplumber, pipewire-pulse,
 * pipewire-alsa, pulseaudio-utils).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

export const SOUND_LAB_PROGRAMS = [
  'dbus-daemon',
  'pipewire',
  'wireplumber',
  'pipewire-pulse',
  'pactl',
  'parec',
] as const;
export const SOUND_LAB_RATE_HZ = 48_000;
/** Channel positions of the common sink, two a box: PipeWire names at most this many we need. */
const POSITIONS = [
  'front-left',
  'front-right',
  'rear-left',
  'rear-right',
  'side-left',
  'side-right',
  'front-center',
  'lfe',
];
/** util-linux' way to end a program with its parent, also when that is killed. */
const WITH_ME = ['--pdeathsig', 'TERM', '--'];
const MAX_BOXES = POSITIONS.length / 2;
/**
 * PipeWire's usual period, held fast: a client that comes or goes would change it, and with it every latency. (At 2,048 its
 * ALSA plug-in reports delays that scatter by 10 ms.)
 */
const PIPEWIRE_SETTINGS = `context.properties = {
  default.clock.rate = ${SOUND_LAB_RATE_HZ}
  default.clock.quantum = 1024
  default.clock.min-quantum = 1024
  default.clock.max-quantum = 1024
}
`;
const SERVER_PRIORITY = '20';
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 3_000;

export class SoundLabError extends Error {
  override name = 'SoundLabError';
}

export interface SoundLab {
  /** Environment in which a player must run to reach the lab's devices. */
  readonly env: NodeJS.ProcessEnv;
  /** ALSA device name of a box, for `alsa:NAME`. */
  alsaDevice(box: string): string;
  /** PipeWire sink of a box, for `pipewire:NAME`. */
  sinkName(box: string): string;
  /** Starts to record all boxes at once. */
  record(): Promise<Recording>;
  /** Takes a box's sound card away, as pulling a USB plug does. */
  unplug(box: string): Promise<void>;
  /** Puts it back. */
  replug(box: string): Promise<void>;
  stop(): Promise<void>;
}

export interface Recording {
  /** Ends the recording; the stereo sound of each box as interleaved 32-bit floats at 48,000 Hz. */
  stop(): Promise<Map<string, Float32Array>>;
}

/** Null if a sound lab can run here, else the reason why not. */
export function soundLabMissing(): string | null {
  const path = (process.env.PATH ?? '').split(delimiter);
  const missing = SOUND_LAB_PROGRAMS.filter((program) => !path.some((dir) => existsSync(join(dir, program))));
  return missing.length === 0 ? null : `not installed: ${missing.join(', ')}`;
}

/**
 * @param boxes names of at most four boxes
 * @throws SoundLabError if a program is missing or does not come up
 */
export async function startSoundLab(boxes: readonly string[]): Promise<SoundLab> {
  if (boxes.length === 0 || boxes.length > MAX_BOXES)
    throw new SoundLabError(`a sound lab holds 1 to ${MAX_BOXES} boxes`);
  const missing = soundLabMissing();
  if (missing !== null) throw new SoundLabError(missing);
  const studio = new Studio(await mkdtemp(join(tmpdir(), 'starling-sound-lab-')), boxes);
  try {
    await studio.start();
  } catch (error) {
    await studio.stop();
    throw error;
  }
  return studio;
}

class Studio implements SoundLab {
  readonly #dir: string;
  readonly #boxes: readonly string[];
  readonly #children: ChildProcess[] = [];
  readonly #modules = new Map<string, string>();
  env: NodeJS.ProcessEnv = {};

  constructor(dir: string, boxes: readonly string[]) {
    this.#dir = dir;
    this.#boxes = boxes;
  }

  async start(): Promise<void> {
    const home = join(this.#dir, 'home');
    await mkdir(home, { recursive: true });
    const settings = join(home, '.config', 'pipewire', 'pipewire.conf.d');
    await mkdir(settings, { recursive: true });
    await writeFile(join(settings, 'lab.conf'), PIPEWIRE_SETTINGS);
    const alsaConfig = join(this.#dir, 'asound.conf');
    const devices = this.#boxes.map(
      (box) => `pcm.${this.alsaDevice(box)} { type pipewire playback_node "${this.sinkName(box)}" }`,
    );
    await writeFile(alsaConfig, ['</usr/share/alsa/alsa.conf>', ...devices, ''].join('\n'));
    this.env = {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: home,
      XDG_RUNTIME_DIR: this.#dir,
      XDG_CONFIG_HOME: join(home, '.config'),
      XDG_STATE_HOME: join(home, '.state'),
      ALSA_CONFIG_PATH: alsaConfig,
      PULSE_SERVER: `unix:${join(this.#dir, 'pulse', 'native')}`,
    };
    this.env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${join(this.#dir, 'bus')}`;
    this.#spawn('dbus-daemon', ['--session', '--nofork', `--address=${this.env.DBUS_SESSION_BUS_ADDRESS}`]);
    await this.#until('session bus', async () => existsSync(join(this.#dir, 'bus')));
    this.#spawn('pipewire', []);
    await this.#until('pipewire', async () => existsSync(join(this.#dir, 'pipewire-0')));
    this.#spawn('wireplumber', []);
    this.#spawn('pipewire-pulse', []);
    await this.#until('pipewire-pulse', () => this.#pactl('info').then(() => true));
    await this.#until('the null sink', () => this.#makeSink().then(() => true));
    for (const box of this.#boxes) await this.#until(`sink of ${box}`, () => this.replug(box).then(() => true));
  }

  alsaDevice(box: string): string {
    return `box${box}`;
  }

  sinkName(box: string): string {
    return `sink${box}`;
  }

  async record(): Promise<Recording> {
    const channels = this.#boxes.length * 2;
    const child = spawn(
      'setpriv',
      [
        ...WITH_ME,
        'parec',
        '--device=lab.monitor',
        '--format=float32le',
        `--rate=${SOUND_LAB_RATE_HZ}`,
        `--channels=${channels}`,
        `--channel-map=${POSITIONS.slice(0, channels).join(',')}`,
        '--latency-msec=200',
        '--raw',
      ],
      { env: this.env, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    favour(child);
    this.#children.push(child);
    const chunks: Buffer[] = [];
    const first = new Promise<void>((resolve) => child.stdout!.once('data', () => resolve()));
    child.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk));
    await Promise.race([first, sleep(START_TIMEOUT_MS)]);
    if (chunks.length === 0) throw new SoundLabError('the recorder heard nothing');
    return {
      stop: async () => {
        await end(child);
        return this.#split(Buffer.concat(chunks), channels);
      },
    };
  }

  async unplug(box: string): Promise<void> {
    const module = this.#modules.get(box);
    if (module === undefined) return;
    this.#modules.delete(box);
    await this.#pactl('unload-module', module);
  }

  async replug(box: string): Promise<void> {
    if (this.#modules.has(box)) return;
    const index = this.#boxes.indexOf(box) * 2;
    const map = POSITIONS.slice(index, index + 2).join(',');
    const module = await this.#pactl(
      'load-module',
      'module-remap-sink',
      `sink_name=${this.sinkName(box)}`,
      'master=lab',
      'channels=2',
      'channel_map=front-left,front-right',
      `master_channel_map=${map}`,
      'remix=no',
    );
    this.#modules.set(box, module.trim());
  }

  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) await end(child);
    this.#children.length = 0;
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #makeSink(): Promise<void> {
    const channels = this.#boxes.length * 2;
    await this.#pactl(
      'load-module',
      'module-null-sink',
      'sink_name=lab',
      `rate=${SOUND_LAB_RATE_HZ}`,
      `channels=${channels}`,
      `channel_map=${POSITIONS.slice(0, channels).join(',')}`,
    );
  }

  #split(bytes: Buffer, channels: number): Map<string, Float32Array> {
    const frames = Math.floor(bytes.length / (4 * channels));
    const all = new Float32Array(frames * channels);
    Buffer.from(all.buffer).set(bytes.subarray(0, all.byteLength));
    const boxes = new Map<string, Float32Array>();
    this.#boxes.forEach((box, index) => {
      const stereo = new Float32Array(frames * 2);
      for (let frame = 0; frame < frames; frame++) {
        stereo[2 * frame] = all[frame * channels + 2 * index]!;
        stereo[2 * frame + 1] = all[frame * channels + 2 * index + 1]!;
      }
      boxes.set(box, stereo);
    });
    return boxes;
  }

  #spawn(program: string, args: string[]): void {
    const child = spawn('setpriv', [...WITH_ME, program, ...args], { env: this.env, stdio: 'ignore' });
    child.on('error', () => {});
    favour(child);
    this.#children.push(child);
  }

  async #pactl(...args: string[]): Promise<string> {
    const { stdout } = await execFileAsync('pactl', args, { env: this.env, timeout: 5_000 });
    return stdout;
  }

  async #until(what: string, ready: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let reason = '';
    while (performance.now() < deadline) {
      const done = await ready().catch((error: Error) => {
        reason = error.message;
        return false;
      });
      if (done) return;
      await sleep(50);
    }
    const files = await readdir(this.#dir);
    throw new SoundLabError(`${what} did not come up: ${reason} (runtime directory: ${files.join(' ')})`);
  }
}

/** Real-time scheduling, as sound servers have it on a desktop, where this user may set it. */
function favour(child: ChildProcess): void {
  execFile('chrt', ['--all-tasks', '--rr', '--pid', SERVER_PRIORITY, String(child.pid)], () => {});
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}
