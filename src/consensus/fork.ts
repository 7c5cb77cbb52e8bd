/** Two logs, one flock: which one holds. Every node counts the same voices by the same rule. */
import { announceFrom, findLink, pathFromChain, switchBranch } from './chain.ts';
import { askStatuses, startJoining, stayHere } from './join.ts';
import type { Link } from './link.ts';
import type { NodeId, RecordHash } from './messages.ts';
import type { Conflict, ConsensusState, Heard, Turn } from './state.ts';
import { count, endOf, epochAt, headOf, isOnChain, linkAt, playingLink, rulesNow } from './state.ts';

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
  reconsiderLeaving(turn, epoch);
  weighBranches(turn, epoch);
  weighStrayed(turn, epoch);
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

/** Fresh voices: ours by the slot of their head, the others by branch. Ours are counted only where there are others. */
function collectVoices(state: ConsensusState, epoch: number) {
  const chain = state.chain!;
  const fresh = rulesNow(state).state_fresh_epochs;
  const branches = new Map<RecordHash, Branch>();
  const own: { nodeId: NodeId; slot: number }[] = [];
  const isHeard = ({ state: { body }, mutedUntil }: Heard): boolean =>
    epoch - body.epoch <= fresh && mutedUntil < epoch;
  for (const [nodeId, heard] of state.heard) {
    const { head, head_slot: slot } = heard.state.body;
    if (isHeard(heard) && !isOnChain(chain, slot, head)) addVoice(state, branches, nodeId, slot, head);
  }
  if (branches.size === 0) return { own, branches };
  for (const [nodeId, heard] of state.heard) {
    const { head, head_slot: slot } = heard.state.body;
    if (isHeard(heard) && isOnChain(chain, slot, head)) own.push({ nodeId, slot });
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
  for (const { record, hash } of way.path) {
    const decided = { kind: 'decided', slot: record.slot, record, hash, proposals: 0, healed: true } as const;
    turn.effects.push({ type: 'indicate', indication: decided });
  }
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

// Logs that left ours before our oldest record: nobody here can show the fork point

/** Whoever the lowest id stands with waits so much longer, so that two sides never change places. */
const PATIENT = 4;

/**
 * A long partition, and nodes that joined during it by a checkpoint, leave logs that no record connects. Nobody here can
 * show the fork point, so both rosters that we can vouch for are asked, that of our oldest record and that of our head.
 * We join the log that holds like a newcomer.
 */
function weighStrayed(turn: Turn, epoch: number): void {
  const { state } = turn;
  if (state.strayed.size === 0 || state.joining !== null) return;
  const voices = strayedVoices(state, epoch);
  if (voices.theirs.size === 0) {
    state.strayedConflict = null;
    return;
  }
  const conflict = state.strayedConflict ?? { streak: 0, since: epoch, seen: epoch };
  state.strayedConflict = conflict;
  const { fork_epochs, escalate_epochs } = rulesNow(state);
  const theirsIsLower = lowest(voices.theirs) < lowest(voices.own);
  const { before, now } = excess(state, voices);
  const holds = (before > 0 && now >= 0) || (before === 0 && now > 0 && epoch - conflict.since >= escalate_epochs);
  conflict.streak = holds ? conflict.streak + 1 : 0;
  if (conflict.streak < fork_epochs * (theirsIsLower ? 1 : PATIENT) || !isNearTrackEnd(turn)) return;
  state.strayedConflict = null;
  count(state, 'rejoins');
  crossAtEnd(turn);
  startJoining(turn, state.chain!.genesis, voices.theirs);
}

interface Sides {
  own: ReadonlySet<NodeId>;
  theirs: ReadonlySet<NodeId>;
}

/** Fresh voices of members on our log, this node's own among them, and on a log that strayed from it. */
function strayedVoices(state: ConsensusState, epoch: number): Sides {
  const fresh = rulesNow(state).state_fresh_epochs;
  const { entries } = headOf(state.chain!).log.roster;
  const own = new Set([state.crypto.nodeId]);
  const theirs = new Set<NodeId>();
  for (const [id, { state: signed, mutedUntil }] of state.heard) {
    const { head, head_slot: slot, epoch: spoken } = signed.body;
    const isKnown = isOnChain(state.chain!, slot, head) || findLink(state, slot, head) !== undefined;
    if (isKnown) state.strayed.delete(id);
    // Strangers cost nothing to make, and who lapsed or left speaks for nobody.
    if (epoch - spoken > fresh || mutedUntil >= epoch || !entries.has(id)) continue;
    if (state.strayed.has(id)) theirs.add(id);
    else if (isOnChain(state.chain!, slot, head)) own.add(id);
  }
  return { own, theirs };
}

/**
 * By how much the strayed voices outweigh ours: by the roster of our oldest record, which is near the fork, and by that
 * of our head. A log that is known from its first record has no older fork: its first roster, the deployer's, says
 * nothing, and only who outweighs us now is followed.
 */
function excess(state: ConsensusState, { own, theirs }: Sides): { before: number; now: number } {
  const oldest = state.chain!.links[0]!;
  const difference = ({ log }: Link): number => {
    const weight = (ids: ReadonlySet<NodeId>): number => [...ids].filter((id) => log.roster.entries.has(id)).length;
    return weight(theirs) - weight(own);
  };
  return { before: oldest.record.slot === 0 ? 0 : difference(oldest), now: difference(headOf(state.chain!)) };
}

const lowest = (ids: ReadonlySet<NodeId>): NodeId => [...ids].reduce((a, b) => (a < b ? a : b));

/**
 * The track that is to be left at its end still plays, and meanwhile others may have come over to our log. Of two sides
 * only one thinks again, or neither would ever move: the one that was to move to the higher genesis, or to lose by less.
 */
function reconsiderLeaving(turn: Turn, epoch: number): void {
  const { state } = turn;
  const { joining, chain } = state;
  if (joining === null || chain === null || joining.clockAsked) return;
  if (joining.onto === null) {
    takeCensus(turn);
    if (joining.genesis < chain.genesis || strongestRival(turn) === joining.genesis) return;
  } else {
    const voices = strayedVoices(state, epoch);
    const { before, now } = excess(state, voices);
    if (voices.theirs.size > 0 && before >= 0 && now >= 0 && before + now > 0) return;
  }
  count(state, 'joinsAbandoned');
  stayHere(turn);
}

/** How long before its end a track that plays on another log is left for: the log there is looked at up to then. */
const NEAR_END_MS = 10_000;

/** Nobody's track is cut, and a decision made long before its end would rest on what was true long ago. */
function isNearTrackEnd(turn: Turn): boolean {
  const playing = playingLink(turn.state.chain!, turn.nowMs);
  const nearMs = Math.max(NEAR_END_MS, 2 * rulesNow(turn.state).state_epoch_ms);
  return playing === undefined || endOf(playing) - turn.nowMs <= nearMs;
}

/** The log is about to be left: what plays is not cut. */
function crossAtEnd(turn: Turn): void {
  const { state } = turn;
  const playing = playingLink(state.chain!, turn.nowMs);
  state.crossing = playing === undefined ? null : crossingAfter(playing);
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
  if (epochs < patienceFor(turn, rival) || !isNearTrackEnd(turn)) return;
  state.foreignStreak = null;
  crossAtEnd(turn);
  count(state, 'merges');
  startJoining(turn, rival);
}

/** Doublings of the patience at most: with the usual rules some ten minutes, three times as many upwards. */
const MAX_DOUBLINGS = 6;
/** Without a change for so long, the earlier ones are forgotten. */
const CALM_MS = 3_600_000;

/**
 * Epochs in a row that a rival must hold for. Towards a higher genesis it takes longer, so that of two sides which each
 * see more of the other the one with the higher genesis moves first, and the other then sees no reason to; and each
 * change makes the next one slower, so that nothing goes to and fro for ever.
 */
function patienceFor(turn: Turn, rival: RecordHash): number {
  const { state } = turn;
  const { count: moves, monoMs } = state.moves;
  const doublings = turn.monoMs - monoMs > CALM_MS ? 0 : Math.min(moves, MAX_DOUBLINGS);
  if (doublings === 0) state.moves.count = 0;
  const upwards = rival > state.chain!.genesis ? UPWARDS : 1;
  return rulesNow(state).fork_epochs * upwards * 2 ** doublings;
}

const UPWARDS = 3;

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
 * as many. Of two sides that see the same, one moves and never both; who has decided to move counts where it goes. Only neighbours count, by their own word over their
 * own connection: a STATE of another time domain may be years old, and keys cost nothing.
 */
function strongestRival(turn: Turn): RecordHash | null {
  const { state } = turn;
  const own = state.chain!.genesis;
  const weights = new Map<RecordHash, number>([[own, 1]]);
  for (const { genesis: on, toward } of state.statuses.values()) {
    const genesis = toward ?? on;
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
