/** One emulated box: the built image in QEMU's `virt` machine, with a sound card that records, and a USB port. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';

export const QEMU = 'qemu-system-aarch64';
/** Of the smallest board that is supported, the Zero 2 W. */
const MEMORY_MB = 512;
const MONITOR_TIMEOUT_MS = 10_000;

export interface MachineInit {
  /** The card; written to. */
  disk: string;
  kernel: string;
  initrd: string;
  /** For the serial log, the recorded sound and the monitor's socket. */
  directory: string;
  /** Port of the host that leads to the page. */
  httpPort: number;
  memoryMb?: number;
  /** False: no network card at all. */
  network?: boolean;
  /** Kernel arguments beyond those of the card. */
  append?: string;
}

/** The emulator's own monitor speaks JSON lines (QMP). */
interface MonitorReply {
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  QMP?: unknown;
}

export class Machine {
  readonly init: MachineInit;
  readonly serialLog: string;
  readonly wav: string;
  #process: ChildProcess | null = null;
  #monitor: Socket | null = null;
  #answers: ((reply: MonitorReply) => void)[] = [];
  #stderr = '';

  constructor(init: MachineInit) {
    this.init = init;
    mkdirSync(init.directory, { recursive: true });
    this.serialLog = join(init.directory, 'serial.log');
    this.wav = join(init.directory, 'sound.wav');
  }

  get running(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get url(): string {
    return `http://127.0.0.1:${this.init.httpPort}`;
  }

  async start(): Promise<void> {
    const socket = join(this.init.directory, 'monitor.sock');
    rmSync(socket, { force: true });
    this.#process = spawn(QEMU, this.#arguments(socket), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString()).slice(-4_000);
    });
    const deadline = performance.now() + MONITOR_TIMEOUT_MS;
    while (!existsSync(socket)) {
      if (!this.running || performance.now() > deadline) throw new Error(`the emulator did not start: ${this.#stderr}`);
      await sleep(50);
    }
    await this.#openMonitor(socket);
  }

  /** Pulls the plug. */
  async kill(): Promise<void> {
    if (!this.running) return;
    const ended = once(this.#process!, 'exit');
    this.#process!.kill('SIGKILL');
    await ended;
    this.#monitor?.destroy();
  }

  /** Ends the emulator in order, so that the recorded sound is whole; the guest has no say. */
  async quit(): Promise<void> {
    if (!this.running) return;
    const ended = once(this.#process!, 'exit');
    this.command('quit').catch(() => {});
    await ended;
    this.#monitor?.destroy();
  }

  /** Puts a disk image into the USB port under this name. */
  async plug(name: string, file: string): Promise<void> {
    await this.command('blockdev-add', {
      driver: 'raw',
      'node-name': `${name}-disk`,
      'read-only': true,
      file: { driver: 'file', filename: file, 'read-only': true },
    });
    await this.command('device_add', { driver: 'usb-storage', id: name, drive: `${name}-disk`, bus: 'xhci.0' });
  }

  /** Pulls it out, whatever is being read. */
  async unplug(name: string): Promise<void> {
    await this.command('device_del', { id: name });
    for (let attempt = 0; attempt < 20; attempt++) {
      await sleep(500);
      const gone = await this.command('blockdev-del', { 'node-name': `${name}-disk` }).then(
        () => true,
        () => false,
      );
      if (gone) return;
    }
    throw new Error(`the stick ${name} did not go`);
  }

  serial(): string {
    return existsSync(this.serialLog) ? readFileSync(this.serialLog, 'utf8') : '';
  }

  command(execute: string, args: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const monitor = this.#monitor;
      if (monitor === null) return reject(new Error('the monitor is not open'));
      this.#answers.push((reply) =>
        reply.error === undefined ? resolve(reply.return) : reject(new Error(`${execute}: ${reply.error.desc}`)),
      );
      monitor.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  #arguments(socket: string): string[] {
    const { disk, kernel, initrd, httpPort, memoryMb = MEMORY_MB, network = true, append = '' } = this.init;
    const card = 'root=PARTUUID=53544152-02 rootfstype=squashfs ro rootwait panic=10 console=ttyAMA0';
    return [
      ...['-M', 'virt,gic-version=3', '-cpu', 'cortex-a72', '-smp', '2', '-m', `${memoryMb}M`],
      ...['-accel', 'tcg,thread=multi', '-display', 'none', '-no-reboot'],
      ...['-kernel', kernel, '-initrd', initrd, '-append', `${card} ${append}`],
      ...['-drive', `file=${disk},if=none,format=raw,id=card,cache=writeback`, '-device', 'virtio-blk-pci,drive=card'],
      ...(network
        ? [
            '-netdev',
            `user,id=lan,hostfwd=tcp:127.0.0.1:${httpPort}-:80`,
            '-device',
            'virtio-net-pci,netdev=lan,romfile=',
          ]
        : ['-nic', 'none']),
      ...['-device', 'virtio-rng-pci', '-device', 'qemu-xhci,id=xhci'],
      ...['-audiodev', `wav,id=sound,path=${this.wav},out.frequency=48000`],
      ...['-device', 'usb-audio,audiodev=sound,bus=xhci.0'],
      ...['-serial', `file:${this.serialLog}`, '-monitor', 'none', '-qmp', `unix:${socket},server=on,wait=off`],
    ];
  }

  async #openMonitor(path: string): Promise<void> {
    const socket = createConnection(path);
    await once(socket, 'connect');
    let rest = '';
    let greet: () => void = () => {};
    const greeted = new Promise<void>((resolve) => {
      greet = resolve;
    });
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      rest += bytes.toString();
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((text) => text.trim() !== '')) {
        const reply = JSON.parse(line) as MonitorReply;
        if (reply.QMP !== undefined) greet();
        else if (reply.event === undefined) this.#answers.shift()?.(reply);
      }
    });
    this.#monitor = socket;
    await greeted;
    await this.command('qmp_capabilities');
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Why no image can be booted here; null: it can. */
export function emulatorMissing(): string | null {
  const found = spawnSync(QEMU, ['--version']).status === 0;
  return found ? null : `${QEMU} is not installed (Debian: apt install qemu-system-arm)`;
}
