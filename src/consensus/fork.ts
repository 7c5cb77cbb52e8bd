/** Two logs, one flock: which one holds. Every node counts the same voices by the same rule. */
import { announceFrom, findLink, pathFromChain, switchBranch } from './chain.ts';
import { epochAt } from './gossip.ts';
import { askStatuses, startJoining } from './join.ts';
import type { Link } from './link.ts';
import type { NodeId, RecordHash } from './messages.ts';
import type { Conflict, ConsensusState, Turn } from './state.ts';
import { count, endOf, headOf, isOnChain, linkAt, playingLink, rulesNow } from './state.ts';

/** Competing branches that are watched at once. */
const MAX_CONFLICTS = 32;

/** Above every hexadecimal ticket: a record without winner loses against one with. */
const NO_TICKET = 'z';

interface Branch {
  forkSlot: number;
  first: Link;
  voters: Set<NodeId>;
  /** Heads on this branch and who stands on them. */
  tips: Map<RecordHash, { link: Link; voices: number }>;
}

/** Once an epoch: weighs every branch that competes with ours, and every other genesis. */
export function forksDue(turn: Turn): void {
  const { state } = turn;
  if (state.chain === null || state.phase === 'listening' || state.phase === 'joining') return;
  const epoch = epochAt(state, turn.nowMs);
  if (epoch === state.conflictEpoch) return;
  state.conflictEpoch = epoch;
  weighBranches(turn, epoch);
  weighGeneses(turn);
}

function weighBranches(turn: Turn, epoch: number): void {
  const { state } = turn;
  const { own, branches } = collectVoices(state, epoch);
  const fresh = rulesNow(state).state_fresh_epochs;
  // A branch that nobody was heard on for a moment (its records flushed, a message lost) keeps its count.
  for (const [key, { seen }] of state.conflicts) {
    if (!branches.has(key) && epoch - seen > fresh) state.conflicts.delete(key);
  }
  for (const [key, branch] of branches) {
    const conflict = state.conflicts.get(key) ?? { streak: 0, since: epoch, seen: epoch };
    if (!state.conflicts.has(key) && state.conflicts.size >= MAX_CONFLICTS) continue;
    state.conflicts.set(key, conflict);
    conflict.seen = epoch;
    conflict.streak = holdsAgainstOurs(turn, branch, own, branches, conflict, epoch) ? conflict.streak + 1 : 0;
    if (conflict.streak < rulesNow(state).fork_epochs) continue;
    changeTo(turn, branch);
    return;
  }
}

/** Fresh voices: ours by the slot of their head, the others by branch. */
function collectVoices(state: ConsensusState, epoch: number) {
  const chain = state.chain!;
  const fresh = rulesNow(state).state_fresh_epochs;
  const own: { nodeId: NodeId; slot: number }[] = [];
  const branches = new Map<RecordHash, Branch>();
  for (const [nodeId, { state: signed, mutedUntil }] of state.heard) {
    const { head, head_slot: slot, epoch: spoken } = signed.body;
    if (epoch - spoken > fresh || mutedUntil >= epoch) continue;
    if (isOnChain(chain, slot, head)) own.push({ nodeId, slot });
    else addVoice(state, branches, nodeId, slot, head);
  }
  return { own, branches };
}

function addVoice(
  state: ConsensusState,
  branches: Map<RecordHash, Branch>,
  nodeId: NodeId,
  slot: number,
  head: RecordHash,
): void {
  const link = findLink(state, slot, head);
  const way = link === undefined ? null : pathFromChain(state, link);
  if (link === undefined || way === null || way.path.length === 0) return;
  // A longer log on our own head is no conflict: we are behind, or about to decide.
  if (way.forkSlot === headOf(state.chain!).record.slot) return;
  const first = way.path[0]!;
  const branch = branches.get(first.hash) ?? { forkSlot: way.forkSlot, first, voters: new Set(), tips: new Map() };
  branches.set(first.hash, branch);
  branch.voters.add(nodeId);
  const tip = branch.tips.get(head) ?? { link, voices: 0 };
  tip.voices++;
  branch.tips.set(head, tip);
}

/** Whether the branch beats ours in this epoch: by weight over the fork point's roster; in a long tie, by ticket. */
function holdsAgainstOurs(
  turn: Turn,
  branch: Branch,
  own: readonly { nodeId: NodeId; slot: number }[],
  branches: ReadonlyMap<RecordHash, Branch>,
  conflict: Conflict,
  epoch: number,
): boolean {
  const chain = turn.state.chain!;
  const point = linkAt(chain, branch.forkSlot)!;
  const ours = linkAt(chain, branch.forkSlot + 1)!;
  const { roster, rules } = point.log;
  const counts = (id: NodeId): boolean => roster.entries.has(id);
  let theirWeight = 0;
  for (const id of branch.voters) if (counts(id)) theirWeight++;
  let ourWeight = own.filter(({ nodeId, slot }) => slot > branch.forkSlot && counts(nodeId)).length;
  // Whoever left our log later than that still stands on our side of this fork.
  for (const other of branches.values()) {
    if (other.forkSlot > branch.forkSlot) for (const id of other.voters) if (counts(id)) ourWeight++;
  }
  const lower = isLower(branch.first, ours);
  const balanced = 2 * Math.min(theirWeight, ourWeight) >= Math.max(theirWeight, ourWeight);
  if (epoch - conflict.since >= rules.escalate_epochs && balanced) return lower;
  return theirWeight > ourWeight || (theirWeight === ourWeight && lower);
}

/** Order of two records of one slot: the ticket first, then the hash. */
export function isLower(a: Link, b: Link): boolean {
  const [ticketA, ticketB] = [a.record.ticket ?? NO_TICKET, b.record.ticket ?? NO_TICKET];
  return ticketA === ticketB ? a.hash < b.hash : ticketA < ticketB;
}

/** Stands on the other branch from now on. What sounds is not cut: the player crosses over at the track's end. */
function changeTo(turn: Turn, branch: Branch): void {
  const { state } = turn;
  const tips = [...branch.tips.values()];
  const best = tips.reduce((a, b) =>
    b.voices > a.voices || (b.voices === a.voices && b.link.hash < a.link.hash) ? b : a,
  );
  const way = pathFromChain(state, best.link)!;
  const playing = playingLink(state.chain!, turn.nowMs);
  count(state, 'heals');
  switchBranch(turn, way.forkSlot, way.path);
  state.conflicts.clear();
  // Proposals for this branch were not collected here: its next slots are taken from the others.
  state.presentSinceMs = turn.nowMs;
  turn.effects.push({
    type: 'indicate',
    indication: { kind: 'switchedLog', fromSlot: way.forkSlot + 1, genesis: state.chain!.genesis },
  });
  leavePlaying(turn, playing, way.forkSlot);
}

function leavePlaying(turn: Turn, playing: Link | undefined, forkSlot: number): void {
  const { state } = turn;
  if (playing === undefined || playing.record.slot <= forkSlot) {
    turn.effects.push({ type: 'unschedule', fromSlot: forkSlot + 1 });
    announceFrom(turn, turn.nowMs, forkSlot + 1);
    return;
  }
  state.crossing = crossingAfter(playing);
  turn.effects.push({ type: 'unschedule', fromSlot: playing.record.slot + 1 });
  announceFrom(turn, endOf(playing));
}

function crossingAfter(link: Link): { atMs: number; slot: number; trackHash: string | null } {
  return { atMs: endOf(link), slot: link.record.slot, trackHash: link.record.track?.track_hash ?? null };
}

/** The track of the log that was left has ended: into the live position of the one we stand on. */
export function crossDue(turn: Turn): void {
  const { state } = turn;
  if (state.crossing === null || turn.nowMs < state.crossing.atMs || state.joining !== null) return;
  state.crossing = null;
  turn.effects.push({ type: 'unschedule', fromSlot: 0 });
  announceFrom(turn, turn.nowMs);
}

// Other geneses: stations that were deployed at once under one name

/** Between two questions to all neighbours where they stand, while other geneses are heard of. */
const CENSUS_EPOCHS = 1;

function weighGeneses(turn: Turn): void {
  const { state } = turn;
  if (state.pinnedGenesis !== null || state.joining !== null) return;
  takeCensus(turn);
  const rival = strongestRival(turn);
  if (rival === null) {
    state.foreignStreak = null;
    return;
  }
  const epochs = state.foreignStreak?.genesis === rival ? state.foreignStreak.epochs + 1 : 1;
  state.foreignStreak = { genesis: rival, epochs };
  if (epochs < rulesNow(state).fork_epochs) return;
  state.foreignStreak = null;
  const playing = playingLink(state.chain!, turn.nowMs);
  state.crossing = playing === undefined ? null : crossingAfter(playing);
  count(state, 'merges');
  startJoining(turn, rival);
}

/** Asks neighbours where they stand while somebody speaks of another genesis, or a neighbour is known to stand there. */
function takeCensus(turn: Turn): void {
  const { state } = turn;
  const { state_epoch_ms, state_fresh_epochs } = rulesNow(state);
  for (const [genesis, monoMs] of state.foreign) {
    if (turn.monoMs - monoMs > 4 * state_fresh_epochs * state_epoch_ms) state.foreign.delete(genesis);
  }
  const elsewhere = [...state.statuses.values()].some((s) => s.genesis !== null && s.genesis !== state.chain!.genesis);
  if (state.foreign.size > 0 || elsewhere) askStatuses(turn, CENSUS_EPOCHS * state_epoch_ms);
}

/**
 * The genesis that beats ours: a lower one on which at least half as many stand, or a higher one with more than twice
 * as many. Of two sides that see the same, one moves and never both. Only neighbours count, by their own word over their
 * own connection: a STATE of another time domain may be years old, and keys cost nothing.
 */
function strongestRival(turn: Turn): RecordHash | null {
  const { state } = turn;
  const own = state.chain!.genesis;
  const weights = new Map<RecordHash, number>([[own, 1]]);
  for (const { genesis } of state.statuses.values()) {
    if (genesis !== null) weights.set(genesis, (weights.get(genesis) ?? 0) + 1);
  }
  let best = own;
  for (const [genesis, weight] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (genesis === best) continue;
    const most = weights.get(best)!;
    if (genesis < best ? 2 * weight >= most : weight > 2 * most) best = genesis;
  }
  return best === own ? null : best;
}
