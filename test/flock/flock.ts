import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { FAST_RULES, rulesJson } from '../../src/consensus/rules.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BUNDLE = join(ROOT, 'dist', 'starling.mjs');
const UP_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 8_000;
const STATUS_TIMEOUT_MS = 2_000;

/**
 * Short phases, but with half of each short track for proposing: that gives a Delta of two seconds, which several
 * processes on two busy cores keep. What holds when nobody keeps it is the simulation's matter.
 */
export const FLOCK_RULES = { ...FAST_RULES, propose_pct: 50, select_pct: 60, delta_ms: 2_000 };

export interface FlockNodeInit {
  name: string;
  music: string;
  output?: string;
  /** Further command line words. */
  extra?: string[];
  env?: Record<string, string>;
  /** Words before the node's own command: what it is to run in. */
  within?: string[];
  /** Words for Node.js. */
  runtime?: string[];
  /** Where its page answers when 127.0.0.1 is not the node's own: a socket in the file system. */
  socket?: string;
}

interface RunFile {
  pid: number;
  http_port: number;
  addresses: string[];
  node_id: string;
}

/** One real node process with its data directory, which outlives the process. */
export class FlockNode {
  readonly init: FlockNodeInit;
  readonly dataDir: string;
  readonly #arguments: string[];
  #process: ChildProcess | null = null;
  #run: RunFile | null = null;

  constructor(init: FlockNodeInit, dataDir: string, args: string[]) {
    this.init = init;
    this.dataDir = dataDir;
    this.#arguments = args;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get addresses(): string[] {
    return this.#run?.addresses ?? [];
  }

  get id(): string {
    if (this.#run === null) throw new Error(`${this.init.name} was never up`);
    return this.#run.node_id;
  }

  get logFile(): string {
    return join(this.dataDir, 'node.log');
  }

  async start(bootstrap: readonly string[]): Promise<void> {
    const runFile = join(this.dataDir, 'run.json');
    rmSync(runFile, { force: true });
    const args = [...this.#arguments, ...bootstrap.flatMap((address) => ['--bootstrap', address])];
    const { within = [], runtime = [] } = this.init;
    const node = [process.execPath, '--max-old-space-size=96', '--max-semi-space-size=2', ...runtime, BUNDLE];
    const [command = '', ...words] = [...within, ...node, ...args];
    const child = spawn(command, words, {
      cwd: ROOT,
      env: { ...process.env, MALLOC_ARENA_MAX: '2', ...this.init.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(this.logFile, { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    this.#process = child;
    const deadline = performance.now() + UP_WITHIN_MS;
    while (!existsSync(runFile)) {
      if (!this.running || performance.now() > deadline) {
        throw new Error(`${this.init.name} did not come up:\n${readFileSync(this.logFile, 'utf8').slice(-2_000)}`);
      }
      await sleep(50);
    }
    this.#run = JSON.parse(readFileSync(runFile, 'utf8'));
  }

  /** Null when the node does not answer. */
  async status(): Promise<StatusSnapshot | null> {
    if (!this.running || this.#run === null) return null;
    const url = `http://127.0.0.1:${this.#run.http_port}/api/status`;
    const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS);
    try {
      if (this.init.socket !== undefined) return await getThrough(this.init.socket, url, signal);
      const response = await fetch(url, { signal });
      return (await response.json()) as StatusSnapshot;
    } catch {
      return null;
    }
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === null || !this.running) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const forced = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(forced);
  }
}

/** Several real nodes on this machine, on loopback alone, tuned to a station of their own with short phases. */
export class Flock {
  readonly directory: string;
  readonly nodes: FlockNode[] = [];
  readonly #station: string;
  readonly #rulesFile: string;

  private constructor(directory: string, station: string) {
    this.directory = directory;
    this.#station = station;
    this.#rulesFile = join(directory, 'rules.json');
    writeFileSync(this.#rulesFile, rulesJson(FLOCK_RULES));
  }

  /** Nodes of a flock know each other by address alone, so the station's name need not be unique. */
  static async create(options: { prefix: string; station?: string }): Promise<Flock> {
    if (!existsSync(BUNDLE)) throw new Error('dist/starling.mjs is missing: npm run build');
    return new Flock(mkdtempSync(join(tmpdir(), options.prefix)), options.station ?? 'Dawn chorus');
  }

  /** Starts one more node; it knows the addresses of those that run already. */
  async add(init: FlockNodeInit): Promise<FlockNode> {
    const dataDir = join(this.directory, `data-${this.nodes.length + 1}`);
    mkdirSync(dataDir, { recursive: true });
    const node = new FlockNode(init, dataDir, [
      ...['--name', init.name, '--music', init.music, '--data', dataDir, '--http', '0'],
      ...['--station', this.#station, '--rules', this.#rulesFile, '--output', init.output ?? 'null'],
      ...['--deploy-after', '3', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns', ...(init.extra ?? [])],
    ]);
    await node.start(this.#bootstrap());
    this.nodes.push(node);
    return node;
  }

  async restart(node: FlockNode): Promise<void> {
    await node.start(this.#bootstrap(node));
  }

  async statuses(): Promise<StatusSnapshot[]> {
    const answers = await Promise.all(this.nodes.map((node) => node.status()));
    return answers.filter((status) => status !== null);
  }

  /** Polls until the condition holds. @throws with the last picture and the logs' ends when it does not in time */
  async until(
    what: string,
    withinMs: number,
    condition: (statuses: StatusSnapshot[]) => boolean,
  ): Promise<StatusSnapshot[]> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const statuses = await this.statuses();
      if (condition(statuses)) return statuses;
      if (performance.now() > deadline)
        throw new Error(`not within ${withinMs} ms: ${what}\n${this.#picture(statuses)}`);
      await sleep(200);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    if (process.env.STARLING_KEEP !== '1') rmSync(this.directory, { recursive: true, force: true });
  }

  #bootstrap(except?: FlockNode): string[] {
    return this.nodes
      .filter((node) => node !== except && node.running)
      .flatMap((node) => node.addresses)
      .slice(0, 8);
  }

  #picture(statuses: StatusSnapshot[]): string {
    const now = statuses.map((status) =>
      JSON.stringify({ name: status.node.name, station: status.station, now: status.now }),
    );
    const logs = this.nodes.map((node) => `--- ${node.init.name}\n${readFileSync(node.logFile, 'utf8').slice(-1_500)}`);
    return [...now, ...logs].join('\n');
  }
}

async function getThrough(socketPath: string, url: string, signal: AbortSignal): Promise<StatusSnapshot> {
  const [response] = await once(request(url, { socketPath, signal }).end(), 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return JSON.parse(text);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
