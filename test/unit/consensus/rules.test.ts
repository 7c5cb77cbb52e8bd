import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_RULES,
  FAST_RULES,
  parseRules,
  type Rules,
  RulesError,
  rulesHash,
  rulesJson,
} from '../../../src/consensus/rules.ts';

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/vectors/rules.json', import.meta.url), 'utf8'));

function faultOf(json: unknown): RulesError {
  try {
    parseRules(json);
  } catch (error) {
    if (error instanceof RulesError) return error;
    throw error;
  }
  throw new Error('these rules were taken');
}

describe('rules', () => {
  it('are the model’s by default', () => {
    expect(parseRules({})).toEqual(DEFAULT_RULES);
    expect(DEFAULT_RULES).toMatchObject({
      propose_max_ms: 30_000,
      propose_pct: 25,
      select_max_ms: 60_000,
      select_pct: 40,
      state_epoch_ms: 5_000,
      ban_after: 3,
      exclude_after_ms: 600_000,
      violations: 3,
    });
  });

  it('have the canonical form and the hash of the vectors', () => {
    const made = [DEFAULT_RULES, FAST_RULES].map((r) => ({ json: rulesJson(r), rules_hash: rulesHash(r) }));
    expect(made).toEqual(vectors);
    for (const { json, rules_hash } of vectors)
      expect(createHash('sha256').update(json).digest('hex')).toBe(rules_hash);
  });

  it('come back whole from their canonical form', () => {
    expect(parseRules(JSON.parse(rulesJson(FAST_RULES)))).toEqual(FAST_RULES);
  });

  it('have another hash for any other value', () => {
    const hashes = new Set([rulesHash(DEFAULT_RULES)]);
    const others: Partial<Rules>[] = [
      { draw: 'hash-mod' },
      { admission: 'invite' },
      { delta_ms: 2_999 },
      { genres: ['jazz'] },
    ];
    for (const other of others) hashes.add(rulesHash(parseRules(other)));
    expect(hashes.size).toBe(others.length + 1);
  });

  it.each([
    [{ delta_ms: 1 }, 'delta_ms', 'a whole number from'],
    [{ delta_ms: 3_000.5 }, 'delta_ms', 'a whole number from'],
    [{ delta_ms: '3000' }, 'delta_ms', 'a whole number from'],
    [{ delta: 3_000 }, 'delta', 'delta_ms'],
    [{ draw: 'dice' }, 'draw', '"ticket" or "hash-mod"'],
    [{ admission: null }, 'admission', '"open" or "invite"'],
    [{ allow_explicit: 1 }, 'allow_explicit', 'true or false'],
    [{ genres: ['Jazz'] }, 'genres', 'lower case'],
    [{ genres: ['jazz', 'jazz'] }, 'genres', 'different'],
    [{ v: 2 }, 'v', '1'],
    [{ min_track_ms: 60_000, max_track_ms: 50_000 }, 'max_track_ms', 'at least min_track_ms'],
    [{ min_track_ms: 1_000, propose_pct: 1 }, 'min_track_ms', 'long enough'],
    [[], 'rules', 'a JSON object'],
    [null, 'rules', 'a JSON object'],
    [JSON.parse('{"__proto__": 1}'), '__proto__', 'one of the known rules'],
  ])('refuses %j and says what is allowed', (json, field, allowed) => {
    const fault = faultOf(json);
    expect(fault.field).toBe(field);
    expect(fault.allowed).toContain(allowed);
    expect(fault.message).toContain(field);
  });
});
