/**
 * `npm run lab -- [SCENARIO...] [--cut-seconds 60] [--json]`: real nodes in network namespaces, one scenario after the
 * other. Needs root. Ends with a table, with --json as one JSON line, and with a non-zero exit if something did not hold.
 */
import { parseArgs } from 'node:util';
import { SCENARIOS, type ScenarioResult } from './scenarios.ts';

const CUT_SECONDS = { least: 10, most: 3_600 };

interface LabOptions {
  names: string[];
  cutSeconds: number;
  json: boolean;
}

function readOptions(): LabOptions {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'cut-seconds': { type: 'string', default: '60' }, json: { type: 'boolean', default: false } },
  });
  const known = Object.keys(SCENARIOS);
  for (const name of positionals) {
    if (!known.includes(name)) throw new Error(`no scenario "${name}": expected one of ${known.join(', ')}`);
  }
  const cutSeconds = Number(values['cut-seconds']);
  if (!Number.isInteger(cutSeconds) || cutSeconds < CUT_SECONDS.least || cutSeconds > CUT_SECONDS.most) {
    const allowed = `a whole number from ${CUT_SECONDS.least} to ${CUT_SECONDS.most}`;
    throw new Error(`--cut-seconds ${values['cut-seconds']}: expected ${allowed}`);
  }
  return { names: positionals.length === 0 ? known : positionals, cutSeconds, json: values.json };
}

function table(results: readonly ScenarioResult[]): string {
  const rows = results.map(({ name, failures, slots, torn, fallbacks, silences, spreadMs, figures }) => [
    name,
    failures.length === 0 ? 'held' : 'FAILED',
    String(slots),
    torn.length === 0 ? '-' : torn.join(' '),
    String(fallbacks),
    String(silences.length),
    `${spreadMs.p50} / ${spreadMs.p95} / ${spreadMs.max}`,
    Object.entries(figures)
      .map(([key, value]) => `${key} ${value}`)
      .join(', '),
  ]);
  const head = ['scenario', 'result', 'slots', 'torn', 'fallbacks', 'silences', 'apart p50/p95/max ms', 'figures'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function run(options: LabOptions): Promise<void> {
  const say = (line: string) => {
    if (!options.json) console.log(line);
  };
  const results: ScenarioResult[] = [];
  for (const name of options.names) {
    say(`${name} …`);
    const result = await SCENARIOS[name]!({ cutSeconds: options.cutSeconds, say });
    results.push(result);
    say(`${name}: ${JSON.stringify(result)}`);
  }
  say(`\n${table(results)}`);
  if (options.json) console.log(JSON.stringify({ scenarios: results }));
  if (results.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

try {
  await run(readOptions());
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
