import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LOCAL_NAME_TTL_S } from '../../../src/network/limits.ts';
import { type Asker, LocalName } from '../../../src/network/local-name.ts';

const RESOLVER: Asker = { address: '192.168.1.9', port: 5353 };
const PLAIN: Asker = { address: '192.168.1.9', port: 40_123 };
const OWN = { name: 'starling.local', type: 'A', data: '192.168.1.5' };

function ask(type = 'A', name = 'starling.local') {
  return { id: 77, questions: [{ name, type }] };
}

describe('the name that all boxes share', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function make(addresses = ['192.168.1.5']) {
    const told: { packet: unknown; to: Asker | null }[] = [];
    const name = new LocalName(
      {
        addresses: () => addresses,
        respond: (packet, to) => told.push({ packet, to }),
        monoNowMs: () => Date.now(),
        random: () => 0.5,
      },
      { name: 'Starling' },
    );
    return { name, told };
  }

  it('is told to all after a moment, whatever its letters, as a record that flushes nothing', () => {
    const { name, told } = make();
    name.onQuery(ask('A', 'STARLING.Local'), RESOLVER);
    vi.advanceTimersByTime(69);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual([{ packet: { answers: [{ ...OWN, class: 'IN', ttl: LOCAL_NAME_TTL_S }] }, to: null }]);
  });

  it('is not told for another name, another kind of record, or an address that there is not', () => {
    const { name, told } = make();
    for (const packet of [ask('A', 'starling-4f2a.local'), ask('A', 'starling'), ask('AAAA'), ask('TXT'), {}]) {
      name.onQuery(packet, RESOLVER);
      name.onQuery(packet, PLAIN);
    }
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([]);
  });

  it('brings both kinds of address at once', () => {
    const { name, told } = make(['192.168.1.5', '2001:db8::5']);
    name.onQuery(ask('AAAA'), RESOLVER);
    vi.advanceTimersByTime(1_000);
    expect(told[0]?.packet).toMatchObject({ answers: [{ type: 'A' }, { type: 'AAAA', data: '2001:db8::5' }] });
  });

  it('is told once a second at most, however often it is asked for', () => {
    const { name, told } = make();
    for (let ms = 0; ms < 10_000; ms += 10) {
      name.onQuery(ask(), RESOLVER);
      vi.advanceTimersByTime(10);
    }
    expect(told.length).toBeGreaterThan(8);
    expect(told.length).toBeLessThanOrEqual(10);
  });

  it('is left to the others when two of them were faster, and not to an echo of our own', () => {
    const { name, told } = make();
    const answer = (data: string) => name.onResponse({ answers: [{ ...OWN, data, ttl: 30 }] });
    name.onQuery(ask(), RESOLVER);
    answer('192.168.1.6');
    answer('192.168.1.5');
    answer('192.168.1.5');
    vi.advanceTimersByTime(1_000);
    expect(told.length).toBe(1);
    name.onQuery(ask(), RESOLVER);
    answer('192.168.1.6');
    answer('192.168.1.7');
    vi.advanceTimersByTime(1_000);
    expect(told.length).toBe(1);
  });

  it('is not told to who knows our address for a while yet', () => {
    const { name, told } = make();
    const known = (ttl: number, data = OWN.data) => ({ ...ask(), answers: [{ ...OWN, data, ttl }] });
    name.onQuery(known(LOCAL_NAME_TTL_S), RESOLVER);
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([]);
    name.onQuery(known(1), RESOLVER);
    vi.advanceTimersByTime(1_100);
    name.onQuery(known(LOCAL_NAME_TTL_S, '192.168.1.6'), RESOLVER);
    vi.advanceTimersByTime(1_100);
    expect(told.length).toBe(2);
  });

  it('is told to a plain resolver alone, at once, with its number and question, ten times a second at most', () => {
    const { name, told } = make();
    name.onQuery(ask('ANY'), PLAIN);
    const answers = [{ ...OWN, class: 'IN', ttl: 10 }];
    expect(told).toEqual([{ packet: { id: 77, questions: ask('ANY').questions, answers }, to: PLAIN }]);
    for (let ms = 0; ms < 1_000; ms += 1) {
      name.onQuery(ask(), PLAIN);
      vi.advanceTimersByTime(1);
    }
    expect(told.length).toBeLessThanOrEqual(11);
  });

  it('is not told any more once the link is gone', () => {
    const { name, told } = make();
    name.onQuery(ask(), RESOLVER);
    name.stop();
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([]);
  });
});
