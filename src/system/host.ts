import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOST_POLL_MS, MAX_CHILDREN } from './limits.ts';

/** What the machine and this process use. Bytes, degrees Celsius. */
export interface HostFigures {
  /** Of this process. */
  rssBytes: number;
  /** Of everything that it started and that runs still. */
  childrenRssBytes: number;
  heapUsedBytes: number;
  systemTotalBytes: number;
  systemAvailableBytes: number;
  /** "Raspberry Pi 3 Model B Plus Rev 1.3"; null where the machine does not tell. */
  model: string | null;
  temperatureC: number | null;
  /** Mean length of the run queue over a minute. */
  load1m: number | null;
}

export interface Host {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Figures no older than the polling interval; the process's own are of this moment. */
  figures(): HostFigures;
}

/** @param init `root` is "/" and `pid` this process's but for tests */
export function createHost(init: { root?: string; pid?: number; pollMs?: number } = {}): Host {
  return new HostWatch({ root: init.root ?? '/', pid: init.pid ?? process.pid, pollMs: init.pollMs ?? HOST_POLL_MS });
}

class HostWatch implements Host {
  readonly #init: { root: string; pid: number; pollMs: number };
  #read: Omit<HostFigures, 'rssBytes' | 'heapUsedBytes'> = {
    childrenRssBytes: 0,
    systemTotalBytes: 0,
    systemAvailableBytes: 0,
    model: null,
    temperatureC: null,
    load1m: null,
  };
  #timer: NodeJS.Timeout | null = null;

  constructor(init: { root: string; pid: number; pollMs: number }) {
    this.#init = init;
  }

  async start(): Promise<void> {
    if (this.#timer !== null) return;
    this.#read.model = machineModel(this.#init.root);
    this.#refresh();
    this.#timer = setInterval(() => this.#refresh(), this.#init.pollMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  figures(): HostFigures {
    const { rss, heapUsed } = process.memoryUsage();
    return { ...this.#read, rssBytes: rss, heapUsedBytes: heapUsed };
  }

  #refresh(): void {
    const { root, pid } = this.#init;
    this.#read = {
      ...this.#read,
      ...systemMemory(root),
      childrenRssBytes: descendantsRss(root, pid),
      temperatureC: temperature(root),
      load1m: loadAverage(root),
    };
  }
}

/** Total and available memory, from /proc/meminfo (in KiB there); zeros where it cannot be read. */
function systemMemory(root: string): { systemTotalBytes: number; systemAvailableBytes: number } {
  const text = read(join(root, 'proc/meminfo'));
  const bytes = (name: string) => 1_024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return { systemTotalBytes: bytes('MemTotal'), systemAvailableBytes: bytes('MemAvailable') };
}

/** Sum of the resident memory of all descendants; pages that they share count for each of them. */
function descendantsRss(root: string, pid: number): number {
  const seen = new Set<number>([pid]);
  const waiting = childrenOf(root, pid);
  let sum = 0;
  for (let child = waiting.pop(); child !== undefined && seen.size <= MAX_CHILDREN; child = waiting.pop()) {
    if (seen.has(child)) continue;
    seen.add(child);
    const status = read(join(root, `proc/${child}/status`));
    sum += 1_024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    waiting.push(...childrenOf(root, child));
  }
  return sum;
}

/** Each thread has a list of the processes that it started, see proc_pid_task_tid_children(5). */
function childrenOf(root: string, pid: number): number[] {
  const folder = join(root, `proc/${pid}/task`);
  const threads = names(folder);
  const lists = threads.map((thread) => read(join(folder, thread, 'children')));
  return lists.flatMap((list) => list.split(' ')).flatMap((text) => (/^\d+$/.test(text) ? [Number(text)] : []));
}

/** The hottest thermal zone: on a Raspberry Pi there is one, the processor's. */
function temperature(root: string): number | null {
  const folder = join(root, 'sys/class/thermal');
  const zones = names(folder).filter((name) => name.startsWith('thermal_zone'));
  const texts = zones.map((zone) => read(join(folder, zone, 'temp')));
  const degrees = texts.filter((text) => /^-?\d+\s*$/.test(text)).map((text) => Number(text) / 1_000);
  // Some boards have zones that say 0, or nonsense below the freezing point of the sensor.
  const plausible = degrees.filter((value) => value > 0 && value < 150);
  return plausible.length === 0 ? null : Math.max(...plausible);
}

function loadAverage(root: string): number | null {
  const value = Number.parseFloat(read(join(root, 'proc/loadavg')));
  return Number.isFinite(value) ? value : null;
}

/** Boards name themselves in the device tree, PCs in the firmware's tables. */
function machineModel(root: string): string | null {
  const board = read(join(root, 'sys/firmware/devicetree/base/model')).replaceAll('\0', '').trim();
  if (board !== '') return board;
  const parts = ['sys_vendor', 'product_name'].map((name) => read(join(root, 'sys/class/dmi/id', name)));
  const machine = parts.map((part) => part.trim()).filter(Boolean);
  return machine.length === 0 ? null : machine.join(' ');
}

/** Read at once: such files are made in memory, and a round trip through the thread pool costs seven times as much. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function names(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
