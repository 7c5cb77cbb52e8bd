import { describe, expect, it } from 'vitest';
import { isEligible } from '../../../src/consensus/appraise.ts';
import { bodyName, decodeSync, encodeSync } from '../../../src/consensus/canonical.ts';
import { CheckpointError, packLink, unpackLink } from '../../../src/consensus/checkpoint.ts';
import { bareStatement } from '../../../src/consensus/gossip.ts';
import type {
  EvidenceOp,
  JoinOp,
  LeaveOp,
  LikeOp,
  Op,
  Proposal,
  Signed,
  StateMessage,
  SubjectOp,
  VoteOp,
} from '../../../src/consensus/messages.ts';
import { admissionId } from '../../../src/consensus/ops.ts';
import { DEFAULT_RULES, type Rules, rulesJson } from '../../../src/consensus/rules.ts';
import { seedsFor } from '../../../src/consensus/seeds.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/network.ts';
import { carry, Hand, makeStation, opBy, proposalBy, START_MS, stateBy, TRACK_MS, trackHash } from './station.ts';

const listener = (size: number, rules: Partial<Rules> = {}): Hand =>
  new Hand(makeStation(size, rules), 0, { offers: [] });
const newcomer = simulatedCrypto(simulatedNodeId(7, 7));
const joinBy = (hand: Hand, crypto = newcomer, vrfKey = crypto.vrfKey): Signed<Op> =>
  opBy<JoinOp>(hand, crypto, { type: 'JOIN', vrf_key: vrfKey, name: 'new' });

describe('JOIN and LEAVE', () => {
  it('take a node into the roster, eligible three slots after', () => {
    const hand = listener(3);
    const { log } = carry(hand, [joinBy(hand)]);
    expect(log.roster.entries.get(newcomer.nodeId)).toMatchObject({
      since: 5,
      renewed: 5,
      eligible_from: 8,
      name: 'new',
    });
    expect(isEligible(log, newcomer.nodeId, 7)).toBe(false);
    expect(isEligible(log, newcomer.nodeId, 8)).toBe(true);
    const left = carry(hand, [opBy<LeaveOp>(hand, newcomer, { type: 'LEAVE' })]).log;
    expect(left.roster.entries.has(newcomer.nodeId)).toBe(false);
  });

  it('make a new key wait, and renew an old one without a wait', () => {
    const hand = listener(3);
    carry(hand, [joinBy(hand)]);
    expect(carry(hand, [joinBy(hand)]).log.roster.entries.get(newcomer.nodeId)).toMatchObject({
      since: 5,
      renewed: 6,
      eligible_from: 8,
    });
    const rekeyed = carry(hand, [joinBy(hand, newcomer, new Uint8Array(32).fill(9))]).log.roster.entries.get(
      newcomer.nodeId,
    );
    expect(rekeyed).toMatchObject({ since: 5, renewed: 7, eligible_from: 10 });
  });

  it('do nothing when they are replayed an hour later', () => {
    const hand = listener(3);
    const join = joinBy(hand);
    carry(hand, [join]);
    carry(hand, [opBy<LeaveOp>(hand, newcomer, { type: 'LEAVE' })]);
    while (hand.nowMs < 3_700_000) carry(hand, []);
    expect(carry(hand, [join]).log.roster.entries.has(newcomer.nodeId)).toBe(false);
  });

  it('lapse when a member is not heard of for roster_ttl_slots, but never the winner, and not while nobody wins', () => {
    const hand = listener(3, { roster_ttl_slots: 20 });
    const id = (i: number): string => hand.station.cryptos[i]!.nodeId;
    carry(hand, [joinBy(hand)]);
    // Its own JOIN waits in this node's table from half of that time on.
    while (hand.head.record.slot < 25) carry(hand, [...hand.state.pendingOps.values()]);
    expect([...hand.head.log.roster.entries.keys()].sort()).toEqual([id(0), id(1), newcomer.nodeId].sort());
    hand.until(22 * TRACK_MS + 40_000);
    expect(hand.link(26).record.proposal).toBeNull();
    expect(hand.link(26).log.roster.entries.has(newcomer.nodeId)).toBe(true);
    expect([...carry(hand, []).log.roster.entries.keys()].sort()).toEqual([id(0), id(1)].sort());
  });

  it('need a majority of votes on a station by invitation', () => {
    const hand = listener(3, { admission: 'invite' });
    const opened = carry(hand, [joinBy(hand)]).log;
    const subject = admissionId(newcomer.nodeId);
    expect(opened.roster.entries.has(newcomer.nodeId)).toBe(false);
    expect(opened.subjects.has(subject)).toBe(true);
    const vote = (by: number) => opBy<VoteOp>(hand, by, { type: 'VOTE', subject, approve: true });
    expect(carry(hand, [vote(1), vote(1)]).log.roster.entries.has(newcomer.nodeId)).toBe(false);
    expect(carry(hand, [vote(2)]).log.roster.entries.get(newcomer.nodeId)).toMatchObject({ eligible_from: 10 });
  });

  it('are refused with a signature that does not hold', () => {
    const hand = listener(3);
    const join = joinBy(hand);
    hand.until(1_000);
    const forged = { ...join, sig: new Uint8Array(64) };
    expect(hand.hear(proposalBy(hand, 1, 5, { ops: [forged] }))).toBe('reject');
  });
});

describe('EVIDENCE', () => {
  const accuse = (
    hand: Hand,
    kind: EvidenceOp['kind'],
    a: Signed<Proposal | StateMessage>,
    b: Signed<Proposal | StateMessage>,
  ) =>
    opBy<EvidenceOp>(hand, 1, {
      type: 'EVIDENCE',
      kind,
      accused: a.body.node_id,
      first: bareStatement(a),
      second: bareStatement(b),
    });
  const accused = (hand: Hand) => hand.station.cryptos[2]!.nodeId;

  it('of two proposals excludes for 50 slots, then 100, and never twice for one act', () => {
    const hand = listener(4);
    const pair = (slot: number) => [proposalBy(hand, 2, slot, {}, 'a'), proposalBy(hand, 2, slot, {}, 'b')] as const;
    const op = accuse(hand, 'proposals', ...pair(5));
    const log = carry(hand, [op]).log;
    expect(log.exclusions.get(accused(hand))).toEqual({ since: 5, until: 55, count: 1 });
    expect(isEligible(log, accused(hand), 55)).toBe(false);
    expect(isEligible(log, accused(hand), 56)).toBe(true);
    expect(carry(hand, [op]).log.exclusions.get(accused(hand))!.count).toBe(1);
    const again = carry(hand, [accuse(hand, 'proposals', ...pair(7))]).log;
    expect(again.exclusions.get(accused(hand))).toEqual({ since: 7, until: 107, count: 2 });
  });

  it('of two states of one epoch with different heads excludes', () => {
    const hand = listener(4);
    const [a, b] = [stateBy(hand, 2), stateBy(hand, 2, { head: '11'.repeat(32) })];
    expect(carry(hand, [accuse(hand, 'states', a, b)]).log.exclusions.has(accused(hand))).toBe(true);
  });

  it('of a report that denies what a state admitted excludes', () => {
    const hand = listener(4);
    const admitted = stateBy(hand, 2, { slot: 0, diverged: true, reason: 'moderation' });
    while (hand.head.record.slot < 6) carry(hand, []);
    const slot = hand.head.record.slot + 1;
    const denial = proposalBy(hand, 2, slot);
    expect(denial.body.report.slot).toBe(slot - 6);
    expect(carry(hand, [accuse(hand, 'report', admitted, denial)]).log.exclusions.has(accused(hand))).toBe(true);
  });

  it('frames nobody: unlike slots, other logs, honest reports and failed fetches prove nothing', () => {
    const hand = listener(4);
    const prior = proposalBy(hand, 2, 5, {}, 'a');
    const same = accuse(hand, 'proposals', prior, prior);
    const otherLog = accuse(hand, 'proposals', prior, proposalBy(hand, 2, 5, { prev: '22'.repeat(32) }, 'b'));
    const otherSlot = accuse(hand, 'proposals', prior, proposalBy(hand, 2, 6, {}, 'b'));
    const states = accuse(
      hand,
      'states',
      stateBy(hand, 2, { genesis: '33'.repeat(32) }),
      stateBy(hand, 2, { head: '11'.repeat(32) }),
    );
    const epochs = accuse(hand, 'states', stateBy(hand, 2), stateBy(hand, 2, { epoch: 1, head: '11'.repeat(32) }));
    const failed = stateBy(hand, 2, { slot: -1, diverged: true, reason: 'fetch' });
    const fetches = accuse(hand, 'report', failed, prior);
    const ops = [same, otherLog, otherSlot, states, epochs, fetches];
    expect(carry(hand, ops).log.exclusions.size).toBe(0);
    const admitted = stateBy(hand, 2, { slot: 0, diverged: true, reason: 'moderation' });
    while (hand.head.record.slot < 6) carry(hand, []);
    const inSync = { consensus_hash: null, actual_hash: null, diverged: false, reason: null };
    const report = { ...inSync, slot: 1, run: 0, diverged_ms: 9_000, synced_slots: 1, banned_at: -1 };
    const honest = proposalBy(hand, 2, hand.head.record.slot + 1, { report });
    expect(carry(hand, [accuse(hand, 'report', admitted, honest)]).log.exclusions.size).toBe(0);
  });

  it('of other rules counts, and excludes at the third', () => {
    const hand = listener(4);
    for (const [i, excluded] of [false, false, true].entries()) {
      const wrong = proposalBy(hand, 2, hand.head.record.slot + 1, { rules_hash: '44'.repeat(32) });
      const op = accuse(hand, 'rules', wrong, wrong);
      const { log } = carry(hand, [op, op]);
      expect(log.violations.get(accused(hand))?.length ?? 0).toBe(excluded ? 0 : i + 1);
      expect(log.exclusions.has(accused(hand))).toBe(excluded);
    }
  });

  it('is gathered by whoever sees the act, and carried by whoever wins', () => {
    const station = makeStation(4);
    const hand = new Hand(station, 0);
    hand.until(2_000);
    hand.hear(proposalBy(hand, 2, 5, {}, 'a'));
    hand.hear(proposalBy(hand, 2, 5, {}, 'b'));
    hand.until(TRACK_MS + 2_000);
    const own = hand.published<Signed<Proposal>>('PROPOSAL').find((m) => m.body.target_slot === 6)!;
    expect(own.body.ops.map((op) => op.body.type)).toEqual(['EVIDENCE']);
    hand.until(2 * TRACK_MS + 40_000);
    expect(hand.head.log.exclusions.has(station.cryptos[2]!.nodeId)).toBe(true);
  });
});

describe('SUBJECT and VOTE', () => {
  const proposed = (change: Partial<Rules>): string => rulesJson({ ...DEFAULT_RULES, ...change });
  const open = (hand: Hand, rules: string) => opBy<SubjectOp>(hand, 1, { type: 'SUBJECT', rules });
  const vote = (hand: Hand, by: number, subject: Signed<Op>, approve = true) =>
    opBy<VoteOp>(hand, by, { type: 'VOTE', subject: bodyName(subject.body), approve });

  it('bring new rules into force twenty records after more than half of the roster approved', () => {
    const hand = listener(4);
    const subject = open(hand, proposed({ repeat_slots: 7 }));
    expect(carry(hand, [subject]).log.subjects.size).toBe(1);
    expect(carry(hand, [vote(hand, 0, subject), vote(hand, 1, subject)]).log.coming).toEqual([]);
    const passed = carry(hand, [vote(hand, 2, subject)]);
    expect(passed.log.subjects.size).toBe(0);
    expect(passed.log.coming).toMatchObject([{ from_slot: passed.record.slot + 20 }]);
    while (hand.head.record.slot < passed.record.slot + 19) carry(hand, []);
    expect(hand.head.log.rules.repeat_slots).toBe(50);
    const inForce = carry(hand, []);
    expect(inForce.log.rules.repeat_slots).toBe(7);
    expect(inForce.log.rulesSince).toBe(inForce.record.slot);
    expect(inForce.log.rulesHash).not.toBe(passed.log.rulesHash);
    expect(carry(hand, []).record.proposal).not.toBeNull();
  });

  it('count a node once, the electorate of the opening alone, and end after vote_open_slots', () => {
    const hand = listener(4, { vote_open_slots: 5 });
    const subject = open(hand, proposed({ repeat_slots: 7 }));
    carry(hand, [subject]);
    carry(hand, [joinBy(hand), vote(hand, 1, subject), vote(hand, 1, subject)]);
    const late = opBy<VoteOp>(hand, newcomer, { type: 'VOTE', subject: bodyName(subject.body), approve: true });
    carry(hand, [late, vote(hand, 2, subject, false)]);
    expect([...hand.head.log.subjects.values()][0]).toMatchObject({
      yes: [hand.station.cryptos[1]!.nodeId],
      no: [hand.station.cryptos[2]!.nodeId],
    });
    while (hand.head.record.slot < 11) carry(hand, []);
    expect(hand.head.log.subjects.size).toBe(0);
  });

  it('pay no heed to rules that are none, or to strangers', () => {
    const hand = listener(3);
    const byStranger = opBy<SubjectOp>(hand, newcomer, { type: 'SUBJECT', rules: proposed({ repeat_slots: 7 }) });
    expect(carry(hand, [open(hand, '{"draw":"mine"}'), open(hand, '{'), byStranger]).log.subjects.size).toBe(0);
  });
});

describe('weights', () => {
  const lowestOf = (hand: Hand, signed: Signed<Proposal>): string => {
    hand.hear(signed);
    return hand.state.settling.get(signed.body.target_slot)!.candidates.get(signed.body.node_id)!.values[0]!.ticket;
  };

  it('of likes give a track more sub-tickets, up to the rule', () => {
    const hand = listener(6, { like_weight_max: 4 });
    const like = (by: number) => opBy<LikeOp>(hand, by, { type: 'LIKE', track_hash: trackHash('liked') });
    const { log } = carry(hand, [like(1), like(2), like(2), like(3), like(4)]);
    expect(log.likes.get(trackHash('liked'))!.nodes).toHaveLength(4);
    carry(hand, []);
    const slot = hand.head.record.slot + 1;
    hand.until((slot - 5) * TRACK_MS + 1_000);
    // Four tickets instead of one: for some proposer the lowest is lower, for none it is higher.
    const pairs = [2, 3, 4, 5].map((i) => [
      lowestOf(hand, proposalBy(hand, i, slot, {}, 'plain')),
      lowestOf2(hand, i, slot),
    ]);
    expect(pairs.every(([plain, liked]) => liked! <= plain!)).toBe(true);
    expect(pairs.some(([plain, liked]) => liked! < plain!)).toBe(true);
  });
  function lowestOf2(hand: Hand, by: number, slot: number): string {
    hand.hear(proposalBy(hand, by, slot, {}, 'liked'));
    return hand.state.settling.get(slot)!.candidates.get(hand.station.cryptos[by]!.nodeId)!.values[1]!.ticket;
  }

  it('are off by default', () => {
    const hand = listener(3);
    const { log } = carry(hand, [opBy<LikeOp>(hand, 1, { type: 'LIKE', track_hash: trackHash('x') })]);
    expect(log.likes.size).toBe(0);
  });
});

describe('cross-seeding', () => {
  it('spreads the popular tracks over the nodes, each computing the same shares', () => {
    const hand = listener(6, { cross_seed: 2 });
    carry(hand, []);
    const shares = hand.station.cryptos.map((c) => seedsFor(hand.head.log, c.nodeId).map((t) => t.track_hash));
    for (const share of shares) expect(new Set(share).size).toBe(2);
    expect(new Set(shares.flat()).size).toBeGreaterThan(2);
    hand.until(hand.nowMs + 10_000);
    const kept = hand.effects.findLast((e) => e.type === 'keep')!;
    expect(kept.type === 'keep' && kept.tracks.map((t) => t.track_hash)).toEqual(shares[0]);
    expect(seedsFor(listener(3).head.log, hand.crypto.nodeId)).toEqual([]);
  });
});

describe('lookahead', () => {
  it('grows slot by slot while tracks take long to arrive, and shrinks again; the timeline never breaks', () => {
    const hand = listener(3, { lookahead_max: 7 });
    const seen: number[] = [];
    const run = (fetch_ms: number, slots: number): void => {
      const until = hand.head.record.slot + slots;
      while (hand.head.record.slot < until) {
        for (const settling of hand.state.settling.values()) {
          if (hand.nowMs + START_MS < settling.phases.openMs + 500 || settling.values.size > 0) continue;
          hand.hear(proposalBy(hand, 1, settling.slot, { fetch_ms }, `t${settling.slot}`));
        }
        hand.until(hand.nowMs + 1_000);
        seen.push(hand.head.log.lookahead);
      }
    };
    run(0, 4);
    expect(hand.head.log.lookahead).toBe(5);
    run(250_000, 12);
    expect(hand.head.log.lookahead).toBe(7);
    expect(hand.head.record.slot - Math.floor(hand.nowMs / TRACK_MS)).toBeGreaterThanOrEqual(5);
    run(1_000, 12);
    expect(hand.head.log.lookahead).toBe(5);
    for (const [i, lookahead] of seen.slice(1).entries()) expect(Math.abs(lookahead - seen[i]!)).toBeLessThanOrEqual(1);
    expect(hand.state.counters.fallbacks ?? 0).toBe(0);
  });
});

describe('checkpoints', () => {
  it('survive the wire and the disk, and refuse any other content', () => {
    const hand = listener(4);
    carry(hand, [joinBy(hand), opBy<SubjectOp>(hand, 1, { type: 'SUBJECT', rules: rulesJson(DEFAULT_RULES) })]);
    const link = carry(hand, []);
    const packed = packLink(hand.state.memo, link);
    const sent = decodeSync('response', encodeSync({ kind: 'checkpoint', base: packed })).base as typeof packed;
    const read = unpackLink(sent);
    expect(read.hash).toBe(link.hash);
    expect(read.log).toEqual(link.log);
    expect(packLink(hand.state.memo, read)).toEqual(packed);
    for (const bend of [
      (p: any) => (p.record.start_ms += 1),
      (p: any) => (p.record.track.manifest = 'bother'),
      (p: any) => (p.log.roster[0][5] += 1),
      (p: any) => (p.log.lookahead = 6),
      (p: any) => (p.proposal_hash = null),
      (p: any) => (p.rules = rulesJson({ ...DEFAULT_RULES, repeat_slots: 1 })),
      (p: any) => delete p.log.history,
    ]) {
      const bent = structuredClone(packed);
      bend(bent);
      expect(() => unpackLink(bent)).toThrow(CheckpointError);
    }
  });
});
