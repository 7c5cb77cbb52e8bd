import { type ChildProcess, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Ran {
  code: number;
  output: string;
}

/** A machine in QEMU without hardware acceleration: about 20 times slower than the host. */
const BOOT_MS = 240_000;

/** The emulated box: a Debian guest with simulated radios, and an agent that runs commands in it. */
export class Guest {
  readonly #init: { base: string; files: string; work: string };
  #qemu: ChildProcess | null = null;
  #socket: Socket | null = null;
  #nextId = 1;
  readonly #waiting = new Map<number, (ran: Ran) => void>();

  /** @param init `base`: disk, kernel and initramfs; `files`: a tar that the guest unpacks into /rig; `work`: for sockets and logs */
  constructor(init: { base: string; files: string; work: string }) {
    this.#init = init;
  }

  get log(): string {
    return join(this.#init.work, 'serial.log');
  }

  /** Boots, and is there when the agent answers. @throws when it does not */
  async start(): Promise<void> {
    const { base, files, work } = this.#init;
    const port = join(work, 'rig.sock');
    const ready = new Promise<Ran>((resolve) => this.#waiting.set(0, resolve));
    const drive = (id: string, file: string, more: string) => [
      '-drive',
      `file=${file},if=none,format=raw,id=${id},${more}`,
      '-device',
      `virtio-blk-pci,drive=${id}`,
    ];
    const machine = ['-M', 'q35', '-cpu', 'max', '-smp', '2', '-m', '1024', '-accel', 'tcg,thread=multi'];
    const boot = ['-kernel', join(base, 'vmlinuz'), '-initrd', join(base, 'initrd')];
    const append = 'console=ttyS0 root=LABEL=RIG rw net.ifnames=0 quiet systemd.show_status=0 mitigations=off';
    const wires = ['-chardev', `socket,id=rig,path=${port},server=on,wait=off`, '-device', 'virtio-serial-pci'];
    const args = [
      ...machine,
      ...boot,
      ...['-append', append, '-display', 'none', '-nic', 'none', '-no-reboot'],
      ...drive('root', join(base, 'disk.img'), 'snapshot=on'),
      ...drive('rig', files, 'readonly=on'),
      ...[...wires, '-device', 'virtserialport,chardev=rig,name=rig', '-device', 'virtio-rng-pci'],
      ...['-serial', `file:${this.log}`],
    ];
    this.#qemu = spawn('nice', ['qemu-system-x86_64', ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#socket = await connected(port);
    createInterface({ input: this.#socket }).on('line', (line) => this.#take(line));
    const ran = await Promise.race([ready, sleep(BOOT_MS, null, { ref: false })]);
    if (ran === null) throw new Error(`The guest did not boot within ${BOOT_MS / 1_000} s; see ${this.log}`);
  }

  #take(line: string): void {
    const { id, code, output } = JSON.parse(line) as Ran & { id: number };
    this.#waiting.get(id)?.({ code, output });
    this.#waiting.delete(id);
  }

  async run(command: string, timeoutMs = 60_000): Promise<Ran> {
    const id = this.#nextId;
    this.#nextId += 1;
    const ran = new Promise<Ran>((resolve) => this.#waiting.set(id, resolve));
    this.#socket?.write(`${JSON.stringify({ id, command, timeoutMs })}\n`);
    const done = await Promise.race([ran, sleep(timeoutMs + 30_000, null, { ref: false })]);
    if (done === null) throw new Error(`No answer of the guest to: ${command}`);
    return done;
  }

  async stop(): Promise<void> {
    this.#socket?.destroy();
    const qemu = this.#qemu;
    this.#qemu = null;
    if (qemu === null || qemu.exitCode !== null) return;
    const gone = new Promise((resolve) => qemu.once('exit', resolve));
    qemu.kill('SIGKILL');
    await gone;
  }
}

async function connected(path: string): Promise<Socket> {
  for (let tries = 0; ; tries += 1) {
    const socket = connect(path);
    const error = await new Promise<Error | null>((resolve) => {
      socket.once('connect', () => resolve(null));
      socket.once('error', resolve);
    });
    if (error === null) return socket;
    if (tries >= 100) throw error;
    await sleep(100);
  }
}
