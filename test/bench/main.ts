/**
 * `npm run bench -- NAME [--seconds S] [--json]`: measures one thing and shows a table; with --json one JSON object is the
 * last line, and nothing else on stdout. Without a NAME, or with an unknown one, the benches are listed.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, resultText } from './frame.ts';

/** Files of this folder that are no benches. */
const FRAME_FILES = new Set(['main', 'frame', 'processes']);
const MAX_SECONDS = 86_400;

function benchNames(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => name.slice(0, -3))
    .filter((name) => !FRAME_FILES.has(name))
    .sort();
}

async function loadBench(name: string): Promise<Bench> {
  return (await import(join(import.meta.dirname, `${name}.ts`))) as Bench;
}

async function listText(): Promise<string> {
  const lines: string[] = [];
  for (const name of benchNames()) {
    const bench = await loadBench(name).catch((error: Error): Pick<Bench, 'description' | 'flags'> => {
      return { description: `cannot be loaded: ${error.message}` };
    });
    lines.push(`  ${name.padEnd(12)} ${bench.description}`);
    for (const [flag, { help, type }] of Object.entries(bench.flags ?? {}))
      lines.push(`  ${' '.repeat(12)}   --${flag}${type === 'string' ? ' …' : ''}  ${help}`);
  }
  return `Usage: npm run bench -- NAME [--seconds S] [--json]\n\n${lines.join('\n')}`;
}

/** Thrown for a command line that cannot be followed; the message is for people. */
class UsageError extends Error {}

function readSeconds(text: string | undefined): number | null {
  if (text === undefined) return null;
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 1 || seconds > MAX_SECONDS)
    throw new UsageError(`--seconds ${text}: expected a whole number from 1 to ${MAX_SECONDS}`);
  return seconds;
}

function readFlags(args: string[], bench: Bench) {
  const own = Object.entries(bench.flags ?? {}).map(([name, { type, multiple }]) => [
    name,
    { type, multiple: multiple === true },
  ]);
  try {
    const { values } = parseArgs({
      args,
      options: { seconds: { type: 'string' }, json: { type: 'boolean', default: false }, ...Object.fromEntries(own) },
    });
    return values as { seconds?: string; json: boolean } & Record<string, string | boolean | string[] | undefined>;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(): Promise<number> {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || !benchNames().includes(name)) {
    const about = name === undefined || name.startsWith('-') ? '' : `${name}: no such bench\n\n`;
    process.stderr.write(`${about}${await listText()}\n`);
    return name === '--help' ? 0 : 2;
  }
  const bench = await loadBench(name);
  const { seconds, json, ...flags } = readFlags(args, bench);
  const say = json ? () => {} : (line: string) => process.stderr.write(`${line}\n`);
  const result = await bench.run({ seconds: readSeconds(seconds), flags, say });
  console.log(json ? JSON.stringify(result.figures) : `\n${resultText(result)}`);
  return result.good === false ? 1 : 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    process.stderr.write(`${error instanceof UsageError ? error.message : (error.stack ?? error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
