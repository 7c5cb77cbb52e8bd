/** The command line of the simulator. */
import { parseArgs } from 'node:util';
import { ADVERSARY_KINDS, type AdversaryKind } from './adversaries/index.ts';

export interface SimOptions {
  nodes: number;
  slots: number;
  seed: number;
  loss: number;
  latencyMs: [number, number];
  duplicate: number;
  skewMs: number;
  /** Chance of each node to lose power within a slot. */
  churn: number;
  /** Processes that get no turn: for up to `forMs`, with this chance for each node within a slot. Null: none. */
  stall: { forMs: number; chance: number } | null;
  /** Cuts of the network: from `atMs` for `forMs`, with this share of the nodes on the smaller side. */
  partitions: { atMs: number; forMs: number; share: number }[];
  adversaries: { kind: AdversaryKind; count: number }[];
  draw: 'ticket' | 'hash-mod';
  /** Members of one log from the beginning, or strangers that boot at once. */
  start: 'warm' | 'cold';
}

export const DEFAULT_OPTIONS: SimOptions = {
  nodes: 10,
  slots: 100,
  seed: 1,
  loss: 0,
  latencyMs: [5, 60],
  duplicate: 0,
  skewMs: 0,
  churn: 0,
  stall: null,
  partitions: [],
  adversaries: [],
  draw: 'ticket',
  start: 'warm',
};

/** A command line that cannot be followed; the message names the option, what stood there and what is allowed. */
export class OptionError extends Error {
  constructor(option: string, value: string, allowed: string) {
    super(`--${option} ${value}: expected ${allowed}`);
    this.name = 'OptionError';
  }
}

const MAX_NODES = 5_000;

export const HELP = `npm run sim -- [options]: a flock in virtual time, and whether every rule of the protocol held.

  --nodes N              nodes (10)                      1 to ${MAX_NODES}
  --slots S              slots to decide (100)           1 to 1000000
  --seed X               equal seeds give equal runs (1) a whole number
  --loss P               share of messages lost (0)      0 to 0.9
  --latency A..B         one-way delay in ms (5..60)     0 to 60000
  --duplicate P          share that comes twice (0)      0 to 0.9
  --skew MS              clocks are off by up to ± (0)   0 to 600000
  --churn P              a node's chance to lose power within a slot (0)   0 to 0.5
  --stall MS:P           a node's process gets no turn for up to MS, with chance P within a slot (none)
  --partition AT,FOR,SHARE   cut at AT s for FOR s, SHARE of the nodes on one side; repeatable
  --adversary KIND:COUNT     repeatable; kinds: ${ADVERSARY_KINDS.join(', ')}
  --draw ticket|hash-mod     how winners are drawn (ticket)
  --start warm|cold          members of one log from the beginning, or strangers that boot at once (warm)
  --json                     nothing but one JSON object`;

const OPTIONS = {
  nodes: { type: 'string' },
  slots: { type: 'string' },
  seed: { type: 'string' },
  loss: { type: 'string' },
  latency: { type: 'string' },
  duplicate: { type: 'string' },
  skew: { type: 'string' },
  churn: { type: 'string' },
  stall: { type: 'string' },
  partition: { type: 'string', multiple: true },
  adversary: { type: 'string', multiple: true },
  draw: { type: 'string' },
  start: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/**
 * @throws OptionError for an option or a value that is not allowed
 */
export function readOptions(args: string[]): { options: SimOptions; json: boolean; help: boolean } {
  const values = parse(args);
  const base = DEFAULT_OPTIONS;
  const nodes = whole('nodes', values.nodes, base.nodes, 1, MAX_NODES);
  const options: SimOptions = {
    nodes,
    slots: whole('slots', values.slots, base.slots, 1, 1_000_000),
    seed: whole('seed', values.seed, base.seed, 0, 4_294_967_295),
    loss: share('loss', values.loss, base.loss, 0.9),
    latencyMs: readLatency(values.latency),
    duplicate: share('duplicate', values.duplicate, base.duplicate, 0.9),
    skewMs: whole('skew', values.skew, base.skewMs, 0, 600_000),
    churn: share('churn', values.churn, base.churn, 0.5),
    stall: readStall(values.stall),
    partitions: (values.partition ?? []).map(readPartition),
    adversaries: readAdversaries(values.adversary ?? [], nodes),
    draw: choice('draw', values.draw, base.draw, ['ticket', 'hash-mod']),
    start: choice('start', values.start, base.start, ['warm', 'cold']),
  };
  return { options, json: values.json === true, help: values.help === true };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    const known = Object.keys(OPTIONS).map((name) => `--${name}`);
    throw new Error(`${(error as Error).message.split('. ')[0]}. Known options: ${known.join(' ')}`);
  }
}

function whole(option: string, text: string | undefined, usual: number, least: number, most: number): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new OptionError(option, text, `a whole number from ${least} to ${most}`);
  }
  return value;
}

function share(option: string, text: string | undefined, usual: number, most: number): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value > most) throw new OptionError(option, text, `a share from 0 to ${most}`);
  return value;
}

function choice<T extends string>(option: string, text: string | undefined, usual: T, allowed: readonly T[]): T {
  if (text === undefined) return usual;
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw new OptionError(option, text, allowed.join(' or '));
  return found;
}

function readLatency(text: string | undefined): [number, number] {
  if (text === undefined) return [...DEFAULT_OPTIONS.latencyMs];
  const found = /^(\d+)\.\.(\d+)$/.exec(text);
  const [least, most] = [Number(found?.[1]), Number(found?.[2])];
  if (found === null || least > most || most > 60_000) {
    throw new OptionError('latency', text, 'A..B in whole milliseconds, A at most B, B at most 60000');
  }
  return [least, most];
}

const MAX_STALL_MS = 600_000;

function readStall(text: string | undefined): SimOptions['stall'] {
  if (text === undefined) return null;
  const found = /^(\d+):(0?\.\d+|1)$/.exec(text);
  const [forMs, chance] = [Number(found?.[1]), Number(found?.[2])];
  if (found === null || forMs < 1 || forMs > MAX_STALL_MS || chance <= 0) {
    throw new OptionError('stall', text, `MS:P, whole milliseconds from 1 to ${MAX_STALL_MS} and a chance up to 1`);
  }
  return { forMs, chance };
}

function readPartition(text: string): SimOptions['partitions'][number] {
  const found = /^(\d+),(\d+),(0?\.\d+)$/.exec(text);
  const [at, length, part] = [Number(found?.[1]), Number(found?.[2]), Number(found?.[3])];
  if (found === null || length < 1 || part <= 0 || part > 0.5) {
    throw new OptionError(
      'partition',
      text,
      'AT,FOR,SHARE: whole seconds, whole seconds from 1, and a share up to 0.5',
    );
  }
  return { atMs: at * 1_000, forMs: length * 1_000, share: part };
}

function readAdversaries(texts: string[], nodes: number): SimOptions['adversaries'] {
  const adversaries = texts.map((text) => {
    const found = /^([a-z-]+):(\d+)$/.exec(text);
    const kind = ADVERSARY_KINDS.find((one) => one === found?.[1]);
    if (found === null || kind === undefined || Number(found[2]) < 1) {
      throw new OptionError('adversary', text, `KIND:COUNT, COUNT from 1, KIND one of ${ADVERSARY_KINDS.join(', ')}`);
    }
    return { kind, count: Number(found[2]) };
  });
  const sum = adversaries.reduce((total, { count }) => total + count, 0);
  if (sum >= nodes) {
    throw new OptionError('adversary', texts.join(' '), `fewer adversaries than nodes (${nodes}) in all`);
  }
  return adversaries;
}

/** The command that repeats a run. */
export function commandOf(options: SimOptions): string {
  const { latencyMs, partitions, adversaries } = options;
  const parts = [`npm run sim -- --nodes ${options.nodes} --slots ${options.slots} --seed ${options.seed}`];
  if (options.loss > 0) parts.push(`--loss ${options.loss}`);
  if (latencyMs.join() !== DEFAULT_OPTIONS.latencyMs.join()) parts.push(`--latency ${latencyMs.join('..')}`);
  if (options.duplicate > 0) parts.push(`--duplicate ${options.duplicate}`);
  if (options.skewMs > 0) parts.push(`--skew ${options.skewMs}`);
  if (options.churn > 0) parts.push(`--churn ${options.churn}`);
  if (options.stall !== null) parts.push(`--stall ${options.stall.forMs}:${options.stall.chance}`);
  for (const { atMs, forMs, share: part } of partitions) {
    parts.push(`--partition ${atMs / 1_000},${forMs / 1_000},${part}`);
  }
  for (const { kind, count } of adversaries) parts.push(`--adversary ${kind}:${count}`);
  if (options.draw !== 'ticket') parts.push(`--draw ${options.draw}`);
  if (options.start !== 'warm') parts.push(`--start ${options.start}`);
  return parts.join(' ');
}
