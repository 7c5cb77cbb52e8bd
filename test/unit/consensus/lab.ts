/**
 * A laboratory for one slot's settling: the real `step` of every honest node, and an adversary that holds the keys of
 * the faulty ones, knows everything, and decides when each message arrives.
 */

import { bodyHash } from '../../../src/consensus/appraise.ts';
import { signMessage } from '../../../src/consensus/canonical.ts';
import { encodeCbor } from '../../../src/consensus/cbor.ts';
import { drawInput, ticketOf } from '../../../src/consensus/draw.ts';
import type { ConsensusCrypto, ConsensusEvent, Effect, SlotRecord } from '../../../src/consensus/events.ts';
import { hashText, hexToBytes, sha256Hex } from '../../../src/consensus/hash.ts';
import { createMemo, type FoldMemo, type Link } from '../../../src/consensus/link.ts';
import { bootstrapLinks } from '../../../src/consensus/log.ts';
import type { Bootstrap, Endorsement, Op, Proposal, Signed, SignedMessage } from '../../../src/consensus/messages.ts';
import { FAST_RULES, type Rules, rulesHash, rulesJson } from '../../../src/consensus/rules.ts';
import { endorsementBytes } from '../../../src/consensus/signed.ts';
import { type ConsensusState, createConsensus } from '../../../src/consensus/state.ts';
import { nextWakeMs, step } from '../../../src/consensus/step.ts';
import { phasesOf, type SlotPhases } from '../../../src/consensus/timeline.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/crypto.ts';

export const STATION = hashText('the laboratory');
const START_MS = 1_700_000_000_000;
const TRACK_MS = 20_000;
/** The first slot that is settled after a bootstrap. */
export const SLOT = 5;
const LEAD_MS = 1_000;

export interface LabInit {
  members: number;
  /** Indices of the faulty members among those in order of ticket: 0 holds the lowest one. */
  faulty: readonly number[];
  /** R. */
  rounds: number;
  seed: number;
  rules?: Partial<Rules>;
  /** Honest nodes that hear everything and are not in the roster. */
  outsiders?: number;
}

export interface LabNode {
  readonly crypto: ConsensusCrypto;
  readonly state: ConsensusState;
  readonly faulty: boolean;
  /** Decision about SLOT; null before. */
  decided: { record: SlotRecord; hash: string } | null;
  published: SignedMessage[];
}

interface Arrival {
  atMs: number;
  to: LabNode;
  message: SignedMessage;
}

export const trackHash = (name: string): string => `sha256:${hashText(name)}`;
export const manifestOf = (name: string): string => `b${hashText(name).replace(/[^a-z2-7]/g, 'a')}`;

export class Lab {
  /** In order of their tickets for SLOT, lowest first. */
  readonly nodes: LabNode[];
  readonly honest: LabNode[];
  readonly links: Link[];
  readonly phases: SlotPhases;
  readonly rules: Rules;
  readonly memo: FoldMemo = createMemo();
  nowMs = START_MS - LEAD_MS;
  /** Delay of an honest message in ms: at least 0, below Delta. */
  delayMs: (from: LabNode, to: LabNode) => number = () => 1;
  /** Whether honest nodes propose; without it the faulty ones are alone in the draw. */
  readonly #arrivals: Arrival[] = [];
  readonly #bootstrap: Signed<Bootstrap>;

  constructor(init: LabInit) {
    this.rules = { ...FAST_RULES, max_rounds: init.rounds, ...init.rules };
    const cryptos = Array.from({ length: init.members }, (_, i) => simulatedCrypto(simulatedNodeId(init.seed, i)));
    this.#bootstrap = signMessage(cryptos[0]!, this.#makeBootstrap(cryptos));
    this.links = bootstrapLinks(this.#bootstrap.body);
    const basis = this.links[SLOT - 2]!;
    this.phases = phasesOf((slot) => this.links[slot], SLOT)!;
    cryptos.sort((a, b) => (ticketFor(a, basis) < ticketFor(b, basis) ? -1 : 1));
    this.nodes = cryptos.map((crypto, i) => this.#makeNode(crypto, i, init.faulty.includes(i)));
    for (let i = 0; i < (init.outsiders ?? 0); i++) {
      const crypto = simulatedCrypto(simulatedNodeId(init.seed, 1_000 + i));
      this.nodes.push(this.#makeNode(crypto, init.members + i, false));
    }
    this.honest = this.nodes.filter((node) => !node.faulty);
    for (const [i, node] of this.nodes.entries()) if (!node.faulty) this.#boot(node, i);
  }

  #makeBootstrap(cryptos: readonly ConsensusCrypto[]): Bootstrap {
    return {
      type: 'BOOTSTRAP',
      bootstrap: true,
      v: 1,
      station: STATION,
      node_id: cryptos[0]!.nodeId,
      timestamp: START_MS - LEAD_MS,
      initial_queue: Array.from({ length: 5 }, (_, i) => ({
        track: `first ${i}`,
        start_time: START_MS + i * TRACK_MS,
        track_hash: trackHash(`first ${i}`),
        duration: TRACK_MS,
        segments: [manifestOf(`first ${i}`)],
      })),
      roster: cryptos.map(({ nodeId, vrfKey }, i) => ({ node_id: nodeId, vrf_key: vrfKey, name: `node ${i}` })),
      rules: rulesJson(this.rules),
      beacon0: hexToBytes(hashText('beacon')),
    };
  }

  #makeNode(crypto: ConsensusCrypto, index: number, faulty: boolean): LabNode {
    const init = {
      crypto,
      stationId: STATION,
      nodeName: this.#bootstrap.body.roster.find((entry) => entry.node_id === crypto.nodeId)?.name ?? `node ${index}`,
      rules: this.rules,
      deployAfterMs: 86_400_000,
    };
    return { crypto, state: createConsensus({ ...init, memo: this.memo }), faulty, decided: null, published: [] };
  }

  #boot(node: LabNode, index: number): void {
    const { body, sig } = this.#bootstrap;
    this.feed(node, { type: 'start', restored: { bootstrap: { v: 1, body, sig } }, random: new Uint8Array(32) });
    const name = `track of ${index}`;
    const offer = { track_hash: trackHash(name), track_name: name, duration_ms: TRACK_MS, manifest: manifestOf(name) };
    const offers = [{ ...offer, track_index: 0, genre: '', explicit: false }];
    this.feed(node, { type: 'library', offers, playlistHash: trackHash(`list of ${index}`) });
    const peers = this.nodes === undefined ? [] : this.nodes.filter((n) => n !== node).map((n) => n.crypto.nodeId);
    this.feed(node, { type: 'peers', peers });
  }

  /** A value of a faulty proposer: another `name`, another value. */
  value(proposer: LabNode, name: string, change: Partial<Proposal> = {}): Signed<Proposal> {
    const basis = this.links[SLOT - 2]!;
    const ops: Signed<Op>[] = change.ops ?? [];
    return signMessage(proposer.crypto, {
      type: 'PROPOSAL',
      v: 1,
      station: STATION,
      node_id: proposer.crypto.nodeId,
      timestamp: START_MS,
      target_slot: SLOT,
      track_name: name,
      track_hash: trackHash(name),
      duration: TRACK_MS,
      segments: [manifestOf(name)],
      playlist_hash: trackHash(`list of ${proposer.crypto.nodeId}`),
      track_index: 0,
      genre: '',
      explicit: false,
      prev: basis.hash,
      rules_hash: rulesHash(this.rules),
      vrf_proof: proposer.crypto.vrfProve(drawInput(STATION, SLOT, basis.record.beacon)),
      report: {
        consensus_hash: null,
        actual_hash: null,
        diverged: false,
        reason: null,
        slot: -1,
        run: 0,
        diverged_ms: 0,
        synced_slots: -1,
        banned_at: -1,
      },
      fetch_ms: 0,
      ops_root: sha256Hex(encodeCbor(ops)),
      ...change,
      ops,
    } as Proposal);
  }

  /** The value with the word of faulty nodes. */
  endorsed(value: Signed<Proposal>, by: readonly LabNode[], more: readonly Endorsement[] = []): Signed<Proposal> {
    const bytes = endorsementBytes(STATION, bodyHash(this.memo, value.body));
    const words = by.map(({ crypto }) => ({ node_id: crypto.nodeId, sig: crypto.sign(bytes) }));
    const endorsements = [...more, ...words];
    return endorsements.length === 0 ? { body: value.body, sig: value.sig } : { ...value, endorsements };
  }

  /** Endorsements that honest nodes have published for a value: public, so the adversary may use them. */
  honestWords(value: Signed<Proposal>): Endorsement[] {
    const words = new Map<string, Endorsement>();
    for (const { published } of this.honest) {
      for (const message of published) {
        const { body } = message;
        if (body.type !== 'PROPOSAL' || bodyHash(this.memo, body) !== bodyHash(this.memo, value.body)) continue;
        for (const word of message.endorsements ?? []) words.set(word.node_id, word);
      }
    }
    return [...words.values()];
  }

  /** Lets a message arrive at a node at an instant. */
  deliver(message: SignedMessage, to: LabNode, atMs: number): void {
    this.#arrivals.push({ atMs, to, message });
  }

  /** Gives a node an event now. */
  feed(node: LabNode, event: DistributiveOmit<ConsensusEvent, 'nowMs' | 'monoMs'>): Effect[] {
    const now = { nowMs: this.nowMs, monoMs: this.nowMs - START_MS + LEAD_MS };
    const effects = step(node.state, { ...event, ...now } as ConsensusEvent);
    let accepted = event.type === 'message';
    for (const effect of effects) {
      if (effect.type === 'verdict') accepted = effect.verdict === 'accept';
      if (effect.type === 'publish') {
        node.published.push(effect.message);
        this.#send(node, effect.message);
      }
      if (effect.type !== 'indicate' || effect.indication.kind !== 'decided') continue;
      if (effect.indication.slot === SLOT) node.decided = effect.indication;
    }
    if (accepted && event.type === 'message') this.#send(node, event.message);
    return effects;
  }

  #send(from: LabNode, message: SignedMessage): void {
    for (const to of this.honest ?? []) {
      if (to !== from) this.deliver(message, to, this.nowMs + this.delayMs(from, to));
    }
  }

  /** Lets time pass up to an instant, inclusive. */
  run(untilMs: number): void {
    for (;;) {
      const next = this.#nextMs();
      if (next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      const due = this.#arrivals.filter((arrival) => arrival.atMs <= this.nowMs);
      for (const arrival of due) this.#arrivals.splice(this.#arrivals.indexOf(arrival), 1);
      for (const { to, message } of due) this.feed(to, { type: 'message', message, from: message.body.node_id });
      for (const node of this.honest) if (this.#wakeMs(node) <= this.nowMs) this.feed(node, { type: 'tick' });
    }
    this.nowMs = untilMs;
  }

  #nextMs(): number {
    const arrivals = this.#arrivals.map(({ atMs }) => atMs);
    return Math.min(...arrivals, ...this.honest.map((node) => Math.max(this.nowMs + 1, this.#wakeMs(node))));
  }

  #wakeMs(node: LabNode): number {
    const wake = nextWakeMs(node.state);
    const mono = wake.monoMs === null ? Number.POSITIVE_INFINITY : wake.monoMs + START_MS - LEAD_MS;
    return Math.min(wake.nowMs ?? Number.POSITIVE_INFINITY, mono);
  }

  /** Runs past T_D and gives every honest node's decision: the winner's track, 'fallback', or null where there is none. */
  outcomes(): (string | null)[] {
    this.run(this.phases.decideMs + 2);
    return this.honest.map(({ decided }) =>
      decided === null ? null : (decided.record.proposal?.body.track_name ?? 'fallback'),
    );
  }
}

function ticketFor(crypto: ConsensusCrypto, basis: Link): string {
  const input = drawInput(STATION, SLOT, basis.record.beacon);
  return ticketOf(crypto.vrfVerify(crypto.vrfKey, input, crypto.vrfProve(input))!);
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
