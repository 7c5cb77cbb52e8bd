/** The catch-up stream: questions to single peers, and answers to theirs. Whatever an answer says is checked. */
import { appraise, bodyHash } from './appraise.ts';
import { decodeMessage, encodeMessage } from './canonical.ts';
import { announce, appendLink, findLink, pathFromChain, rememberBranch } from './chain.ts';
import { packLink } from './checkpoint.ts';
import { isPresent } from './decide.ts';
import type { SyncRequest, SyncResponse } from './events.ts';
import type { Link } from './link.ts';
import { deriveLink } from './log.ts';
import type { NodeId, Op, Proposal, RecordHash, Signed, SignedMessage, StateMessage } from './messages.ts';
import { wantsOp } from './pending.ts';
import { withOwnWord } from './settle.ts';
import { verifySigned } from './signed.ts';
import type { ConsensusState, PendingRequest, Settling, Turn } from './state.ts';
import { count, headOf, isOnChain } from './state.ts';

/** Questions in flight at once. */
export const MAX_REQUESTS = 8;
/** After that a question counts as not answered. */
export const REQUEST_TIMEOUT_MS = 5_000;
/** Records in one answer: with full proposals about half a megabyte. */
export const MAX_RECORDS_PER_ANSWER = 48;
/** Bytes of messages after which an answer takes no more. */
const MAX_ANSWER_BYTES = 512_000;
/** Records a joiner gets before the head: enough to settle, and to find a young fork. */
const CHECKPOINT_DEPTH = 16;
/** Up to this length a log is handed out whole. */
const WHOLE_LOG = 24;
/** How far back a first question goes when a peer's log does not continue ours; four times further with each next. */
const FIRST_STEP_BACK = 8;

/** A neighbour that gave no answer is left alone for so long: it may be gone, and the word of it still on its way. */
const PAUSE_MS = 500;

/** Whether a neighbour left a question open, or refused it, a moment ago. */
function isPausing(turn: Turn, peer: NodeId): boolean {
  const sinceMs = turn.state.unanswered.get(peer);
  return sinceMs !== undefined && turn.monoMs - sinceMs < PAUSE_MS;
}

/** Notes that a neighbour did not answer, or that it did. */
export function noteAnswer(turn: Turn, peer: NodeId, answered: boolean): void {
  const { state } = turn;
  if (answered) state.unanswered.delete(peer);
  else if (state.peers.includes(peer)) state.unanswered.set(peer, turn.monoMs);
}

/** Asks a peer. False: too many questions are open already, or it is not to be pressed. */
export function ask(turn: Turn, peer: NodeId, request: SyncRequest, target: RecordHash | null = null): boolean {
  const { state } = turn;
  if (state.requests.size >= MAX_REQUESTS) return false;
  if (isPausing(turn, peer)) return false;
  const requestId = state.nextRequestId++;
  state.requests.set(requestId, { peer, request, askedMonoMs: turn.monoMs, target });
  state.dueMonoMs = Math.min(state.dueMonoMs, turn.monoMs + 2 * REQUEST_TIMEOUT_MS);
  turn.effects.push({ type: 'ask', requestId, peer, request, timeoutMs: REQUEST_TIMEOUT_MS });
  return true;
}

/** Forgets questions whose answers are overdue. */
export function forgetOverdue(turn: Turn): void {
  for (const [id, pending] of turn.state.requests) {
    if (turn.monoMs - pending.askedMonoMs > 2 * REQUEST_TIMEOUT_MS) turn.state.requests.delete(id);
  }
}

export function isAsking(state: ConsensusState, kind: SyncRequest['kind']): boolean {
  for (const pending of state.requests.values()) if (pending.request.kind === kind) return true;
  return false;
}

// Answers to peers

/** Answers a peer's question from what this node holds. */
export function answer(turn: Turn, request: SyncRequest): SyncResponse {
  const { state } = turn;
  if (request.kind === 'status') return statusAnswer(state);
  if (state.chain === null) return { kind: 'refused', cause: 'no log' };
  if (request.kind === 'checkpoint') return checkpointAnswer(state);
  if (request.kind === 'records') return recordsAnswer(state, request.from_slot, request.count);
  if (request.kind === 'settled') return settledAnswer(turn, request.slot, request.want);
  return digestAnswer(state);
}

function statusAnswer(state: ConsensusState): SyncResponse {
  const head = state.chain === null ? null : headOf(state.chain);
  return {
    kind: 'status',
    phase: state.phase,
    offers: state.offers.length,
    genesis: state.chain?.genesis ?? null,
    toward: state.joining?.genesis ?? null,
    head: head?.hash ?? null,
    head_slot: head?.record.slot ?? -1,
  };
}

interface RecordRow {
  slot: number;
  prev: RecordHash;
  hash: RecordHash;
  proposal: Uint8Array | null;
}

function rowsFrom(links: readonly Link[]): RecordRow[] {
  const rows: RecordRow[] = [];
  let bytes = 0;
  for (const { record, hash } of links.slice(0, MAX_RECORDS_PER_ANSWER)) {
    const proposal = record.proposal === null ? null : encodeMessage(record.proposal as SignedMessage);
    bytes += proposal?.length ?? 0;
    if (bytes > MAX_ANSWER_BYTES) break;
    rows.push({ slot: record.slot, prev: record.prev, hash, proposal });
  }
  return rows;
}

function checkpointAnswer(state: ConsensusState): SyncResponse {
  const { bootstrap, links } = state.chain!;
  const first = links[0]!.record.slot;
  const { body, sig } = bootstrap;
  if (first === 0 && links.length <= WHOLE_LOG) {
    const records = rowsFrom(links.slice(body.initial_queue.length));
    return { kind: 'checkpoint', bootstrap: { body, sig }, base: null, records };
  }
  const from = Math.max(0, links.length - CHECKPOINT_DEPTH);
  const base = [packLink(state.memo, links[from]!), packLink(state.memo, links[from + 1]!)];
  return { kind: 'checkpoint', bootstrap: { body, sig }, base, records: rowsFrom(links.slice(from + 2)) };
}

function recordsAnswer(state: ConsensusState, fromSlot: number, most: number): SyncResponse {
  const chain = state.chain!;
  const { links } = chain;
  // The first records of a log that began with a checkpoint came without their proposals.
  const servable = links[0]!.record.slot === 0 ? chain.bootstrap.body.initial_queue.length : links[0]!.record.slot + 2;
  const from = Math.max(fromSlot, servable);
  const start = from - links[0]!.record.slot;
  return { kind: 'records', genesis: chain.genesis, records: rowsFrom(links.slice(start, start + most)) };
}

/** Proposals with this node's word that they came in time: whoever lost them may still accept them by that. */
function settledAnswer(turn: Turn, slot: number, want: readonly string[]): SyncResponse {
  const { state } = turn;
  if (slot === -1) return { kind: 'settled', slot, messages: pack(wanted(state.pendingOps, want)) };
  const settling = state.settling.get(slot);
  if (settling === undefined) return { kind: 'settled', slot, messages: [] };
  const vouches = settling.basis.log.roster.entries.has(state.crypto.nodeId);
  const messages = wanted(settling.values, want).map((value) => {
    const own = value.message.body.node_id === state.crypto.nodeId;
    const late = turn.nowMs > settling.phases.t1Ms - settling.phases.deltaMs;
    return vouches && late && value.inTime && !own ? withOwnWord(state, value) : value.message;
  });
  return { kind: 'settled', slot, messages: pack(messages) };
}

function wanted<T>(held: ReadonlyMap<string, T>, want: readonly string[]): T[] {
  if (want.length === 0) return [...held.values()];
  return want.flatMap((hash) => held.get(hash) ?? []);
}

function pack(messages: readonly Signed<Proposal | Op>[]): Uint8Array[] {
  const packed: Uint8Array[] = [];
  let bytes = 0;
  for (const message of messages) {
    const encoded = encodeMessage(message);
    bytes += encoded.length;
    if (bytes > MAX_ANSWER_BYTES) break;
    packed.push(encoded);
  }
  return packed;
}

function digestAnswer(state: ConsensusState): SyncResponse {
  const slots = [...state.settling.values()].map(({ slot, basis, values }) => ({
    slot,
    basis: basis.hash,
    hashes: [...values.keys()],
  }));
  return { kind: 'digest', genesis: state.chain!.genesis, slots, ops: [...state.pendingOps.keys()] };
}

// Records from peers

/** An answer that does not hold. */
export class BadAnswerError extends Error {
  constructor(what: string) {
    super(`answer refused: ${what}`);
    this.name = 'BadAnswerError';
  }
}

function readRow(value: unknown): RecordRow {
  const row = value as Partial<RecordRow> | null;
  const fits =
    row !== null &&
    typeof row === 'object' &&
    Number.isSafeInteger(row.slot) &&
    typeof row.prev === 'string' &&
    typeof row.hash === 'string' &&
    (row.proposal === null || row.proposal instanceof Uint8Array);
  if (!fits) throw new BadAnswerError('record of another shape');
  return row as RecordRow;
}

/**
 * The link that a row claims, derived anew from its parent and compared.
 * @throws BadAnswerError
 */
export function linkFromRow(state: ConsensusState, value: unknown, parent: Link, basis: Link): Link {
  const row = readRow(value);
  if (row.slot !== parent.record.slot + 1 || row.prev !== parent.hash)
    throw new BadAnswerError('records do not connect');
  const link = deriveLink(state.memo, parent, row.proposal === null ? null : readWinner(state, row, basis));
  if (link.hash !== row.hash) throw new BadAnswerError('record does not follow from its parent');
  return link;
}

function readWinner(state: ConsensusState, row: RecordRow, basis: Link) {
  const signed = decode('proposal', row.proposal!) as Signed<Proposal>;
  const { body } = signed;
  if (body.target_slot !== row.slot || body.prev !== basis.hash) throw new BadAnswerError('proposal for another place');
  if (!verifySigned(state, signed)) throw new BadAnswerError('signature');
  const appraisal = appraise(state, basis, signed);
  if (!appraisal.ok) throw new BadAnswerError(`proposal refused: ${appraisal.cause}`);
  return { signed, hash: bodyHash(state.memo, body), ticket: appraisal.ticket, output: appraisal.output };
}

function decode(topic: 'proposal' | 'op', bytes: Uint8Array): SignedMessage {
  try {
    return decodeMessage(topic, bytes);
  } catch (error) {
    throw new BadAnswerError((error as Error).message);
  }
}

/** Takes the records of an answer in: on our chain's end if we are behind, else as a branch. */
export function takeRecords(turn: Turn, pending: PendingRequest, response: SyncResponse): void {
  const { state } = turn;
  const rows = response.records;
  if (state.chain === null || !Array.isArray(rows) || rows.length === 0) return;
  const first = readRow(rows[0]);
  const parent = findLink(state, first.slot - 1, first.prev);
  const basis = parent === undefined ? undefined : findLink(state, first.slot - 2, parent.record.prev);
  if (parent === undefined || basis === undefined) {
    stepBack(turn, pending);
    return;
  }
  const links: Link[] = [];
  let [tip, before] = [parent, basis];
  for (const row of rows.slice(0, MAX_RECORDS_PER_ANSWER)) {
    const link = linkFromRow(state, row, tip, before);
    links.push(link);
    [before, tip] = [tip, link];
  }
  const more = pending.target !== null && links.every((link) => link.hash !== pending.target);
  // Records that lead to no head that anybody claims are not worth their room: fallback records cost nothing to make.
  if (more && rows.length < MAX_RECORDS_PER_ANSWER) throw new BadAnswerError('records do not lead to the head');
  for (const link of links) {
    if (!isOnChain(state.chain, link.record.slot, link.hash)) rememberBranch(state, link);
  }
  adopt(turn, tip);
  if (more && rows.length === MAX_RECORDS_PER_ANSWER)
    askRecords(turn, pending.peer, tip.record.slot + 1, pending.target);
}

function stepBack(turn: Turn, pending: PendingRequest): void {
  const { state } = turn;
  if (pending.request.kind !== 'records') return;
  const oldest = state.chain!.links[0]!.record.slot + 2;
  const head = headOf(state.chain!).record.slot;
  const from = pending.request.from_slot;
  if (from <= oldest) {
    noteStrayed(turn, pending.target);
    return;
  }
  const step = from > head ? FIRST_STEP_BACK : (head + 1 - from) * 4;
  askRecords(turn, pending.peer, Math.max(oldest, head + 1 - step), pending.target);
}

/** The log of whoever stands on this head is not ours as far back as we can look. */
function noteStrayed(turn: Turn, head: RecordHash | null): void {
  const { state } = turn;
  count(state, 'deepForks');
  if (head === null) return;
  noteFailedHead(state, head);
  for (const [id, { state: signed }] of state.heard) if (signed.body.head === head) state.strayed.add(id);
}

function askRecords(turn: Turn, peer: NodeId, fromSlot: number, target: RecordHash | null): void {
  ask(turn, peer, { kind: 'records', from_slot: fromSlot, count: MAX_RECORDS_PER_ANSWER }, target);
}

/**
 * Appends the records up to `tip` if they continue our log and the time to decide them by ourselves has passed us by:
 * who was present decides, who was not believes.
 */
export function adopt(turn: Turn, tip: Link): void {
  const { state } = turn;
  const way = pathFromChain(state, tip);
  if (way === null || way.forkSlot !== headOf(state.chain!).record.slot) return;
  for (const link of way.path) {
    const settling = state.settling.get(link.record.slot);
    if (settling !== undefined && !mayBelieve(turn, settling)) return;
    appendLink(turn, link);
    const { slot } = link.record;
    const proposals = settling?.values.size ?? 0;
    turn.effects.push({
      type: 'indicate',
      indication: { kind: 'decided', slot, record: link.record, hash: link.hash, proposals },
    });
    announce(turn, link, settling);
    count(state, 'adopted');
  }
}

function mayBelieve(turn: Turn, settling: Settling): boolean {
  const { decideMs, deltaMs } = settling.phases;
  return !isPresent(turn.state, settling) && turn.nowMs >= decideMs - deltaMs;
}

/** Learns the records that others have and this node lacks: the head that most of them stand on first. */
export function pullDue(turn: Turn): void {
  const { state } = turn;
  if (state.chain === null || state.phase === 'listening' || state.phase === 'joining') return;
  const open = [...state.requests.values()].filter(({ request }) => request.kind === 'records');
  if (open.length >= RECORDS_QUESTIONS) return;
  const goal = mostHeard(turn);
  if (goal === null) {
    state.wantsRecords = false;
    return;
  }
  const known = findLink(state, goal.slot, goal.head);
  if (known !== undefined) {
    adopt(turn, known);
    return;
  }
  // The only neighbour is asked again when its answer is overdue: it may be lost.
  const waiting = open.filter(({ askedMonoMs }) => turn.monoMs - askedMonoMs < OVERDUE_MS || state.peers.length > 1);
  const free = state.peers.filter((id) => !waiting.some(({ peer }) => peer === id) && !isPausing(turn, id));
  const knowing = free.filter((id) => goal.voices.includes(id));
  // In turn: one that does not answer must not be asked again and again.
  const peer = knowing[state.nextRequestId % knowing.length] ?? free[state.nextRequestId % free.length];
  if (peer === undefined) return;
  const head = headOf(state.chain).record.slot;
  askRecords(turn, peer, Math.min(head + 1, goal.slot), goal.head);
}

/** Questions for records open at once: a lost answer must not cost a slot. */
const RECORDS_QUESTIONS = 2;
/** After that an answer that is not here yet may be lost. */
const OVERDUE_MS = 1_500;

interface Goal {
  slot: number;
  head: RecordHash;
  voices: NodeId[];
  /** How many of the voices are in the roster: strangers cost nothing to make. */
  weight: number;
}

function mostHeard(turn: Turn): Goal | null {
  const { state } = turn;
  const { entries } = headOf(state.chain!).log.roster;
  const goals = new Map<RecordHash, Goal>();
  for (const [nodeId, { state: signed }] of state.heard) {
    const { head, head_slot: slot } = signed.body;
    if (!isNews(turn, signed)) continue;
    const goal = goals.get(head) ?? { slot, head, voices: [], weight: 0 };
    goal.voices.push(nodeId);
    if (entries.has(nodeId)) goal.weight++;
    goals.set(head, goal);
  }
  let best: Goal | null = null;
  for (const goal of goals.values()) {
    if (best === null || goal.weight > best.weight) best = goal;
  }
  return best;
}

/** Attempts to learn a head's records before it counts as made up, for a while. */
const MAX_HEAD_TRIES = 3;
/** Made-up heads remembered. */
const MAX_FAILED_HEADS = 256;

/** Notes that no records led to a head. */
export function noteFailedHead(state: ConsensusState, head: RecordHash): void {
  if (state.failedHeads.size >= MAX_FAILED_HEADS) state.failedHeads.clear();
  state.failedHeads.set(head, (state.failedHeads.get(head) ?? 0) + 1);
}

/** Whether a STATE stands on a record that this node lacks and cannot decide by itself. */
export function isNews(turn: Turn, signed: Signed<StateMessage>): boolean {
  const { state } = turn;
  const { head, head_slot: slot, node_id: nodeId } = signed.body;
  const chain = state.chain!;
  const own = headOf(chain);
  // So it is with nearly all of them.
  if (head === own.hash || isOnChain(chain, slot, head)) return false;
  // Members are few and neighbours prove who they are; other names cost nothing, and claim what they like.
  if (!own.log.roster.entries.has(nodeId) && !state.peers.includes(nodeId)) return false;
  if ((state.failedHeads.get(head) ?? 0) >= MAX_HEAD_TRIES) return false;
  if (slot <= own.record.slot) return !state.branches.has(head) && slot >= chain.links[0]!.record.slot;
  if (slot > own.record.slot + 1) return true;
  const settling = state.settling.get(slot);
  return settling === undefined || mayBelieve(turn, settling);
}

/** Asks neighbours which proposals and operations they hold. */
export function askDigests(turn: Turn, most: number): void {
  const { state } = turn;
  const { peers } = state;
  if (peers.length === 0 || isAsking(state, 'digest')) return;
  const first = state.nextRequestId % peers.length;
  for (let i = 0; i < Math.min(most, peers.length); i++) {
    ask(turn, peers[(first + i) % peers.length]!, { kind: 'digest' });
  }
}

/** Asks for what a neighbour's digest names and this node lacks. */
export function takeDigest(turn: Turn, peer: NodeId, response: SyncResponse): void {
  const { state } = turn;
  const { slots, ops } = response;
  if (state.chain === null || response.genesis !== state.chain.genesis) return;
  for (const entry of Array.isArray(slots) ? slots.slice(0, 4) : []) {
    const { slot, basis, hashes } = (entry ?? {}) as { slot?: unknown; basis?: unknown; hashes?: unknown };
    const settling = state.settling.get(slot as number);
    if (settling === undefined || settling.basis.hash !== basis) continue;
    askMissing(turn, peer, settling.slot, hashes, settling.values);
  }
  const useful = Array.isArray(ops) ? ops.filter((name) => wantsOp(state, name)) : [];
  askMissing(turn, peer, -1, useful, state.pendingOps);
}

function askMissing(turn: Turn, peer: NodeId, slot: number, hashes: unknown, held: ReadonlyMap<string, unknown>): void {
  if (!Array.isArray(hashes)) return;
  const want = hashes.filter((hash): hash is string => typeof hash === 'string' && !held.has(hash)).slice(0, 256);
  if (want.length > 0) ask(turn, peer, { kind: 'settled', slot, want });
}

/**
 * The messages of a `settled` answer whose signatures hold.
 * @throws BadAnswerError
 */
export function readSettled(state: ConsensusState, response: SyncResponse): SignedMessage[] {
  const { messages, slot } = response;
  if (!Array.isArray(messages)) throw new BadAnswerError('no messages');
  const topic = slot === -1 ? 'op' : 'proposal';
  const read = messages.slice(0, 256).map((bytes) => {
    if (!(bytes instanceof Uint8Array)) throw new BadAnswerError('no bytes');
    return decode(topic, bytes);
  });
  return read.filter((message) => verifySigned(state, message));
}
