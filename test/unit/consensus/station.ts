/** A station with a known roster, and nodes of it that are fed by hand. */
import { bodyName, signMessage } from '../../../src/consensus/canonical.ts';
import { drawInput } from '../../../src/consensus/draw.ts';
import type { ConsensusCrypto, ConsensusEvent, Effect, Persisted } from '../../../src/consensus/events.ts';
import { hashText, hashValue } from '../../../src/consensus/hash.ts';
import { createMemo, type FoldMemo, type Link } from '../../../src/consensus/link.ts';
import type {
  Body,
  Bootstrap,
  Op,
  Proposal,
  Signed,
  SignedMessage,
  StateMessage,
} from '../../../src/consensus/messages.ts';
import { DEFAULT_RULES, type Rules, rulesJson } from '../../../src/consensus/rules.ts';
import { endorse } from '../../../src/consensus/signed.ts';
import { type ConsensusState, createConsensus, headOf, linkAt } from '../../../src/consensus/state.ts';
import { nextWakeMs, step } from '../../../src/consensus/step.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/network.ts';

export const START_MS = 1_700_000_000_000;
export const TRACK_MS = 100_000;
export const trackHash = (name: string): string => `sha256:${hashText(name)}`;
const manifestOf = (name: string): string => `b${hashText(name).replace(/[^a-z2-7]/g, 'a')}`;

export interface Station {
  stationId: string;
  rules: Rules;
  cryptos: ConsensusCrypto[];
  bootstrap: Signed<Bootstrap>;
  memo: FoldMemo;
}

/** A station whose first roster has `size` nodes; slot 0 starts at START_MS and every track lasts TRACK_MS. */
export function makeStation(size: number, rules: Partial<Rules> = {}): Station {
  const stationId = hashText('a station for tests');
  const all: Rules = { ...DEFAULT_RULES, ...rules };
  const cryptos = Array.from({ length: size }, (_, i) => simulatedCrypto(simulatedNodeId(99, i)));
  const body: Bootstrap = {
    type: 'BOOTSTRAP',
    bootstrap: true,
    v: 1,
    station: stationId,
    node_id: cryptos[0]!.nodeId,
    timestamp: START_MS - 3_000,
    initial_queue: [0, 1, 2, 3, 4].map((i) => ({
      track: `First ${i}`,
      start_time: START_MS + i * TRACK_MS,
      track_hash: trackHash(`first ${i}`),
      duration: TRACK_MS,
      segments: [manifestOf(`first ${i}`)],
    })),
    roster: cryptos.map((c, i) => ({ node_id: c.nodeId, vrf_key: c.vrfKey, name: `node ${i}` })),
    rules: rulesJson(all),
    beacon0: new Uint8Array(32).fill(7),
  };
  return { stationId, rules: all, cryptos, bootstrap: signMessage(cryptos[0]!, body), memo: createMemo() };
}

type Fed = ConsensusEvent extends infer E ? (E extends unknown ? Omit<E, 'nowMs' | 'monoMs'> : never) : never;

/** One node of the station, resumed from its log before slot 0. Time is in ms after START_MS. */
export class Hand {
  readonly state: ConsensusState;
  readonly crypto: ConsensusCrypto;
  readonly disk = new Map<string, Persisted>();
  /** All effects so far. */
  readonly effects: Effect[] = [];
  nowMs = -2_000;
  readonly station: Station;

  constructor(station: Station, index: number, options: { crypto?: ConsensusCrypto; offers?: string[] } = {}) {
    this.station = station;
    this.crypto = options.crypto ?? station.cryptos[index]!;
    const { stationId, rules, memo } = station;
    this.state = createConsensus({
      crypto: this.crypto,
      stationId,
      nodeName: nameOf(station, this.crypto.nodeId),
      rules,
      deployAfterMs: 1e9,
      memo,
    });
    const { body, sig } = station.bootstrap;
    this.disk.set('bootstrap', { v: 1, body, sig });
    this.feed({ type: 'start', restored: Object.fromEntries(this.disk), random: new Uint8Array(32) });
    this.feed({ type: 'peers', peers: station.cryptos.map((c) => c.nodeId).filter((id) => id !== this.crypto.nodeId) });
    const offers = (options.offers ?? [`own ${index}`]).map((name, i) => offerOf(name, i));
    this.feed({ type: 'library', offers, playlistHash: trackHash(`playlist ${index}`) });
  }

  feed(event: Fed): Effect[] {
    const full = { ...event, nowMs: START_MS + this.nowMs, monoMs: this.nowMs + 10_000_000 } as ConsensusEvent;
    const effects = step(this.state, full);
    for (const effect of effects) {
      if (effect.type !== 'persist') continue;
      if (effect.value === null) this.disk.delete(effect.key);
      else this.disk.set(effect.key, effect.value);
    }
    this.effects.push(...effects);
    return effects;
  }

  /** Lets time pass as the node wants to be woken. */
  until(ms: number): void {
    for (;;) {
      const wake = nextWakeMs(this.state);
      const next = Math.min(
        wake.nowMs === null ? Number.POSITIVE_INFINITY : wake.nowMs - START_MS,
        (wake.monoMs ?? 1e15) - 10_000_000,
      );
      if (next > ms) break;
      this.nowMs = Math.max(next, this.nowMs + 1);
      this.feed({ type: 'tick' });
    }
    this.nowMs = ms;
    this.feed({ type: 'tick' });
  }

  hear(message: SignedMessage): 'accept' | 'ignore' | 'reject' {
    const effects = this.feed({ type: 'message', message, from: message.body.node_id });
    for (const effect of effects) if (effect.type === 'verdict') return effect.verdict;
    return 'accept';
  }

  link(slot: number): Link {
    return linkAt(this.state.chain!, slot)!;
  }

  get head(): Link {
    return headOf(this.state.chain!);
  }

  published<T extends SignedMessage>(type: string): T[] {
    return this.effects.flatMap((e) => (e.type === 'publish' && e.message.body.type === type ? [e.message as T] : []));
  }
}

/** As the roster has it: another name would be said in a JOIN. */
const nameOf = ({ bootstrap }: Station, nodeId: string): string =>
  bootstrap.body.roster.find((entry) => entry.node_id === nodeId)?.name ?? 'hand';

export function offerOf(name: string, index = 0) {
  return {
    track_hash: trackHash(name),
    track_name: name,
    duration_ms: TRACK_MS,
    manifest: manifestOf(name),
    track_index: index,
    genre: 'test',
    explicit: false,
  };
}

/** A proposal by node `by` for `slot`, on the log of `hand`. */
export function proposalBy(
  hand: Hand,
  by: number | ConsensusCrypto,
  slot: number,
  change: Partial<Proposal> = {},
  track = `track of ${typeof by === 'number' ? by : by.nodeId} for ${slot}`,
): Signed<Proposal> {
  const crypto = typeof by === 'number' ? hand.station.cryptos[by]! : by;
  const basis = hand.link(slot - 2);
  const { stationId } = hand.station;
  const ops = change.ops ?? [];
  return signMessage(crypto, {
    type: 'PROPOSAL',
    v: 1,
    station: stationId,
    node_id: crypto.nodeId,
    timestamp: START_MS + hand.nowMs,
    target_slot: slot,
    track_name: track,
    track_hash: trackHash(track),
    duration: TRACK_MS,
    segments: [manifestOf(track)],
    playlist_hash: trackHash(`playlist of ${crypto.nodeId}`),
    track_index: 0,
    genre: 'test',
    explicit: false,
    prev: basis.hash,
    rules_hash: basis.log.rulesHash,
    vrf_proof: crypto.vrfProve(drawInput(stationId, slot, basis.record.beacon)),
    report: { ...inSync, slot: slot - 6, run: 0, diverged_ms: 0, synced_slots: -1, banned_at: -1 },
    fetch_ms: 0,
    ...change,
    ops_root: change.ops_root ?? hashValue(ops),
    ops,
  });
}

const inSync = { consensus_hash: null, actual_hash: null, diverged: false, reason: null };

export function stateBy(
  hand: Hand,
  by: number | ConsensusCrypto,
  change: Partial<StateMessage> = {},
): Signed<StateMessage> {
  const crypto = typeof by === 'number' ? hand.station.cryptos[by]! : by;
  const epoch = Math.floor((START_MS + hand.nowMs) / hand.station.rules.state_epoch_ms);
  return signMessage(crypto, {
    type: 'STATE',
    v: 1,
    station: hand.station.stationId,
    node_id: crypto.nodeId,
    timestamp: START_MS + hand.nowMs,
    epoch,
    genesis: hand.state.chain!.genesis,
    head: hand.head.hash,
    head_slot: hand.head.record.slot,
    slot: 0,
    current_track: null,
    position: 0,
    queue: [],
    rules_hash: hand.head.log.rulesHash,
    ...inSync,
    ...change,
  });
}

/** The proposal with endorsements by these nodes. */
export function endorsed(hand: Hand, signed: Signed<Proposal>, by: number[]): Signed<Proposal> {
  const name = bodyNameOf(signed);
  const words = by.map((i) => endorse({ ...hand.station, crypto: hand.station.cryptos[i]! }, name));
  return { body: signed.body, sig: signed.sig, endorsements: words };
}

const bodyNameOf = (signed: Signed<Body>): string => bodyName(signed.body);

export function opBy<B extends Op>(
  hand: Hand,
  by: number | ConsensusCrypto,
  body: Omit<B, 'v' | 'station' | 'node_id' | 'timestamp'>,
): Signed<Op> {
  const crypto = typeof by === 'number' ? hand.station.cryptos[by]! : by;
  const base = { v: 1, station: hand.station.stationId, node_id: crypto.nodeId, timestamp: START_MS + hand.nowMs };
  return signMessage(crypto, { ...base, ...body } as unknown as Op);
}

/** Lets node `by` win the next slot with these operations, and gives back the log state after it. */
export function carry(hand: Hand, ops: Signed<Op>[], by = 1, change: Partial<Proposal> = {}): Link {
  const slot = hand.head.record.slot + 1;
  hand.until((slot - 5) * TRACK_MS + 1_000);
  hand.hear(proposalBy(hand, by, slot, { ...change, ops }));
  hand.until((slot - 4) * TRACK_MS + 40_000);
  return hand.link(slot);
}
