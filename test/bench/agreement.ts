/** Do all honest nodes decide every slot alike, with up to R faulty nodes, one more, and under the model's plain rule? */
import { cpus } from 'node:os';
import { DEFAULT_OPTIONS } from '../simulation/options.ts';
import { inParallel } from '../simulation/pool.ts';
import type { SimFigures } from '../simulation/run.ts';
import type { BenchOptions, BenchResult, Cell } from './frame.ts';

export const description = 'agreement with R and R + 1 colluders, 5 % loss, clocks ±500 ms, and under the plain rule';
export const flags = {
  slots: { type: 'string', help: 'slots in all over the runs that must agree (default 4000; the target is 100000)' },
} as const;

interface Case {
  name: string;
  nodes: number;
  /** R, as a rule; 0 leaves the deadline plain. */
  rounds: number;
  colluders: number;
  draw: 'ticket' | 'hash-mod';
  /** Whether all must agree, or must not. */
  agrees: boolean;
}

const CASES: readonly Case[] = [
  { name: 'no adversary', nodes: 10, rounds: 64, colluders: 0, draw: 'ticket', agrees: true },
  { name: 'f = R = 2', nodes: 10, rounds: 2, colluders: 2, draw: 'ticket', agrees: true },
  { name: 'f = R = 4', nodes: 10, rounds: 4, colluders: 4, draw: 'ticket', agrees: true },
  { name: 'f = R = 4', nodes: 25, rounds: 4, colluders: 4, draw: 'ticket', agrees: true },
  { name: 'f = R + 1 = 3', nodes: 10, rounds: 2, colluders: 3, draw: 'ticket', agrees: false },
  { name: 'f = R + 1 = 5', nodes: 25, rounds: 4, colluders: 5, draw: 'ticket', agrees: false },
  { name: "the model's plain rule, f = 1", nodes: 10, rounds: 0, colluders: 1, draw: 'hash-mod', agrees: false },
];
/** Slots of one run: seeds are changed, so that runs differ. */
const SLOTS_PER_RUN = 1_000;
/** Enough to show that a split happens. */
const SLOTS_TO_SPLIT = 400;

export async function run({ flags: given, say }: BenchOptions): Promise<BenchResult> {
  const wanted = Number(given.slots ?? 4_000);
  const holding = CASES.filter(({ agrees }) => agrees).length;
  const jobs = CASES.flatMap((one) => {
    const slots = one.agrees ? Math.ceil(wanted / holding) : SLOTS_TO_SPLIT;
    const runs = Math.ceil(slots / SLOTS_PER_RUN);
    return Array.from({ length: runs }, (_, i) => jobOf(one, i + 1, Math.min(slots, SLOTS_PER_RUN)));
  });
  const outcomes = await inParallel(jobs, cpus().length, (done) => say(`${done} of ${jobs.length} runs`));
  const rows = CASES.map((one) =>
    rowOf(
      one,
      outcomes.filter((_, i) => jobs[i]!.name === nameOf(one)),
    ),
  );
  const figures = Object.fromEntries(rows.map(({ key, figure }) => [key, figure]));
  const good = rows.every(({ figure }, i) => (CASES[i]!.agrees ? figure.agreement === 1 : figure.agreement < 1));
  return {
    columns: ['case', 'nodes', 'slots', 'split', 'agreement %'],
    rows: rows.map(({ cells }) => cells),
    figures: { cases: figures, good },
    notes: [
      'colluders endorse each other and show the lowest ticket to one honest node in the last instant of its deadline',
      '5 % of all copies, questions and answers are lost; clocks are off by up to ± 500 ms; delays are 5 to 60 ms',
      `slots that must agree: ${rows.reduce((sum, { figure }, i) => sum + (CASES[i]!.agrees ? figure.slots : 0), 0)}`,
    ],
    good,
  };
}

const nameOf = ({ name, nodes }: Case): string => `${name}, ${nodes} nodes`;

function jobOf(one: Case, seed: number, slots: number) {
  const adversaries = one.colluders === 0 ? [] : [{ kind: 'late-release' as const, count: one.colluders }];
  const options = {
    ...DEFAULT_OPTIONS,
    nodes: one.nodes,
    slots,
    seed,
    loss: 0.05,
    skewMs: 500,
    draw: one.draw,
    adversaries,
  };
  // Long epochs: STATEs are most of the work, and play no part in the deadlines.
  return { name: nameOf(one), options, extras: { rules: { max_rounds: one.rounds, state_epoch_ms: 15_000 } } };
}

function rowOf(one: Case, outcomes: readonly { figures: SimFigures }[]) {
  const slots = outcomes.reduce((sum, { figures }) => sum + figures.slots, 0);
  const splits = outcomes.reduce((sum, { figures }) => sum + figures.splits, 0);
  const agreement = (slots - splits) / slots;
  const cells: Cell[] = [one.name, one.nodes, slots, splits, Math.floor(agreement * 10_000) / 100];
  return { key: nameOf(one), figure: { slots, splits, agreement }, cells };
}
