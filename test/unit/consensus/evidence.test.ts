import { describe, expect, it } from 'vitest';
import { checkEvidence } from '../../../src/consensus/evidence.ts';
import { bareStatement } from '../../../src/consensus/gossip.ts';
import type { EvidenceOp, StateMessage } from '../../../src/consensus/messages.ts';
import { carry, Hand, makeStation, opBy, proposalBy, stateBy } from './station.ts';

const hand = new Hand(makeStation(4), 0, { offers: [] });
for (let i = 0; i < 16; i++) carry(hand, []);
const slot = hand.head.record.slot + 1;
const ACCUSED = 2;

/** What the log makes of a STATE that admits a divergence in the last ended slot and a proposal that denies it. */
function verdictOn(change: Partial<StateMessage>, synced = 5): number | null {
  const admitted = { slot: slot - 6, diverged: true, reason: 'moderation' as const, ...change };
  const report = { ...proposalBy(hand, ACCUSED, slot).body.report, synced_slots: synced };
  const { body } = opBy<EvidenceOp>(hand, 1, {
    type: 'EVIDENCE',
    kind: 'report',
    accused: hand.station.cryptos[ACCUSED]!.nodeId,
    first: bareStatement(stateBy(hand, ACCUSED, admitted)),
    second: bareStatement(proposalBy(hand, ACCUSED, slot, { report })),
  });
  return checkEvidence(body as EvidenceOp, hand.head.log);
}

describe('a report against its author’s own STATE', () => {
  it('is an offence where it denies a divergence by choice', () => {
    expect(verdictOn({})).toBe(slot);
    expect(verdictOn({}, -1)).toBe(slot);
  });

  it('is none where nothing was admitted, the fetch failed, or the report owns up', () => {
    expect(verdictOn({ diverged: false, reason: null })).toBeNull();
    expect(verdictOn({ reason: 'fetch' })).toBeNull();
    expect(verdictOn({}, 0)).toBeNull();
  });

  it('is none about a slot long ago: words are kept by others for ever', () => {
    const at = hand.head.record.slot;
    expect(verdictOn({ slot: at - 15 }, 40)).toBe(slot);
    expect(verdictOn({ slot: at - 16 }, 40)).toBeNull();
  });

  it('is none about slots that the report does not speak of, or on another log', () => {
    expect(verdictOn({ slot: slot - 5 })).toBeNull();
    expect(verdictOn({ slot: -1 })).toBeNull();
    expect(verdictOn({ genesis: '00'.repeat(32) })).toBeNull();
  });
});
