/** From a box that knows nothing to a member: listening, deploying, joining, following the flock's clock. */
import { readBootstrap } from './canonical.ts';
import { announceFrom, enterChain, forgetChain, ownAccount } from './chain.ts';
import { unpackLink } from './checkpoint.ts';
import type { Phase, SyncResponse, TrackOffer } from './events.ts';
import { persistEpoch } from './gossip.ts';
import { smallHash } from './hash.ts';
import type { Link } from './link.ts';
import { admits, bootstrapFault, bootstrapLinks, genesisHash } from './log.ts';
import type { Bootstrap, InitialTrack, NodeId, RecordHash } from './messages.ts';
import { type Rules, rulesJson } from './rules.ts';
import { openSettling, takeProposal } from './settle.ts';
import { signBootstrap, verifyBootstrap } from './signed.ts';
import type { Chain, ConsensusState, Joining, Turn } from './state.ts';
import { count, endOf, epochAt, headOf, isOnChain, playingLink } from './state.ts';
import { ask, BadAnswerError, isAsking, linkFromRow } from './sync.ts';
import { BASIS, LOOKAHEAD } from './timeline.ts';

/** Voices after which a listener need not listen on: three agree, or show that they do not. */
const ENOUGH_VOICES = 3;
/** After the first voice others get this long, if there are any. */
const MORE_VOICES_MS = 1_500;
/** Deployments of boxes that boot together are spread over this time. */
const DEPLOY_SPREAD_MS = 4_000;
/** A box that hears another one listening, which comes first by hash, lets it deploy. */
const DEPLOY_YIELD_MS = 8_000;
/** A deployer's first track starts so long after, so that the player is ready. */
const DEPLOY_LEAD_MS = 3_000;
/** How often neighbours are asked how they fare, while there is no log. */
const STATUS_EVERY_MS = 2_000;
/** Neighbours asked at once how they fare. */
const MAX_STATUS_QUESTIONS = 6;
/** Peers whose time is followed (protocol, section 8). */
const MAX_TIME_PEERS = 8;
/** A join that got nowhere starts over. */
const JOIN_PATIENCE_MS = 30_000;
/** A log whose music ended is given up after this time without a word from its flock. */
const DEAD_LOG_MS = 10_000;

export function setPhase(turn: Turn, phase: Phase): void {
  if (turn.state.phase === phase) return;
  turn.state.phase = phase;
  turn.effects.push({ type: 'indicate', indication: { kind: 'phase', phase } });
}

/** Which neighbours stand on which genesis, by their own word. */
function voicesByGenesis(state: ConsensusState): Map<RecordHash, Set<NodeId>> {
  const voices = new Map<RecordHash, Set<NodeId>>();
  for (const [nodeId, { genesis }] of state.statuses) {
    if (genesis === null || (state.pinnedGenesis !== null && state.pinnedGenesis !== genesis)) continue;
    voices.set(genesis, (voices.get(genesis) ?? new Set()).add(nodeId));
  }
  return voices;
}

/** The genesis that most voices stand on; the lower hash among equals. */
function loudest(voices: Map<RecordHash, Set<NodeId>>): { genesis: RecordHash; voices: Set<NodeId> } | null {
  let best: { genesis: RecordHash; voices: Set<NodeId> } | null = null;
  for (const [genesis, ids] of voices) {
    const louder =
      best === null || ids.size > best.voices.size || (ids.size === best.voices.size && genesis < best.genesis);
    if (louder) best = { genesis, voices: ids };
  }
  return best;
}

/** Listening: is there a station? */
export function listenDue(turn: Turn): void {
  const { state } = turn;
  if (state.phase !== 'listening') return;
  askStatuses(turn, STATUS_EVERY_MS);
  const best = loudest(voicesByGenesis(state));
  const elapsed = turn.monoMs - state.startedMonoMs;
  if (best === null) {
    state.firstVoiceMonoMs = null;
    if (elapsed >= deployAfter(state)) deploy(turn);
    return;
  }
  state.firstVoiceMonoMs ??= turn.monoMs;
  const waited = turn.monoMs - state.firstVoiceMonoMs;
  const everybody = state.peers.every((id) => state.statuses.has(id));
  const enough = best.voices.size >= ENOUGH_VOICES || (everybody && waited >= MORE_VOICES_MS);
  if (enough || waited >= state.ownRules.listen_ms) startJoining(turn, best.genesis);
}

/** Asks neighbours how they fare, at most once in `everyMs`: those first who have not been heard for longest. */
export function askStatuses(turn: Turn, everyMs: number): void {
  const { state } = turn;
  if (state.statusMonoMs !== null && turn.monoMs - state.statusMonoMs < everyMs) return;
  state.statusMonoMs = turn.monoMs;
  const age = (id: NodeId): number => state.statuses.get(id)?.monoMs ?? -1;
  const oldest = [...state.peers].sort((a, b) => age(a) - age(b));
  for (const peer of oldest.slice(0, MAX_STATUS_QUESTIONS)) ask(turn, peer, { kind: 'status' });
}

/** How long this box listens in vain: its own share of the spread, and more where another one comes first. */
function deployAfter(state: ConsensusState): number {
  const own = smallHash(state.crypto.nodeId);
  const listeners = state.peers.filter((id) => (state.statuses.get(id)?.offers ?? 0) > 0);
  const yields = listeners.some((id) => smallHash(id) < own);
  return state.deployAfterMs + (own % DEPLOY_SPREAD_MS) + (yields ? DEPLOY_YIELD_MS : 0);
}

/** Founds a station with this box's own tracks; everybody else will take it from there. */
export function deploy(turn: Turn): void {
  const { state } = turn;
  const offers = state.offers.filter((offer) => fits(state.ownRules, offer));
  if (offers.length === 0 || state.pinnedGenesis !== null) return;
  const bootstrap = signBootstrap(state, makeBootstrap(turn, offers));
  const genesis = genesisHash(bootstrap.body);
  enterChain(turn, { genesis, bootstrap, links: bootstrapLinks(bootstrap.body) });
  count(state, 'deployed');
  turn.effects.push({ type: 'syncTime', genesis, peers: [] });
  becomeMember(turn);
}

function fits(rules: Rules, offer: TrackOffer): boolean {
  const { duration_ms: ms } = offer;
  return ms >= rules.min_track_ms && ms <= rules.max_track_ms && admits(rules, offer.genre, offer.explicit);
}

function makeBootstrap(turn: Turn, offers: readonly TrackOffer[]): Bootstrap {
  const { state } = turn;
  const queue: InitialTrack[] = [];
  let startMs = turn.nowMs + DEPLOY_LEAD_MS;
  for (let i = 0; i < LOOKAHEAD; i++) {
    const offer = offers[i % offers.length]!;
    const { track_name: track, track_hash, duration_ms: duration, manifest } = offer;
    queue.push({ track, start_time: startMs, track_hash, duration, segments: [manifest] });
    startMs += duration;
  }
  const { nodeId, vrfKey } = state.crypto;
  return {
    type: 'BOOTSTRAP',
    bootstrap: true,
    v: 1,
    station: state.stationId,
    node_id: nodeId,
    timestamp: turn.nowMs,
    initial_queue: queue,
    roster: [{ node_id: nodeId, vrf_key: vrfKey, name: state.nodeName }],
    rules: rulesJson(state.ownRules),
    beacon0: state.random.slice(0, 32),
  };
}

function becomeMember(turn: Turn): void {
  const { state } = turn;
  state.joining = null;
  state.presentSinceMs = turn.nowMs;
  state.choreEpoch = -1;
  state.joinSaidMonoMs = null;
  setPhase(turn, 'member');
  announceFrom(turn, turn.nowMs);
}

/** Stands on a log that was on disk and still has music for now. */
export function resume(turn: Turn, chain: Chain): void {
  const { state } = turn;
  state.chain = chain;
  ownAccount(turn, chain.genesis);
  openSettling(state);
  takeOwnProposals(turn);
  if (state.forgetful) recall(turn);
  count(state, 'resumed');
  turn.effects.push({ type: 'syncTime', genesis: chain.genesis, peers: [] });
  state.timePeers = '';
  becomeMember(turn);
}

/** What this node had proposed before it went down counts for it still: nobody may have heard it but itself. */
function takeOwnProposals(turn: Turn): void {
  for (const signed of turn.state.ownProposals.values()) takeProposal(turn, signed, true);
}

// Joining

/**
 * @param onto - for another log of our own genesis: who stands on it
 */
export function startJoining(turn: Turn, genesis: RecordHash, onto: ReadonlySet<NodeId> | null = null): void {
  const { state } = turn;
  state.joining = { genesis, chain: null, clockAsked: false, startedMonoMs: turn.monoMs, failed: new Set(), onto };
  if (state.chain === null) setPhase(turn, 'joining');
  joinDueNow(turn);
}

/** Drives a join that is under way: a checkpoint, then the clock, then in. */
export function joinDueNow(turn: Turn): void {
  const { state } = turn;
  const { joining } = state;
  if (joining === null) return;
  if (turn.monoMs - joining.startedMonoMs > JOIN_PATIENCE_MS) {
    giveUpJoining(turn);
    return;
  }
  if (joining.chain === null) {
    if (!isAsking(state, 'checkpoint')) askCheckpoint(turn, joining);
    return;
  }
  if (joining.clockAsked || !mayCross(turn)) return;
  joining.clockAsked = true;
  turn.effects.push({ type: 'syncTime', genesis: joining.genesis, peers: peersOn(state, joining.genesis) });
  state.timePeers = '';
}

/** A box that has a programme of its own leaves it at the end of a track. */
function mayCross(turn: Turn): boolean {
  const { state } = turn;
  return state.crossing === null || turn.nowMs >= state.crossing.atMs;
}

function giveUpJoining(turn: Turn): void {
  const { state } = turn;
  count(state, 'joinsFailed');
  stayHere(turn);
}

/** Gives up entering another log. Slots that were decided while it was under way are told to the player now. */
export function stayHere(turn: Turn): void {
  const { state } = turn;
  state.joining = null;
  state.crossing = null;
  if (state.chain === null) relisten(turn);
  else announceFrom(turn, turn.nowMs);
}

export function relisten(turn: Turn): void {
  const { state } = turn;
  state.foreign.clear();
  state.statuses.clear();
  state.statusMonoMs = null;
  state.firstVoiceMonoMs = null;
  state.startedMonoMs = turn.monoMs;
  setPhase(turn, 'listening');
}

/** Connected peers that stand on a genesis, as far as heard. */
export function peersOn(state: ConsensusState, genesis: RecordHash): NodeId[] {
  const on = (id: NodeId): boolean =>
    state.statuses.get(id)?.genesis === genesis || (state.chain?.genesis === genesis && state.heard.has(id));
  return state.peers.filter(on).sort().slice(0, MAX_TIME_PEERS);
}

function askCheckpoint(turn: Turn, { genesis, failed, onto }: Joining): void {
  const { state } = turn;
  const on = onto === null ? peersOn(state, genesis) : state.peers.filter((id) => onto.has(id));
  const candidates = on.filter((id) => !failed.has(id));
  const peer = candidates[state.nextRequestId % Math.max(1, candidates.length)];
  if (peer === undefined) giveUpJoining(turn);
  else ask(turn, peer, { kind: 'checkpoint' });
}

/** Takes a checkpoint in: every hash, signature and ticket in it is checked, and the heads heard must stand on it. */
export function takeCheckpoint(turn: Turn, from: NodeId, response: SyncResponse): void {
  const { state } = turn;
  const { joining } = state;
  if (joining === null || joining.chain !== null) return;
  try {
    const chain = readCheckpoint(state, joining.genesis, response);
    const contradicted = joining.onto === null ? isContradicted(state, chain) : isOutvoted(turn, chain);
    if (contradicted) throw new BadAnswerError('the heads heard do not stand on it');
    joining.chain = chain;
    joinDueNow(turn);
  } catch (error) {
    count(state, 'checkpointsRefused');
    state.lastRefusal = (error as Error).message;
    joining.failed.add(from);
  }
}

function readCheckpoint(state: ConsensusState, genesis: RecordHash, response: SyncResponse): Chain {
  const bootstrap = readBootstrap(response.bootstrap);
  if (!verifyBootstrap(state, bootstrap)) throw new BadAnswerError('signature of the bootstrap');
  const fault = bootstrapFault(bootstrap.body);
  if (fault !== null) throw new BadAnswerError(`bootstrap: ${fault}`);
  if (genesisHash(bootstrap.body) !== genesis) throw new BadAnswerError('bootstrap of another genesis');
  const { base, records } = response;
  if (!Array.isArray(records)) throw new BadAnswerError('no records');
  const links = base === null ? bootstrapLinks(bootstrap.body) : readBase(base, genesis);
  for (const row of records) links.push(linkFromRow(state, row, links[links.length - 1]!, links[links.length - 2]!));
  return { genesis, bootstrap, links };
}

function readBase(base: unknown, genesis: RecordHash): Link[] {
  if (!Array.isArray(base) || base.length !== 2) throw new BadAnswerError('base of another shape');
  const [older, newer] = base.map(unpackLink) as [Link, Link];
  if (older.log.genesis !== genesis || newer.record.prev !== older.hash)
    throw new BadAnswerError('base does not connect');
  return [older, newer];
}

/** More voices stand beside this chain than on it. Heads beyond its end say nothing. */
function isContradicted(state: ConsensusState, chain: Chain): boolean {
  let on = 0;
  let beside = 0;
  for (const { genesis, head, headSlot } of state.statuses.values()) {
    if (genesis !== chain.genesis || head === null) continue;
    if (headSlot > headOf(chain).record.slot || headSlot < chain.links[0]!.record.slot) continue;
    if (isOnChain(chain, headSlot, head)) on++;
    else beside++;
  }
  return beside > on;
}

/**
 * Fewer members stand on this log of our genesis than elsewhere, or none: its base is nothing but somebody's claim. Heads
 * beyond its end count against it too, or a log would be made short enough to be on nobody's way. Members by our own
 * head: who is one there is for its authors to say.
 */
function isOutvoted(turn: Turn, chain: Chain): boolean {
  const { state } = turn;
  const { roster, rules } = headOf(state.chain!).log;
  const epoch = epochAt(state, turn.nowMs);
  let on = 0;
  let against = 0;
  for (const [id, { state: signed, mutedUntil }] of state.heard) {
    const { head, head_slot: slot, epoch: spoken } = signed.body;
    if (!roster.entries.has(id) || epoch - spoken > rules.state_fresh_epochs || mutedUntil >= epoch) continue;
    if (isOnChain(chain, slot, head)) on++;
    else against++;
  }
  return on === 0 || against > on;
}

/** The clock follows a genesis now: if it is the one being joined, this node is in. */
export function takeClock(turn: Turn, genesis: RecordHash | null, synced: boolean, errorMs: number): void {
  const { state } = turn;
  state.clock = { genesis, synced, errorMs };
  const { joining } = state;
  if (joining === null || joining.chain === null || !joining.clockAsked || genesis !== joining.genesis) return;
  const switched = state.chain !== null;
  const chain = joining.chain;
  if (switched) {
    if (genesis !== state.chain!.genesis) state.moves = { count: state.moves.count + 1, monoMs: turn.monoMs };
    const fromSlot = 0;
    turn.effects.push({ type: 'unschedule', fromSlot });
    turn.effects.push({ type: 'indicate', indication: { kind: 'switchedLog', fromSlot, genesis } });
  }
  // Who crosses over from another branch of the same log remembers what it signed.
  const knowsItself = joining.onto !== null;
  enterChain(turn, chain);
  if (!knowsItself) recall(turn);
  state.foreign.delete(genesis);
  state.crossing = null;
  count(state, 'joined');
  becomeMember(turn);
}

/**
 * An earlier life may have spoken here a moment ago. For the slots that it may have proposed for, and for as long as its
 * last STATE is fresh, this node listens only: what it hears of itself is its own last word. Only what can not be that is
 * another box with its key.
 */
function recall(turn: Turn): void {
  const { state } = turn;
  const chain = state.chain!;
  const { record, log } = headOf(chain);
  if (!log.roster.entries.has(state.crypto.nodeId)) return;
  const heads = [...state.statuses.values()].flatMap((s) => (s.genesis === chain.genesis ? [s.headSlot] : []));
  // The flock may be ahead of the checkpoint by a slot or two; more would be somebody's claim.
  const head = Math.min(Math.max(record.slot, ...heads), record.slot + BASIS);
  const sinceEpoch = epochAt(state, turn.nowMs);
  const untilEpoch = sinceEpoch + log.rules.state_fresh_epochs;
  state.recalling = { untilSlot: head + BASIS, sinceEpoch, untilEpoch };
  if (state.ownEpochGenesis !== chain.genesis) state.ownEpoch = -1;
  state.ownEpoch = Math.max(state.ownEpoch, untilEpoch);
  state.ownEpochGenesis = chain.genesis;
  persistEpoch(turn);
  recallAccount(turn);
}

/**
 * An earlier life may have owned up to a divergence that this one knows nothing of, in what plays now at the latest.
 * Reports speak of the slots after that alone, and deny nothing before.
 */
function recallAccount(turn: Turn): void {
  const { state } = turn;
  const slot = (playingLink(state.chain!, turn.nowMs) ?? headOf(state.chain!)).record.slot;
  if (state.divergence.lastSlot >= slot - 1) return;
  state.divergence = { ...state.divergence, lastSlot: slot, run: 0, divergedMs: 0 };
  turn.effects.push({ type: 'persist', key: 'divergence', value: { v: 1, ...state.divergence } });
}

// Being a member

/** Names the peers whose time is followed, whenever they change. */
export function followDue(turn: Turn): void {
  const { state } = turn;
  if (state.chain === null || state.joining !== null || state.phase !== 'member') return;
  const { genesis } = state.chain;
  const peers = peersOn(state, genesis);
  const key = peers.join();
  if (key === state.timePeers) return;
  state.timePeers = key;
  turn.effects.push({ type: 'syncTime', genesis, peers });
}

/** A log whose music ended, and nobody there to tell how it went on: listen anew. */
export function dropDeadLog(turn: Turn): void {
  const { state } = turn;
  if (state.chain === null || state.joining !== null || state.phase !== 'member') return;
  if (turn.nowMs < endOf(headOf(state.chain)) + DEAD_LOG_MS) return;
  count(state, 'deadLogs');
  forgetChain(turn);
  turn.effects.push({ type: 'unschedule', fromSlot: 0 });
  relisten(turn);
}
