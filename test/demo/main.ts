/**
 * `npm run demo -- [--nodes 3] [--seconds 180] [--music DIR] [--json]`: a whole flock of real processes on this
 * machine. Ends with what was agreed, and with a non-zero exit if two nodes ever decided a slot differently.
 */
import { parseArgs } from 'node:util';
import { Flock } from '../flock/flock.ts';
import { dealMusic } from './deal.ts';
import { type DemoResult, FlockObserver } from './observer.ts';
import { drawTable } from './table.ts';

const SAMPLE_EVERY_MS = 500;
const ALLOWED = { nodes: [1, 20], seconds: [20, 86_400] } as const;

interface DemoOptions {
  nodes: number;
  seconds: number;
  music: string | null;
  json: boolean;
}

function readOptions(): DemoOptions {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '180' },
      music: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    nodes: wholeNumber('nodes', values.nodes),
    seconds: wholeNumber('seconds', values.seconds),
    music: values.music ?? null,
    json: values.json,
  };
}

function wholeNumber(name: keyof typeof ALLOWED, text: string): number {
  const [least, most] = ALLOWED[name];
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`--${name} ${text}: expected a whole number from ${least} to ${most}`);
  }
  return value;
}

async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const say = (line: string) => {
    if (!options.json) console.log(line);
  };
  const flock = await Flock.create({ prefix: 'starling-demo-' });
  try {
    say(options.music === null ? 'making a small library of tagged tracks …' : `dealing out ${options.music} …`);
    const shares = await dealMusic({ nodes: options.nodes, music: options.music, into: flock.directory });
    say(`starting ${options.nodes} nodes …`);
    for (const share of shares) await flock.add({ name: share.name, music: share.directory });
    const observer = new FlockObserver();
    const endsAt = performance.now() + options.seconds * 1_000;
    while (performance.now() < endsAt) {
      observer.add(await flock.statuses());
      if (!options.json) drawTable(observer, Math.max(0, endsAt - performance.now()));
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
    }
    return observer.result(options.nodes);
  } finally {
    await flock.stop();
  }
}

try {
  const options = readOptions();
  const result = await runDemo(options);
  if (options.json) console.log(JSON.stringify(result));
  else console.log(`\n${JSON.stringify(result, null, 2)}`);
  if (result.conflicts.length > 0) {
    console.error(`two nodes decided differently: slots ${result.conflicts.join(', ')}`);
    process.exitCode = 1;
  } else if (result.slots === 0) {
    console.error('no slot was decided by more than one node');
    process.exitCode = 1;
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
