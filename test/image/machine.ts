/**
 * One emulated box: the built card in QEMU's `virt` machine, started by U-Boot as on a board, with a sound card that
 * records, a USB port, pins, and an agent that answers from inside.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, agentCredentials } from './agent.ts';
import { connectTo, LineClient } from './lines.ts';
import { Monitor } from './monitor.ts';

export const QEMU = 'qemu-system-aarch64';
/** U-Boot for the emulator, of Debian's package u-boot-qemu: the same program that the card has for the boards. */
const U_BOOT = '/usr/lib/u-boot/qemu_arm64/u-boot.bin';
/**
 * How the box's time goes. By default it is counted in instructions, one a nanosecond: to the box the
 * emulator is as quick as a board, however long the host takes, and what it has nothing to do in is skipped. So nothing
 * is late because the host is slow, and sound has no gaps but the radio's own.
 */
export const COUNTED_TIME = ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off'];
/** Two boxes that are to agree on the time, or hands that press for so long, need the host's. */
const HOST_TIME = ['-smp', '2', '-accel', 'tcg,thread=multi'];
/** Of the smallest board that is supported, the Zero 2 W. */
const MEMORY_MB = 512;
const SOCKET_TIMEOUT_MS = 15_000;
/** Pulled while it is read: the guest's kernel lets go of it within seconds. */
const UNPLUG_TRIES = 60;

/** Of the PL061 on QEMU's board `virt`, and its register of what is put out. */
const GPIO_ADDRESS = 0x09030000;
const GPIO_DIRECTION = 0x400;

/** A cable between two machines: the one that waits for it, and the one that comes. */
export type Cable = { listen: number } | { connect: number };

export interface MachineInit {
  /** The card; written to. */
  disk: string;
  /** For the serial log, the recorded sound and the sockets. */
  directory: string;
  /** Port of the host that leads to the page; null: no network card that leads to the host. */
  httpPort: number | null;
  memoryMb?: number;
  /** The box's clock goes with the host's, and the box is as slow as the emulator. */
  hostTime?: boolean;
  /** A network card more, with a cable in it. */
  cable?: Cable;
  /** Hardware address of that card, its last byte. */
  cableEnd?: number;
  /** Started without U-Boot: another system than the card's. */
  direct?: { kernel: string; initrd: string; append: string };
  /** Credentials for systemd beyond the agent's, by name: the only thing that is not as on a board. */
  credentials?: Record<string, string>;
}

export class Machine {
  readonly init: MachineInit;
  readonly serialLog: string;
  /** The box's own journal, where somebody kept it. */
  readonly journal: string;
  /** Sound of this start; a start anew of the emulator begins it anew. */
  readonly wav: string;
  #process: ChildProcess | null = null;
  #monitor: Monitor | null = null;
  #agent: Agent | null = null;
  #pins: Promise<LineClient> | null = null;
  #chipPath: string | null = null;
  #stderr = '';
  #starts = 0;

  constructor(init: MachineInit) {
    this.init = init;
    mkdirSync(init.directory, { recursive: true });
    this.serialLog = join(init.directory, 'serial.log');
    this.journal = join(init.directory, 'journal.log');
    this.wav = join(init.directory, 'sound.wav');
  }

  get running(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get url(): string {
    return `http://127.0.0.1:${this.init.httpPort}`;
  }

  get agent(): Agent {
    if (this.#agent === null) throw new Error('the machine is not started');
    return this.#agent;
  }

  async start(): Promise<void> {
    for (const name of ['monitor', 'agent', 'pins']) rmSync(this.#socket(name), { force: true });
    this.#starts += 1;
    const emulator = spawn(QEMU, this.#arguments(), { stdio: ['ignore', 'ignore', 'pipe'] });
    // Whoever ends this process early does not leave a machine running.
    const end = () => void emulator.kill('SIGKILL');
    process.once('exit', end);
    emulator.once('exit', () => process.off('exit', end));
    this.#process = emulator;
    this.#process.stderr?.on('data', (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString()).slice(-4_000);
    });
    const deadline = performance.now() + SOCKET_TIMEOUT_MS;
    while (!existsSync(this.#socket('pins'))) {
      if (!this.running || performance.now() > deadline) throw new Error(`the emulator did not start: ${this.#stderr}`);
      await sleep(50);
    }
    try {
      this.#monitor = await Monitor.open(this.#socket('monitor'));
      this.#agent = new Agent(await connectTo(this.#socket('agent')));
    } catch (error) {
      throw new Error(`the emulator did not start: ${this.#stderr}`, { cause: error });
    }
  }

  /** Pulls the plug. */
  async kill(): Promise<void> {
    if (!this.running) return;
    const ended = once(this.#process!, 'exit');
    this.#process!.kill('SIGKILL');
    await ended;
    this.#close();
  }

  /** Ends the emulator in order, so that the recorded sound is whole; the guest has no say. */
  async quit(): Promise<void> {
    if (!this.running) return;
    const ended = once(this.#process!, 'exit');
    this.#monitor?.command('quit').catch(() => {});
    await ended;
    this.#close();
  }

  /** Presses the reset line: the machine starts anew, the emulator goes on. */
  async reset(): Promise<void> {
    await this.command('system_reset');
  }

  command(execute: string, args: Record<string, unknown> = {}): Promise<unknown> {
    if (this.#monitor === null) throw new Error('the machine is not started');
    return this.#monitor.command(execute, args);
  }

  /** Puts a disk image into the USB port under this name. `writable`: the guest may write to it. */
  async plug(name: string, file: string, writable = false): Promise<void> {
    await this.command('blockdev-add', {
      driver: 'raw',
      'node-name': `${name}-disk`,
      'read-only': !writable,
      file: { driver: 'file', filename: file, 'read-only': !writable },
    });
    await this.command('device_add', { driver: 'usb-storage', id: name, drive: `${name}-disk`, bus: 'xhci.0' });
  }

  /** Pulls it out, whatever is being read. */
  async unplug(name: string): Promise<void> {
    await this.command('device_del', { id: name });
    for (let attempt = 0; attempt < UNPLUG_TRIES; attempt++) {
      await sleep(500);
      const gone = await this.command('blockdev-del', { 'node-name': `${name}-disk` }).then(
        () => true,
        () => false,
      );
      if (gone) return;
    }
    throw new Error(`the stick ${name} did not go`);
  }

  /** Pulls the network cable of the card that leads to the host, or puts it back. */
  async link(up: boolean): Promise<void> {
    await this.command('set_link', { name: 'lan', up });
  }

  /** The board's GPIO lines from outside; PL061, see facts of QEMU's `virt`. */
  async setPin(line: number, level: 0 | 1): Promise<void> {
    const answer = await this.#askPins(`set_irq_in ${await this.#chip()} unnamed-gpio-in ${line} ${level}`);
    if (!answer.startsWith('OK')) throw new Error(`pin ${line}: ${answer}`);
  }

  /** Level that the board puts out on a line; one that it listens to counts as low. */
  async readPin(line: number): Promise<0 | 1> {
    const [data, direction] = await Promise.all([this.readGpio(4 << line), this.readGpio(GPIO_DIRECTION)]);
    return data !== 0 && (direction & (1 << line)) !== 0 ? 1 : 0;
  }

  /** A register of the PL061, by its offset: takes some 30 us. */
  async readGpio(offset: number): Promise<number> {
    const answer = await this.#askPins(`readb 0x${(GPIO_ADDRESS + offset).toString(16)}`);
    return Number(answer.split(' ')[1] ?? Number.NaN);
  }

  serial(): string {
    return existsSync(this.serialLog) ? readFileSync(this.serialLog, 'utf8') : '';
  }

  async #askPins(line: string): Promise<string> {
    this.#pins ??= connectTo(this.#socket('pins')).then(
      (socket) => new LineClient(socket, (text) => /^(OK|FAIL|ERR)/.test(text)),
    );
    return await (await this.#pins).ask(line);
  }

  async #chip(): Promise<string> {
    if (this.#chipPath !== null) return this.#chipPath;
    const entries = (await this.command('qom-list', { path: '/machine/unattached' })) as {
      name: string;
      type: string;
    }[];
    const chip = entries.find(({ type }) => type === 'child<pl061>');
    if (chip === undefined) throw new Error('the board has no PL061');
    this.#chipPath = `/machine/unattached/${chip.name}`;
    return this.#chipPath;
  }

  #close(): void {
    this.#monitor?.close();
    this.#agent?.close();
    void this.#pins?.then((pins) => pins.close());
    this.#monitor = null;
    this.#agent = null;
    this.#pins = null;
  }

  #socket(name: string): string {
    return join(this.init.directory, `${name}.sock`);
  }

  #arguments(): string[] {
    const { disk, direct, memoryMb = MEMORY_MB, hostTime = false } = this.init;
    const loader =
      direct === undefined
        ? ['-bios', U_BOOT]
        : ['-kernel', direct.kernel, '-initrd', direct.initrd, '-append', direct.append];
    const server = 'server=on,wait=off';
    return [
      ...['-M', 'virt,gic-version=3,acpi=off', '-cpu', 'cortex-a72', '-m', `${memoryMb}M`],
      ...(hostTime ? HOST_TIME : [...COUNTED_TIME, '-smp', '1']),
      ...['-display', 'none', '-nodefaults', ...loader],
      ...['-drive', `file=${disk},if=none,format=raw,id=card,cache=writeback`, '-device', 'virtio-blk-pci,drive=card'],
      ...this.#network(),
      ...['-device', 'virtio-rng-pci', '-device', 'qemu-xhci,id=xhci', '-device', 'i6300esb'],
      ...['-audiodev', `wav,id=sound,path=${this.wav},out.frequency=48000`],
      ...['-device', 'usb-audio,audiodev=sound,bus=xhci.0'],
      ...['-chardev', `socket,id=agent,path=${this.#socket('agent')},${server}`],
      ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent,name=rig'],
      ...['-chardev', `file,id=serial,path=${this.serialLog},append=${this.#starts > 1 ? 'on' : 'off'}`],
      ...['-serial', 'chardev:serial', '-qmp', `unix:${this.#socket('monitor')},${server}`],
      ...this.#credentials(),
      ...['-qtest', `unix:${this.#socket('pins')},${server}`, '-qtest-log', '/dev/null'],
    ];
  }

  #network(): string[] {
    const { httpPort, cable, cableEnd = 1 } = this.init;
    const card = (id: string, end: string) => `virtio-net-pci,netdev=${id},mac=52:54:00:5a:${end},romfile=`;
    const host = [
      ...['-netdev', `user,id=lan,hostfwd=tcp:127.0.0.1:${httpPort}-:80`],
      ...['-device', card('lan', `0${cableEnd}:10`)],
    ];
    const wire = (there: Cable) =>
      'listen' in there ? `listen=127.0.0.1:${there.listen}` : `connect=127.0.0.1:${there.connect}`;
    return [
      ...(httpPort === null ? [] : host),
      ...(cable === undefined
        ? []
        : ['-netdev', `socket,id=cable,${wire(cable)}`, '-device', card('cable', `0${cableEnd}:20`)]),
    ];
  }

  /** Through the emulator's own configuration device, which no board has: nothing on the card knows of the tests. */
  #credentials(): string[] {
    const all = { ...agentCredentials(), ...this.init.credentials };
    return Object.entries(all).flatMap(([name, text]) => {
      const file = join(this.init.directory, `credential-${name}`);
      writeFileSync(file, text);
      return ['-fw_cfg', `name=opt/io.systemd.credentials/${name},file=${file}`];
    });
  }
}

/** Why no image can be booted here; null: it can. */
export function emulatorMissing(): string | null {
  if (spawnSync(QEMU, ['--version']).status !== 0)
    return `${QEMU} is not installed (Debian: apt install qemu-system-arm)`;
  return existsSync(U_BOOT) ? null : `${U_BOOT} is not there (Debian: apt install u-boot-qemu)`;
}
