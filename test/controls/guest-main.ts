/** Runs inside the guest: the contract of the pins, on the lines of its PL061, with the host's hand on their other side. */
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createControls } from '../../src/controls/controls.ts';
import { createGpiod } from '../../src/controls/gpiod.ts';
import type { Doing } from '../../src/controls/light.ts';
import { DEBOUNCE_MS, KERNEL_DEBOUNCE_MS, REPORT_LAG_MS } from '../../src/controls/limits.ts';
import type { Edge, GpioPort } from '../../src/controls/ports.ts';
import { type Bench, CASES, type Case, runCase } from './contract.ts';

const SKIP = 5;
const NEVER = 6;
const LIGHT = 7;
const CHIP = '9030000.pl061';
/** A child that takes the lines and is then killed. */
const HOLD = 'hold';
/** The emulated machine shares two cores with whatever else runs here. */
const MAX_BOUNCE_TURNS = 6;

const out = (line: string) => process.stdout.write(`${line}\n`);

/** One question at a time over the serial line. */
class Host {
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor() {
    createInterface({ input: process.stdin }).on('line', (line) => this.#waiting.shift()?.(line.trim()));
  }

  ask(question: string): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      out(`#${question}`);
    });
  }
}

function wiringOf(host: Host, port: GpioPort): Bench {
  return {
    port,
    wiring: {
      chips: [CHIP],
      skip: { offset: SKIP, activeLow: true },
      never: { offset: NEVER, activeLow: true },
      light: { offset: LIGHT, activeLow: false },
    },
    contact: async (button, pressed) => {
      await host.ask(`line ${button === 'skip' ? SKIP : NEVER} ${pressed ? 0 : 1}`);
    },
    lit: async () => (await host.ask(`read ${LIGHT}`)) === '1',
  };
}

const calm: Doing = {
  phase: 'member',
  peers: 1,
  diverged: false,
  wifi: null,
  updating: false,
  pairing: false,
  noSound: false,
  noStorage: false,
};

/** The whole room on real lines. @returns what the buttons asked for, and what else was logged */
function room(bench: Bench) {
  const wishes: string[] = [];
  const lines: string[] = [];
  const ok = (name: string) => {
    wishes.push(name);
    return { ok: true } as const;
  };
  const log = (message: string) => void lines.push(message);
  const controls = createControls(
    {
      gpio: bench.port,
      actions: {
        skip: () => ok('skip'),
        never: () => ({ ...ok('never'), value: { hash: 'h' } }),
        allow: () => ok('undo'),
        reset: async (what) => ok(`reset ${what}`),
      },
      doing: () => calm,
      onChange: () => () => {},
      log: { debug: log, info: log, warn: log },
    },
    { hardwareDir: '/guest', setting: `skip=${SKIP},never=${NEVER},light=${LIGHT},chip=${CHIP}` },
  );
  controls.presence.onHold(() => ok('pair'));
  return { controls, wishes, lines };
}

function expectSame(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected))
    throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

/** What the programs that hold the lines take: resident, and private to them. */
async function memoryOfTools(): Promise<{ sizes: string[]; total: number }> {
  const sizes: string[] = [];
  let total = 0;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
    if (!/^gpio(mon|set)$/.test(name)) continue;
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kB = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
    const own = kB('Private_Clean') + kB('Private_Dirty');
    total += own;
    sizes.push(`${name} ${kB('Rss')} kB resident`);
  }
  return { sizes, total };
}

/** Times for which the kernel saw a contact closed, longer than a bounce: a busy host stretches some into presses in truth. */
function pressesIn(edges: readonly Edge[]): number {
  const closed = edges.filter(({ pressed, atMs }, index) => {
    const next = edges.slice(index + 1).find(({ button }) => button === edges[index]?.button);
    return pressed && next?.pressed === false && next.atMs - atMs >= DEBOUNCE_MS - 2 * KERNEL_DEBOUNCE_MS;
  });
  return closed.length;
}

interface Seen {
  wishes: string[];
  edges: Edge[];
  /** How late the latest report of an edge came. */
  lateMs: number;
}

/**
 * A thousand bounces, and no wish without a press in the kernel's eyes. Where there is one, it counts only if the reports came
 * within the time that the room waits for them; else this machine was too busy, and the bounces are made anew.
 */
async function bounce(host: Host, line: number, seen: Seen): Promise<void> {
  for (let turn = 1; turn <= MAX_BOUNCE_TURNS; turn++) {
    Object.assign(seen, { lateMs: 0 });
    seen.edges.length = 0;
    seen.wishes.length = 0;
    const longestMs = await host.ask(`bounce ${line} 1000`);
    await sleep(1_000);
    const presses = pressesIn(seen.edges);
    const made = seen.wishes.splice(0).length;
    const figures = `${seen.edges.length} edges, at most ${Math.round(seen.lateMs)} ms late, closed for ${longestMs} ms at most`;
    out(`#note 1000 bounces of line ${line}: ${figures}, ${presses} true presses, ${made} wishes`);
    if (made <= presses) return;
    if (seen.lateMs <= REPORT_LAG_MS) throw new Error(`${made} wishes of ${presses} presses`);
  }
  throw new Error(`false presses ${MAX_BOUNCE_TURNS} times, though the reports were late each time`);
}

/** Beyond the contract: the whole room, and a death. */
const roomCases = (host: Host, toolDir: string): Case[] => [
  {
    name: 'the room: every gesture, pressed on the lines',
    run: async (bench) => {
      for (const button of ['skip', 'never'] as const) await bench.contact(button, false);
      const { controls, wishes, lines } = room(bench);
      await controls.start();
      expectSame(controls.presence.hasButton, true);
      const { sizes, total } = await memoryOfTools();
      out(`#note ${sizes.join(', ')}; together ${total} kB of their own`);
      const press = async (buttons: readonly ('skip' | 'never')[], forMs: number) => {
        for (const button of buttons) await bench.contact(button, true);
        await sleep(forMs);
        for (const button of buttons) await bench.contact(button, false);
        await sleep(1_000);
      };
      await press(['skip'], 200);
      await press(['never'], 200);
      await press(['never'], 200);
      await press(['skip'], 3_500);
      await press(['skip', 'never'], 500);
      await press(['skip', 'never'], 10_500);
      await press(['never', 'skip'], 20_500);
      await controls.stop();
      expectSame(wishes, ['skip', 'never', 'undo', 'pair', 'reset wifi', 'reset all']);
      expectSame(lines, ['Buttons and light are there', ...wishes.map(() => 'Button')]);
    },
  },
  {
    name: 'the room: 1,000 random bounces of each button, and no wish',
    run: async (bench) => {
      for (const button of ['skip', 'never'] as const) await bench.contact(button, false);
      const seen: Seen = { wishes: [], edges: [], lateMs: 0 };
      const watched: GpioPort = {
        open: (wiring, listener) => {
          const onEdge = (edge: Edge) => {
            seen.edges.push(edge);
            seen.lateMs = Math.max(seen.lateMs, Number(process.hrtime.bigint()) / 1e6 - edge.atMs);
            listener.onEdge(edge);
          };
          return bench.port.open(wiring, {
            ...listener,
            onEdge,
            onLost: (part, cause) => listener.onLost(part, cause),
          });
        },
      };
      const { controls, wishes } = room({ ...bench, port: watched });
      seen.wishes = wishes;
      await controls.start();
      for (const line of [SKIP, NEVER]) await bounce(host, line, seen);
      expectSame(controls.presence.hasButton, true);
      await bench.contact('skip', true);
      await sleep(200);
      await bench.contact('skip', false);
      await sleep(1_000);
      const made = [...wishes];
      await controls.stop();
      expectSame(made, ['skip']);
    },
  },
  {
    name: 'the lines are free again when this process is killed',
    run: async (bench) => {
      const child = spawn(process.execPath, [process.argv[1] ?? '', HOLD, toolDir], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      await sleep(1_000);
      const lines = await bench.port.open(bench.wiring, { onEdge: () => {}, onLost: () => {} });
      await lines.close();
    },
  },
  {
    name: 'a gpiomon that is killed is told, once',
    run: async (bench) => {
      const lost: string[] = [];
      const lines = await bench.port.open(bench.wiring, { onEdge: () => {}, onLost: (part) => lost.push(part) });
      await new Promise((resolve) => spawn('/bin/busybox', ['killall', 'gpiomon']).once('exit', resolve));
      await sleep(1_000);
      expectSame(lost, ['buttons']);
      await lines.close();
      expectSame(lost, ['buttons']);
    },
  },
];

async function main(): Promise<void> {
  const host = new Host();
  if (process.argv[2] === HOLD) {
    const { port, wiring } = wiringOf(host, createGpiod({ toolDir: process.argv[3] ?? null }));
    await port.open(wiring, { onEdge: () => {}, onLost: () => {} });
    out('holds');
    setInterval(() => {}, 60_000);
    return;
  }
  for (const [version, toolDir] of [
    ['gpiod 2', '/usr/bin'],
    ['gpiod 1.6', '/opt/gpiod-1'],
  ] as const) {
    const bench = wiringOf(host, createGpiod({ toolDir }));
    for (const one of [...CASES, ...roomCases(host, toolDir)]) {
      const startMs = Date.now();
      const problem = await runCase(one, bench).then(
        () => null,
        (error: Error) => error,
      );
      const text = `${version}: ${one.name} (${Date.now() - startMs} ms)`;
      if (problem === null) out(`#passed ${text}`);
      else out(`#failed ${text}: ${problem.message.replaceAll('\n', ' ')}`);
    }
  }
  process.exit(0);
}

main().catch((error: Error) => {
  out(`#failed ${error.stack?.replaceAll('\n', ' ')}`);
  process.exit(1);
});
