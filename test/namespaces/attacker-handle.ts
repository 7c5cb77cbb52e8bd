/** The lab's end of an attacker process. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What it is told to do from now on. */
export interface Orders {
  /** Two proposals for every slot, one for each of these groups of addresses; null: one like everybody. */
  equivocate: readonly [readonly string[], readonly string[]] | null;
  /** Its proposal goes to this address alone, in the last instant in which that node must take it. */
  releaseLateTo: string | null;
  /** Garbage for all of these. */
  flood: readonly string[];
}

/** What it last said of itself. */
export interface AttackerReport {
  nodeId: string;
  phase: string;
  head: string | null;
  headSlot: number;
  /** By the log that it and everybody else holds: first slot it may propose for, and the last it is shut out of. */
  eligibleFrom: number | null;
  excludedUntil: number | null;
  equivocated: number[];
  releasedLate: number[];
  /** Messages sent by kind of garbage. */
  flooded: Record<string, number>;
}

const UP_WITHIN_MS = 60_000;

export class Attacker {
  readonly #process: ChildProcess;
  #report: AttackerReport | null = null;

  constructor(process: ChildProcess) {
    this.#process = process;
    createInterface({ input: process.stdout! }).on('line', (line) => {
      this.#report = JSON.parse(line);
    });
  }

  get report(): AttackerReport {
    if (this.#report === null) throw new Error('the attacker has said nothing yet');
    return this.#report;
  }

  /** @throws when it does not come up */
  async isUp(): Promise<void> {
    const deadline = performance.now() + UP_WITHIN_MS;
    while (this.#report === null) {
      if (this.#process.exitCode !== null || performance.now() > deadline) throw new Error('no attacker came up');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  order(orders: Orders): void {
    this.#process.stdin!.write(`${JSON.stringify(orders)}\n`);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
