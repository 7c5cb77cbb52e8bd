/** What must hold in every run, looked at on every event; and the figures of a run. */
import type { ConsensusEvent, Effect } from '../../src/consensus/events.ts';
import { MAX_EARLY } from '../../src/consensus/settle.ts';
import { endOf, headOf, linkAt, playingLink } from '../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from './network.ts';

/** What a run broke. */
export interface Problem {
  atMs: number;
  node: number;
  rule: 'split' | 'rewritten' | 'queue' | 'timeline' | 'bounds' | 'excluded' | 'stalled';
  what: string;
}

/** Problems kept; more tell nothing new. */
const MAX_PROBLEMS = 100;
/** Bounds of a node's tables; those that depend on the roster are added where they are checked. */
const MAX_STRANGERS = 64;
const TABLE_BOUNDS = {
  settling: 2,
  early: MAX_EARLY,
  pendingOps: 256,
  branches: 2_048,
  conflicts: 32,
  foreign: 8,
  requests: 8,
  ownProposals: 72,
  disk: 800,
} as const;
/** A node that has just come, was cut off or is healing gets this long to have its queue full. */
export const SETTLE_IN_MS = 120_000;

interface Decision {
  hash: string;
  nodes: number;
  split: boolean;
}

export class Watch {
  readonly problems: Problem[] = [];
  /** Slots that two honest nodes decided differently on the same parent, within one part of the network. */
  readonly splitSlots = new Set<number>();
  readonly decidedSlots = new Set<number>();
  readonly excludedHonest = new Set<number>();
  /** Slots, by winner's index; -1: nobody. */
  readonly winners = new Map<number, number>();
  problemCount = 0;
  readonly #flock: VirtualFlock;
  readonly #decisions = new Map<string, Decision>();
  /** Since when a node is undisturbed: online, whole network, own log unchanged. */
  readonly #calmSince: number[] = [];
  readonly #lastSlot: number[] = [];
  readonly #cuts: { fromMs: number; untilMs: number }[] = [];
  #cutGroups: number[] | null = null;
  #steps = 0;

  constructor(flock: VirtualFlock) {
    this.#flock = flock;
    for (const node of flock.nodes) {
      this.#calmSince[node.index] = 0;
      this.#lastSlot[node.index] = -1;
    }
    flock.onEffect = (node, effect) => {
      if (node.role === null) this.#onEffect(node, effect);
    };
    flock.onStep = (node, type) => {
      if (node.role === null) this.#onStep(node, type);
    };
  }

  get splits(): number {
    return this.splitSlots.size;
  }

  /** The network falls apart or together: nobody is held to a full queue for a while. */
  noteCut(): void {
    const { nodes, nowMs } = this.#flock;
    this.#cuts.push({ fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY });
    this.#cutGroups = nodes.map((node) => node.group);
    for (const node of nodes) this.disturb(node);
  }

  noteHeal(): void {
    const { nodes, nowMs } = this.#flock;
    for (const cut of this.#cuts) if (cut.untilMs === Number.POSITIVE_INFINITY) cut.untilMs = nowMs;
    for (const node of nodes) this.disturb(node);
  }

  disturb(node: SimNode): void {
    this.#calmSince[node.index] = this.#flock.nowMs;
  }

  problem(rule: Problem['rule'], node: number, what: string): void {
    this.problemCount++;
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ atMs: this.#flock.nowMs, node, rule, what });
  }

  #onEffect(node: SimNode, effect: Effect): void {
    if (effect.type === 'schedule') this.#checkTimeline(node, effect);
    else if (effect.type === 'indicate') {
      const { indication } = effect;
      if (indication.kind === 'decided') this.#onDecided(node, indication);
      else if (indication.kind === 'switchedLog' || indication.kind === 'phase') {
        this.disturb(node);
        this.#lastSlot[node.index] = -1;
      }
    }
  }

  #onDecided(node: SimNode, { slot, hash, record, proposals, healed }: DecidedIndication): void {
    this.decidedSlots.add(slot);
    // Decided elsewhere, and looked at there.
    if (healed === true) {
      this.#lastSlot[node.index] = slot;
      return;
    }
    const last = this.#lastSlot[node.index]!;
    if (last !== -1 && slot !== last + 1)
      this.problem('rewritten', node.index, `slot ${slot} decided after slot ${last}`);
    this.#lastSlot[node.index] = slot;
    const key = `${slot}/${record.prev}/${this.#partOf(node, slot)}`;
    const known = this.#decisions.get(key);
    if (known === undefined) this.#firstDecision(node, key, { hash, nodes: 1, split: false }, record);
    else {
      known.nodes++;
      if (known.hash !== hash) {
        if (!known.split) {
          const what = `slot ${slot}: ${hash.slice(0, 8)} beside ${known.hash.slice(0, 8)} (${proposals} proposals)`;
          this.problem('split', node.index, what);
        }
        known.split = true;
        this.splitSlots.add(slot);
      }
    }
  }

  #firstDecision(node: SimNode, key: string, decision: Decision, record: DecidedIndication['record']): void {
    this.#decisions.set(key, decision);
    if (this.#decisions.size > 4_096) this.#decisions.delete(this.#decisions.keys().next().value!);
    const author = record.proposal?.body.node_id;
    const winner = author === undefined ? -1 : (this.#flock.node(author)?.index ?? -1);
    this.winners.set(winner, (this.winners.get(winner) ?? 0) + 1);
    for (const id of headOf(node.state.chain!).log.exclusions.keys()) this.#noteExclusion(id, record.slot);
  }

  #noteExclusion(nodeId: string, slot: number): void {
    const accused = this.#flock.node(nodeId);
    if (accused === undefined || accused.role !== null || this.excludedHonest.has(accused.index)) return;
    this.excludedHonest.add(accused.index);
    this.problem('excluded', accused.index, `an honest node is excluded as of slot ${slot}`);
  }

  /** Slots that were proposed for while the network was cut are compared within its parts only. */
  #partOf(node: SimNode, slot: number): number {
    if (this.#cutGroups === null) return 0;
    const openMs = linkAt(node.state.chain!, slot - 5)?.record.start_ms ?? 0;
    const from = this.#flock.virtualMs(node, openMs) - 1_000;
    const cut = this.#cuts.some(({ fromMs, untilMs }) => fromMs <= this.#flock.nowMs && untilMs >= from);
    return cut ? 1 + this.#cutGroups[node.index]! : 0;
  }

  #checkTimeline(node: SimNode, effect: Extract<Effect, { type: 'schedule' }>): void {
    const before = node.scheduled.get(effect.slot - 1);
    if (before !== undefined && before.startMs + before.durationMs !== effect.startMs) {
      const gap = effect.startMs - before.startMs - before.durationMs;
      this.problem('timeline', node.index, `slot ${effect.slot} starts ${gap} ms off the end of the one before`);
    }
    for (const slot of node.scheduled.keys()) if (slot < effect.slot - 16) node.scheduled.delete(slot);
  }

  #onStep(node: SimNode, type: ConsensusEvent['type']): void {
    // Messages come by the million and change little: their tables are looked at now and then, others every time.
    if (type === 'message' && (++this.#steps & 15) !== 0) return;
    this.#checkBounds(node);
    if (type === 'tick') this.#checkQueue(node);
  }

  #checkBounds(node: SimNode): void {
    const { state } = node;
    const roster = state.chain === null ? 0 : headOf(state.chain).log.roster.entries.size;
    this.#bound(node, 'settling', state.settling.size, TABLE_BOUNDS.settling);
    this.#bound(node, 'early', state.early.length, TABLE_BOUNDS.early);
    this.#bound(node, 'pendingOps', state.pendingOps.size, TABLE_BOUNDS.pendingOps);
    this.#bound(node, 'branches', state.branches.size, TABLE_BOUNDS.branches);
    this.#bound(node, 'conflicts', state.conflicts.size, TABLE_BOUNDS.conflicts);
    this.#bound(node, 'foreign', state.foreign.size, TABLE_BOUNDS.foreign);
    this.#bound(node, 'requests', state.requests.size, TABLE_BOUNDS.requests);
    this.#bound(node, 'ownProposals', state.ownProposals.size, TABLE_BOUNDS.ownProposals);
    this.#bound(node, 'heard', state.heard.size, roster + MAX_STRANGERS + 1);
    this.#bound(node, 'disk', node.disk.size, TABLE_BOUNDS.disk);
    for (const { values, basis } of state.settling.values()) {
      this.#bound(node, 'proposals', values.size, 2 * basis.log.roster.entries.size);
    }
  }

  #bound(node: SimNode, table: string, size: number, most: number): void {
    if (size > most) this.problem('bounds', node.index, `${table} holds ${size}, bound ${most}`);
  }

  /** Four decided slots lie ahead, but for the time in which the fourth settles. */
  #checkQueue(node: SimNode): void {
    const { state } = node;
    const flock = this.#flock;
    if (state.phase !== 'member' || state.chain === null) return;
    if (flock.nowMs - this.#calmSince[node.index]! < SETTLE_IN_MS) return;
    const nowMs = flock.stationMs(node);
    const playing = playingLink(state.chain, nowMs);
    if (playing === undefined) {
      this.problem('queue', node.index, `nothing plays: the log ended ${nowMs - endOf(headOf(state.chain))} ms ago`);
      this.disturb(node);
      return;
    }
    const { slot } = playing.record;
    // A node that crosses over at the end of a track it left has its own programme until then.
    if (state.crossing === null && !node.scheduled.has(slot)) {
      this.problem('timeline', node.index, `slot ${slot} plays, but the player was never told`);
      this.disturb(node);
    }
    const ahead = headOf(state.chain).record.slot - slot;
    if (ahead >= 3) return;
    this.problem('queue', node.index, `${ahead} decided slots ahead of slot ${slot}`);
    this.disturb(node);
  }
}

type DecidedIndication = Extract<Extract<Effect, { type: 'indicate' }>['indication'], { kind: 'decided' }>;
