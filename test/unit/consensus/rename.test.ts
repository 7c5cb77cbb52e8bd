import { describe, expect, it } from 'vitest';
import type { JoinOp } from '../../../src/consensus/messages.ts';
import { isPointless } from '../../../src/consensus/pending.ts';
import { Hand, makeStation } from './station.ts';

describe('a member that takes another name', () => {
  it('says so soon, but not again and again; the same name is said as seldom as ever', () => {
    const hand = new Hand(makeStation(3), 0, { offers: [] });
    const { log } = hand.head;
    const entry = log.roster.entries.get(hand.crypto.nodeId)!;
    const join = (name: string): JoinOp => ({
      type: 'JOIN',
      v: 1,
      station: hand.state.stationId,
      node_id: entry.node_id,
      timestamp: entry.said + 1,
      vrf_key: entry.vrf_key,
      name,
    });
    const at = (slot: number) => ({ ...log, slot: entry.renewed + slot });
    expect(isPointless(hand.state, join('Kitchen'), at(4))).toBe(false);
    expect(isPointless(hand.state, join('Kitchen'), at(3))).toBe(true);
    expect(isPointless(hand.state, join(entry.name), at(4))).toBe(true);
    expect(isPointless(hand.state, join(entry.name), at(log.rules.roster_ttl_slots))).toBe(false);
  });
});
