import { describe, expect, it } from 'vitest';
import { reportBars } from '../../../src/consensus/appraise.ts';
import type { ProposalReport } from '../../../src/consensus/messages.ts';
import { DEFAULT_RULES } from '../../../src/consensus/rules.ts';

const IN_SYNC: ProposalReport = {
  consensus_hash: null,
  actual_hash: null,
  diverged: false,
  reason: null,
  slot: 40,
  run: 0,
  diverged_ms: 0,
  synced_slots: -1,
  banned_at: -1,
};
const bars = (report: Partial<ProposalReport>, slot = 46): boolean =>
  reportBars(DEFAULT_RULES, { ...IN_SYNC, ...report }, slot);

describe('a report', () => {
  it('of a node in sync bars nothing', () => {
    expect(bars({})).toBe(false);
    expect(bars({ synced_slots: 1, diverged_ms: 1_000 })).toBe(false);
  });

  it('of a divergence in the last slot bars the round', () => {
    expect(bars({ run: 1, synced_slots: 0 })).toBe(true);
  });

  it('of a ban bars ban_slots, the last one included', () => {
    expect(bars({ banned_at: 30, synced_slots: 10 }, 30 + DEFAULT_RULES.ban_slots)).toBe(true);
    expect(bars({ banned_at: 30, synced_slots: 10 }, 31 + DEFAULT_RULES.ban_slots)).toBe(false);
    expect(bars({ banned_at: 0, synced_slots: 10 }, DEFAULT_RULES.ban_slots)).toBe(true);
  });

  it('of 600 s bars until one slot was in sync', () => {
    expect(bars({ diverged_ms: 599_999, synced_slots: 0 })).toBe(false);
    expect(bars({ diverged_ms: 600_000, synced_slots: 0 })).toBe(true);
    expect(bars({ diverged_ms: 600_000, synced_slots: 1 })).toBe(false);
  });
});
