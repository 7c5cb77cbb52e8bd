/**
 * A flock in virtual time: the real `step` of every node over a network that delays and loses, with no socket and no
 * clock. Equal seeds give equal runs, to the byte.
 */
import { decode, encode } from '@ipld/dag-cbor';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { decodeMessage, decodeSync, encodeMessage, encodeSync } from '../../src/consensus/canonical.ts';
import type {
  ConsensusCrypto,
  ConsensusEvent,
  Effect,
  Persisted,
  SyncResponse,
  TrackOffer,
} from '../../src/consensus/events.ts';
import { createMemo, type FoldMemo } from '../../src/consensus/link.ts';
import type { NodeId, SignedMessage, Topic } from '../../src/consensus/messages.ts';
import { FAST_RULES, type Rules } from '../../src/consensus/rules.ts';
import { type ConsensusState, createConsensus } from '../../src/consensus/state.ts';
import { nextWakeMs, step } from '../../src/consensus/step.ts';

/** Station time at the beginning of a run. */
export const EPOCH_MS = 1_700_000_000_000;
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** Small deterministic generator (mulberry32). */
export function prng(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const digest = (...parts: (string | Uint8Array)[]): Uint8Array =>
  sha256(concatBytes(...parts.map((part) => (typeof part === 'string' ? utf8ToBytes(part) : part))));

/** An id of the right shape for node `index`. */
export function simulatedNodeId(seed: number, index: number): NodeId {
  const bytes = concatBytes(digest(`id/${seed}/${index}`), digest(`id2/${seed}/${index}`));
  return `12D3KooW${Array.from(bytes.subarray(0, 44), (b) => BASE58[b % 58]).join('')}`;
}

/**
 * Signatures and proofs that hold or fail like real ones and cost a hash. Whoever wanted to could forge them: the
 * simulated adversaries do not, as the real ones cannot.
 */
export function simulatedCrypto(nodeId: NodeId): ConsensusCrypto {
  const vrfKey = digest('vrf', nodeId);
  const signature = (id: NodeId, bytes: Uint8Array): Uint8Array => {
    const half = digest(id, bytes);
    return concatBytes(half, half);
  };
  const proof = (key: Uint8Array, input: Uint8Array): Uint8Array => {
    const half = digest(key, input);
    return concatBytes(half, half, half.subarray(0, 16));
  };
  const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
  return {
    nodeId,
    vrfKey,
    sign: (bytes) => signature(nodeId, bytes),
    verify: (id, bytes, sig) => same(sig, signature(id, bytes)),
    vrfProve: (input) => proof(vrfKey, input),
    vrfVerify: (key, input, given) => {
      if (!same(given, proof(key, input))) return null;
      const half = digest('output', given);
      return concatBytes(half, digest('second', half));
    },
  };
}

export interface FlockInit {
  nodes: number;
  seed: number;
  rules?: Rules;
  /** One-way delay of a message, uniform. */
  latencyMs?: readonly [number, number];
  /** Share of deliveries that get lost. */
  loss?: number;
  /** Offsets of the nodes' clocks are uniform in plus or minus this. */
  skewMs?: number;
  tracksPerNode?: number;
  trackMs?: readonly [number, number];
  deployAfterMs?: number;
  /** Every message and answer goes through its bytes, as on a real wire. Slower. */
  wire?: boolean;
}

export interface SimNode {
  readonly index: number;
  readonly nodeId: NodeId;
  readonly crypto: ConsensusCrypto;
  readonly offers: TrackOffer[];
  skewMs: number;
  online: boolean;
  /** Nodes of different groups do not hear each other. */
  group: number;
  state: ConsensusState;
  /** What is on its disk. */
  disk: Map<string, Persisted>;
  /** Every decision and adoption, by slot: record hash. A heal overwrites. */
  decided: Map<number, string>;
  scheduled: Map<number, { startMs: number; durationMs: number; hash: string | null }>;
  indications: Effect[];
  wakeAt: number;
  /** Counts lives: what was on its way to an earlier one is lost. */
  life: number;
}

type Delivery = () => void;

/** Timers by instant: a heap of instants, and what happens in each in order of arrival. */
class Agenda {
  readonly #heap: number[] = [];
  readonly #at = new Map<number, Delivery[]>();

  add(at: number, run: Delivery): void {
    const list = this.#at.get(at);
    if (list !== undefined) {
      list.push(run);
      return;
    }
    this.#at.set(at, [run]);
    const heap = this.#heap;
    let i = heap.push(at) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]! <= at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = at;
  }

  get next(): number | undefined {
    return this.#heap[0];
  }

  /** Takes the earliest instant out. What is added to it meanwhile makes an instant of its own. */
  take(): Delivery[] {
    const heap = this.#heap;
    const at = heap[0]!;
    const list = this.#at.get(at)!;
    this.#at.delete(at);
    const last = heap.pop()!;
    if (heap.length > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
        if (heap[child]! >= last) break;
        heap[i] = heap[child]!;
        i = child;
      }
      heap[i] = last;
    }
    return list;
  }
}

export class VirtualFlock {
  readonly nodes: SimNode[] = [];
  readonly stationId: string;
  readonly rules: Rules;
  readonly memo: FoldMemo = createMemo();
  readonly random: () => number;
  /** Virtual milliseconds since the beginning. */
  nowMs = 0;
  messages = 0;
  /** Sees every effect of every node. */
  onEffect: ((node: SimNode, effect: Effect) => void) | null = null;
  /** May withhold or replace what a node publishes: adversaries. Null: nothing is sent. */
  onPublish: ((node: SimNode, topic: Topic, message: SignedMessage) => SignedMessage | null) | null = null;
  readonly #init: Required<FlockInit>;
  readonly #agenda = new Agenda();
  readonly #byId = new Map<NodeId, SimNode>();

  constructor(init: FlockInit) {
    this.#init = {
      rules: FAST_RULES,
      latencyMs: [5, 60],
      loss: 0,
      skewMs: 0,
      tracksPerNode: 20,
      trackMs: [20_000, 40_000],
      deployAfterMs: 5_000,
      wire: false,
      ...init,
    };
    this.rules = this.#init.rules;
    this.random = prng(init.seed);
    this.stationId = bytesToHex(digest(`station/${init.seed}`));
    for (let i = 0; i < init.nodes; i++) this.#addNode(i);
  }

  #addNode(index: number): void {
    const { seed, tracksPerNode, trackMs, skewMs } = this.#init;
    const nodeId = simulatedNodeId(seed, index);
    const crypto = simulatedCrypto(nodeId);
    const offers = Array.from({ length: tracksPerNode }, (_, i) => this.#makeOffer(index, i, trackMs));
    const node: SimNode = {
      index,
      nodeId,
      crypto,
      offers,
      skewMs: Math.round((this.random() * 2 - 1) * skewMs),
      online: false,
      group: 0,
      state: this.#newState(crypto, index),
      disk: new Map(),
      decided: new Map(),
      scheduled: new Map(),
      indications: [],
      wakeAt: Number.POSITIVE_INFINITY,
      life: 0,
    };
    this.nodes.push(node);
    this.#byId.set(nodeId, node);
  }

  #makeOffer(node: number, index: number, [least, most]: readonly [number, number]): TrackOffer {
    const hash = bytesToHex(digest(`track/${this.#init.seed}/${node}/${index}`));
    return {
      track_hash: `sha256:${hash}`,
      track_name: `Artist ${node} – Title ${index}`,
      duration_ms: least + Math.floor(this.random() * (most - least + 1)),
      manifest: `b${hash.replace(/[^a-z2-7]/g, 'a')}`,
      track_index: index,
      genre: 'test',
      explicit: false,
    };
  }

  #newState(crypto: ConsensusCrypto, index: number): ConsensusState {
    const { stationId, memo } = this;
    const { deployAfterMs, rules } = this.#init;
    return createConsensus({ crypto, stationId, nodeName: `node ${index}`, rules, deployAfterMs, memo });
  }

  /** Switches a node on, with what is on its disk. */
  start(index: number): void {
    const node = this.nodes[index]!;
    if (node.online) return;
    node.online = true;
    node.life++;
    node.wakeAt = Number.POSITIVE_INFINITY;
    node.state = this.#newState(node.crypto, index);
    const restored: Record<string, Persisted> = {};
    for (const [key, value] of node.disk) restored[key] = decode(encode(value)) as Persisted;
    this.feed(node, { type: 'start', restored, random: digest(`random/${this.#init.seed}/${index}/${node.life}`) });
    this.feed(node, {
      type: 'library',
      offers: node.offers,
      playlistHash: `sha256:${bytesToHex(digest(node.nodeId))}`,
    });
    this.#tellPeers();
  }

  /** Cuts a node's power. */
  stop(index: number): void {
    this.nodes[index]!.online = false;
    this.#tellPeers();
  }

  /** Splits the network: each list is a group, everybody else is group 0. */
  partition(...groups: number[][]): void {
    for (const node of this.nodes) node.group = 0;
    for (const [i, group] of groups.entries()) for (const index of group) this.nodes[index]!.group = i + 1;
    this.#tellPeers();
  }

  heal(): void {
    this.partition();
  }

  #tellPeers(): void {
    for (const node of this.nodes) {
      if (!node.online) continue;
      const { life } = node;
      this.#agenda.add(this.nowMs + this.#latency(), () => {
        const peers = this.nodes
          .filter((other) => other !== node && this.#hears(node, other))
          .map((other) => other.nodeId);
        if (node.life === life) this.feed(node, { type: 'peers', peers });
      });
    }
  }

  #hears(a: SimNode, b: SimNode): boolean {
    return a.online && b.online && a.group === b.group;
  }

  #latency(): number {
    const [least, most] = this.#init.latencyMs;
    return least + Math.floor(this.random() * (most - least + 1));
  }

  stationMs(node: SimNode): number {
    return EPOCH_MS + this.nowMs + node.skewMs;
  }

  /** Gives a node an event now. */
  feed(node: SimNode, event: DistributiveOmit<ConsensusEvent, 'nowMs' | 'monoMs'>): void {
    if (!node.online) return;
    const full = { ...event, nowMs: this.stationMs(node), monoMs: this.nowMs } as ConsensusEvent;
    const effects = step(node.state, full);
    for (const effect of effects) this.#carryOut(node, effect);
    this.#setWake(node);
  }

  #later(node: SimNode, delayMs: number, event: DistributiveOmit<ConsensusEvent, 'nowMs' | 'monoMs'>): void {
    const { life } = node;
    this.#agenda.add(this.nowMs + delayMs, () => {
      if (node.life === life) this.feed(node, event);
    });
  }

  #setWake(node: SimNode): void {
    const wake = nextWakeMs(node.state);
    let at = wake.monoMs ?? Number.POSITIVE_INFINITY;
    if (wake.nowMs !== null) at = Math.min(at, wake.nowMs - EPOCH_MS - node.skewMs);
    at = Math.max(at, this.nowMs + 1);
    if (at >= node.wakeAt && node.wakeAt > this.nowMs) return;
    node.wakeAt = at;
    const { life } = node;
    this.#agenda.add(at, () => {
      if (node.life !== life || node.wakeAt !== at) return;
      node.wakeAt = Number.POSITIVE_INFINITY;
      this.feed(node, { type: 'tick' });
    });
  }

  #carryOut(node: SimNode, effect: Effect): void {
    this.onEffect?.(node, effect);
    if (effect.type === 'persist') {
      if (effect.value === null) node.disk.delete(effect.key);
      else node.disk.set(effect.key, effect.value);
    } else if (effect.type === 'publish') this.#publish(node, effect.topic, effect.message);
    else if (effect.type === 'ask') this.#ask(node, effect);
    else if (effect.type === 'syncTime') {
      this.#later(node, 200, { type: 'clock', genesis: effect.genesis, synced: true, errorMs: 1 });
    } else if (effect.type === 'schedule') {
      const hash = effect.track?.track_hash ?? null;
      node.scheduled.set(effect.slot, { startMs: effect.startMs, durationMs: effect.durationMs, hash });
    } else if (effect.type === 'unschedule') {
      for (const slot of node.scheduled.keys()) if (slot >= effect.fromSlot) node.scheduled.delete(slot);
    } else if (effect.type === 'indicate') this.#note(node, effect);
  }

  #note(node: SimNode, effect: Extract<Effect, { type: 'indicate' }>): void {
    const { indication } = effect;
    if (indication.kind === 'decided') node.decided.set(indication.slot, indication.hash);
    else node.indications.push(effect);
  }

  #publish(node: SimNode, topic: Topic, message: SignedMessage): void {
    const sent = this.onPublish === null ? message : this.onPublish(node, topic, message);
    if (sent !== null) this.broadcast(node, topic, sent);
  }

  /** Floods a message from a node; whoever accepts it passes it on to those whom it did not reach. */
  broadcast(from: SimNode, topic: Topic, message: SignedMessage, only?: readonly number[]): void {
    const reached = new Uint8Array(this.nodes.length);
    reached[from.index] = 1;
    const sent = this.#init.wire ? decodeMessage(topic, encodeMessage(message)) : message;
    this.#flood(from, sent, reached, only);
  }

  #flood(from: SimNode, message: SignedMessage, reached: Uint8Array, only?: readonly number[]): void {
    const { loss } = this.#init;
    for (const to of this.nodes) {
      if (reached[to.index] === 1 || !this.#hears(from, to)) continue;
      if (only !== undefined && !only.includes(to.index)) continue;
      if (loss > 0 && this.random() < loss) continue;
      reached[to.index] = 1;
      this.messages++;
      const { life } = to;
      this.#agenda.add(this.nowMs + this.#latency(), () => {
        if (to.life === life && to.online) this.#deliver(to, from, message, reached);
      });
    }
  }

  #deliver(to: SimNode, from: SimNode, message: SignedMessage, reached: Uint8Array): void {
    const full: ConsensusEvent = {
      type: 'message',
      message,
      from: from.nodeId,
      nowMs: this.stationMs(to),
      monoMs: this.nowMs,
    };
    const effects = step(to.state, full);
    let verdict = 'accept';
    for (const effect of effects) {
      if (effect.type === 'verdict') verdict = effect.verdict;
      this.#carryOut(to, effect);
    }
    this.#setWake(to);
    if (verdict === 'accept' && reached.includes(0)) this.#flood(to, message, reached);
  }

  #ask(node: SimNode, effect: Extract<Effect, { type: 'ask' }>): void {
    const peer = this.#byId.get(effect.peer);
    const { requestId, request, timeoutMs } = effect;
    if (peer === undefined || !this.#hears(node, peer)) {
      this.#later(node, timeoutMs, { type: 'answer', requestId, from: effect.peer, response: null });
      return;
    }
    const { life } = peer;
    this.#agenda.add(this.nowMs + this.#latency(), () => {
      if (peer.life !== life || !this.#hears(node, peer)) return;
      const event = {
        type: 'asked',
        requestId,
        from: node.nodeId,
        request,
        nowMs: this.stationMs(peer),
        monoMs: this.nowMs,
      };
      for (const reply of step(peer.state, event as ConsensusEvent)) {
        if (reply.type === 'answer') this.#reply(node, peer, requestId, reply.response);
        else this.#carryOut(peer, reply);
      }
      this.#setWake(peer);
    });
  }

  #reply(node: SimNode, peer: SimNode, requestId: number, response: SyncResponse): void {
    const sent = this.#init.wire ? decodeSync('response', encodeSync(response)) : response;
    this.#later(node, this.#latency(), { type: 'answer', requestId, from: peer.nodeId, response: sent });
  }

  /** Does something at an instant of the run. */
  at(atMs: number, run: () => void): void {
    this.#agenda.add(atMs, run);
  }

  /** Lets virtual time pass up to `untilMs`. */
  run(untilMs: number): void {
    for (;;) {
      const at = this.#agenda.next;
      if (at === undefined || at > untilMs) break;
      this.nowMs = at;
      for (const run of this.#agenda.take()) run();
    }
    this.nowMs = untilMs;
  }

  /** Slots that two nodes hold differently right now, within what both have. */
  disagreements(): number[] {
    const bySlot = new Map<number, Set<string>>();
    for (const node of this.nodes) {
      for (const [slot, hash] of node.decided) bySlot.set(slot, (bySlot.get(slot) ?? new Set()).add(hash));
    }
    return [...bySlot].filter(([, hashes]) => hashes.size > 1).map(([slot]) => slot);
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
