/**
 * `step`: the only way in and the only way out. Deterministic: equal state and equal event give equal effects and an
 * equal next state. The state advances in place: a simulation of a thousand nodes takes tens of millions of steps, and
 * copying would be most of its work.
 */

import { bodyHash } from './appraise.ts';
import { clipText } from './canonical.ts';
import { forgetChain } from './chain.ts';
import { decideDue, fetchLikely, isPresent, lateAtMs } from './decide.ts';
import type { Command, ConsensusEvent, Effect, SyncResponse, TrackOffer } from './events.ts';
import { deniesDivergence } from './evidence.ts';
import { crossDue, forksDue } from './fork.ts';
import { accuse, hear, joinDue, ownOpBase, stateAtMs, stateDue, takeOp } from './gossip.ts';
import {
  deploy,
  dropDeadLog,
  followDue,
  joinDueNow,
  listenDue,
  relisten,
  resume,
  setPhase,
  takeCheckpoint,
  takeClock,
} from './join.ts';
import { MAX_GENRE_BYTES, MAX_TRACK_NAME_BYTES } from './limits.ts';
import type { NodeId, Op, Proposal, Signed, SignedMessage, StateMessage } from './messages.ts';
import { notePlayback } from './moderation.ts';
import { addOp, dropStaleOps, noteRefusedOp } from './pending.ts';
import { adoptOwn, proposeDue } from './propose.ts';
import { restore } from './restore.ts';
import { seedsFor } from './seeds.ts';
import { cleanCopy, holdEarly, takeProposal, withOwnWord } from './settle.ts';
import { signBody } from './signed.ts';
import type { Chain, ConsensusState, PeerStatus, Settling, Turn } from './state.ts';
import { count, endOf, epochAt, headOf, rulesNow } from './state.ts';
import {
  answer,
  ask,
  askDigests,
  BadAnswerError,
  forgetOverdue,
  isAsking,
  isNews,
  noteAnswer,
  noteFailedHead,
  pullDue,
  readSettled,
  takeDigest,
  takeRecords,
} from './sync.ts';

type Verdict = 'accept' | 'ignore' | 'reject';

/** While there is no log, or neighbours that are asked for records pause, things are looked at this often. */
const LISTEN_STEP_MS = 500;
/** A member's monotonic work (questions that hang, joins to be repeated) is looked at this often. */
const HOUSEKEEPING_MS = 2_000;

/** Takes one event in. */
export function step(state: ConsensusState, event: ConsensusEvent): Effect[] {
  const turn: Turn = { state, nowMs: event.nowMs, monoMs: event.monoMs, effects: [] };
  notePresence(turn, event.heldUpMs ?? 0);
  if (event.type === 'message') {
    // Deadlines that have passed take effect before anything that came after them.
    advance(turn);
    const verdict = takeMessage(turn, event.message);
    if (verdict !== 'accept') turn.effects.push({ type: 'verdict', verdict });
  } else {
    takeEvent(turn, event);
  }
  advance(turn);
  return turn.effects;
}

/**
 * A node that slept, that got no turn for a while, or whose clock was set, has not heard everything in time. Of Delta
 * clocks may be off by one half, the network takes a part of the other; a process that is held up gets a quarter.
 */
function notePresence(turn: Turn, heldUpMs: number): void {
  const { state } = turn;
  const passedMs = turn.nowMs - state.nowMs;
  const slippedMs = Math.abs(passedMs - (turn.monoMs - state.monoMs));
  state.nowMs = turn.nowMs;
  state.monoMs = turn.monoMs;
  const lateMs = state.dueMs > 0 ? turn.nowMs - state.dueMs : 0;
  // Most events come in time.
  if (slippedMs === 0 && lateMs <= 0 && heldUpMs === 0) return;
  let deltaMs = rulesNow(state).delta_ms;
  for (const { phases } of state.settling.values()) deltaMs = Math.min(deltaMs, phases.deltaMs);
  const stepped = 2 * slippedMs > deltaMs;
  const overslept = 4 * heldUpMs > deltaMs || (lateMs > deltaMs && passedMs > deltaMs);
  if (!state.started || state.chain === null || !(stepped || overslept)) return;
  state.presentSinceMs = turn.nowMs;
  state.dueMs = 0;
  count(state, stepped ? 'clockSteps' : 'overslept');
}

function takeEvent(turn: Turn, event: Exclude<ConsensusEvent, { type: 'message' }>): void {
  const { state } = turn;
  if (event.type === 'tick') return;
  // Anything but a message may change what is due.
  state.dueMs = 0;
  if (event.type === 'start') start(turn, event.restored, event.random);
  else if (event.type === 'peers') takePeers(turn, event.peers);
  else if (event.type === 'answer') takeAnswer(turn, event.requestId, event.from, event.response);
  else if (event.type === 'asked') {
    turn.effects.push({ type: 'answer', requestId: event.requestId, response: answer(turn, event.request) });
  } else if (event.type === 'library') {
    state.offers = event.offers.map(fitOffer);
    state.playlistHash = event.playlistHash;
  } else if (event.type === 'fetched') noteFetched(turn, event.slot, event.ok);
  else if (event.type === 'playback') notePlayback(turn, event.slot, event.actual, event.reason);
  else if (event.type === 'clock') takeClock(turn, event.genesis, event.synced, event.errorMs);
  else takeCommand(turn, event.command);
}

function noteFetched(turn: Turn, slot: number, ok: boolean): void {
  const { state } = turn;
  count(state, ok ? 'fetched' : 'fetchFailed');
  const asked = state.fetching.get(slot);
  if (asked === undefined) return;
  state.fetching.delete(slot);
  state.fetchMs = Math.max(0, turn.monoMs - asked);
}

function start(turn: Turn, restored: Parameters<typeof restore>[1], random: Uint8Array): void {
  const { state } = turn;
  if (state.started) return;
  state.started = true;
  state.startedMonoMs = turn.monoMs;
  state.random = random;
  turn.effects.push({ type: 'indicate', indication: { kind: 'phase', phase: state.phase } });
  const chain = restore(turn, restored);
  if (chain !== null && covers(chain, turn.nowMs)) resume(turn, chain);
  else
    for (const key of Object.keys(restored)) if (isOfLog(key)) turn.effects.push({ type: 'persist', key, value: null });
}

/**
 * A log that does not cover now is of no use: the flock has the rest of it, or there is no flock. Nor is one that ends
 * within a Delta: it would have to be written on before any neighbour could be heard.
 */
function covers(chain: Chain, nowMs: number): boolean {
  const head = headOf(chain);
  return nowMs < endOf(head) - head.log.rules.delta_ms && nowMs >= chain.links[0]!.record.start_ms - 60_000;
}

const isOfLog = (key: string): boolean => key === 'bootstrap' || key === 'base' || key.startsWith('record:');

function takePeers(turn: Turn, peers: readonly NodeId[]): void {
  const { state } = turn;
  const wasAlone = state.peers.length === 0;
  state.choreEpoch = -1;
  const known = new Set(state.peers);
  state.peers = peers
    .filter((id) => id !== state.crypto.nodeId)
    .slice(0, MAX_PEERS)
    .sort();
  for (const table of [state.statuses, state.unanswered]) {
    for (const id of table.keys()) if (!state.peers.includes(id)) table.delete(id);
  }
  // What the flock said while nobody was connected is lost on this node.
  if (wasAlone && state.peers.length > 0 && state.chain !== null) state.presentSinceMs = turn.nowMs;
  let asked = 0;
  for (const id of state.peers) {
    if (!known.has(id) && asked++ < 4) ask(turn, id, { kind: 'status' });
  }
}

/** Tags are as long as people like; fields of messages are not. */
function fitOffer(offer: TrackOffer): TrackOffer {
  const track_name = clipText(offer.track_name, MAX_TRACK_NAME_BYTES);
  return { ...offer, track_name, genre: clipText(offer.genre.toLowerCase(), MAX_GENRE_BYTES) };
}

/** Connections that are looked at; a node holds fewer. */
const MAX_PEERS = 256;

// Messages

function takeMessage(turn: Turn, message: SignedMessage): Verdict {
  const { body } = message;
  if (turn.state.phase === 'stopped' && turn.state.chain === null) return 'ignore';
  if (body.type === 'PROPOSAL') return takeProposalMessage(turn, message as Signed<Proposal>);
  if (body.type === 'STATE') return takeStateMessage(turn, message as Signed<StateMessage>);
  return takeOp(turn, message as Signed<Op>);
}

function takeProposalMessage(turn: Turn, signed: Signed<Proposal>): Verdict {
  const { state } = turn;
  const settling = state.settling.get(signed.body.target_slot);
  if (signed.body.node_id === state.crypto.nodeId) return hearOwnProposal(turn, signed, settling);
  const intake = takeProposal(turn, signed, settling !== undefined && !isPresent(state, settling));
  if (intake.kind === 'early') {
    holdEarly(state, signed);
    return 'ignore';
  }
  if (intake.kind === 'known') return 'ignore';
  if (intake.kind === 'refused') {
    count(state, `refused:${intake.cause}`);
    if (intake.cause === 'rules') accuse(turn, 'rules', signed.body.node_id, signed, signed);
    return intake.provable ? 'reject' : 'ignore';
  }
  if (intake.equivocation !== null)
    noteEquivocation(
      turn,
      signed,
      intake.equivocation.map((v) => v.message),
    );
  refute(turn, signed);
  if (turn.nowMs >= settling!.phases.t1Ms) fetchLikely(turn);
  if (intake.endorsed === null) return 'accept';
  count(state, 'endorsed');
  turn.effects.push({ type: 'publish', topic: 'proposal', message: intake.endorsed });
  return 'ignore';
}

function noteEquivocation(turn: Turn, signed: Signed<Proposal>, pair: Signed<Proposal>[]): void {
  const { node_id: accused, target_slot: slot } = signed.body;
  count(turn.state, 'equivocations');
  accuse(turn, 'proposals', accused, pair[0]!, pair[1]!);
  turn.effects.push({ type: 'indicate', indication: { kind: 'equivocation', accused, slot } });
}

/** A report that denies what its author's own STATE admitted. */
function refute(turn: Turn, signed: Signed<Proposal>): void {
  const { state } = turn;
  const admitted = state.divergedStates.get(signed.body.node_id);
  if (admitted === undefined || admitted.body.genesis !== state.chain!.genesis) return;
  if (!deniesDivergence(signed.body, admitted.body.slot)) return;
  count(state, 'falseReports');
  accuse(turn, 'report', signed.body.node_id, admitted, signed);
}

function hearOwnProposal(turn: Turn, signed: Signed<Proposal>, settling: Settling | undefined): Verdict {
  const { state } = turn;
  const hash = bodyHash(state.memo, signed.body);
  for (const own of state.ownProposals.values()) if (bodyHash(state.memo, own.body) === hash) return 'ignore';
  // What lies further back may be from before this node's memory.
  if (settling === undefined || signed.body.prev !== settling.basis.hash) return 'ignore';
  if (adoptOwn(turn, settling, signed)) return 'accept';
  stopForDouble(turn);
  return 'ignore';
}

function stopForDouble(turn: Turn): void {
  if (turn.state.phase === 'stopped') return;
  turn.effects.push({ type: 'indicate', indication: { kind: 'ownKeyElsewhere' } });
  setPhase(turn, 'stopped');
}

function takeStateMessage(turn: Turn, signed: Signed<StateMessage>): Verdict {
  const { state } = turn;
  const { body } = signed;
  if (body.node_id === state.crypto.nodeId) return hearOwnState(turn, signed);
  const heeded = hear(turn, signed);
  if (heeded === 'ignore' || state.chain === null || body.genesis !== state.chain.genesis) return heeded;
  if (body.diverged && body.reason === 'moderation' && headOf(state.chain).log.roster.entries.has(body.node_id)) {
    state.divergedStates.set(body.node_id, signed);
  }
  if (isNews(turn, signed)) {
    state.wantsRecords = true;
    pullDue(turn);
  }
  return heeded;
}

function hearOwnState(turn: Turn, signed: Signed<StateMessage>): Verdict {
  const { state } = turn;
  const { body } = signed;
  if (state.chain === null || body.genesis !== state.chain.genesis || state.ownEpochGenesis !== body.genesis)
    return 'ignore';
  const now = epochAt(state, turn.nowMs);
  const fresh = Math.abs(body.epoch - now) <= rulesNow(state).state_fresh_epochs;
  const { recalling } = state;
  if (recalling !== null && now <= recalling.untilEpoch) {
    // An epoch of leeway: what was said before the log was entered is this node's own last word.
    if (fresh && body.epoch > recalling.sinceEpoch + 1) stopForDouble(turn);
    return 'ignore';
  }
  const own = state.heard.get(state.crypto.nodeId)?.state;
  const other =
    own !== undefined && own.body.epoch === body.epoch && bodyHash(state.memo, own.body) !== bodyHash(state.memo, body);
  if (fresh && (body.epoch > state.ownEpoch || other)) stopForDouble(turn);
  return 'ignore';
}

// Answers of peers

function takeAnswer(turn: Turn, requestId: number, from: NodeId, response: SyncResponse | null): void {
  const { state } = turn;
  const pending = state.requests.get(requestId);
  if (pending === undefined || pending.peer !== from) return;
  state.requests.delete(requestId);
  if (response === null || response.kind !== pending.request.kind) {
    count(state, 'unanswered');
    noteAnswer(turn, from, false);
    if (pending.request.kind === 'checkpoint') state.joining?.failed.add(from);
    return;
  }
  noteAnswer(turn, from, true);
  try {
    if (response.kind === 'status') takeStatus(turn, from, response);
    else if (response.kind === 'checkpoint') takeCheckpoint(turn, from, response);
    else if (response.kind === 'records') takeRecords(turn, pending, response);
    else if (response.kind === 'digest') takeDigest(turn, from, response);
    else for (const message of readSettled(state, response)) takeMended(turn, message);
  } catch (error) {
    if (!(error instanceof BadAnswerError)) throw error;
    count(state, 'badAnswers');
    if (pending.target !== null) noteFailedHead(state, pending.target);
    state.lastRefusal = error.message;
  }
}

/** What gossip lost and a neighbour had. */
function takeMended(turn: Turn, message: SignedMessage): void {
  if (takeMessage(turn, message) !== 'accept') {
    if (message.body.type !== 'PROPOSAL' && turn.state.chain !== null) noteRefusedOp(turn.state, message as Signed<Op>);
    return;
  }
  count(turn.state, 'mended');
  if (message.body.type === 'PROPOSAL') passOn(turn, message as Signed<Proposal>);
}

/**
 * Gossip does not know that this node accepted: it came by another way. The deadlines rest on every acceptance being
 * told to everybody; a proposal shown to a single node would split the flock.
 */
function passOn(turn: Turn, signed: Signed<Proposal>): void {
  const settling = turn.state.settling.get(signed.body.target_slot);
  const value = settling?.values.get(bodyHash(turn.state.memo, signed.body));
  if (settling === undefined || value?.inTime !== true) return;
  const { state } = turn;
  // Gossip may have seen these bytes before, and would drop them: with a word of our own they are new, and in time.
  const mayAdd = (value.message.endorsements?.length ?? 0) < settling.rounds;
  const member = settling.basis.log.roster.entries.has(state.crypto.nodeId);
  const message = member && mayAdd ? withOwnWord(state, value) : cleanCopy(value);
  turn.effects.push({ type: 'publish', topic: 'proposal', message });
}

/** Proposals that came before the record they stand on: now they are judged as if they came now. */
function takeEarly(turn: Turn): void {
  const { state } = turn;
  const head = state.chain === null ? -1 : headOf(state.chain).record.slot;
  const isReady = ({ body: { target_slot: slot } }: Signed<Proposal>): boolean =>
    slot <= head || state.settling.has(slot);
  if (!state.early.some(isReady)) return;
  const ready = state.early.filter(isReady);
  state.early = state.early.filter((signed) => !isReady(signed));
  for (const signed of ready) if (takeProposalMessage(turn, signed) === 'accept') passOn(turn, signed);
}

function takeStatus(turn: Turn, from: NodeId, response: SyncResponse): void {
  const { state } = turn;
  const status = readStatus(turn, response);
  const { genesis, head, headSlot } = status;
  if (state.peers.includes(from)) state.statuses.set(from, status);
  if (state.chain === null || genesis !== state.chain.genesis || head === null) return;
  const own = headOf(state.chain).record.slot;
  if (headSlot > own + 1 && !isAsking(state, 'records')) {
    ask(turn, from, { kind: 'records', from_slot: own + 1, count: 48 }, head);
  }
}

function readStatus(turn: Turn, response: SyncResponse): PeerStatus {
  const { genesis, toward, head, head_slot, offers, phase } = response;
  const hash = (value: unknown): string | null => (typeof value === 'string' && value.length === 64 ? value : null);
  const whole = (value: unknown): number => (Number.isSafeInteger(value) ? (value as number) : -1);
  return {
    genesis: hash(genesis),
    toward: hash(toward),
    head: hash(head),
    headSlot: whole(head_slot),
    offers: whole(offers),
    phase: String(phase).slice(0, 16),
    monoMs: turn.monoMs,
  };
}

// Commands

function takeCommand(turn: Turn, command: Command): void {
  const { state } = turn;
  if (command.kind === 'redeploy') {
    if (state.chain !== null) forgetChain(turn);
    turn.effects.push({ type: 'unschedule', fromSlot: 0 });
    state.joining = null;
    relisten(turn);
    deploy(turn);
    return;
  }
  if (state.chain === null) return;
  const base = ownOpBase(turn);
  if (command.kind === 'leave') {
    publishOp(turn, { type: 'LEAVE', ...base });
    setPhase(turn, 'stopped');
  } else if (command.kind === 'subject') publishOp(turn, { type: 'SUBJECT', ...base, rules: command.rules });
  else if (command.kind === 'vote') {
    publishOp(turn, { type: 'VOTE', ...base, subject: command.subject, approve: command.approve });
  } else publishOp(turn, { type: 'LIKE', ...base, track_hash: command.trackHash });
}

function publishOp(turn: Turn, body: Op): void {
  const signed = signBody(turn.state, body);
  if (addOp(turn, signed)) turn.effects.push({ type: 'publish', topic: 'op', message: signed });
}

// Time

/** Everything that is due by now. Most events find nothing due and leave at once. */
function advance(turn: Turn): void {
  const { state } = turn;
  if (!state.started || (turn.nowMs < state.dueMs && turn.monoMs < state.dueMonoMs)) return;
  forgetOverdue(turn);
  listenDue(turn);
  joinDueNow(turn);
  if (state.chain !== null) advanceMember(turn);
  setDue(turn);
}

function advanceMember(turn: Turn): void {
  const { state } = turn;
  dropDeadLog(turn);
  if (state.chain === null) return;
  crossDue(turn);
  fetchLikely(turn);
  // A log whose music ended is not written on alone: the flock's record of the gap is somewhere else.
  if (turn.nowMs < endOf(headOf(state.chain))) decideDue(turn);
  takeEarly(turn);
  proposeDue(turn);
  mendDue(turn);
  stateDue(turn);
  forksDue(turn);
  if (state.wantsRecords) pullDue(turn);
  const epoch = epochAt(state, turn.nowMs);
  if (epoch !== state.choreEpoch) doChores(turn, epoch);
}

/** Epochs after which heads that nobody could show are tried again. */
const FORGIVING_EPOCHS = 6;

/** What is looked at once an epoch. */
function doChores(turn: Turn, epoch: number): void {
  const { state } = turn;
  state.choreEpoch = epoch;
  // A head that nobody could show may have been too new for those asked: it gets another chance.
  if (epoch % FORGIVING_EPOCHS === 0) state.failedHeads.clear();
  const { entries } = headOf(state.chain!).log.roster;
  for (const id of state.divergedStates.keys()) if (!entries.has(id)) state.divergedStates.delete(id);
  for (const id of state.dissent.keys()) if (!entries.has(id)) state.dissent.delete(id);
  joinDue(turn);
  followDue(turn);
  dropStaleOps(turn);
  keepDue(turn);
}

function keepDue(turn: Turn): void {
  const { state } = turn;
  const tracks = seedsFor(headOf(state.chain!).log, state.crypto.nodeId);
  const key = tracks.map((track) => track.manifest).join();
  if (key === state.keeping) return;
  state.keeping = key;
  turn.effects.push({ type: 'keep', tracks });
}

/** Digests: steadily, and once right after T1, when an endorsement by a neighbour still opens the door. */
function mendDue(turn: Turn): void {
  const { state } = turn;
  for (const settling of state.settling.values()) {
    if (settling.mended || turn.nowMs < mendAtMs(settling)) continue;
    settling.mended = true;
    askDigests(turn, 2);
  }
  // Who will not decide by deadlines compares tables with several neighbours, and often.
  const absent = [...state.settling.values()].some((settling) => !isPresent(state, settling));
  const everyMs = absent ? Math.min(HOUSEKEEPING_MS, rulesNow(state).digest_ms) : rulesNow(state).digest_ms;
  if (turn.monoMs - state.digestMonoMs < everyMs) return;
  state.digestMonoMs = turn.monoMs;
  askDigests(turn, absent ? 4 : 1);
}

const mendAtMs = ({ phases }: Settling): number => phases.t1Ms + Math.floor(phases.deltaMs / 4);

function setDue(turn: Turn): void {
  const { state } = turn;
  const paused = state.wantsRecords && state.unanswered.size > 0;
  const busy = state.chain === null || state.joining !== null || state.phase === 'listening' || paused;
  state.dueMonoMs = turn.monoMs + (busy ? LISTEN_STEP_MS : HOUSEKEEPING_MS);
  state.dueMs = state.chain === null ? Number.MAX_SAFE_INTEGER : nextDueMs(turn);
}

/** Station time of the next thing to do; at least one millisecond ahead. */
function nextDueMs(turn: Turn): number {
  const { state, nowMs } = turn;
  let due = nextStateMs(state, nowMs);
  const consider = (ms: number): void => {
    if (ms > nowMs && ms < due) due = ms;
  };
  for (const settling of state.settling.values()) {
    const { t1Ms, decideMs } = settling.phases;
    if (!settling.proposed) consider(settling.proposeAtMs);
    consider(t1Ms);
    consider(mendAtMs(settling));
    consider(decideMs);
    consider(lateAtMs(state, settling));
  }
  if (state.crossing !== null) consider(state.crossing.atMs);
  return due;
}

function nextStateMs(state: ConsensusState, nowMs: number): number {
  const epoch = epochAt(state, nowMs);
  const atMs = stateAtMs(state, epoch);
  return atMs > nowMs ? atMs : stateAtMs(state, epoch + 1);
}

/** When the caller must send a `tick` at the latest: in station time, and on the monotonic clock. */
export function nextWakeMs(state: ConsensusState): { nowMs: number | null; monoMs: number | null } {
  if (!state.started) return { nowMs: null, monoMs: null };
  const nowMs = state.dueMs === Number.MAX_SAFE_INTEGER ? null : state.dueMs;
  return { nowMs, monoMs: state.dueMonoMs };
}
