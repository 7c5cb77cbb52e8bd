/** `npm run sim`: a flock in virtual time. Exit code 1: a rule was broken, and the command that repeats it is printed. */
import { commandOf, HELP, readOptions } from './options.ts';
import { type SimOutcome, simulate } from './run.ts';

const SHOWN_PROBLEMS = 10;

function report({ figures, problems, problemCount, logHash, winners, flock }: SimOutcome): void {
  const lines = Object.entries(figures).map(([name, value]) => `  ${name.padEnd(24)} ${JSON.stringify(value)}`);
  console.log(lines.join('\n'));
  console.log(`  event log                ${logHash}`);
  console.log(`  fallback records         ${winners.get(-1) ?? 0}`);
  const wins = flock.nodes.filter(({ role }) => role !== null).map(({ index }) => winners.get(index) ?? 0);
  if (wins.length > 0) console.log(`  won by adversaries       ${wins.reduce((a, b) => a + b)} of ${figures.slots}`);
  for (const { atMs, node, rule, what } of problems.slice(0, SHOWN_PROBLEMS)) {
    console.log(`  ✗ ${rule} at ${(atMs / 1_000).toFixed(1)} s, ${node < 0 ? 'the flock' : `node ${node}`}: ${what}`);
  }
  if (problemCount > SHOWN_PROBLEMS) console.log(`  … ${problemCount} in all`);
}

function main(): number {
  let read: ReturnType<typeof readOptions>;
  try {
    read = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  if (read.help) {
    console.log(HELP);
    return 0;
  }
  const outcome = simulate(read.options);
  if (!read.json) report(outcome);
  const held = outcome.problemCount === 0;
  if (!held) process.stderr.write(`a rule was broken; to see it again: ${commandOf(read.options)}\n`);
  console.log(JSON.stringify(outcome.figures));
  return held ? 0 : 1;
}

process.exitCode = main();
