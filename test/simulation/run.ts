/** One run of the simulator: options in, figures and broken rules out. */
import { DEFAULT_RULES, type Rules } from '../../src/consensus/rules.ts';
import { headOf, linkAt } from '../../src/consensus/state.ts';
import { attachAdversaries } from './adversaries/index.ts';
import { type SimNode, VirtualFlock } from './network.ts';
import type { SimOptions } from './options.ts';
import { startWarm } from './warm.ts';
import { type Problem, Watch } from './watch.ts';

export interface SimFigures {
  seed: number;
  nodes: number;
  slots: number;
  /** Share of the slots that all honest nodes decided alike. */
  agreement: number;
  splits: number;
  excluded_honest: number;
  /** From the end of a partition to one log everywhere; null without partitions. */
  heal_ms: { p50: number | null; p99: number | null };
  messages_per_node_slot: number;
  bytes_per_node_slot: number;
  wall_s: number;
}

export interface SimOutcome {
  figures: SimFigures;
  problems: Problem[];
  problemCount: number;
  /** Equal for equal runs: every delivery, timer and decision is in it. */
  logHash: string;
  /** Slots won, by node; -1: fallback records. */
  winners: ReadonlyMap<number, number>;
  /** From the end of each partition to one log everywhere, in ms. */
  heals: readonly number[];
  flock: VirtualFlock;
  watch: Watch;
}

/** What a bench may set beyond the command line. */
export interface SimExtras {
  rules?: Partial<Rules>;
  trackMs?: readonly [number, number];
  tracksPerNode?: number;
}

/** Tracks of the simulation: as short as the station's usual rules allow, so that a slot costs little. */
const TRACK_MS = [20_000, 30_000] as const;
/** The flock is looked at so often: has it decided enough, is it one log again? */
const LOOK_MS = 500;
/** A slot that takes so many times the longest track means that the flock stands still. */
const PATIENCE = 4;
/** A node without power is back after so many ms. */
const OUTAGE_MS = [1_000, 90_000] as const;
/** Booting at once, and taken in by sixteen a slot. */
const COLD_START_MS = 60_000;

export function simulate(options: SimOptions, extras: SimExtras = {}): SimOutcome {
  const began = performance.now();
  const trackMs = extras.trackMs ?? TRACK_MS;
  const rules: Rules = { ...DEFAULT_RULES, draw: options.draw, ...extras.rules };
  const { nodes, seed, loss, latencyMs, duplicate, skewMs } = options;
  const tracks = { tracksPerNode: extras.tracksPerNode ?? 20, trackMs };
  const flock = new VirtualFlock({ nodes, seed, loss, latencyMs, duplicate, skewMs, rules, ...tracks });
  const watch = new Watch(flock);
  attachAdversaries(flock, options.adversaries);
  if (options.start === 'warm') startWarm(flock);
  else for (const node of flock.nodes) flock.start(node.index);
  const heals = cutAndHeal(flock, watch, options);
  if (options.churn > 0) churn(flock, watch, options.churn, trackMs[1]);
  if (options.stall !== null) stall(flock, watch, options.stall, trackMs[1]);
  const lastCut = Math.max(0, ...options.partitions.map(({ atMs, forMs }) => atMs + forMs + 180_000));
  const before = runSlots(
    flock,
    watch,
    options.slots,
    Math.max(lastCut, options.start === 'cold' ? COLD_START_MS : 0),
    trackMs[1],
  );
  return outcomeOf(options, flock, watch, before, heals, (performance.now() - began) / 1_000);
}

const NOTHING = { slots: 0, messages: 0, bytes: 0 };

interface Sum {
  slots: number;
  messages: number;
  bytes: number;
}

/** What reached all nodes together so far. */
function trafficOf(flock: VirtualFlock, watch: Watch): Sum {
  const bytes = flock.nodes.reduce((sum, node) => sum + node.received.bytes, 0);
  return { slots: watch.decidedSlots.size, messages: flock.messages, bytes };
}

/**
 * Lets the flock decide so many slots; a flock that stands still is told. Returns what had been sent when the first slot
 * was decided: traffic is counted from there, in whole slots.
 */
function runSlots(flock: VirtualFlock, watch: Watch, slots: number, leastMs: number, longestMs: number): Sum {
  let decided = -1;
  let sinceMs = 0;
  let first: Sum | null = null;
  for (let untilMs = LOOK_MS; ; untilMs += LOOK_MS) {
    flock.run(untilMs);
    if (first === null && watch.decidedSlots.size > 0) first = trafficOf(flock, watch);
    if (watch.decidedSlots.size >= slots && untilMs >= leastMs) return first ?? NOTHING;
    if (watch.decidedSlots.size !== decided) [decided, sinceMs] = [watch.decidedSlots.size, untilMs];
    if (untilMs - sinceMs > PATIENCE * longestMs + COLD_START_MS) {
      watch.problem('stalled', -1, `nothing was decided for ${untilMs - sinceMs} ms, ${decided} slots so far`);
      return first ?? NOTHING;
    }
  }
}

function cutAndHeal(flock: VirtualFlock, watch: Watch, options: SimOptions): number[] {
  const heals: number[] = [];
  for (const { atMs, forMs, share } of options.partitions) {
    flock.at(atMs, () => {
      const part = flock.random.shuffle(flock.nodes).slice(0, Math.max(1, Math.round(share * flock.nodes.length)));
      flock.partition(part.map((node) => node.index));
      watch.noteCut();
    });
    flock.at(atMs + forMs, () => {
      flock.heal();
      watch.noteHeal();
      lookForHeal(flock, watch, flock.nowMs, heals);
    });
  }
  return heals;
}

/** Given up after this: it counts as not healed. */
const HEAL_PATIENCE_MS = 600_000;

function lookForHeal(flock: VirtualFlock, watch: Watch, sinceMs: number, heals: number[]): void {
  const spentMs = flock.nowMs - sinceMs;
  if (isOneLog(flock)) heals.push(spentMs);
  else if (spentMs > HEAL_PATIENCE_MS) {
    watch.problem('stalled', -1, `not one log ${spentMs} ms after the network was whole again`);
    heals.push(spentMs);
  } else flock.at(flock.nowMs + LOOK_MS, () => lookForHeal(flock, watch, sinceMs, heals));
}

/** Whether all honest members stand on one log. */
export function isOneLog(flock: VirtualFlock): boolean {
  const chains = flock.nodes.filter(isHonestMember).map((node) => node.state.chain!);
  const slot = Math.min(...chains.map((chain) => headOf(chain).record.slot));
  return new Set(chains.map((chain) => `${chain.genesis}/${linkAt(chain, slot)?.hash}`)).size <= 1;
}

const isHonestMember = (node: SimNode): boolean =>
  node.role === null && node.online && node.state.phase === 'member' && node.state.chain !== null;

function churn(flock: VirtualFlock, watch: Watch, share: number, slotMs: number): void {
  for (const node of flock.nodes) if (node.role === null) scheduleOutage(flock, watch, node, share, slotMs);
}

function scheduleOutage(flock: VirtualFlock, watch: Watch, node: SimNode, share: number, slotMs: number): void {
  // The time to the next outage of an event with this chance a slot.
  const slots = Math.log(1 - flock.random.unit()) / Math.log(1 - share);
  const atMs = flock.nowMs + Math.ceil(slots * slotMs) + 1;
  flock.at(atMs, () => {
    flock.stop(node.index);
    flock.at(flock.nowMs + flock.random.between(...OUTAGE_MS), () => {
      flock.start(node.index);
      watch.disturb(node);
      scheduleOutage(flock, watch, node, share, slotMs);
    });
  });
}

/** Honest processes that get no turn now and then. */
function stall(
  flock: VirtualFlock,
  watch: Watch,
  { forMs, chance }: { forMs: number; chance: number },
  slotMs: number,
): void {
  const next = (node: SimNode): void => {
    const slots = chance >= 1 ? flock.random.unit() : Math.log(1 - flock.random.unit()) / Math.log(1 - chance);
    flock.at(flock.nowMs + Math.ceil(slots * slotMs) + 1, () => {
      flock.stall(node, flock.random.between(1, forMs));
      watch.disturb(node);
      next(node);
    });
  };
  for (const node of flock.nodes) if (node.role === null) next(node);
}

function quantile(values: readonly number[], part: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? null;
}

function outcomeOf(
  options: SimOptions,
  flock: VirtualFlock,
  watch: Watch,
  before: Sum,
  heals: number[],
  wallS: number,
): SimOutcome {
  const { slots, messages, bytes } = trafficOf(flock, watch);
  // A run of one slot has none after its first.
  const from = slots > before.slots ? before : NOTHING;
  const nodeSlots = Math.max(1, (slots - from.slots) * options.nodes);
  const [a, b] = flock.logHash;
  return {
    figures: {
      seed: options.seed,
      nodes: options.nodes,
      slots,
      agreement: slots === 0 ? 0 : (slots - watch.splits) / slots,
      splits: watch.splits,
      excluded_honest: watch.excludedHonest.size,
      heal_ms: { p50: quantile(heals, 0.5), p99: quantile(heals, 0.99) },
      messages_per_node_slot: Math.round(((messages - from.messages) / nodeSlots) * 10) / 10,
      bytes_per_node_slot: Math.round((bytes - from.bytes) / nodeSlots),
      wall_s: Math.round(wallS * 100) / 100,
    },
    problems: watch.problems,
    problemCount: watch.problemCount,
    logHash: `${(a >>> 0).toString(16).padStart(8, '0')}${(b >>> 0).toString(16).padStart(8, '0')}`,
    winners: watch.winners,
    heals,
    flock,
    watch,
  };
}
