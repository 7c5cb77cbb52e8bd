import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TEXT_CHARS } from '../../../src/web/limits.ts';
import { clean, cleanText, publicStatus } from '../../../src/web/public-status.ts';
import { sampleSnapshot } from '../../web/sample.ts';

describe('the status as it leaves the box', () => {
  it('is the snapshot where that keeps its bounds', () => {
    expect(publicStatus(sampleSnapshot())).toEqual(sampleSnapshot());
  });

  it('cuts every list, keeps the newest history, and still tells how many files were skipped', () => {
    const snapshot = sampleSnapshot();
    const many = <T>(item: T) => Array.from({ length: 2_000 }, () => structuredClone(item));
    snapshot.queue = many(snapshot.queue[0]!);
    snapshot.peers = many(snapshot.peers[0]!);
    snapshot.history = many(snapshot.history[0]!).map((entry, slot) => ({ ...entry, slot }));
    snapshot.library.skipped = many(snapshot.library.skipped[0]!);
    snapshot.library.sources = many('/x');
    snapshot.notices = many({ level: 'info', code: 'x', text: 'x' });
    snapshot.node.addresses = many('/ip4/1.2.3.4');
    snapshot.counters = Object.fromEntries(many('x').map((name, index) => [name + index, index]));
    const status = publicStatus(snapshot);
    expect(JSON.stringify(status).length).toBeLessThan(120_000);
    expect(status.history.at(-1)?.slot).toBe(1_999);
    expect(status.library.skipped_total).toBe(2_000);
    expect(snapshot.peers).toHaveLength(2_000);
  });

  it('takes control characters and turned directions out of texts, and keeps every script', () => {
    expect(cleanText('a\u0000b\nc\u001bd\u202ee\u2066f\ufeffg\u0085h')).toBe('a b c d e f g h');
    const honest = 'مرحبا שלום 夕焼け 👩‍🎤 Ünïcødé <b>&"\'';
    expect(cleanText(honest)).toBe(honest);
    expect(cleanText('\ud800x')).toBe('\ufffdx');
  });

  it('cuts long texts, also where a pair of surrogates stands at the cut', () => {
    const cut = cleanText('🎵'.repeat(5_000));
    expect(cut.length).toBeLessThanOrEqual(MAX_TEXT_CHARS);
    expect(cut.isWellFormed()).toBe(true);
    expect(cut.endsWith('…')).toBe(true);
  });

  it('cleans whatever a snapshot holds, once and for all', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const once = clean(value);
        expect(JSON.stringify(once)).not.toMatch(/\\u00[01]|[\u2028-\u202e]/);
        expect(clean(once)).toEqual(once);
      }),
      { numRuns: 200 },
    );
  });
});
