/** Memory and idle load of one real node, from the bundle, against what a small machine has. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAST_RULES, rulesJson } from '../../src/consensus/rules.ts';
import { dealMusic } from '../demo/deal.ts';
import { FlockNode, sleep } from '../flock/flock.ts';
import { type BenchOptions, type BenchResult, quantile, round } from './frame.ts';
import { cpuSecondsOf, descendantsOf, memoryOf } from './processes.ts';

export const description =
  'memory while idle, cutting music and playing, and idle load (limits: 130 MB a node, 512 MB a machine)';

/** What an idle node may take, says the project's aim. */
const NODE_LIMIT_MB = 130;
/** A Raspberry Pi Zero 2 W. */
const MACHINE_MB = 512;
const DEFAULT_SECONDS = 20;
const SAMPLE_EVERY_MS = 250;
/** After a start or a change of phase, so that its garbage is not measured as the phase's. */
const SETTLE_MS = 3_000;
const READY_WITHIN_MS = 180_000;
/** Longer than any bench: this node deploys no station. */
const FOREVER_S = 86_400;

interface Phase {
  nodeRssMb: number;
  nodePssMb: number;
  allPssMb: number;
  cpuPct: number;
}

/** Samples until `done`; medians of memory (the maximum where `peak`), processor time per elapsed time. */
async function measure(
  node: FlockNode,
  peak: boolean,
  done: (elapsedMs: number) => Promise<boolean> | boolean,
): Promise<Phase> {
  const pid = node.pid;
  if (pid === undefined) throw new Error('the node is not running');
  const rss: number[] = [];
  const pss: number[] = [];
  const all: number[] = [];
  const startedMs = performance.now();
  const cpuBefore = cpuSecondsOf(pid);
  do {
    const own = memoryOf(pid);
    const children = descendantsOf(pid).map((child) => memoryOf(child).pssMb);
    rss.push(own.rssMb);
    pss.push(own.pssMb);
    all.push(children.reduce((sum, one) => sum + one, own.pssMb));
    await sleep(SAMPLE_EVERY_MS);
  } while (!(await done(performance.now() - startedMs)));
  if (!node.running) throw new Error('the node ended while it was measured');
  const elapsedS = (performance.now() - startedMs) / 1000;
  const share = peak ? 1 : 0.5;
  return {
    nodeRssMb: quantile(rss, share),
    nodePssMb: quantile(pss, share),
    allPssMb: quantile(all, share),
    cpuPct: (100 * (cpuSecondsOf(pid) - cpuBefore)) / elapsedS,
  };
}

const forMs = (ms: number) => (elapsedMs: number) => elapsedMs >= ms;

/** One node on its own; started again on the same directory, it knows its library already. */
function nodeIn(directory: string, music: string, deployAfterS: number): FlockNode {
  const dataDir = join(directory, 'data');
  const rules = join(directory, 'rules.json');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(rules, rulesJson(FAST_RULES));
  return new FlockNode({ name: 'Bench', music }, dataDir, [
    ...['--name', 'Bench', '--music', music, '--data', dataDir, '--http', '127.0.0.1:0', '--output', 'mpv-null'],
    ...['--rules', rules, '--deploy-after', String(deployAfterS), '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns'],
  ]);
}

async function libraryIsReady(node: FlockNode): Promise<boolean> {
  const library = (await node.status())?.library;
  return library !== undefined && !library.scanning && library.ready > 0;
}

/** While the library is being read and cut; and the same node afterwards, listening for a station that never comes. */
async function chunkingAndIdle(node: FlockNode, seconds: number): Promise<{ chunking: Phase; idle: Phase }> {
  await node.start([]);
  const chunking = await measure(node, true, async (elapsedMs) => {
    if (elapsedMs > READY_WITHIN_MS) throw new Error(`the library is not ready after ${READY_WITHIN_MS} ms`);
    return await libraryIsReady(node);
  });
  await sleep(SETTLE_MS);
  return { chunking, idle: await measure(node, false, forMs(seconds * 1000)) };
}

async function playing(node: FlockNode, seconds: number): Promise<Phase> {
  await node.start([]);
  const deadline = performance.now() + READY_WITHIN_MS;
  while ((await node.status())?.now?.track == null || !(await libraryIsReady(node))) {
    if (performance.now() > deadline) throw new Error(`nothing plays after ${READY_WITHIN_MS} ms`);
    await sleep(SAMPLE_EVERY_MS);
  }
  await sleep(SETTLE_MS);
  return await measure(node, false, forMs(seconds * 1000));
}

function row(name: string, phase: Phase) {
  const { nodeRssMb, nodePssMb, allPssMb, cpuPct } = phase;
  const cells = [nodeRssMb, nodePssMb, allPssMb, nodeRssMb / NODE_LIMIT_MB, allPssMb / MACHINE_MB, cpuPct];
  return [name, ...cells.map((cell) => round(cell, 2))];
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  if (!existsSync('/proc/self/smaps_rollup')) throw new Error("this bench reads Linux's /proc/PID/smaps_rollup");
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  const directory = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const nodes: FlockNode[] = [];
  try {
    options.say('making a small library of tagged tracks …');
    const [share] = await dealMusic({ nodes: 1, music: null, into: directory });
    if (share === undefined) throw new Error('no music was made');
    const [listener, player] = [FOREVER_S, 0].map((deployAfterS) => nodeIn(directory, share.directory, deployAfterS));
    nodes.push(listener!, player!);
    options.say(`cutting it, then idle for ${seconds} s …`);
    const { chunking, idle } = await chunkingAndIdle(listener!, seconds);
    await listener!.stop();
    options.say(`playing for ${seconds} s …`);
    const play = await playing(player!, seconds);
    return {
      columns: [
        'phase',
        'node RSS MB',
        'node PSS MB',
        'with children PSS MB',
        `RSS of ${NODE_LIMIT_MB} MB`,
        `PSS of ${MACHINE_MB} MB`,
        'node CPU %',
      ],
      rows: [row('idle', idle), row('playing', play), row('chunking (peak)', chunking)],
      figures: {
        idle_mb: round(idle.nodeRssMb),
        playing_mb: round(play.nodeRssMb),
        chunking_mb: round(chunking.nodeRssMb),
        idle_cpu_pct: round(idle.cpuPct, 2),
        playing_cpu_pct: round(play.cpuPct, 2),
        idle_of_limit: round(idle.nodeRssMb / NODE_LIMIT_MB, 3),
        playing_all_pss_mb: round(play.allPssMb),
        chunking_all_pss_mb: round(chunking.allPssMb),
        playing_all_of_machine: round(play.allPssMb / MACHINE_MB, 3),
        limit_mb: NODE_LIMIT_MB,
        machine_mb: MACHINE_MB,
      },
      notes: [
        'MB are 10^6 bytes. RSS counts shared pages in full; PSS shares them out, so it is what adds up on a machine.',
        'Children are ffmpeg while music is cut or decoded, and mpv (output mpv-null: all of the player but the sound card).',
        'Idle: library read, listening for a station that does not come. The node runs from dist/starling.mjs with the flags of `npm start`.',
      ],
    };
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}
