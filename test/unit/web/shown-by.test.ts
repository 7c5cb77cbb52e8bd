/** Two tables say which test shows what; here they are held to it. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

interface Shown {
  what: string;
  file: string;
  test: string;
}

/** "attacks: DNS rebinding; unit pairing-desk: lets no stranger in" names two tests by how they begin; commands are left out. */
function testsNamed(what: string, cell: string): Shown[] {
  let file = '';
  return cell
    .replaceAll('**', '')
    .split('; ')
    .filter((part) => !part.includes('`'))
    .map((part) => {
      const [, named, test = ''] = /^(?:((?:unit )?[a-z-]+): )?(.+)$/.exec(part.trim()) ?? [];
      file = named ?? file;
      return { what, file, test };
    });
}

function rowsOf(page: string, column: string): Shown[] {
  const lines = read(page).split('\n');
  const from = lines.findIndex((line) => line.startsWith('|') && line.includes(column));
  const cells = (line: string) => line.split('|').map((cell) => cell.trim());
  const until = lines.findIndex((line, index) => index > from && !line.startsWith('|'));
  return lines.slice(from + 2, until).flatMap((line) => {
    const row = cells(line);
    return testsNamed(row[1] ?? '', row.at(-2) ?? '');
  });
}

/** Whether a test, or a group of tests, begins like this. */
function isThere({ file, test }: Shown): boolean {
  const path = file.startsWith('unit ') ? `test/unit/web/${file.slice(5)}.test.ts` : `test/web/${file}.test.ts`;
  if (!existsSync(new URL(path, ROOT))) return false;
  const escaped = test.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?:\\b(?:it|describe)|\\]|\\))\\(\\s*['"\`]${escaped}`).test(read(path));
}

const SECURITY = rowsOf('src/web/README.md', 'attack ');
const FACE = rowsOf('web-setup/README.md', 'what is promised');

describe('the table', () => {
  it.each([
    ['of attacks', SECURITY],
    ['of the page', FACE],
  ])('%s names only tests that are there', (_, rows) => {
    expect(rows.length).toBeGreaterThan(25);
    expect(rows.filter((row) => !isThere(row))).toEqual([]);
  });

  it.each([
    'rebinding',
    'CSRF',
    'too large',
    'traversal',
    'header injection',
    'stored script',
    'brute force',
    'replayed',
  ])('of attacks has %s', (word) => {
    expect(SECURITY.filter(({ what }) => what.includes(word)).length).toBeGreaterThan(0);
  });

  it.each([
    ...['set-up', 'pairing', 'skip', 'blacklist', 'undo', 'volume', 'station change', 'languages'],
    ...['script off', 'network gone and back', 'phone and desktop', 'axe-core', '200 % zoom', 'within 1 s', '20,000'],
  ])('of the page has %s', (word) => {
    expect(FACE.filter(({ what }) => what.includes(word)).length).toBeGreaterThan(0);
  });

  it.each([
    'set-up',
    'pairing',
    'skip',
    'blacklist',
    'undo',
    'volume',
    'station change',
    'languages',
    'script off',
    'gone',
  ])('of the page has a real node for %s', (word) => {
    const files = FACE.filter(({ what }) => what.includes(word)).map(({ file }) => file);
    expect(files).toContain('face-node');
  });
});
