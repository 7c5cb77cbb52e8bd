import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_BLACKLIST } from '../../../src/node/bounds.ts';
import { TASTE_FILE, Taste } from '../../../src/node/taste.ts';
import { quiet } from './fakes.ts';

const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;
const track = (more: Partial<Parameters<Taste['causeAgainst']>[0]> = {}) => ({
  hash: hash('1'),
  genres: [],
  explicit: false,
  ...more,
});

describe('Taste', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'starling-taste-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  const load = () => {
    const taste = new Taste({ wallMs: () => 1_234, log: quiet }, { dataDir });
    taste.load();
    return taste;
  };

  it('keeps the blacklist and the filters over a restart, for the owner of the box alone', () => {
    const taste = load();
    taste.add(hash('1'), 'One');
    taste.add(hash('2'), 'Two');
    taste.setFilters({ explicit: false, genres: ['Hard Rock', ' hard rock '] });
    const again = load();
    expect(again.blacklist()).toEqual([
      { hash: hash('2'), name: 'Two', at_ms: 1_234 },
      { hash: hash('1'), name: 'One', at_ms: 1_234 },
    ]);
    expect(again.filters()).toEqual({ explicit: false, genres: ['hard rock'] });
    expect(statSync(join(dataDir, TASTE_FILE)).mode & 0o777).toBe(0o600);
  });

  it('of a newer version gives way to the copy that it left of this one', () => {
    load().add(hash('1'), 'One');
    const path = join(dataDir, TASTE_FILE);
    renameSync(path, `${path}.v1.bak`);
    writeFileSync(path, '{"version":2,"never":{}}');
    expect(load().blacklist()).toHaveLength(1);
    expect(readFileSync(`${path}.v2.bak`, 'utf8')).toBe('{"version":2,"never":{}}');
    expect(load().blacklist()).toHaveLength(1);
  });

  it('tells why a track is not played', () => {
    const taste = load();
    expect(taste.causeAgainst(track({ explicit: true, genres: ['Schlager'] }))).toBeNull();
    taste.setFilters({ explicit: false, genres: ['schlager'] });
    expect(taste.causeAgainst(track({ explicit: true }))).toBe('filter');
    expect(taste.causeAgainst(track({ genres: ['', 'Pop; SCHLAGER'] }))).toBe('filter');
    expect(taste.causeAgainst(track({ genres: ['Schlagermusik'] }))).toBeNull();
    taste.add(hash('1'), 'One');
    expect(taste.causeAgainst(track({ explicit: true }))).toBe('never');
    taste.remove(hash('1'));
    expect(taste.causeAgainst(track())).toBeNull();
  });

  it('lists a track once, and says when one is not listed', () => {
    const taste = load();
    expect(taste.add(hash('1'), 'One').ok).toBe(true);
    expect(taste.add(hash('1'), 'Another name').ok).toBe(true);
    expect(taste.blacklist()).toMatchObject([{ name: 'One' }]);
    expect(taste.remove(hash('2'))).toMatchObject({ ok: false, code: 'not_listed', field: 'hash' });
  });

  it('takes no more than its bound', () => {
    const never = Array.from({ length: MAX_BLACKLIST + 5 }, (_, i) => ({ hash: `sha256:${i}`, name: 'x', at_ms: 0 }));
    const filters = { explicit: true, genres: [] };
    writeFileSync(join(dataDir, TASTE_FILE), JSON.stringify({ version: 1, filters, never }));
    const taste = load();
    expect(taste.blacklist()).toHaveLength(MAX_BLACKLIST);
    expect(taste.add(hash('1'), 'One')).toMatchObject({ ok: false, code: 'blacklist_full' });
    taste.remove('sha256:0');
    expect(taste.add(hash('1'), 'One').ok).toBe(true);
  });

  it.each([
    [null, undefined],
    [[], undefined],
    [{ explicit: 'yes', genres: [] }, 'explicit'],
    [{ explicit: true, genres: 'rock' }, 'genres'],
    [{ explicit: true, genres: [''] }, 'genres'],
    [{ explicit: true, genres: ['a\nb'] }, 'genres'],
    [{ explicit: true, genres: ['x'.repeat(65)] }, 'genres'],
    [{ explicit: true, genres: Array.from({ length: 65 }, (_, i) => `${i}`) }, 'genres'],
    [{ explicit: true, genres: [], artists: [] }, 'artists'],
  ])('refuses the filters %j', (wish, field) => {
    const taste = load();
    const answer = taste.setFilters(wish);
    expect(answer).toMatchObject({ ok: false, ...(field === undefined ? {} : { field }) });
    expect(taste.filters()).toEqual({ explicit: true, genres: [] });
  });

  it.each(['{"version":2}', 'no JSON', '{"version":1,"filters":{},"never":[]}', '[]', ''])(
    'moves a file aside that holds %j, and starts',
    (content) => {
      writeFileSync(join(dataDir, TASTE_FILE), content);
      const taste = load();
      expect(taste.blacklist()).toEqual([]);
      expect(readFileSync(join(dataDir, `${TASTE_FILE}.damaged`), 'utf8')).toBe(content);
      expect(taste.add(hash('1'), 'One').ok).toBe(true);
      expect(load().blacklist()).toHaveLength(1);
    },
  );

  it('changes nothing when it cannot be written', () => {
    const taste = load();
    taste.add(hash('1'), 'One');
    rmSync(dataDir, { recursive: true });
    // A file where the folder was: nothing can be written below it.
    writeFileSync(dataDir, '');
    expect(taste.add(hash('2'), 'Two')).toMatchObject({ ok: false, code: 'not_written' });
    expect(taste.remove(hash('1'))).toMatchObject({ ok: false, code: 'not_written' });
    expect(taste.setFilters({ explicit: false, genres: [] })).toMatchObject({ ok: false, code: 'not_written' });
    expect(taste.blacklist()).toMatchObject([{ name: 'One' }]);
    expect(taste.filters().explicit).toBe(true);
    rmSync(dataDir);
    mkdirSync(dataDir);
    expect(readdirSync(dataDir)).toEqual([]);
  });
});
