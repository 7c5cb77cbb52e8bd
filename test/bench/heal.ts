/** How long after a partition until the flock stands on one log again. */
import { cpus } from 'node:os';
import { DEFAULT_OPTIONS } from '../simulation/options.ts';
import { inParallel } from '../simulation/pool.ts';
import { type BenchOptions, type BenchResult, type Cell, quantile } from './frame.ts';

export const description = 'time to one log after a partition: clear majority, even split, even split with a balancer';
export const flags = { seeds: { type: 'string', help: 'partitions a case (default 12)' } } as const;

const CASES = [
  {
    key: 'clear_majority',
    name: 'clear majority (3 of 10 cut off)',
    nodes: 10,
    share: 0.3,
    balancers: 0,
    limitMs: 15_000,
  },
  { key: 'even_split', name: 'even split (5 and 5)', nodes: 10, share: 0.5, balancers: 0, limitMs: 45_000 },
  {
    key: 'balancer',
    name: 'even split with a balancer (5, 5 and 1)',
    nodes: 11,
    share: 0.5,
    balancers: 1,
    limitMs: 80_000,
  },
] as const;
/** The cut begins when the first slots are decided, and lasts long enough for both sides to decide some. */
const CUT = { atMs: 120_000, forMs: 120_000 };

export async function run({ flags: given, say }: BenchOptions): Promise<BenchResult> {
  const seeds = Number(given.seeds ?? 12);
  const jobs = CASES.flatMap(({ nodes, share, balancers, key }) =>
    Array.from({ length: seeds }, (_, i) => {
      const adversaries = balancers === 0 ? [] : [{ kind: 'stale-head' as const, count: balancers }];
      const partitions = [{ ...CUT, share }];
      return {
        key,
        options: { ...DEFAULT_OPTIONS, nodes, slots: 5, seed: i + 1, skewMs: 200, adversaries, partitions },
      };
    }),
  );
  const outcomes = await inParallel(jobs, cpus().length, (done) => say(`${done} of ${jobs.length} partitions`));
  const rows = CASES.map(({ key, name, limitMs }) => {
    const own = outcomes.filter((_, i) => jobs[i]!.key === key);
    const times = own.flatMap(({ heals }) => heals);
    const figure = { p50: quantile(times, 0.5), p99: quantile(times, 0.99), limit: limitMs, partitions: times.length };
    const cells: Cell[] = [name, times.length, figure.p50 / 1_000, figure.p99 / 1_000, limitMs / 1_000];
    return { key, figure, cells, good: figure.p99 <= limitMs && times.length === seeds };
  });
  return {
    columns: ['partition of 120 s', 'runs', 'p50 s', 'p99 s', 'limit s'],
    rows: rows.map(({ cells }) => cells),
    figures: { heal_ms: Object.fromEntries(rows.map(({ key, figure }) => [key, figure])) },
    notes: ['from the moment the network is whole to all honest members standing on one log; nobody’s track is cut'],
    good: rows.every((row) => row.good),
  };
}
