import { describe, expect, it } from 'vitest';
import { perMinute, RateLimit } from '../../../src/web/rate-limit.ts';

describe('the rate limit', () => {
  it('lets a burst through, then as much as flows back, and says how long to wait', () => {
    const limit = new RateLimit({ burst: 3, perSecond: 2, maxClients: 10 });
    expect([1, 2, 3].map(() => limit.take('a', 0))).toEqual([0, 0, 0]);
    expect(limit.take('a', 0)).toBe(500);
    expect(limit.take('a', 250)).toBe(250);
    expect(limit.take('a', 500)).toBe(0);
    expect(limit.take('a', 500)).toBe(500);
    expect([1, 2, 3].map(() => limit.take('a', 60_000))).toEqual([0, 0, 0]);
    expect(limit.take('a', 60_000)).toBe(500);
  });

  it('keeps clients apart', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1, maxClients: 10 });
    expect(limit.take('a', 0)).toBe(0);
    expect(limit.take('b', 0)).toBe(0);
    expect(limit.take('a', 0)).toBeGreaterThan(0);
  });

  it('is no shorter for asking while refused', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1, maxClients: 10 });
    limit.take('a', 0);
    for (let ms = 100; ms < 1_000; ms += 100) expect(limit.take('a', ms)).toBeGreaterThan(0);
    expect(limit.take('a', 1_001)).toBe(0);
  });

  it('can be asked without taking', () => {
    const limit = perMinute(2);
    for (let at = 0; at < 9; at++) expect(limit.wait('a', 0)).toBe(0);
    limit.take('a', 0);
    limit.take('a', 0);
    expect([limit.wait('a', 0), limit.wait('a', 29_000), limit.wait('a', 30_000)]).toEqual([30_000, 1_000, 0]);
    expect([limit.take('a', 30_000), limit.wait('b', 30_000), limit.size]).toEqual([0, 0, 1]);
  });

  it('remembers a bounded number, the busiest ones included', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 0.001, maxClients: 5 });
    limit.take('busy', 0);
    for (let client = 0; client < 100; client++) {
      limit.take(`client ${client}`, client);
      expect(limit.take('busy', client)).toBeGreaterThan(0);
    }
    expect(limit.size).toBe(5);
  });
});
