/** Runs many simulations in worker threads, and gives their figures back in order. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { SimOptions } from './options.ts';
import { type SimExtras, type SimFigures, simulate } from './run.ts';

export interface Job {
  options: SimOptions;
  extras?: SimExtras;
}

export interface JobOutcome {
  figures: SimFigures;
  /** Slots won, by node; -1: fallback records. */
  winners: Map<number, number>;
  problemCount: number;
  /** What broke first, if anything did. */
  problem: string | null;
  /** From the end of each partition to one log everywhere, in ms. */
  heals: readonly number[];
}

/**
 * @param workers - how many run at once
 * @param onDone - after each job
 */
export async function inParallel(
  jobs: readonly Job[],
  workers: number,
  onDone: (done: number) => void = () => {},
): Promise<JobOutcome[]> {
  const outcomes: JobOutcome[] = new Array(jobs.length);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < jobs.length; i = next++) {
      outcomes[i] = await runInWorker(jobs[i]!);
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, work));
  return outcomes;
}

function runInWorker(job: Job): Promise<JobOutcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { simulation: job } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const given = (workerData as { simulation?: Job } | null)?.simulation;
if (!isMainThread && given !== undefined) {
  const { figures, winners, problemCount, problems, heals } = simulate(given.options, given.extras);
  const [first] = problems;
  const problem = first === undefined ? null : `${first.rule}: ${first.what}`;
  parentPort!.postMessage({ figures, winners: new Map(winners), problemCount, problem, heals } satisfies JobOutcome);
}
