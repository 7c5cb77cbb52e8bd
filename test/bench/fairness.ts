/** Who wins: honest nodes equally often, and a node or a coalition that tries for more, under both draws. */
import { cpus } from 'node:os';
import type { AdversaryKind } from '../simulation/adversaries/index.ts';
import { DEFAULT_OPTIONS } from '../simulation/options.ts';
import { inParallel, type JobOutcome } from '../simulation/pool.ts';
import type { BenchOptions, BenchResult, Cell } from './frame.ts';

export const description = 'win share of 1, 2 and 3 grinders of 10 under both draws, and whether honest wins are equal';
export const flags = {
  slots: { type: 'string', help: 'slots a case that needs them all (default 2000; 60000 for ± 0.3 %)' },
} as const;

interface Case {
  name: string;
  draw: 'ticket' | 'hash-mod';
  kind: AdversaryKind | null;
  count: number;
  /** Per cent that the design promises; null: only to be shown. */
  promised: number | null;
  /** Of the slots that were asked for: what is far from every doubt needs fewer. */
  part: number;
}

const CASES: readonly Case[] = [
  { name: 'honest', draw: 'ticket', kind: null, count: 0, promised: null, part: 1 / 3 },
  { name: 'honest', draw: 'hash-mod', kind: null, count: 0, promised: null, part: 1 / 10 },
  { name: 'grinding tracks', draw: 'ticket', kind: 'track-grinding', count: 1, promised: 10, part: 1 / 3 },
  { name: 'choosing the beacon', draw: 'ticket', kind: 'withholding', count: 1, promised: 10, part: 1 },
  { name: 'choosing the beacon', draw: 'ticket', kind: 'withholding', count: 2, promised: 20.4, part: 1 },
  { name: 'choosing the beacon', draw: 'ticket', kind: 'withholding', count: 3, promised: 31.3, part: 1 },
  { name: 'grinding tracks', draw: 'hash-mod', kind: 'track-grinding', count: 1, promised: null, part: 1 / 10 },
];
const NODES = 10;
const SLOTS_PER_RUN = 2_000;
/** Tracks of each node: what a grinder can try. */
const TRACKS = 60;
/** A share may be off the promised one by so many standard errors. */
const STANDARD_ERRORS = 3;
const LEAST_P = 0.01;

export async function run({ flags: given, say }: BenchOptions): Promise<BenchResult> {
  const slots = Number(given.slots ?? 2_000);
  const jobs = CASES.flatMap((one, index) => {
    const wanted = Math.ceil(slots * one.part);
    const runs = Math.ceil(wanted / SLOTS_PER_RUN);
    return Array.from({ length: runs }, (_, i) => jobOf(one, index, i + 1, Math.min(wanted, SLOTS_PER_RUN)));
  });
  const outcomes = await inParallel(jobs, cpus().length, (done) => say(`${done} of ${jobs.length} runs`));
  const rows = CASES.map((one, index) =>
    rowOf(
      one,
      outcomes.filter((_, i) => jobs[i]!.index === index),
    ),
  );
  const good = rows.every((row) => row.good);
  return {
    columns: ['draw', 'of 10', 'what they do', 'slots', 'win %', '± %', 'promised %', 'p (chi-square)'],
    rows: rows.map(({ cells }) => cells),
    figures: { cases: rows.map(({ figure }) => figure), good },
    notes: [
      'no rest after a win (rest_slots 0), so that shares are those of the draw alone; ± is one standard error',
      `a share counts as kept within ${STANDARD_ERRORS} standard errors; honest winners with p > ${LEAST_P}`,
      'choosing the beacon: of several own lowest tickets the coalition shows the one whose beacon suits it best',
    ],
    good,
  };
}

function jobOf({ draw, kind, count }: Case, index: number, seed: number, slots: number) {
  const adversaries = kind === null ? [] : [{ kind, count }];
  const options = { ...DEFAULT_OPTIONS, nodes: NODES, slots, seed: seed * 100 + index, draw, adversaries };
  const rules = { rest_slots: 0, state_epoch_ms: 15_000 };
  return { index, options, extras: { rules, tracksPerNode: TRACKS } };
}

function rowOf({ name, draw, count, promised }: Case, outcomes: readonly JobOutcome[]) {
  const wins: number[] = new Array(NODES).fill(0);
  for (const { winners } of outcomes) for (let i = 0; i < NODES; i++) wins[i]! += winners.get(i) ?? 0;
  const slots = wins.reduce((a, b) => a + b);
  const theirs = wins.slice(NODES - count).reduce((a, b) => a + b, 0);
  const share = count === 0 ? null : theirs / slots;
  const error = share === null ? null : Math.sqrt((share * (1 - share)) / slots);
  const p = count === 0 ? chiSquareP(wins) : null;
  const off = share === null || promised === null ? 0 : Math.abs(share - promised / 100) / error!;
  const good = off <= STANDARD_ERRORS && (p === null || p > LEAST_P);
  const percent = (value: number | null): number | null => (value === null ? null : Math.round(value * 10_000) / 100);
  const cells: Cell[] = [draw, count, name, slots, percent(share), percent(error), promised, p];
  return { good, cells, figure: { draw, count, name, slots, share, error, promised_pct: promised, p, wins } };
}

/** Chance that equal odds give winners at least as uneven as these. */
function chiSquareP(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length;
  const x = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return upperGamma((counts.length - 1) / 2, x / 2);
}

/** Regularised upper incomplete gamma function, by its series; a is a multiple of one half. */
function upperGamma(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < 500; n++) {
    term *= x / (a + n);
    sum += term;
  }
  return Math.max(0, 1 - sum * Math.exp(-x + a * Math.log(x) - logGamma(a)));
}

function logGamma(a: number): number {
  let [value, rest] = a % 1 === 0 ? [0, 1] : [Math.log(Math.sqrt(Math.PI)), 0.5];
  for (; rest < a; rest++) value += Math.log(rest);
  return value;
}
