/**
 * A flock in virtual time: the real `step` of every node over a network that delays, loses and repeats, with no socket
 * and no clock. Equal seeds give equal runs, to the byte.
 */
import { decode, encode } from '@ipld/dag-cbor';
import { bodyHash } from '../../src/consensus/appraise.ts';
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
import { type Chain, type ConsensusState, createConsensus } from '../../src/consensus/state.ts';
import { nextWakeMs, step } from '../../src/consensus/step.ts';
import { Agenda } from './agenda.ts';
import { digest, simulatedCrypto, simulatedNodeId } from './crypto.ts';
import { createRandom, type Random } from './random.ts';
import { cborBytes } from './size.ts';

export { simulatedCrypto, simulatedNodeId } from './crypto.ts';

/** Station time at the beginning of a run. */
export const EPOCH_MS = 1_700_000_000_000;
/** Up to so many nodes everybody is everybody's mesh peer, as in gossipsub (its upper degree is 12). */
const FULL_MESH = 13;
/** Above that the mesh is made of so many rings in different orders: degree 8, always connected. */
const MESH_RINGS = 4;
/** Connections are twice as many: those that catch-up questions may go to. */
const CONNECTION_RINGS = 8;
/** What gossipsub and the stream add to each copy of a message: topic, protobuf, multiplexer and cipher. */
const GOSSIP_OVERHEAD_BYTES = 170;
/** The same for a question and its answer on the catch-up stream. */
const SYNC_OVERHEAD_BYTES = 60;
/** How long gossip remembers the bytes that it has seen, and takes no second copy of them from anybody. */
const GOSSIP_MEMORY_MS = 120_000;
/** A node's own timer goes off so often: it sees a stall but for this much of it. */
const PULSE_MS = 250;
/** Until a clock that was told whom to follow holds. */
const CLOCK_MS = 200;

export interface FlockInit {
  nodes: number;
  seed: number;
  rules?: Rules;
  /** One-way delay of a message, uniform, both ends included. */
  latencyMs?: readonly [number, number];
  /** Share of deliveries that get lost, questions and answers included. */
  loss?: number;
  /** Share of deliveries that come twice. */
  duplicate?: number;
  /** Offsets of the nodes' clocks are uniform in plus or minus this. */
  skewMs?: number;
  tracksPerNode?: number;
  trackMs?: readonly [number, number];
  deployAfterMs?: number;
  /** Every message and answer goes through its bytes, as on a real wire. Slower. */
  wire?: boolean;
}

/** What a node does otherwise than an honest one. It still runs the real `step`. */
export interface Role {
  readonly kind: string;
  /** What leaves instead of this message of its own; null: nothing. */
  publish?(topic: Topic, message: SignedMessage): SignedMessage | null;
  /** A message reaches it. False: it is swallowed. */
  hear?(topic: Topic, message: SignedMessage, from: SimNode): boolean;
  /** Whether it passes on what it accepted. */
  relays?(message: SignedMessage): boolean;
  /** Its own step's effects. */
  effect?(effect: Effect): void;
}

export interface Traffic {
  messages: number;
  bytes: number;
}

export interface SimNode {
  readonly index: number;
  readonly nodeId: NodeId;
  readonly crypto: ConsensusCrypto;
  offers: TrackOffer[];
  skewMs: number;
  online: boolean;
  /** Nodes of different groups do not hear each other. */
  group: number;
  /** Null: honest. */
  role: Role | null;
  state: ConsensusState;
  /** What is on its disk. */
  disk: Map<string, Persisted>;
  /** Every decision and adoption, by slot: record hash. A heal overwrites. */
  decided: Map<number, string>;
  scheduled: Map<number, { startMs: number; durationMs: number; hash: string | null }>;
  indications: Effect[];
  /** Copies of messages, questions and answers that reached it. */
  received: Traffic;
  /** Indices of whom it gossips with, and of whom it is connected to. */
  mesh: number[];
  connections: number[];
  /** Counts lives: what was on its way to an earlier one is lost. */
  life: number;
  wakeAt: number;
  /** Its process gets no turn before this instant; what reaches it meanwhile lies in `waiting`. */
  heldUntilMs: number;
  waiting: (() => void)[];
  /** How late its own timers were, told to `step` with the next event. */
  heldUpMs: number;
  /** What nextWakeMs said last, to see a change. */
  dueMs: number;
  dueMonoMs: number;
}

type Bare<E> = E extends unknown ? Omit<E, 'nowMs' | 'monoMs'> : never;
export type BareEvent = Bare<ConsensusEvent>;

/** One message on its way through the flock. */
class Flight {
  readonly topic: Topic;
  readonly message: SignedMessage;
  readonly bytes: number;
  readonly bornMs: number;
  /** By node: 0 not under way, else the earliest arrival so far, in ms after `bornMs` and one; -1: delivered. */
  readonly arrival: Int32Array;

  constructor(topic: Topic, message: SignedMessage, bytes: number, bornMs: number, nodes: number) {
    this.topic = topic;
    this.message = message;
    this.bytes = bytes;
    this.bornMs = bornMs;
    this.arrival = new Int32Array(nodes);
  }
}

/** Equal for messages of equal bytes: signatures are deterministic. */
function contentKey({ sig, endorsements }: SignedMessage): string {
  const own = Buffer.from(sig).toString('base64');
  return endorsements === undefined ? own : `${own}/${endorsements.map(({ node_id }) => node_id).join()}`;
}

class Arrival {
  readonly flock: VirtualFlock;
  readonly flight: Flight;
  readonly from: SimNode;
  readonly to: SimNode;
  readonly life: number;

  constructor(flock: VirtualFlock, flight: Flight, from: SimNode, to: SimNode) {
    this.flock = flock;
    this.flight = flight;
    this.from = from;
    this.to = to;
    this.life = to.life;
  }

  run(): void {
    const { flight, to } = this;
    if (to.life !== this.life || !to.online || flight.arrival[to.index] === -1) return;
    flight.arrival[to.index] = -1;
    this.flock.deliver(flight, this.from, to);
  }
}

class Wake {
  readonly flock: VirtualFlock;
  readonly node: SimNode;
  readonly life: number;
  readonly at: number;

  constructor(flock: VirtualFlock, node: SimNode, at: number) {
    this.flock = flock;
    this.node = node;
    this.life = node.life;
    this.at = at;
  }

  run(): void {
    const { node } = this;
    if (node.life !== this.life || node.wakeAt !== this.at) return;
    node.wakeAt = Number.POSITIVE_INFINITY;
    node.dueMs = -1;
    this.flock.feed(node, { type: 'tick' });
  }
}

export class VirtualFlock {
  readonly nodes: SimNode[] = [];
  readonly stationId: string;
  readonly rules: Rules;
  readonly memo: FoldMemo = createMemo();
  readonly random: Random;
  readonly init: Readonly<Required<FlockInit>>;
  /** Whether two nodes of one group ever connect to each other: everybody does, as a rule. Up to FULL_MESH nodes. */
  connects: (a: number, b: number) => boolean = () => true;
  /** Sees every effect of every node, after it was carried out. */
  onEffect: ((node: SimNode, effect: Effect) => void) | null = null;
  /** After every step of a node, with what it was about. */
  onStep: ((node: SimNode, type: ConsensusEvent['type']) => void) | null = null;
  /** The whole run in one number; see `log`. */
  logHash = [0x811c9dc5, 0x9e3779b9] as [number, number];
  readonly #agenda = new Agenda();
  readonly #byId = new Map<NodeId, SimNode>();
  readonly #sizes = new WeakMap<object, number>();
  /** What gossip remembers, by content, oldest first. */
  readonly #flights = new Map<string, Flight>();
  #telling = false;

  constructor(init: FlockInit) {
    this.init = {
      rules: FAST_RULES,
      latencyMs: [5, 60],
      loss: 0,
      duplicate: 0,
      skewMs: 0,
      tracksPerNode: 20,
      trackMs: [20_000, 40_000],
      deployAfterMs: 5_000,
      wire: false,
      ...init,
    };
    this.rules = this.init.rules;
    this.random = createRandom(init.seed);
    this.stationId = Buffer.from(digest(`station/${init.seed}`)).toString('hex');
    for (let i = 0; i < init.nodes; i++) this.#addNode(i);
  }

  /** Virtual milliseconds since the beginning. */
  get nowMs(): number {
    return this.#agenda.nowMs;
  }

  /** Copies of messages that reached anybody. */
  get messages(): number {
    return this.nodes.reduce((sum, node) => sum + node.received.messages, 0);
  }

  #addNode(index: number): void {
    const { seed, tracksPerNode, skewMs } = this.init;
    const nodeId = simulatedNodeId(seed, index);
    const crypto = simulatedCrypto(nodeId);
    const node: SimNode = {
      index,
      nodeId,
      crypto,
      offers: Array.from({ length: tracksPerNode }, (_, i) => this.makeOffer(index, i)),
      skewMs: Math.round((this.random.unit() * 2 - 1) * skewMs),
      online: false,
      group: 0,
      role: null,
      state: this.#newState(crypto, index),
      disk: new Map(),
      decided: new Map(),
      scheduled: new Map(),
      indications: [],
      received: { messages: 0, bytes: 0 },
      mesh: [],
      connections: [],
      life: 0,
      wakeAt: Number.POSITIVE_INFINITY,
      heldUntilMs: 0,
      waiting: [],
      heldUpMs: 0,
      dueMs: -1,
      dueMonoMs: -1,
    };
    this.nodes.push(node);
    this.#byId.set(nodeId, node);
  }

  makeOffer(node: number, index: number): TrackOffer {
    const [least, most] = this.init.trackMs;
    const hash = Buffer.from(digest(`track/${this.init.seed}/${node}/${index}`)).toString('hex');
    return {
      track_hash: `sha256:${hash}`,
      track_name: `Artist ${node} – Title ${index}`,
      duration_ms: this.random.between(least, most),
      manifest: `b${hash.replace(/[^a-z2-7]/g, 'a')}`,
      track_index: index,
      genre: 'test',
      explicit: false,
    };
  }

  #newState(crypto: ConsensusCrypto, index: number): ConsensusState {
    const { stationId, memo } = this;
    const { deployAfterMs, rules } = this.init;
    return createConsensus({ crypto, stationId, nodeName: `node ${index}`, rules, deployAfterMs, memo });
  }

  node(nodeId: NodeId): SimNode | undefined {
    return this.#byId.get(nodeId);
  }

  /** Switches a node on, with what is on its disk; or, with a chain, as a member of that log. */
  start(index: number, enter: ((node: SimNode) => Effect[]) | null = null): void {
    const node = this.nodes[index]!;
    if (node.online) return;
    node.online = true;
    node.life++;
    this.#release(node);
    node.wakeAt = Number.POSITIVE_INFINITY;
    node.dueMs = -1;
    node.state = this.#newState(node.crypto, index);
    const restored: Record<string, Persisted> = {};
    for (const [key, value] of node.disk) restored[key] = this.init.wire ? (decode(encode(value)) as Persisted) : value;
    this.feed(node, { type: 'start', restored, random: digest(`random/${this.init.seed}/${index}/${node.life}`) });
    const playlistHash = `sha256:${Buffer.from(digest(node.nodeId)).toString('hex')}`;
    this.feed(node, { type: 'library', offers: node.offers, playlistHash });
    if (enter !== null) {
      for (const effect of enter(node)) this.#carryOut(node, effect);
      this.feed(node, { type: 'tick' });
    }
    this.#rewire();
  }

  /** Cuts a node's power. */
  stop(index: number): void {
    const node = this.nodes[index]!;
    node.online = false;
    node.life++;
    // The player has no power either.
    node.scheduled.clear();
    this.#release(node);
    this.#rewire();
  }

  /** Gives a node's process no turn for a while; then everything that reached it comes at once, and late. */
  stall(node: SimNode, forMs: number): void {
    const { life } = node;
    if (!node.online || node.heldUntilMs > this.nowMs) return;
    node.heldUntilMs = this.nowMs + forMs;
    this.at(node.heldUntilMs, () => {
      if (node.life !== life) return;
      const { waiting } = node;
      this.#release(node);
      node.heldUpMs = Math.max(0, forMs - PULSE_MS);
      for (const run of waiting) run();
    });
  }

  #release(node: SimNode): void {
    node.heldUntilMs = 0;
    node.heldUpMs = 0;
    node.waiting = [];
  }

  /** Whether the node gets no turn now: what was to be done waits then. */
  #mustWait(node: SimNode, run: () => void): boolean {
    if (node.heldUntilMs <= this.nowMs) return false;
    node.waiting.push(run);
    return true;
  }

  /** Steps a node, and tells it how late its own timers were. */
  #step(node: SimNode, event: ConsensusEvent): Effect[] {
    if (node.heldUpMs > 0) {
      event.heldUpMs = node.heldUpMs;
      node.heldUpMs = 0;
    }
    return step(node.state, event);
  }

  /** Splits the network: each list is a group, everybody else is group 0. */
  partition(...groups: number[][]): void {
    for (const node of this.nodes) node.group = 0;
    for (const [i, group] of groups.entries()) for (const index of group) this.nodes[index]!.group = i + 1;
    this.#rewire();
  }

  heal(): void {
    this.partition();
  }

  /** Makes connections and mesh anew among those who can reach each other, and tells everybody, all in one go. */
  #rewire(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.at(this.nowMs, () => {
      this.#telling = false;
      const groups = new Map<number, SimNode[]>();
      for (const node of this.nodes) {
        if (!node.online) continue;
        groups.set(node.group, [...(groups.get(node.group) ?? []), node]);
      }
      for (const members of groups.values()) this.#connect(members);
      for (const node of this.nodes) if (node.online) this.#tellPeers(node);
    });
  }

  #connect(members: SimNode[]): void {
    const indices = members.map((node) => node.index);
    if (members.length <= FULL_MESH) {
      for (const node of members) {
        const others = indices.filter((index) => index !== node.index && this.connects(node.index, index));
        node.mesh = node.connections = others;
      }
      return;
    }
    const mesh = new Map(indices.map((index) => [index, new Set<number>()]));
    const connections = new Map(indices.map((index) => [index, new Set<number>()]));
    for (let ring = 0; ring < CONNECTION_RINGS; ring++) {
      const order = this.random.shuffle(indices);
      for (const [i, a] of order.entries()) {
        const b = order[(i + 1) % order.length]!;
        for (const table of ring < MESH_RINGS ? [mesh, connections] : [connections]) {
          table.get(a)!.add(b);
          table.get(b)!.add(a);
        }
      }
    }
    for (const node of members) {
      node.mesh = [...mesh.get(node.index)!];
      node.connections = [...connections.get(node.index)!];
    }
  }

  #tellPeers(node: SimNode): void {
    const peers = node.connections.map((index) => this.nodes[index]!.nodeId);
    this.later(node, this.latency(), { type: 'peers', peers });
  }

  hears(a: SimNode, b: SimNode): boolean {
    return a.online && b.online && a.group === b.group;
  }

  latency(): number {
    const [least, most] = this.init.latencyMs;
    return this.random.between(least, most);
  }

  isLost(): boolean {
    return this.init.loss > 0 && this.random.unit() < this.init.loss;
  }

  stationMs(node: SimNode): number {
    return EPOCH_MS + this.nowMs + node.skewMs;
  }

  /** Virtual time at which a node's clock shows this station time. */
  virtualMs(node: SimNode, stationMs: number): number {
    return stationMs - EPOCH_MS - node.skewMs;
  }

  /** Gives a node an event now. */
  feed(node: SimNode, event: BareEvent): void {
    if (!node.online || this.#mustWait(node, () => this.feed(node, event))) return;
    const full = event as ConsensusEvent;
    full.nowMs = this.stationMs(node);
    full.monoMs = this.nowMs;
    this.log(node.index, event.type.length);
    const effects = this.#step(node, full);
    for (const effect of effects) this.#carryOut(node, effect);
    this.#setWake(node);
    this.onStep?.(node, event.type);
  }

  /** Gives a node an event later, in this life. */
  later(node: SimNode, delayMs: number, event: BareEvent): void {
    const { life } = node;
    this.at(this.nowMs + delayMs, () => {
      if (node.life === life) this.feed(node, event);
    });
  }

  #setWake(node: SimNode): void {
    const { state } = node;
    if (state.dueMs === node.dueMs && state.dueMonoMs === node.dueMonoMs && node.wakeAt > this.nowMs) return;
    node.dueMs = state.dueMs;
    node.dueMonoMs = state.dueMonoMs;
    const wake = nextWakeMs(state);
    let at = wake.monoMs ?? Number.POSITIVE_INFINITY;
    if (wake.nowMs !== null) at = Math.min(at, this.virtualMs(node, wake.nowMs));
    at = Math.max(at, this.nowMs + 1);
    if (at === Number.POSITIVE_INFINITY || (at >= node.wakeAt && node.wakeAt > this.nowMs)) return;
    node.wakeAt = at;
    this.#agenda.add(at, new Wake(this, node, at));
  }

  #carryOut(node: SimNode, effect: Effect): void {
    if (effect.type === 'persist') {
      if (effect.value === null) node.disk.delete(effect.key);
      else node.disk.set(effect.key, effect.value);
    } else if (effect.type === 'publish') this.#publish(node, effect.topic, effect.message);
    else if (effect.type === 'ask') this.#ask(node, effect);
    else if (effect.type === 'syncTime') {
      this.later(node, CLOCK_MS, { type: 'clock', genesis: effect.genesis, synced: true, errorMs: 1 });
    } else if (effect.type === 'schedule') {
      const hash = effect.track?.track_hash ?? null;
      node.scheduled.set(effect.slot, { startMs: effect.startMs, durationMs: effect.durationMs, hash });
    } else if (effect.type === 'unschedule') {
      for (const slot of node.scheduled.keys()) if (slot >= effect.fromSlot) node.scheduled.delete(slot);
    } else if (effect.type === 'indicate') this.#note(node, effect);
    node.role?.effect?.(effect);
    this.onEffect?.(node, effect);
  }

  #note(node: SimNode, effect: Extract<Effect, { type: 'indicate' }>): void {
    const { indication } = effect;
    if (indication.kind !== 'decided') {
      node.indications.push(effect);
      return;
    }
    node.decided.set(indication.slot, indication.hash);
    this.log(indication.slot, Number.parseInt(indication.hash.slice(0, 8), 16));
  }

  /** Mixes numbers into the hash of the whole run. */
  log(a: number, b: number): void {
    let [x, y] = this.logHash;
    x = Math.imul(x ^ a ^ (this.nowMs | 0), 0x01000193);
    y = Math.imul(y ^ b ^ (x >>> 7), 0x85ebca6b);
    this.logHash = [x, y];
  }

  #publish(node: SimNode, topic: Topic, message: SignedMessage): void {
    const sent = node.role?.publish === undefined ? message : node.role.publish(topic, message);
    if (sent !== null) this.broadcast(node, topic, sent);
  }

  #flight(topic: Topic, message: SignedMessage): Flight {
    for (const [key, { bornMs }] of this.#flights) {
      if (bornMs > this.nowMs - GOSSIP_MEMORY_MS) break;
      this.#flights.delete(key);
    }
    const key = contentKey(message);
    const known = this.#flights.get(key);
    if (known !== undefined) return known;
    const sent = this.init.wire ? decodeMessage(topic, encodeMessage(message)) : message;
    const flight = new Flight(topic, sent, this.sizeOf(message), this.nowMs, this.nodes.length);
    this.#flights.set(key, flight);
    return flight;
  }

  /** Bytes of one copy on the wire. */
  sizeOf(message: object): number {
    let bytes = this.#sizes.get(message);
    if (bytes === undefined) {
      bytes = cborBytes(message) + GOSSIP_OVERHEAD_BYTES;
      this.#sizes.set(message, bytes);
    }
    return bytes;
  }

  /** Floods a message from a node through the mesh; whoever accepts it passes it on. `only`: first to these. */
  broadcast(from: SimNode, topic: Topic, message: SignedMessage, only?: readonly number[]): void {
    const flight = this.#flight(topic, message);
    // Gossip does not publish what it has seen.
    if (flight.arrival[from.index] === -1) return;
    flight.arrival[from.index] = -1;
    for (const index of only ?? from.mesh) this.#send(flight, from, this.nodes[index]!);
  }

  /** Puts a message before a single node at an instant; from there it takes its usual way. */
  inject(from: SimNode, to: SimNode, topic: Topic, message: SignedMessage, atMs: number): void {
    const flight = this.#flight(topic, message);
    flight.arrival[from.index] = -1;
    this.at(atMs, () => {
      if (this.hears(from, to)) new Arrival(this, flight, from, to).run();
    });
  }

  #send(flight: Flight, from: SimNode, to: SimNode): void {
    if (!this.hears(from, to)) return;
    to.received.messages++;
    to.received.bytes += flight.bytes;
    if (this.isLost()) return;
    const at = this.nowMs + this.latency();
    const { duplicate } = this.init;
    if (duplicate > 0 && this.random.unit() < duplicate) this.#repeat(flight, from, to);
    const known = flight.arrival[to.index]!;
    const after = at - flight.bornMs + 1;
    // A copy that comes second is dropped by gossip itself, which knows messages by their content hash.
    if (known === -1 || (known > 0 && known <= after)) return;
    flight.arrival[to.index] = after;
    this.#agenda.add(at, new Arrival(this, flight, from, to));
  }

  /** A copy that even gossip's memory lets through. */
  #repeat(flight: Flight, from: SimNode, to: SimNode): void {
    const { life } = to;
    to.received.messages++;
    to.received.bytes += flight.bytes;
    this.at(this.nowMs + this.latency() + this.latency(), () => {
      if (to.life === life && to.online) this.deliver(flight, from, to);
    });
  }

  deliver(flight: Flight, from: SimNode, to: SimNode): void {
    if (this.#mustWait(to, () => this.deliver(flight, from, to))) return;
    const { topic, message } = flight;
    if (to.role?.hear !== undefined && !to.role.hear(topic, message, from)) return;
    this.log(to.index, message.sig[0]! | (message.sig[1]! << 8) | (from.index << 16));
    const event: ConsensusEvent = {
      type: 'message',
      message,
      from: from.nodeId,
      nowMs: EPOCH_MS + this.nowMs + to.skewMs,
      monoMs: this.nowMs,
    };
    const effects = this.#step(to, event);
    let accepted = true;
    for (const effect of effects) {
      if (effect.type === 'verdict') accepted = effect.verdict === 'accept';
      this.#carryOut(to, effect);
    }
    this.#setWake(to);
    this.onStep?.(to, 'message');
    if (!accepted || to.role?.relays?.(message) === false) return;
    for (const index of to.mesh) if (index !== from.index) this.#send(flight, to, this.nodes[index]!);
  }

  #ask(node: SimNode, effect: Extract<Effect, { type: 'ask' }>): void {
    const peer = this.#byId.get(effect.peer);
    const { requestId, request, timeoutMs } = effect;
    const fails = peer === undefined || !this.hears(node, peer) || this.isLost() || this.isLost();
    if (peer !== undefined) {
      peer.received.messages++;
      peer.received.bytes += cborBytes(request) + SYNC_OVERHEAD_BYTES;
    }
    if (fails) {
      this.later(node, timeoutMs, { type: 'answer', requestId, from: effect.peer, response: null });
      return;
    }
    const { life } = peer;
    const arrive = (): void => {
      if (peer.life !== life || !this.hears(node, peer) || this.#mustWait(peer, arrive)) return;
      const reply = this.#answer(peer, node, requestId, request);
      if (reply !== null) this.#reply(node, peer, requestId, reply);
    };
    this.at(this.nowMs + this.latency(), arrive);
  }

  #answer(
    peer: SimNode,
    from: SimNode,
    requestId: number,
    request: Extract<Effect, { type: 'ask' }>['request'],
  ): SyncResponse | null {
    const event: ConsensusEvent = {
      type: 'asked',
      requestId,
      from: from.nodeId,
      request,
      nowMs: this.stationMs(peer),
      monoMs: this.nowMs,
    };
    let response: SyncResponse | null = null;
    for (const effect of this.#step(peer, event)) {
      if (effect.type === 'answer') response = effect.response;
      else this.#carryOut(peer, effect);
    }
    this.#setWake(peer);
    this.onStep?.(peer, 'asked');
    return response;
  }

  #reply(node: SimNode, peer: SimNode, requestId: number, response: SyncResponse): void {
    const sent = this.init.wire ? decodeSync('response', encodeSync(response)) : response;
    node.received.messages++;
    node.received.bytes += cborBytes(response) + SYNC_OVERHEAD_BYTES;
    this.later(node, this.latency(), { type: 'answer', requestId, from: peer.nodeId, response: sent });
  }

  /** Does something at an instant of the run. */
  at(atMs: number, run: () => void): void {
    this.#agenda.add(atMs, { run });
  }

  /** Lets virtual time pass up to `untilMs`, or until `goesOn` says no. */
  run(untilMs: number, goesOn?: () => boolean): void {
    this.#agenda.run(untilMs, goesOn);
  }

  /** Hash of a message's body, as the nodes know it. */
  hashOf(message: SignedMessage): string {
    return bodyHash(this.memo, message.body);
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

export type { Chain };
