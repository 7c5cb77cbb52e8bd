import { describe, expect, it } from 'vitest';
import { quantile, resultText, round, tableText } from '../../bench/frame.ts';

describe('a bench table', () => {
  it('sets numbers to the right and words to the left, with three digits that count', () => {
    expect(
      tableText(
        ['phase', 'MB'],
        [
          ['idle', 81.2345],
          ['cutting music', 1234.5],
          ['none', null],
        ],
      ),
    ).toBe(
      [
        'phase            MB',
        '─────────────  ────',
        'idle           81.2',
        'cutting music  1235',
        'none              –',
      ].join('\n'),
    );
  });
  it('is followed by its notes', () => {
    expect(resultText({ columns: ['a'], rows: [[1]], figures: {}, notes: ['one', 'two'] })).toMatch(
      /1\n\n- one\n- two$/,
    );
  });
});

describe('figures', () => {
  it('are quantiles of what was seen', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([3, 1, 2], 1)).toBe(3);
    expect(quantile([], 0.5)).toBeNaN();
    expect(round(1.25, 1)).toBe(1.3);
  });
});
