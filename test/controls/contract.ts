/**
 * What every `GpioPort` must do, as plain cases: the unit tests run them on the fake, `npm run test:gpio` on the lines of a
 * booted kernel, and `real-gpio.ts` on a machine with gpio-sim.
 */
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Edge, GpioLines, GpioPort, Wiring } from '../../src/controls/ports.ts';

/** A port, and the hands on the other side of its lines. */
export interface Bench {
  port: GpioPort;
  wiring: Wiring;
  /** Closes or opens a button's contact; resolves when the line has its new level. */
  contact(button: 'skip' | 'never', pressed: boolean): Promise<void>;
  /** Whether the light is lit. */
  lit(): Promise<boolean>;
  /** Why a button cannot be down while the lines are taken, where it cannot. */
  cannotHold?: string;
}

export interface Case {
  name: string;
  /** A button is down while the lines are taken. */
  holds?: boolean;
  run(bench: Bench): Promise<void>;
}

/** Runs a case; one that fails does not take the lines with it. @throws what is wrong */
export async function runCase(one: Case, bench: Bench): Promise<void> {
  const held: GpioLines[] = [];
  const open: GpioPort['open'] = async (wiring, listener) => {
    const lines = await bench.port.open(wiring, listener);
    held.push(lines);
    return lines;
  };
  try {
    await one.run({ ...bench, port: { open } });
  } finally {
    await Promise.all(held.map((lines) => lines.close()));
  }
}

/** Between a level and the report of it; a slow machine under load takes its time. */
const REPORT_LIMIT_MS = 8_000;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + REPORT_LIMIT_MS;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`not within ${REPORT_LIMIT_MS} ms: ${what}`);
    await sleep(5);
  }
}

interface Opened {
  lines: GpioLines;
  edges: Edge[];
  lost: string[];
}

/** With both buttons up, but for those named. */
async function opened(bench: Bench, down: readonly ('skip' | 'never')[] = []): Promise<Opened> {
  for (const button of ['skip', 'never'] as const) await bench.contact(button, down.includes(button));
  const edges: Edge[] = [];
  const lost: string[] = [];
  const lines = await bench.port.open(bench.wiring, {
    onEdge: (edge) => edges.push(edge),
    onLost: (part) => lost.push(part),
  });
  return { lines, edges, lost };
}

const monoMs = () => Number(process.hrtime.bigint()) / 1e6;
const said = (edges: readonly Edge[]) => edges.map(({ button, pressed }) => `${button} ${pressed ? 'down' : 'up'}`);

export const CASES: readonly Case[] = [
  {
    name: 'reports a press and a release of each button, in order, with the time of the monotonic clock',
    run: async (bench) => {
      const { lines, edges, lost } = await opened(bench);
      const beforeMs = monoMs();
      const script = ['skip down', 'skip up', 'never down', 'skip down', 'never up', 'skip up'];
      for (const [index, step] of script.entries()) {
        const [button, way] = step.split(' ') as ['skip' | 'never', string];
        await bench.contact(button, way === 'down');
        await until(`edge ${index + 1}`, () => edges.length > index);
      }
      deepStrictEqual(said(edges), script);
      const times = [beforeMs, ...edges.map(({ atMs }) => atMs), monoMs()];
      ok(
        times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0)),
        `times run forward: ${times}`,
      );
      deepStrictEqual(lines.pressed, []);
      await lines.close();
      deepStrictEqual(lost, []);
    },
  },
  {
    name: 'tells which buttons are down when it takes the lines, and their release',
    holds: true,
    run: async (bench) => {
      const { lines, edges } = await opened(bench, ['never']);
      deepStrictEqual(lines.pressed, ['never']);
      await bench.contact('never', false);
      await until('the release', () => edges.length > 0);
      deepStrictEqual(said(edges), ['never up']);
      await lines.close();
    },
  },
  {
    name: 'keeps the light dark until told, then steady, then dark again',
    run: async (bench) => {
      const { lines } = await opened(bench);
      strictEqual(await bench.lit(), false);
      lines.play([1_000, 0]);
      await until('lit', () => bench.lit());
      await sleep(300);
      strictEqual(await bench.lit(), true);
      lines.play([0, 1_000]);
      await until('dark', async () => !(await bench.lit()));
      lines.play([1_000, 0]);
      await until('lit again', () => bench.lit());
      lines.play([]);
      await until('dark again', async () => !(await bench.lit()));
      await lines.close();
    },
  },
  {
    name: 'plays a pattern over and over until the next one',
    run: async (bench) => {
      const { lines } = await opened(bench);
      lines.play([400, 400]);
      for (let turn = 0; turn < 3; turn++) {
        await until(`lit, turn ${turn}`, () => bench.lit());
        await until(`dark, turn ${turn}`, async () => !(await bench.lit()));
      }
      // Wishes faster than any tool can follow: the last one stands. Dark for longer than any pattern before is dark for good.
      for (let index = 0; index < 20; index++) lines.play(index % 2 === 0 ? [100, 100] : [2_000, 100]);
      lines.play([]);
      let darkSinceMs = Date.now();
      await until('dark for good', async () => {
        if (await bench.lit()) darkSinceMs = Date.now();
        return Date.now() - darkSinceMs > 1_000;
      });
      await lines.close();
    },
  },
  {
    name: 'leaves the light dark when it closes, and reports nothing any more',
    run: async (bench) => {
      const { lines, edges, lost } = await opened(bench);
      lines.play([1_000, 0]);
      await until('lit', () => bench.lit());
      await lines.close();
      await lines.close();
      lines.play([1_000, 0]);
      strictEqual(await bench.lit(), false);
      await bench.contact('skip', true);
      await bench.contact('skip', false);
      await sleep(100);
      deepStrictEqual(said(edges), []);
      deepStrictEqual(lost, []);
    },
  },
  {
    name: 'gives the lines back when it closes, and to nobody before',
    run: async (bench) => {
      const first = await opened(bench);
      await rejects(opened(bench), { name: 'GpioError', reason: 'busy' });
      await first.lines.close();
      const second = await opened(bench);
      await second.lines.close();
    },
  },
  {
    name: 'does without parts that are not wired',
    run: async (bench) => {
      const wiring = { ...bench.wiring, never: null, light: null };
      const { lines, edges } = await opened({ ...bench, wiring });
      lines.play([1_000, 0]);
      await bench.contact('never', true);
      await bench.contact('skip', true);
      await until('an edge', () => edges.length > 0);
      deepStrictEqual(said(edges), ['skip down']);
      await bench.contact('never', false);
      await lines.close();
    },
  },
  {
    name: 'says what is wrong with a chip that is not there and a line that it does not have',
    run: async (bench) => {
      const chips = ['pinctrl-of-another-world'];
      await rejects(opened({ ...bench, wiring: { ...bench.wiring, chips } }), { name: 'GpioError', reason: 'absent' });
      const light = { offset: 400, activeLow: false };
      await rejects(opened({ ...bench, wiring: { ...bench.wiring, light } }), (error: Error) => {
        ok(/no line 400/.test(error.message), error.message);
        return (error as { reason?: string }).reason === 'pins';
      });
      // Nothing was left behind.
      const { lines } = await opened(bench);
      await lines.close();
    },
  },
];
