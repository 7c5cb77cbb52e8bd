/** What the protocol costs on the wire, a node and slot, by the number of nodes. Also draws src/consensus/traffic.svg. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_OPTIONS } from '../simulation/options.ts';
import { inParallel } from '../simulation/pool.ts';
import type { BenchOptions, BenchResult } from './frame.ts';

export const description = 'messages and bytes a node and slot by the number of nodes; draws src/consensus/traffic.svg';
export const flags = {
  nodes: { type: 'string', help: 'numbers of nodes (default 5,10,50,100,400; thousands take long)' },
} as const;

const PLOT = join(import.meta.dirname, '../../src/consensus/traffic.svg');
const SLOTS = 8;
const SLOTS_OF_LARGE = 3;
const LARGE = 150;
/** The model's usual track: what a slot costs grows with its length, for STATE speaks every 5 s. */
const TRACK_MS = [200_000, 240_000] as const;
const SLOT_S = 220;

interface Row {
  nodes: number;
  messages: number;
  bytes: number;
}

export async function run({ flags: given, say }: BenchOptions): Promise<BenchResult> {
  const numbers = String(given.nodes ?? '5,10,50,100,400')
    .split(',')
    .map(Number);
  const jobs = numbers.map((nodes) => {
    const slots = nodes > LARGE ? SLOTS_OF_LARGE : SLOTS;
    return { options: { ...DEFAULT_OPTIONS, nodes, slots, seed: 1 }, extras: { trackMs: TRACK_MS } };
  });
  const outcomes = await inParallel(jobs, 1, (done) => say(`${numbers[done - 1]} nodes measured`));
  const rows = outcomes.map(({ figures }, i): Row => {
    const { messages_per_node_slot: messages, bytes_per_node_slot: bytes } = figures;
    return { nodes: numbers[i]!, messages, bytes };
  });
  writeFileSync(PLOT, plot(rows));
  return {
    columns: ['nodes', 'messages / node / slot', 'kB / node / slot', 'messages / s', 'kbit / s'],
    rows: rows.map(({ nodes, messages, bytes }) => [
      nodes,
      messages,
      bytes / 1_000,
      messages / SLOT_S,
      (bytes * 8) / 1_000 / SLOT_S,
    ]),
    figures: {
      rows: rows.map(({ nodes, messages, bytes }) => ({
        nodes,
        messages_per_node_slot: messages,
        bytes_per_node_slot: bytes,
      })),
    },
    notes: [
      `slots of ${SLOT_S} s; every copy that reaches a node counts, duplicates of the gossip mesh (degree 8) included`,
      'bytes: canonical message, 170 bytes of gossip framing a copy, 60 of the catch-up stream; segments are not in it',
    ],
  };
}

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = { left: 64, right: 64, top: 40, bottom: 48 };

/** Both figures over the number of nodes, on logarithmic axes. */
function plot(rows: readonly Row[]): string {
  const x = scale(
    rows.map(({ nodes }) => nodes),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const messages = scale(
    rows.map((row) => row.messages),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const bytes = scale(
    rows.map((row) => row.bytes),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const line = (y: (row: Row) => number, colour: string, dash: string): string => {
    const points = rows.map((row) => `${x(row.nodes)},${y(row)}`);
    const dots = points.map(
      (point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="3" fill="${colour}"/>`,
    );
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" ${dash} points="${points.join(' ')}"/>${dots.join('')}`;
  };
  const labels = rows.map(({ nodes }) => text(x(nodes), HEIGHT - MARGIN.bottom + 20, 'middle', String(nodes)));
  const values = rows.flatMap((row) => [
    text(x(row.nodes), messages(row.messages) - 8, 'middle', String(Math.round(row.messages)), '#1f6f8b'),
    text(x(row.nodes), bytes(row.bytes) + 18, 'middle', `${Math.round(row.bytes / 1_000)} kB`, '#b3541e'),
  ]);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${text(WIDTH / 2, 20, 'middle', `Messages (solid) and bytes (dashed) that reach a node in a slot of ${SLOT_S} s`)}
${line((row) => messages(row.messages), '#1f6f8b', '')}
${line((row) => bytes(row.bytes), '#b3541e', 'stroke-dasharray="6 4"')}
${labels.join('\n')}
${values.join('\n')}
${text(WIDTH / 2, HEIGHT - 10, 'middle', 'nodes')}
</svg>
`;
}

function text(x: number, y: number, anchor: string, content: string, colour = '#333'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${colour}">${content}</text>`;
}

/** A logarithmic scale with some room at both ends. */
function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const [least, most] = [Math.log(Math.min(...values) / 1.5), Math.log(Math.max(...values) * 1.5)];
  return (value) => Math.round((from + ((Math.log(value) - least) / (most - least)) * (to - from)) * 10) / 10;
}
