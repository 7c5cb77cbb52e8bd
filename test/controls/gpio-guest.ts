/**
 * `npm run test:gpio`: boots Debian's kernel on an emulated ARM board and runs the contract of the pins, the gestures and a
 * thousand bounces on its PL061 GPIO chip, whose lines this process raises and reads through QEMU's test port. Needs Debian's
 * qemu-system-arm, apt and cpio, the network for the first run, and about four minutes. A command of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeBase, makeInitramfs } from './guest-image.ts';

const LIMIT_MS = 20 * 60_000;
/** Of the PL061 on QEMU's board `virt`. */
const GPIO_ADDRESS = 0x09030000;
/** Between two bursts of bounces. */
const MAX_GAP_MS = 20;
/** Reads of a register, some 30 us each, between two bounces: up to about a millisecond. */
const MAX_PAUSE_READS = 40;

/** Line by line over a socket, answers in the order of the questions. */
class LineClient {
  readonly #socket: Socket;
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor(socket: Socket, isAnswer: (line: string) => boolean) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      if (isAnswer(line)) this.#waiting.shift()?.(line);
    });
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${line}\n`);
    });
  }
}

async function connect(path: string): Promise<Socket> {
  for (let turn = 0; ; turn++) {
    const socket = createConnection(path);
    const problem = await new Promise<Error | null>((resolve) => {
      socket.once('connect', () => resolve(null));
      socket.once('error', resolve);
    });
    if (problem === null) return socket;
    if (turn > 100) throw problem;
    await sleep(100);
  }
}

/** The lines of the chip, from outside. */
class Lines {
  readonly #qtest: LineClient;
  readonly #device: string;

  constructor(qtest: LineClient, device: string) {
    this.#qtest = qtest;
    this.#device = device;
  }

  static async open(qtestPath: string, qmpPath: string): Promise<Lines> {
    const qmp = new LineClient(await connect(qmpPath), (line) => line.includes('"return"'));
    await qmp.ask('{"execute": "qmp_capabilities"}');
    const list = await qmp.ask('{"execute": "qom-list", "arguments": {"path": "/machine/unattached"}}');
    const entries = (JSON.parse(list) as { return: { name: string; type: string }[] }).return;
    const chip = entries.find(({ type }) => type === 'child<pl061>');
    if (chip === undefined) throw new Error('the board has no PL061');
    const qtest = new LineClient(await connect(qtestPath), (line) => /^(OK|FAIL|ERR)/.test(line));
    return new Lines(qtest, `/machine/unattached/${chip.name}`);
  }

  async set(line: number, level: number): Promise<void> {
    const answer = await this.#qtest.ask(`set_irq_in ${this.#device} unnamed-gpio-in ${line} ${level}`);
    if (!answer.startsWith('OK')) throw new Error(answer);
  }

  /** Level of an output; an input counts as low. */
  async read(line: number): Promise<number> {
    const [data, direction] = await Promise.all([this.#readByte(4 << line), this.#readByte(0x400)]);
    return data !== 0 && (direction & (1 << line)) !== 0 ? 1 : 0;
  }

  async #readByte(offset: number): Promise<number> {
    const answer = await this.#qtest.ask(`readb 0x${(GPIO_ADDRESS + offset).toString(16)}`);
    return Number(answer.split(' ')[1] ?? Number.NaN);
  }

  /**
   * A contact that opens and closes at random, and ends open. The moves of a burst are sent in one go, with reads between
   * them for the time that they take: this machine's scheduler must not stretch a bounce into a press.
   *
   * @returns the longest time closed, in ms, by when the emulator answered
   */
  async bounce(line: number, count: number): Promise<number> {
    let longestMs = 0;
    for (let left = count; left > 0; ) {
      const burst = Math.min(left, 1 + Math.floor(Math.random() * 8));
      left -= burst;
      let closedMs = 0;
      const moves: Promise<unknown>[] = [];
      for (let index = 0; index < burst; index++) {
        moves.push(this.set(line, 0).then(() => (closedMs = performance.now())));
        moves.push(...this.#pause());
        moves.push(this.set(line, 1).then(() => (longestMs = Math.max(longestMs, performance.now() - closedMs))));
        moves.push(...this.#pause());
      }
      await Promise.all(moves);
      await sleep(Math.random() * MAX_GAP_MS);
    }
    return longestMs;
  }

  #pause(): Promise<unknown>[] {
    return Array.from({ length: Math.floor(Math.random() * MAX_PAUSE_READS) }, () => this.#readByte(0x400));
  }
}

async function answer(question: string, lines: Lines): Promise<string | null> {
  const [verb, ...words] = question.split(' ');
  const [a = 0, b = 0] = words.map(Number);
  if (verb === 'line') return lines.set(a, b).then(() => 'ok');
  if (verb === 'read') return String(await lines.read(a));
  if (verb === 'bounce') return (await lines.bounce(a, b)).toFixed(1);
  return null;
}

interface Tally {
  passed: number;
  failed: number;
}

/** Serves the guest's questions until it has said its last word. */
async function serve(serial: Interface, reply: (text: string) => void, lines: Lines, tally: Tally): Promise<void> {
  for await (const raw of serial) {
    const line = raw.trim();
    const [, verb = '', rest = ''] = /^#(\w+) ?(.*)$/.exec(line) ?? [];
    if (verb === '') {
      if (line !== '') console.log(`      ${line}`);
    } else if (verb === 'end') return;
    else if (verb === 'passed' || verb === 'failed' || verb === 'note') {
      if (verb !== 'note') tally[verb] += 1;
      console.log(`${{ passed: '  ok  ', failed: 'FAILED', note: '      ' }[verb]} ${rest}`);
    } else {
      const said = await answer(line.slice(1), lines);
      if (said !== null) reply(`${said}\n`);
    }
  }
}

async function main(): Promise<void> {
  const tell = (line: string) => console.log(`      ${line}`);
  const base = makeBase(tell);
  const initramfs = await makeInitramfs(base);
  const dir = mkdtempSync(join(tmpdir(), 'gpio-'));
  const args = [
    ...['-M', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', '768', '-accel', 'tcg,thread=multi', '-nodefaults'],
    ...['-kernel', join(base, 'vmlinuz'), '-initrd', initramfs, '-append', 'console=ttyAMA0 quiet loglevel=0 panic=-1'],
    ...['-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-qtest', `unix:${join(dir, 'qtest')},server=on,wait=off`, '-qtest-log', '/dev/null'],
    ...['-qmp', `unix:${join(dir, 'qmp')},server=on,wait=off`],
  ];
  const startMs = Date.now();
  const qemu: ChildProcess = spawn('qemu-system-aarch64', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  qemu.on('error', () => tell("qemu-system-aarch64 is not there: install Debian's package qemu-system-arm"));
  const limit = setTimeout(() => qemu.kill('SIGKILL'), LIMIT_MS);
  const tally: Tally = { passed: 0, failed: 0 };
  try {
    if (qemu.stdout === null || qemu.pid === undefined) throw new Error('the emulator did not start');
    const serial = createInterface({ input: qemu.stdout });
    const lines = await Lines.open(join(dir, 'qtest'), join(dir, 'qmp'));
    await serve(serial, (text) => qemu.stdin?.write(text), lines, tally);
  } finally {
    clearTimeout(limit);
    qemu.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
  console.log(`      ${Math.round((Date.now() - startMs) / 1000)} s from the start of the emulator`);
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  if (tally.failed > 0 || tally.passed === 0) process.exitCode = 1;
}

await main();
