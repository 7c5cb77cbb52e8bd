import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blockDevice, isPresent } from './block-devices.ts';
import { NoProcError } from './errors.ts';
import { MAX_MOUNT_LINES, MAX_STICKS, MOUNT_POLL_MS } from './limits.ts';
import { type MountLine, parseMountInfo } from './mount-table.ts';

/** A mounted stick or disk that may be pulled out. */
export interface Stick {
  /** Where it is mounted. */
  path: string;
  /** "/dev/sda1". */
  device: string;
  /** "vfat", "exfat", "ext4" and so on. */
  fsType: string;
  readOnly: boolean;
}

export interface MountsLogger {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
}

export interface Mounts {
  /**
   * Finds what is plugged in and watches from then on.
   * @throws {NoProcError} where there is no table of mounts
   */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** What is plugged in and mounted, by path. */
  sticks(): readonly Stick[];
  /** Called with what is there after each change. @returns the way to stop listening */
  onChanged(handler: (sticks: readonly Stick[]) => void): () => void;
}

/** @param init `root` is "/" but for tests; `pollMs` how often the table of mounts is looked at */
export function createMounts(components: { log: MountsLogger }, init: { root?: string; pollMs?: number } = {}): Mounts {
  return new MountWatch(components, { root: init.root ?? '/', pollMs: init.pollMs ?? MOUNT_POLL_MS });
}

/**
 * The sticks that are mounted now, each once, in the order of their paths.
 * @param root "/", or a folder with `proc` and `sys` in it
 * @throws {NoProcError} where there is no table of mounts
 */
export async function findSticks(root = '/'): Promise<Stick[]> {
  return (await look(root, await mountTable(root))).map(({ stick }) => stick);
}

interface Found {
  stick: Stick;
  sysPath: string;
}

async function mountTable(root: string): Promise<string> {
  const path = join(root, 'proc/self/mountinfo');
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new NoProcError(path, error.code ?? error.message);
  });
}

async function look(root: string, table: string): Promise<Found[]> {
  const mounts = parseMountInfo(table, MAX_MOUNT_LINES);
  const systemDisks = new Set<string>();
  const candidates: { mount: MountLine; disk: string; sysPath: string }[] = [];
  for (const mount of mounts) {
    const device = await blockDevice(root, mount);
    if (device === null) continue;
    if (isSystemPoint(mount.mountPoint)) systemDisks.add(device.disk);
    else if (device.pluggable) candidates.push({ mount, disk: device.disk, sysPath: device.sysPath });
  }
  const found = new Map<string, Found>();
  // A shorter path first: of one file system mounted twice, the plainer place is kept.
  for (const { mount, disk, sysPath } of candidates.sort((a, b) => rank(a.mount) - rank(b.mount))) {
    // A box that runs from a USB disk must not take its own system for music.
    if (systemDisks.has(disk) || found.has(sysPath) || found.size >= MAX_STICKS) continue;
    const { mountPoint: path, source: device, fsType, readOnly } = mount;
    found.set(sysPath, { stick: { path, device, fsType, readOnly }, sysPath });
  }
  return [...found.values()].sort((a, b) => (a.stick.path < b.stick.path ? -1 : 1));
}

function rank(mount: MountLine): number {
  return mount.mountPoint.length + (mount.root === '/' ? 0 : 10_000);
}

function isSystemPoint(mountPoint: string): boolean {
  return mountPoint === '/' || /^\/(boot|efi|etc|home|opt|root|srv|usr|var)(\/|$)/.test(mountPoint);
}

class MountWatch implements Mounts {
  readonly #components: { log: MountsLogger };
  readonly #init: { root: string; pollMs: number };
  readonly #handlers = new Set<(sticks: readonly Stick[]) => void>();
  #found: Found[] = [];
  #table = '';
  #timer: NodeJS.Timeout | null = null;
  #running = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(components: { log: MountsLogger }, init: { root: string; pollMs: number }) {
    this.#components = components;
    this.#init = init;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      this.#table = await mountTable(this.#init.root);
      this.#found = await look(this.#init.root, this.#table);
    } catch (error) {
      this.#running = false;
      throw error;
    }
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#running = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#looking;
  }

  sticks(): readonly Stick[] {
    return this.#found.map(({ stick }) => stick);
  }

  onChanged(handler: (sticks: readonly Stick[]) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  #plan(): void {
    if (!this.#running) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        .catch((error) => this.#components.log.warn('The mounts could not be read', { cause: String(error) }))
        .finally(() => this.#plan());
    }, this.#init.pollMs);
    this.#timer.unref();
  }

  /** Cheap while nothing changes: one read, one comparison, and a look whether each stick is still there. */
  async #look(): Promise<void> {
    const table = await mountTable(this.#init.root);
    const present = await Promise.all(this.#found.map(({ sysPath }) => isPresent(sysPath)));
    if (table === this.#table && !present.includes(false)) return;
    this.#table = table;
    const before = JSON.stringify(this.sticks());
    this.#found = await look(this.#init.root, table);
    if (!this.#running || JSON.stringify(this.sticks()) === before) return;
    this.#components.log.info('Sticks changed', { paths: this.sticks().map(({ path }) => path) });
    for (const handler of this.#handlers) handler(this.sticks());
  }
}
