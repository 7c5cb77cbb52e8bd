/** A flock of real nodes, one a namespace, on a switch that loses frames, is cut in two, or is slow for some. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Rules, rulesJson } from '../../src/consensus/rules.ts';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import { FlockNode, sleep } from '../flock/flock.ts';
import { Attacker } from './attacker-handle.ts';
import { hasTimeNamespaces, Namespaces } from './namespaces.ts';
import { LabWatch } from './watch.ts';
import type { Wire } from './wire.ts';

const WIRE = fileURLToPath(new URL('./wire.ts', import.meta.url));
const CLOCK_OFF = new URL('./clock-off.mjs', import.meta.url).href;
const ATTACKER = fileURLToPath(new URL('./attacker.ts', import.meta.url));
const STATION = 'Namespaces';
const SAMPLE_EVERY_MS = 250;
const TRACKS = 4;
/** Boxes differ in how long they have been up: each node's monotonic clock is so much ahead of the one before. */
const UPTIME_STEP_S = 1_000;

export interface LabInit {
  rules: Rules;
  /** Of its made-up tracks. */
  trackSeconds: readonly [number, number];
}

export interface LabNodeInit {
  /** Its wall clock is so far ahead. */
  clockOffMs?: number;
  /** Only reached through a proxy that delays every byte so long, each way. */
  delayMs?: number;
  /** Deploys the station when it hears none; the others wait for it. */
  deploys?: boolean;
}

/** Everything of one run; `stop` takes it all away again, and so does the end of the process. */
export class Lab {
  readonly nodes: FlockNode[] = [];
  readonly watch = new LabWatch();
  readonly #init: LabInit;
  readonly #wires = new Map<string, ChildProcess>();
  readonly #music = new Map<string, Promise<string>>();
  readonly #ownUptime = hasTimeNamespaces();
  readonly #attackers: Attacker[] = [];
  /** Nodes and attackers, in the order of their addresses. */
  readonly #names: string[] = [];
  /** Music, data and sockets of all nodes. */
  #directory = '';
  #namespaces = new Namespaces(null);
  #watching: Promise<void> | null = null;
  #stopped = false;

  constructor(init: LabInit) {
    this.#init = init;
  }

  /** @throws NamespacesError */
  async start(): Promise<void> {
    this.#directory = mkdtempSync(join(tmpdir(), 'starling-lab-'));
    this.#namespaces = new Namespaces(process.env.STARLING_KEEP === '1' ? null : this.#directory);
    this.#namespaces.start();
    this.#namespaces.lose(0);
    writeFileSync(join(this.#directory, 'rules.json'), rulesJson(this.#init.rules));
    await this.#startWires('switch');
    this.#watching = this.#observe();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#watching;
    await Promise.all([...this.nodes.map((node) => node.kill()), ...this.#attackers.map((one) => one.stop())]);
    for (const wires of this.#wires.values()) wires.stdin?.end();
    await this.#namespaces.stop();
  }

  /** Makes the music of these nodes ahead, two at a time: what is ready starts together. */
  async compose(names: readonly string[]): Promise<void> {
    for (let at = 0; at < names.length; at += 2) {
      await Promise.all(names.slice(at, at + 2).map((name) => this.#musicOf(name)));
    }
  }

  async add(name: string, init: LabNodeInit = {}): Promise<FlockNode> {
    const music = await this.#musicOf(name);
    const host = this.#names.push(name);
    const socket = join(this.#directory, `${name}.sock`);
    const bootstrap = init.delayMs === undefined ? [] : this.#throughProxies(host, this.nodes);
    if (init.delayMs === undefined) {
      this.#namespaces.add(name, `10.77.0.${host}`);
      await this.#lay('switch', { from: socket, to: `10.77.0.${host}:8080`, delayMs: 0 });
    } else await this.#putBehindProxies(name, host, socket, init.delayMs);
    const uptimeS = this.#ownUptime ? host * UPTIME_STEP_S : 0;
    const env = { STARLING_CLOCK_OFF_MS: String(init.clockOffMs ?? 0) };
    const runtime = init.clockOffMs === undefined ? [] : ['--import', CLOCK_OFF];
    const within = [...this.#namespaces.inside(name), ...timeNamespace(uptimeS)];
    const dataDir = this.#dataDir(name);
    const wanted = { name, music, within, runtime, env, socket };
    const node = new FlockNode(wanted, dataDir, [
      ...this.#command(name, music, dataDir),
      ...['--deploy-after', init.deploys ? '0' : '600', ...(init.delayMs === undefined ? [] : ['--no-mdns'])],
    ]);
    await node.start(bootstrap);
    this.nodes.push(node);
    this.watch.enter(node.id, name, uptimeS * 1_000);
    return node;
  }

  /** A member with keys of its own that will not keep the rules; it begins when it is told what to do. */
  async addAttacker(name: string): Promise<Attacker> {
    const music = await this.#musicOf(name);
    this.#namespaces.add(name, `10.77.0.${this.#names.push(name)}`);
    const node = [...this.#namespaces.inside(name), process.execPath, ATTACKER];
    const [command = '', ...words] = [...node, ...this.#command(name, music, this.#dataDir(name))];
    const attacker = new Attacker(spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] }));
    this.#attackers.push(attacker);
    await attacker.isUp();
    return attacker;
  }

  lose(percent: number): void {
    this.#namespaces.lose(percent);
  }

  /** Frames between cables: lost, and passed. */
  frames(): { lost: number; passed: number } {
    return this.#namespaces.frames();
  }

  /** Cuts the switch between these and all others, attackers included; null: whole again. */
  cut(side: readonly string[] | null): void {
    const one = (side ?? []).map((name) => this.#portOf(name));
    const others = this.#names.map((name) => this.#portOf(name)).filter((name) => !one.includes(name));
    this.#namespaces.cut(side === null ? null : [one, others]);
  }

  /** Where others dial a node on the switch, without its addresses for itself. */
  addressOf(node: FlockNode): string {
    return node.addresses.find((address) => address.startsWith('/ip4/10.77.')) ?? '';
  }

  /** @throws with the watch's last picture when the condition does not hold in time */
  async until(what: string, withinMs: number, holds: () => boolean): Promise<number> {
    const from = performance.now();
    while (!holds()) {
      if (performance.now() - from > withinMs) {
        throw new Error(`not within ${withinMs} ms: ${what}\n${this.watch.picture()}`);
      }
      await sleep(50);
    }
    return performance.now() - from;
  }

  async #observe(): Promise<void> {
    while (!this.#stopped) {
      const began = performance.now();
      const answers = await Promise.all(this.nodes.map((node) => node.status()));
      this.watch.add(answers.filter((status) => status !== null));
      await sleep(Math.max(0, SAMPLE_EVERY_MS - (performance.now() - began)));
    }
  }

  #command(name: string, music: string, dataDir: string): string[] {
    const station = ['--station', STATION, '--rules', join(this.#directory, 'rules.json')];
    return ['--name', name, '--music', music, '--data', dataDir, '--output', 'null', ...station];
  }

  #dataDir(name: string): string {
    const directory = join(this.#directory, `data-${name}`);
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  #musicOf(name: string): Promise<string> {
    const known = this.#music.get(name);
    if (known !== undefined) return known;
    const directory = join(this.#directory, `music-${name}`);
    mkdirSync(directory, { recursive: true });
    const [minSeconds, maxSeconds] = this.#init.trackSeconds;
    const composed = makeDemoLibrary(directory, { seed: this.#music.size + 1, count: TRACKS, minSeconds, maxSeconds });
    const made = composed.then(() => directory);
    this.#music.set(name, made);
    return made;
  }

  #portOf(name: string): string {
    return this.#wires.has(`router-${name}`) ? `router-${name}` : name;
  }

  /** A router that passes no packets on, with one proxy for each node that is there. */
  async #putBehindProxies(name: string, host: number, socket: string, delayMs: number): Promise<void> {
    const router = `router-${name}`;
    this.#namespaces.add(router, `10.77.0.${100 + host}`);
    this.#namespaces.addBehind(name, `10.78.${host}.2`, router, `10.78.${host}.1`);
    await this.#startWires(router);
    await this.#lay(router, { from: socket, to: `10.78.${host}.2:8080`, delayMs: 0 });
    for (const [i, node] of this.nodes.entries()) {
      const to = this.addressOf(node).replace(/^\/ip4\/([\d.]+)\/tcp\/(\d+).*$/, '$1:$2');
      await this.#lay(router, { from: `10.78.${host}.1:${4_100 + i}`, to, delayMs });
    }
  }

  #throughProxies(host: number, nodes: readonly FlockNode[]): string[] {
    return nodes.map((node, i) => `/ip4/10.78.${host}.1/tcp/${4_100 + i}/p2p/${node.id}`);
  }

  async #startWires(namespace: string): Promise<void> {
    const [command = '', ...words] = [...this.#namespaces.inside(namespace), process.execPath, WIRE];
    this.#wires.set(namespace, spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  async #lay(namespace: string, wire: Wire): Promise<void> {
    const wires = this.#wires.get(namespace)!;
    const lines = createInterface({ input: wires.stdout! });
    wires.stdin!.write(`${JSON.stringify(wire)}\n`);
    await once(lines, 'line');
    lines.close();
  }
}

function timeNamespace(uptimeS: number): string[] {
  if (uptimeS === 0) return [];
  return ['unshare', '--time', '--monotonic', String(uptimeS), '--boottime', String(uptimeS)];
}
