/** STATE: what everybody does, once an epoch; and the operations that wait for a winner to carry them. */
import { smallHash } from './hash.ts';
import type { EvidenceOp, JoinOp, Op, Proposal, Signed, StateMessage } from './messages.ts';
import { playbackReport } from './moderation.ts';
import { addOp, isPointless } from './pending.ts';
import { signBody, verifySigned } from './signed.ts';
import type { ConsensusState, Turn } from './state.ts';
import { count, epochAt, headOf, playingLink, rulesNow } from './state.ts';

/** Nodes outside of the roster whose STATE is kept: enough to show who is about to join. */
export const MAX_STRANGERS = 64;
/** Epochs behind ours after which a STATE can only be a recording: an hour, as no clock of the flock is off by more. */
const MAX_DISSENT_EPOCHS = 720;
/** Geneses other than ours that were heard of lately. */
export const MAX_FOREIGN_GENESES = 8;
/** A JOIN that no winner carried is signed anew after this time; the wire drops repeated bytes. */
const JOIN_AGAIN_MS = 20_000;
/** Own voice is spread over this share of an epoch, so that a flock does not speak in one instant. */
const SPREAD_PCT = 75;

/** Whether a node speaks in an epoch: everybody up to `state_sample` members, a drawn share above. */
export function speaksIn(state: ConsensusState, nodeId: string, epoch: number): boolean {
  const { roster, rules } = headOf(state.chain!).log;
  const size = roster.entries.size;
  return size <= rules.state_sample || smallHash(`${nodeId}@${epoch}`) % size < rules.state_sample;
}

/** Station time of this node's STATE in an epoch. */
export function stateAtMs(state: ConsensusState, epoch: number): number {
  const { state_epoch_ms } = rulesNow(state);
  const spread = Math.max(1, Math.floor((state_epoch_ms * SPREAD_PCT) / 100));
  return epoch * state_epoch_ms + (state.ownLot % spread);
}

/** Says what this node does, if it is time; the epoch reaches the disk first. */
export function stateDue(turn: Turn): void {
  const { state } = turn;
  if (state.phase !== 'member' || state.chain === null) return;
  const epoch = epochAt(state, turn.nowMs);
  if (turn.nowMs < stateAtMs(state, epoch)) return;
  // Once an epoch, whatever the clock did meanwhile: two words for one would be evidence against this node.
  if (state.ownEpochGenesis === state.chain.genesis && epoch <= state.ownEpoch) return;
  if (isOutOfTime(turn)) return;
  state.ownEpoch = epoch;
  state.ownEpochGenesis = state.chain.genesis;
  if (!speaksIn(state, state.crypto.nodeId, epoch)) return;
  persistEpoch(turn);
  const signed = signBody(state, makeState(turn, epoch));
  hear(turn, signed);
  turn.effects.push({ type: 'publish', topic: 'state', message: signed });
}

/** What is on disk before it is said; with the slots that are not remembered, as a second restart must not propose for them either. */
export function persistEpoch(turn: Turn): void {
  const { ownEpoch: epoch, ownEpochGenesis: genesis, recalling } = turn.state;
  const forgotten = recalling === null ? {} : { forgotten_to: recalling.untilSlot };
  turn.effects.push({ type: 'persist', key: 'epoch', value: { v: 1, epoch, genesis, ...forgotten } });
}

/**
 * More of the flock lives in other epochs than in ours: then our clock is the wrong one, and we had better be quiet. Of
 * those apart only neighbours count: who is connected is there, while the words of a member that left can be played back.
 */
function isOutOfTime(turn: Turn): boolean {
  const { state } = turn;
  if (state.dissent.size === 0) return false;
  const { state_epoch_ms, state_fresh_epochs } = rulesNow(state);
  const oldest = turn.monoMs - (state_fresh_epochs + 1) * state_epoch_ms;
  const isAlong = (id: string): boolean => (state.heard.get(id)?.monoMs ?? -1) >= oldest;
  let along = 0;
  for (const id of state.heard.keys()) if (isAlong(id) && id !== state.crypto.nodeId) along++;
  let apart = 0;
  for (const [id, { monoMs }] of state.dissent) {
    if (monoMs >= oldest && !isAlong(id) && state.peers.includes(id)) apart++;
  }
  if (apart <= along) return false;
  count(state, 'outOfTime');
  return true;
}

function makeState(turn: Turn, epoch: number): StateMessage {
  const { state } = turn;
  const chain = state.chain!;
  const head = headOf(chain);
  const playing = playingLink(chain, turn.nowMs);
  const slot = playing === undefined ? -1 : playing.record.slot;
  const track = playing?.record.track ?? null;
  const next = chain.links.slice(-8).filter((link) => link.record.slot > slot && link.record.track !== null);
  return {
    type: 'STATE',
    v: 1,
    station: state.stationId,
    node_id: state.crypto.nodeId,
    timestamp: turn.nowMs,
    epoch,
    genesis: chain.genesis,
    head: head.hash,
    head_slot: head.record.slot,
    slot,
    current_track: track === null ? null : { name: track.track_name, hash: track.track_hash },
    position: playing === undefined ? 0 : turn.nowMs - playing.record.start_ms,
    queue: next.slice(0, 5).map((link) => link.record.track!.track_hash),
    rules_hash: head.log.rulesHash,
    ...playbackReport(state, slot),
  };
}

export type Heeded = 'accept' | 'ignore';

/** Keeps the newest word of a node on our genesis. Everything in a STATE is its author's claim, and only that. */
export function hear(turn: Turn, signed: Signed<StateMessage>): Heeded {
  const { state } = turn;
  const { body } = signed;
  const chain = state.chain;
  if (chain === null || body.genesis !== chain.genesis) return hearForeign(turn, signed);
  const log = headOf(chain).log;
  const epoch = epochAt(state, turn.nowMs);
  if (Math.abs(body.epoch - epoch) > log.rules.state_fresh_epochs) {
    if (log.roster.entries.has(body.node_id)) noteDissent(turn, body, epoch);
    return 'ignore';
  }
  const known = state.heard.get(body.node_id);
  if (known === undefined && !mayBeHeard(state, body.node_id)) return 'ignore';
  // An epoch out of reach is from before the clock, or the rule of its length, was changed.
  const comparable =
    known !== undefined && Math.abs(known.state.body.epoch - epoch) <= 2 * log.rules.state_fresh_epochs;
  if (comparable && known.state.body.epoch >= body.epoch) return hearAgain(turn, known.state, signed);
  if (known === undefined) {
    state.heard.set(body.node_id, { state: signed, monoMs: turn.monoMs, mutedUntil: -1 });
    return 'accept';
  }
  // In place: a flock of a thousand says this a million times.
  known.state = signed;
  known.monoMs = turn.monoMs;
  return 'accept';
}

/** A recording played back says nothing about clocks: only ever newer epochs count, and none from long ago. */
function noteDissent(turn: Turn, body: StateMessage, ownEpoch: number): void {
  const { dissent, heard } = turn.state;
  const known = Math.max(dissent.get(body.node_id)?.epoch ?? -1, heard.get(body.node_id)?.state.body.epoch ?? -1);
  if (ownEpoch - body.epoch > MAX_DISSENT_EPOCHS || known >= body.epoch) return;
  dissent.set(body.node_id, { epoch: body.epoch, monoMs: turn.monoMs });
}

function mayBeHeard(state: ConsensusState, nodeId: string): boolean {
  const { entries } = headOf(state.chain!).log.roster;
  if (entries.has(nodeId) || state.heard.size < MAX_STRANGERS) return true;
  let strangers = 0;
  for (const id of state.heard.keys()) if (!entries.has(id)) strangers++;
  return strangers < MAX_STRANGERS;
}

/** Members may have left the roster since they were heard: the strangers beyond the bound go, the oldest first. */
export function forgetStrangers(state: ConsensusState): void {
  const { entries } = headOf(state.chain!).log.roster;
  if (state.heard.size <= entries.size + MAX_STRANGERS) return;
  let surplus = state.heard.size - entries.size - MAX_STRANGERS;
  for (const id of state.heard.keys()) {
    if (surplus <= 0) return;
    if (entries.has(id) || id === state.crypto.nodeId) continue;
    state.heard.delete(id);
    surplus--;
  }
}

/** A second word for one epoch: the same again is nothing, a different head is a lie that is logged. */
function hearAgain(turn: Turn, known: Signed<StateMessage>, signed: Signed<StateMessage>): Heeded {
  const { state } = turn;
  const nodeId = signed.body.node_id;
  if (known.body.epoch !== signed.body.epoch || known.body.head === signed.body.head) return 'ignore';
  const heard = state.heard.get(nodeId)!;
  heard.mutedUntil = signed.body.epoch + rulesNow(state).state_fresh_epochs;
  count(state, 'doubleStates');
  accuse(turn, 'states', nodeId, known, signed);
  return 'accept';
}

/**
 * A voice from another genesis. Its clock is another one, so nobody can tell whether it is fresh, and keys cost
 * nothing: it is only a reason to ask neighbours where they stand.
 */
function hearForeign(turn: Turn, signed: Signed<StateMessage>): Heeded {
  const { foreign } = turn.state;
  const { genesis } = signed.body;
  if (foreign.size >= MAX_FOREIGN_GENESES && !foreign.has(genesis)) foreign.delete(foreign.keys().next().value!);
  foreign.set(genesis, turn.monoMs);
  return 'accept';
}

/** Turns two signed statements into an operation that anybody's winning proposal will carry. */
export function accuse(
  turn: Turn,
  kind: 'proposals' | 'states' | 'report' | 'rules',
  accused: string,
  first: Signed<Proposal | StateMessage>,
  second: Signed<Proposal | StateMessage>,
): void {
  const { state } = turn;
  if (state.chain === null || accused === state.crypto.nodeId) return;
  const halves = { first: bareStatement(first), second: bareStatement(second) };
  const op = signBody<EvidenceOp>(state, { type: 'EVIDENCE', ...ownOpBase(turn), kind, accused, ...halves });
  // Whoever saw it too carries it as well: it needs no gossip of its own.
  addOp(turn, op);
}

/** A statement as evidence carries it: what its author signed, and no more. */
export function bareStatement({ body, sig }: Signed<Proposal | StateMessage>): Signed<Proposal | StateMessage> {
  return { body: body.type === 'PROPOSAL' ? { ...body, ops: [] } : body, sig };
}

export function ownOpBase(turn: Turn): { v: 1; station: string; node_id: string; timestamp: number } {
  const { state } = turn;
  return { v: 1, station: state.stationId, node_id: state.crypto.nodeId, timestamp: turn.nowMs };
}

/** Asks to be taken into the roster until the log says so, and again when the entry grows old. */
export function joinDue(turn: Turn): void {
  const { state } = turn;
  if (state.phase !== 'member' || state.chain === null) return;
  const said = state.joinSaidMonoMs;
  if (said !== null && turn.monoMs - said < JOIN_AGAIN_MS) return;
  const body: JoinOp = { type: 'JOIN', ...ownOpBase(turn), vrf_key: state.crypto.vrfKey, name: state.nodeName };
  if (isPointless(state, body, headOf(state.chain).log)) return;
  state.joinSaidMonoMs = turn.monoMs;
  const signed = signBody(state, body);
  addOp(turn, signed);
  turn.effects.push({ type: 'publish', topic: 'op', message: signed });
}

/** An operation from gossip or from a peer's answer. Its signature has been checked with the envelope. */
export function takeOp(turn: Turn, signed: Signed<Op>): Heeded {
  const { state } = turn;
  const { body } = signed;
  if (body.type === 'EVIDENCE' && !(verifySigned(state, body.first) && verifySigned(state, body.second)))
    return 'ignore';
  return addOp(turn, signed) ? 'accept' : 'ignore';
}
