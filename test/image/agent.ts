import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eachLine } from './lines.ts';

export interface Ran {
  code: number;
  output: string;
}

/** What the emulated machine's slowness adds to a command's own limit before the agent counts as gone. */
const GRACE_MS = 60_000;
const ENDED: Ran = { code: 255, output: 'the machine ended' };

/**
 * Runs commands inside the box, as root. The card has no door for that: systemd takes the agent as a credential from the
 * emulator (systemd.system-credentials(7)), which only whoever holds the machine can give.
 */
export class Agent {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (ran: Ran) => void>();
  #nextId = 1;
  #greet: (() => void)[] = [];
  #boots = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    eachLine(socket, (line) => this.#take(line));
    socket.once('close', () => this.#end());
  }

  /** Times that the agent has come up since the emulator started. */
  get boots(): number {
    return this.#boots;
  }

  /** Waits until the agent has come up this often. @throws when it does not */
  async up(boots: number, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (this.#boots < boots) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`the box did not come up within ${withinMs / 1_000} s`);
      await Promise.race([new Promise<void>((greeted) => this.#greet.push(greeted)), sleep(Math.min(leftMs, 1_000))]);
    }
  }

  /** Runs a line of bash and tells what it printed. */
  async run(command: string, timeoutMs = 60_000): Promise<Ran> {
    const id = this.#nextId;
    this.#nextId += 1;
    if (this.#socket.destroyed) return ENDED;
    const ran = new Promise<Ran>((resolve) => this.#waiting.set(id, resolve));
    const packed = Buffer.from(command).toString('base64');
    this.#socket.write(`${id} ${Math.ceil(timeoutMs / 1_000)} ${packed}\n`);
    const done = await Promise.race([ran, sleep(timeoutMs + GRACE_MS, null, { ref: false })]);
    this.#waiting.delete(id);
    if (done === null) throw new Error(`no answer of the box to: ${command.slice(0, 200)}`);
    return done;
  }

  /** As `run`. @throws when the command fails */
  async must(command: string, timeoutMs?: number): Promise<string> {
    const { code, output } = await this.run(command, timeoutMs);
    if (code !== 0) throw new Error(`${command.slice(0, 200)}: exit ${code}: ${output.trim().slice(-500)}`);
    return output.trim();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Nobody waits for a machine that ended. */
  #end(): void {
    for (const tell of this.#waiting.values()) tell(ENDED);
    this.#waiting.clear();
  }

  #take(line: string): void {
    const [id, code, packed = ''] = line.trim().split(' ');
    if (id === 'up') {
      this.#boots += 1;
      for (const greeted of this.#greet.splice(0)) greeted();
      return;
    }
    this.#waiting.get(Number(id))?.({ code: Number(code), output: Buffer.from(packed, 'base64').toString() });
  }
}

const UNIT = `[Unit]
Description=Agent of the image test
DefaultDependencies=no
After=sysinit.target
[Service]
ImportCredential=rig.sh
ExecStart=/bin/bash %d/rig.sh
Restart=always
MemoryAccounting=no
`;

const RULE = 'SUBSYSTEM=="virtio-ports", ATTR{name}=="rig", TAG+="systemd", ENV{SYSTEMD_WANTS}+="r.service"\n';

/**
 * Credentials that bring the agent into a box, by name; it starts when its port appears. The emulator takes names of 28
 * characters at most, so the unit has one letter.
 */
export function agentCredentials(): Record<string, string> {
  return {
    'rig.sh': readFileSync(join(import.meta.dirname, 'agent.sh'), 'utf8'),
    'systemd.extra-unit.r.service': UNIT,
    'udev.rules.rig': RULE,
  };
}
