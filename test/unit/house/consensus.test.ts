import { describe, expect, it } from 'vitest';
import { codeOf, projectFiles, read } from './files.ts';

/** What would let two nodes compute differently, or let time and chance in by the back door. */
const FORBIDDEN: [string, RegExp][] = [
  ['the wall clock', /\bDate\b|\bperformance\b|\bhrtime\b|\bTemporal\b/],
  ['timers', /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/],
  ['randomness', /\bMath\.random\b|\bgetRandomValues\b|\brandomBytes\b|\brandomUUID\b/],
  ['locale', /\btoLocale\w*|\blocaleCompare\b|\bIntl\b/],
  ['numbers with a fraction', /(?<![\w.])\d[\d_]*\.\d|\b\d+e-\d|\bparseFloat\b|\btoFixed\b|\bNumber\.EPSILON\b/],
  ['functions that differ between machines', /\bMath\.(sqrt|cbrt|pow|exp\w*|log\w*|sin|cos|tan|hypot|fround)\b/],
  ['the process', /\bprocess\b|\bconsole\b|\bBuffer\b|\bglobalThis\b|\bfetch\(|\brequire\(/],
  ['promises', /\basync\b|\bawait\b|\bPromise\b/],
];
/** A quotient must be made whole where it is made. */
const WHOLE = /Math\.(floor|trunc|ceil)\(|\d+n\b|[Bb]ig/;

const files = projectFiles().filter((path) => /^src\/consensus\/.*\.ts$/.test(path));

function linesThat(matches: (line: string) => boolean): string[] {
  return files.flatMap((path) =>
    codeOf(read(path))
      .split('\n')
      .map((line, index) => ({ place: `${path}:${index + 1}: ${line.trim()}`, line }))
      .filter(({ line }) => matches(line))
      .map(({ place }) => place),
  );
}

describe('the consensus room', () => {
  it('is there', () => expect(files.length).toBeGreaterThan(1));
  it.each(FORBIDDEN)('is free of %s', (_, pattern) => {
    expect(linesThat((line) => pattern.test(line))).toEqual([]);
  });
  it('divides whole numbers only', () => {
    expect(linesThat((line) => / \/=? [\w(]/.test(line) && !WHOLE.test(line))).toEqual([]);
  });
});
