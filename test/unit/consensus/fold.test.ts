import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyHash, isEligible } from '../../../src/consensus/appraise.ts';
import { decodeMessage, encodeMessage, signMessage } from '../../../src/consensus/canonical.ts';
import { encodeCbor } from '../../../src/consensus/cbor.ts';
import { packLink, unpackLink } from '../../../src/consensus/checkpoint.ts';
import { drawInput, ticketOf } from '../../../src/consensus/draw.ts';
import type { ConsensusCrypto } from '../../../src/consensus/events.ts';
import { hashText, hashValue } from '../../../src/consensus/hash.ts';
import { createMemo, type Link } from '../../../src/consensus/link.ts';
import { bootstrapLinks, deriveLink, packLog } from '../../../src/consensus/log.ts';
import type { Op, Proposal, Signed } from '../../../src/consensus/messages.ts';
import { admissionId, MAX_ADMISSIONS, MAX_SUBJECTS } from '../../../src/consensus/ops.ts';
import { DEFAULT_RULES, rulesJson } from '../../../src/consensus/rules.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/crypto.ts';
import { makeStation, type Station, TRACK_MS, trackHash } from './station.ts';

const MEMBERS = 5;
const STRANGERS = 3;
/** Logs that are folded; more by STARLING_RUNS. */
const RUNS = Number(process.env.STARLING_RUNS ?? 60);

/** A memory short enough to be filled by the scripts. */
const SHORT = { history: 6, repeat_slots: 4 };

const strangers = Array.from({ length: STRANGERS }, (_, i) => simulatedCrypto(simulatedNodeId(5, i)));

/** What may be drawn about one slot: who wins it (null: nobody), with which track, and what rides along. */
interface Turn {
  winner: number | null;
  track: number;
  ops: OpKind[];
}
interface OpKind {
  kind: 'JOIN' | 'LEAVE' | 'LIKE' | 'SUBJECT' | 'VOTE' | 'ADMIT' | 'proposals' | 'states' | 'rules';
  /** Evidence that names somebody else than the author of its statements. */
  framed: boolean;
  by: number;
  about: number;
  approve: boolean;
  ageMs: number;
}

const opKind: fc.Arbitrary<OpKind> = fc.record({
  kind: fc.constantFrom('JOIN', 'LEAVE', 'LIKE', 'SUBJECT', 'VOTE', 'ADMIT', 'proposals', 'states', 'rules'),
  framed: fc.boolean(),
  by: fc.nat(MEMBERS + STRANGERS - 1),
  about: fc.nat(MEMBERS + STRANGERS - 1),
  approve: fc.boolean(),
  ageMs: fc.oneof(fc.nat(10_000), fc.nat(8_000_000)),
});

const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    winner: fc.oneof({ weight: 4, arbitrary: fc.nat(MEMBERS - 1) }, { weight: 1, arbitrary: fc.constant(null) }),
    track: fc.nat(12),
    ops: fc.array(opKind, { maxLength: 4 }),
  }),
  { maxLength: 25 },
);

class Folding {
  readonly station: Station;
  readonly links: Link[];
  readonly everybody: ConsensusCrypto[];
  /** Who signed what cannot both be honest. */
  readonly guilty = new Set<string>();
  lastSubject = 'ab'.repeat(32);

  constructor(invite: boolean) {
    const admission = invite ? 'invite' : 'open';
    this.station = makeStation(MEMBERS, {
      admission,
      like_weight_max: 4,
      roster_ttl_slots: 20,
      vote_delay_slots: 5,
      ...SHORT,
    });
    this.links = bootstrapLinks(this.station.bootstrap.body);
    this.everybody = [...this.station.cryptos, ...strangers];
  }

  get head(): Link {
    return this.links[this.links.length - 1]!;
  }

  take(turn: Turn): void {
    const memo = createMemo();
    const winner = turn.winner === null ? null : this.#win(turn);
    const link = deriveLink(memo, this.head, winner);
    this.#check(this.head, link);
    // The same winner out of its bytes, by another node with another memory, makes the same record.
    if (winner !== null) {
      const signed = decodeMessage('proposal', encodeMessage(winner.signed)) as Signed<Proposal>;
      const again = deriveLink(createMemo(), this.head, {
        ...winner,
        signed,
        hash: bodyHash(createMemo(), signed.body),
      });
      expect(again.hash).toBe(link.hash);
    }
    // And so does a log that began with a checkpoint here.
    const restored = unpackLink(JSON.parse(JSON.stringify(packLink(memo, this.head), bytesToJson), jsonToBytes));
    expect(deriveLink(createMemo(), restored, winner).hash).toBe(link.hash);
    this.links.push(link);
  }

  #check(parent: Link, link: Link): void {
    expect(link.record.slot).toBe(parent.record.slot + 1);
    expect(link.record.prev).toBe(parent.hash);
    expect(link.record.start_ms).toBe(parent.record.start_ms + parent.record.duration_ms);
    expect(link.record.duration_ms).toBeGreaterThan(0);
    expect(link.record.beacon).not.toBe(parent.record.beacon);
    // The fold makes a new state and leaves the old one as it was.
    expect(hashValue(packLog(parent.log, parent.log.roster.hash))).toBe(parent.log.hash);
    expect(hashValue(packLog(link.log, link.log.roster.hash))).toBe(link.log.hash);
    const { log } = link;
    expect(log.heads[log.heads.length - 1]).toBe(parent.hash);
    expect(log.history.length).toBeLessThanOrEqual(Math.max(log.rules.history, log.rules.repeat_slots));
    const tracks = log.history.map(({ track }) => track.track_hash);
    expect(new Set(tracks).size).toBe(tracks.length);
    expect(log.roster.entries.size).toBeLessThanOrEqual(MEMBERS + STRANGERS);
    const motions = [...log.subjects.values()];
    expect(motions.filter(({ rules }) => rules !== null).length).toBeLessThanOrEqual(MAX_SUBJECTS);
    expect(motions.filter(({ rules }) => rules === null).length).toBeLessThanOrEqual(MAX_ADMISSIONS);
    for (const [id, entry] of log.roster.entries) {
      expect(entry.node_id).toBe(id);
      const excluded = (log.exclusions.get(id)?.until ?? -1) >= link.record.slot + 2;
      expect(isEligible(log, id, link.record.slot + 2)).toBe(!excluded && entry.eligible_from <= link.record.slot + 2);
    }
    expect([...log.exclusions.keys()].every((id) => this.guilty.has(id))).toBe(true);
    this.#checkFallback(parent, link);
    for (const { yes, no, electorate } of log.subjects.values()) {
      const voted = [...yes, ...no];
      expect(new Set(voted).size).toBe(voted.length);
      expect(voted.every((id) => electorate.includes(id))).toBe(true);
    }
  }

  #checkFallback(parent: Link, link: Link): void {
    if (link.record.proposal !== null || parent.log.history.length < 2) return;
    expect(link.record.track!.track_hash).not.toBe(parent.record.track!.track_hash);
    expect(parent.log.history.map(({ track }) => track.track_hash)).toContain(link.record.track!.track_hash);
  }

  #win(turn: Turn) {
    const crypto = this.station.cryptos[turn.winner!]!;
    const ops = turn.ops.map((kind) => this.#op(kind));
    const signed = this.#proposal(crypto, this.head.record.slot + 1, turn.track, { ops });
    const output = crypto.vrfVerify(crypto.vrfKey, this.#input(), signed.body.vrf_proof)!;
    return { signed, hash: bodyHash(createMemo(), signed.body), ticket: ticketOf(output), output };
  }

  #input(): Uint8Array {
    const basis = this.links[this.links.length - 2]!;
    return drawInput(this.station.stationId, this.head.record.slot + 1, basis.record.beacon);
  }

  #proposal(crypto: ConsensusCrypto, slot: number, track: number, change: Partial<Proposal>): Signed<Proposal> {
    const basis = this.links[this.links.length - 2]!;
    const name = `track ${track}`;
    const ops = change.ops ?? [];
    return signMessage(crypto, {
      type: 'PROPOSAL',
      ...this.#base(crypto, 0),
      target_slot: slot,
      track_name: name,
      track_hash: trackHash(name),
      duration: TRACK_MS + track,
      segments: [`b${hashText(name).replace(/[^a-z2-7]/g, 'a')}`],
      playlist_hash: trackHash('list'),
      track_index: track,
      genre: '',
      explicit: false,
      prev: basis.hash,
      rules_hash: basis.log.rulesHash,
      vrf_proof: crypto.vrfProve(this.#input()),
      report: { ...IN_SYNC, slot: slot - 6, run: 0, diverged_ms: 0, synced_slots: -1, banned_at: -1 },
      fetch_ms: track * 20_000,
      ...change,
      ops_root: hashValue(ops),
      ops,
    });
  }

  #base(crypto: ConsensusCrypto, ageMs: number) {
    const { start_ms, duration_ms } = this.head.record;
    const timestamp = start_ms + duration_ms - ageMs;
    return { v: 1 as const, station: this.station.stationId, node_id: crypto.nodeId, timestamp };
  }

  #op({ kind, by, about, approve, ageMs, framed }: OpKind): Signed<Op> {
    const crypto = this.everybody[by]!;
    const base = this.#base(crypto, ageMs);
    if (kind === 'JOIN') return signMessage(crypto, { type: kind, ...base, vrf_key: crypto.vrfKey, name: `n${about}` });
    if (kind === 'LEAVE') return signMessage(crypto, { type: kind, ...base });
    if (kind === 'LIKE') return signMessage(crypto, { type: kind, ...base, track_hash: trackHash(`track ${about}`) });
    if (kind === 'SUBJECT') {
      const rules = approve ? rulesJson({ ...DEFAULT_RULES, repeat_slots: about }) : '{"draw": "dice"}';
      const signed = signMessage(crypto, { type: kind, ...base, rules });
      this.lastSubject = bodyHash(createMemo(), signed.body);
      return signed;
    }
    if (kind === 'VOTE') return signMessage(crypto, { type: kind, ...base, subject: this.lastSubject, approve });
    if (kind === 'ADMIT') {
      const subject = admissionId(this.everybody[about]!.nodeId);
      return signMessage(crypto, { type: 'VOTE', ...base, subject, approve });
    }
    const author = this.everybody[about]!;
    const pair = this.#pair(kind, author, approve);
    const accused = framed ? this.everybody[(about + 1) % this.everybody.length]!.nodeId : author.nodeId;
    if (!framed && (approve || kind === 'rules')) this.guilty.add(accused);
    return signMessage(crypto, { type: 'EVIDENCE', ...base, kind, accused, ...pair });
  }

  /** Two statements of the accused: really in conflict, or the same one twice. */
  #pair(kind: 'proposals' | 'states' | 'rules', accused: ConsensusCrypto, conflict: boolean) {
    const slot = this.head.record.slot + 1;
    const one = (n: number): Signed<never> =>
      (kind === 'states'
        ? this.#state(accused, n)
        : this.#proposal(accused, slot, n, kind === 'rules' ? { rules_hash: 'ab'.repeat(32) } : {})) as Signed<never>;
    return { first: one(0), second: one(conflict ? 1 : 0) };
  }

  #state(accused: ConsensusCrypto, head: number) {
    return signMessage(accused, {
      type: 'STATE',
      ...this.#base(accused, 0),
      ...IN_SYNC,
      epoch: 1_000,
      head: hashText(`head ${head}`),
      head_slot: this.head.record.slot,
      slot: this.head.record.slot,
      current_track: null,
      position: 0,
      queue: [],
      rules_hash: this.head.log.rulesHash,
      genesis: this.head.log.genesis,
    });
  }
}

const IN_SYNC = { consensus_hash: null, actual_hash: null, diverged: false, reason: null };

const bytesToJson = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? { bytes: [...value] } : value;
const jsonToBytes = (_: string, value: unknown): unknown => {
  const bytes = (value as { bytes?: number[] } | null)?.bytes;
  return Array.isArray(bytes) ? Uint8Array.from(bytes) : value;
};

describe('the fold', () => {
  it.each([false, true])('keeps its promises whatever rides in the winners (by invitation: %s)', (invite) => {
    fc.assert(
      fc.property(turns, (script) => {
        const folding = new Folding(invite);
        for (const turn of script) folding.take(turn);
      }),
      { numRuns: RUNS },
    );
  });

  it('gives two logs with one different winner different hashes ever after', () => {
    const turn = (winner: number | null): Turn => ({ winner, track: 1, ops: [] });
    const [a, b] = [new Folding(false), new Folding(false)];
    a.take(turn(0));
    b.take(turn(1));
    for (let i = 0; i < 5; i++) {
      expect(a.head.hash).not.toBe(b.head.hash);
      expect(a.head.record.beacon).not.toBe(b.head.record.beacon);
      a.take(turn(null));
      b.take(turn(null));
    }
  });

  it('excludes for a conflict and never for the same statement twice', () => {
    const accuse = (conflict: boolean): Folding => {
      const folding = new Folding(false);
      for (const kind of ['proposals', 'states'] as const) {
        folding.take({
          winner: 0,
          track: 2,
          ops: [{ kind, by: 1, about: 3, approve: conflict, ageMs: 0, framed: false }],
        });
      }
      return folding;
    };
    const accused = accuse(true).everybody[3]!.nodeId;
    expect(accuse(false).head.log.exclusions.size).toBe(0);
    expect(accuse(true).head.log.exclusions.get(accused)).toMatchObject({ count: 1 });
  });

  it('packs into canonical bytes', () => {
    const folding = new Folding(false);
    folding.take({ winner: 2, track: 3, ops: [] });
    const bytes = encodeCbor(packLink(createMemo(), folding.head));
    expect(bytes.length).toBeGreaterThan(500);
  });
});
