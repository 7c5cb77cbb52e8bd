import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endorsement } from '../../../src/consensus/messages.ts';
import { Lab, type LabNode } from './lab.ts';

const one = <T>(list: readonly T[]): T => {
  expect(new Set(list).size).toBe(1);
  return list[0]!;
};

describe('settling among honest nodes', () => {
  it('gives the slot to the lowest ticket', () => {
    const lab = new Lab({ members: 5, faulty: [], rounds: 4, seed: 1 });
    expect(one(lab.outcomes())).toBe('track of 0');
  });

  it('costs no endorsement when nobody is late', () => {
    const lab = new Lab({ members: 5, faulty: [], rounds: 4, seed: 1 });
    lab.delayMs = () => lab.phases.deltaMs - 1;
    lab.outcomes();
    const endorsed = lab.honest.flatMap((n) => n.published).filter((m) => (m.endorsements ?? []).length > 0);
    expect(endorsed).toEqual([]);
  });
});

describe('deadlines', () => {
  const released = (atMs: (lab: Lab) => number, endorsers: number, toAll = true): (string | null)[] => {
    const lab = new Lab({ members: 6, faulty: [0, 4, 5], rounds: 3, seed: 2 });
    const [proposer, ...others] = lab.nodes.filter((n) => n.faulty) as [LabNode, ...LabNode[]];
    const message = lab.endorsed(lab.value(proposer, 'late'), others.slice(0, endorsers));
    for (const to of toAll ? lab.honest : lab.honest.slice(0, 1)) lab.deliver(message, to, atMs(lab));
    return lab.outcomes();
  };

  it('takes a bare proposal up to T1 and not after', () => {
    expect(one(released((lab) => lab.phases.t1Ms, 0))).toBe('late');
    expect(one(released((lab) => lab.phases.t1Ms + 1, 0))).toBe('track of 1');
  });

  it('takes one with k endorsements up to T1 + k Delta and not after', () => {
    for (const k of [1, 2]) {
      expect(one(released((lab) => lab.phases.t1Ms + k * lab.phases.deltaMs, k))).toBe('late');
      expect(one(released((lab) => lab.phases.t1Ms + k * lab.phases.deltaMs + 1, k))).toBe('track of 1');
    }
  });

  it('carries what reached one node in its last instant to everybody', () => {
    expect(one(released((lab) => lab.phases.t1Ms, 0, false))).toBe('late');
    expect(one(released((lab) => lab.phases.t1Ms + 2 * lab.phases.deltaMs, 2, false))).toBe('late');
  });

  it('counts each endorser once, and neither the author nor strangers nor bad signatures', () => {
    const wrong: ((lab: Lab, proposer: LabNode, other: LabNode) => Endorsement[])[] = [
      (lab, p, other) => {
        const [word] = lab.endorsed(lab.value(p, 'late'), [other]).endorsements!;
        return [word!, word!];
      },
      (lab, p, other) => lab.endorsed(lab.value(p, 'late'), [other, p]).endorsements!,
      (lab, p, other) => lab.endorsed(lab.value(p, 'other'), [other, lab.nodes[4]!]).endorsements!,
      (lab, p, other) => {
        const words = lab.endorsed(lab.value(p, 'late'), [other]).endorsements!;
        return [...words, { node_id: lab.honest[0]!.crypto.nodeId, sig: new Uint8Array(64) }];
      },
    ];
    for (const words of wrong) {
      const lab = new Lab({ members: 6, faulty: [0, 4, 5], rounds: 3, seed: 2 });
      const [proposer, , other] = lab.nodes.filter((n) => n.faulty) as [LabNode, LabNode, LabNode];
      const message = { ...lab.value(proposer, 'late'), endorsements: words(lab, proposer, other) };
      for (const to of lab.honest) lab.deliver(message, to, lab.phases.t1Ms + 2 * lab.phases.deltaMs);
      expect(one(lab.outcomes())).toBe('track of 1');
    }
  });
});

describe('two values of one proposer', () => {
  it('void each other, whichever came first where', () => {
    const lab = new Lab({ members: 5, faulty: [0], rounds: 1, seed: 3 });
    const [a, b] = [lab.value(lab.nodes[0]!, 'a'), lab.value(lab.nodes[0]!, 'b')];
    lab.deliver(a, lab.honest[0]!, lab.phases.t1Ms);
    lab.deliver(b, lab.honest[1]!, lab.phases.t1Ms);
    expect(one(lab.outcomes())).toBe('track of 1');
    const waiting = lab.honest.flatMap(({ state }) => [...state.pendingOps.values()]);
    expect(waiting.some(({ body }) => body.type === 'EVIDENCE')).toBe(true);
  });

  it('leave the fallback record when all of the M lowest are void', () => {
    const lab = new Lab({ members: 4, faulty: [0], rounds: 1, seed: 3, rules: { relay_lowest: 1 } });
    const [a, b] = [lab.value(lab.nodes[0]!, 'a'), lab.value(lab.nodes[0]!, 'b')];
    for (const to of lab.honest) for (const value of [a, b]) lab.deliver(value, to, lab.phases.t1Ms);
    expect(one(lab.outcomes())).toBe('fallback');
  });
});

/** Scripts that are tried a case; more by STARLING_RUNS. */
const RUNS = Number(process.env.STARLING_RUNS ?? 60);

/** One act of the adversary: which value, to whom, how many of its words, with how many honest ones, and when. */
interface Act {
  proposer: number;
  value: number;
  to: number;
  words: number;
  round: number;
  early: number;
}

const acts = fc.array(
  fc.record({
    proposer: fc.nat(1),
    value: fc.nat(2),
    to: fc.nat(7),
    words: fc.nat(3),
    round: fc.nat(3),
    // Deadlines are where it hurts: most acts happen on one, or right beside it.
    early: fc.oneof(fc.constantFrom(0, 1, -1), fc.integer({ min: -1_000, max: 1_000 })),
  }),
  { minLength: 1, maxLength: 10 },
);

function play(lab: Lab, script: readonly Act[], delays: readonly number[]): (string | null)[] {
  const faulty = lab.nodes.filter((node) => node.faulty);
  let drawn = 0;
  lab.delayMs = () => delays[drawn++ % delays.length]! % lab.phases.deltaMs;
  const timed = script.map((act) => ({ act, atMs: lab.phases.t1Ms + act.round * lab.phases.deltaMs - act.early }));
  timed.sort((x, y) => x.atMs - y.atMs);
  for (const { act, atMs } of timed) {
    lab.run(atMs - 1);
    const proposer = faulty[act.proposer % faulty.length]!;
    const value = lab.value(proposer, `value ${act.value}`);
    const others = faulty.filter((node) => node !== proposer).slice(0, act.words);
    // Honest words are public the moment they are given.
    const message = lab.endorsed(value, others, lab.honestWords(value));
    lab.deliver(message, lab.honest[act.to % lab.honest.length]!, atMs);
  }
  return lab.outcomes();
}

describe('against an adversary that knows everything', () => {
  const delays = fc.array(fc.nat(2_000), { minLength: 1, maxLength: 12 });

  it.each([
    { members: 4, faulty: [0], rounds: 1 },
    { members: 5, faulty: [0, 1], rounds: 2 },
    { members: 5, faulty: [0, 3], rounds: 2, rules: { relay_lowest: 1 } },
    { members: 6, faulty: [0, 1, 2], rounds: 3, rules: { relay_lowest: 2 } },
    { members: 5, faulty: [0, 1], rounds: 2, rules: { draw: 'hash-mod' as const } },
    { members: 5, faulty: [0, 3, 4], rounds: 64 },
  ])('honest nodes decide alike with f = R: %j', (init) => {
    fc.assert(
      fc.property(acts, delays, fc.nat(20), (script, ms, seed) => {
        const outcomes = play(new Lab({ ...init, seed }), script, ms);
        expect(outcomes).not.toContain(null);
        expect(new Set(outcomes).size, JSON.stringify(outcomes)).toBe(1);
      }),
      { numRuns: RUNS },
    );
  });

  it('and part with f = R + 1: the bound is exact', () => {
    const lab = new Lab({ members: 5, faulty: [0, 3, 4], rounds: 2, seed: 4 });
    const [proposer, ...others] = lab.nodes.filter((n) => n.faulty) as [LabNode, ...LabNode[]];
    const message = lab.endorsed(lab.value(proposer, 'split'), others);
    lab.deliver(message, lab.honest[0]!, lab.phases.t1Ms + 2 * lab.phases.deltaMs);
    expect(new Set(lab.outcomes())).toEqual(new Set(['split', 'track of 1']));
  });

  it('also among listeners that are not in the roster and may not endorse', () => {
    const lab = new Lab({ members: 4, faulty: [0], rounds: 1, seed: 6, outsiders: 1 });
    lab.deliver(lab.value(lab.nodes[0]!, 'for you alone'), lab.honest[lab.honest.length - 1]!, lab.phases.t1Ms);
    const outcomes = lab.outcomes();
    // Whoever is no member believes the members' record, or knows none yet.
    expect(new Set(outcomes.filter((outcome) => outcome !== null))).toEqual(new Set(['track of 1']));
  });

  it('not even when all but two are faulty, if there is time for as many rounds', () => {
    const lab = new Lab({ members: 5, faulty: [0, 3, 4], rounds: 64, seed: 4 });
    const [proposer, ...others] = lab.nodes.filter((n) => n.faulty) as [LabNode, ...LabNode[]];
    const message = lab.endorsed(lab.value(proposer, 'split'), others);
    lab.deliver(message, lab.honest[0]!, lab.phases.t1Ms + 2 * lab.phases.deltaMs);
    expect(one(lab.outcomes())).toBe('split');
  });
});
