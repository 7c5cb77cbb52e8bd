import { describe, expect, it, vi } from 'vitest';
import { MAX_KEPT_TRACKS, MIN_KEPT_TRACKS } from '../../../src/node/bounds.ts';
import { KeptTracks } from '../../../src/node/kept-tracks.ts';
import { createLogger } from '../../../src/node/logger.ts';
import { chooseOffers, shuffler } from '../../../src/node/offers.ts';
import type { PlaybackPort } from '../../../src/node/ports.ts';
import { Programme } from '../../../src/node/programme.ts';
import type { ModerationCause } from '../../../src/node/taste.ts';
import { MemoryBlocks, MemoryPeers, own, plan, quiet, readPlan, stock } from './fakes.ts';

interface Scheduled {
  slot: number;
  startMs: number;
  durationMs: number;
  track: { name: string };
  reason?: 'moderation' | null;
}

function setUp(tracks: string[] = [], draws: number[] = []) {
  const clock = { nowMs: 0 };
  const disliked = new Map<string, ModerationCause>();
  const words: Scheduled[] = [];
  const blocks = new MemoryBlocks();
  const scheduled: string[] = [];
  for (const name of tracks) stock(blocks.held, plan(name));
  const playback = {
    schedule: (entry: Scheduled) => {
      words.push(entry);
      scheduled.push(`${entry.slot} ${entry.track.name}`);
    },
    unschedule: (fromSlot: number) => scheduled.push(`void from ${fromSlot}`),
  } as unknown as PlaybackPort;
  const lots = [...draws];
  const programme = new Programme({
    playback,
    blocks,
    readManifest: readPlan,
    ownTracks: () => tracks.map((name) => own(name, 24_000)),
    judge: (_, track) => disliked.get(track.track_name) ?? null,
    likesOwn: (track) => !disliked.has(track.name),
    stationNowMs: () => clock.nowMs,
    random: () => lots.shift() ?? 0,
    log: quiet,
  });
  return { programme, scheduled, blocks, clock, disliked, words };
}

const track = (name: string) => ({
  track_hash: `sha256:${name}`,
  track_name: name,
  duration_ms: 24_000,
  manifest: `m-${name}`,
  owners: [],
});

describe('Programme', () => {
  it('hands over at once what is here, later what arrives later', async () => {
    const { programme, scheduled } = setUp(['a']);
    await programme.schedule({ slot: 1, track: track('a'), startMs: 0, durationMs: 24_000 });
    await programme.schedule({ slot: 2, track: track('b'), startMs: 24_000, durationMs: 24_000 });
    expect(scheduled).toEqual(['1 a']);
    programme.manifestArrived(2, plan('b'));
    expect(scheduled).toEqual(['1 a', '2 b']);
  });

  it('hands over a whole queue that is scheduled in one go', async () => {
    const { programme, scheduled } = setUp(['a']);
    const entries = [0, 1, 2, 3, 4, 5].map((slot) => ({
      slot,
      track: track('a'),
      startMs: slot * 24_000,
      durationMs: 24_000,
    }));
    await Promise.all(entries.map((entry) => programme.schedule(entry)));
    expect(scheduled).toEqual(['0 a', '1 a', '2 a', '3 a', '4 a', '5 a']);
  });

  it('finds own music for a slot that is said again while it looks for some', async () => {
    const { programme, scheduled, blocks, disliked, words } = setUp(['a', 'mine'], [0.9, 0.9]);
    disliked.set('a', 'never');
    blocks.delayMs = 50;
    const entry = { slot: 5, track: track('a'), startMs: 60_000, durationMs: 24_000 };
    const first = programme.schedule(entry);
    await vi.waitFor(() => expect(programme.get(5)?.stead?.isChosen).toBe(false), { interval: 2 });
    await Promise.all([first, programme.schedule({ ...entry })]);
    expect(scheduled).toEqual(['5 mine']);
    expect(words[0]).toMatchObject({ startMs: 60_000, reason: 'moderation' });
    expect(programme.get(5)?.stead).toMatchObject({ cause: 'never', isChosen: true });
  });

  it('takes no manifest of another track than the slot’s', async () => {
    const { programme, scheduled } = setUp();
    await programme.schedule({ slot: 2, track: track('b'), startMs: 0, durationMs: 24_000 });
    programme.manifestArrived(2, plan('c'));
    expect(scheduled).toEqual([]);
  });

  it('plays own music where the flock has none', async () => {
    const { programme, scheduled } = setUp(['a']);
    await programme.schedule({ slot: 1, track: null, startMs: 0, durationMs: 24_000 });
    expect(scheduled).toEqual(['1 a']);
  });

  it('does not hand over a slot that was dropped while its manifest was read', async () => {
    const { programme, scheduled } = setUp(['a']);
    const pending = programme.schedule({ slot: 1, track: track('a'), startMs: 0, durationMs: 24_000 });
    programme.unschedule(1);
    await pending;
    expect(scheduled).toEqual(['void from 1']);
  });

  it('keeps what it chose for a slot that is said again', async () => {
    const { programme, scheduled } = setUp(['a', 'b'], [0, 0.9]);
    await programme.schedule({ slot: 1, track: null, startMs: 0, durationMs: 24_000 });
    await programme.schedule({ slot: 1, track: null, startMs: 0, durationMs: 24_000 });
    expect(scheduled).toEqual(['1 a', '1 a']);
  });

  it('plays no other own track because a stranger named its manifest', async () => {
    const { programme, scheduled } = setUp(['a']);
    const lie = { ...track('x'), manifest: 'm-a' };
    await programme.schedule({ slot: 1, track: lie, startMs: 0, durationMs: 24_000 });
    const shorter = { ...track('a'), duration_ms: 90_000 };
    await programme.schedule({ slot: 2, track: shorter, startMs: 24_000, durationMs: 90_000 });
    expect(scheduled).toEqual([]);
  });

  it('keeps a manifest that arrives while the store is still being asked', async () => {
    const { programme } = setUp();
    const pending = programme.schedule({ slot: 1, track: track('b'), startMs: 0, durationMs: 24_000 });
    programme.manifestArrived(1, plan('b'));
    await pending;
    expect(programme.get(1)?.plan?.track.name).toBe('b');
  });

  it('takes another own track where the first has lost its manifest', async () => {
    const { programme, blocks } = setUp(['a', 'b'], [0, 0.9]);
    blocks.held.delete('m-a');
    await programme.refreshFiller();
    expect(programme.filler()?.name).toBe('b');
  });

  it('fills a hole from own music, and has nothing without any', async () => {
    const full = setUp(['a']);
    await full.programme.refreshFiller();
    expect(full.programme.filler()?.name).toBe('a');
    const empty = setUp();
    await empty.programme.refreshFiller();
    expect(empty.programme.filler()).toBeNull();
  });
});

describe('KeptTracks', () => {
  function setUpKept(ownTracks: string[] = []) {
    const blocks = new MemoryBlocks();
    const content = new MemoryPeers(blocks);
    const journal = new Map<string, unknown>();
    const kept = new KeptTracks({
      content,
      blocks,
      readManifest: readPlan,
      ownTracks: () => ownTracks.map((name) => own(name)),
      write: (entries) => {
        for (const { key, value } of entries) value === null ? journal.delete(key) : journal.set(key, value);
      },
      log: quiet,
    });
    return { kept, blocks, content, journal };
  }

  it('drops the tracks that were scheduled longest ago, blocks and all', async () => {
    const { kept, blocks, journal } = setUpKept();
    for (let slot = 0; slot < MAX_KEPT_TRACKS + 2; slot++) {
      await kept.keep(`m-t${slot}`, plan(`t${slot}`));
      stock(blocks.held, plan(`t${slot}`));
    }
    expect(kept.size).toBe(MAX_KEPT_TRACKS);
    expect(journal.size).toBe(MAX_KEPT_TRACKS);
    expect(blocks.held.has('t0-0')).toBe(false);
    expect(blocks.held.has('m-t1')).toBe(false);
    expect(blocks.held.has('t2-0')).toBe(true);
  });

  it('never touches own tracks', async () => {
    const { kept, blocks } = setUpKept(['t0']);
    for (let slot = 0; slot < MAX_KEPT_TRACKS + 3; slot++) {
      stock(blocks.held, plan(`t${slot}`));
      await kept.keep(`m-t${slot}`, plan(`t${slot}`));
    }
    expect(blocks.held.has('t0-0')).toBe(true);
  });

  it('keeps what is new in another log, whose slots begin at 0 again', async () => {
    const { kept, blocks } = setUpKept();
    const rows = Array.from({ length: MAX_KEPT_TRACKS }, (_, i) => {
      stock(blocks.held, plan(`old${i}`));
      const [trackHash, manifest] = [`sha256:old${i}`, `m-old${i}`];
      return [`kept:${manifest}`, { v: 1 as const, trackHash, manifest, order: 5_000 + i, bytes: 40, found: [] }];
    });
    kept.restore(Object.fromEntries(rows));
    await kept.keep('m-new', plan('new'));
    stock(blocks.held, plan('new'));
    await kept.keep('m-newer', plan('newer'));
    expect(blocks.held.has('new-0')).toBe(true);
    expect(blocks.held.has('old0-0')).toBe(false);
  });

  it('deletes no block that was here before, whatever a stranger’s manifest lists', async () => {
    const { kept, blocks } = setUpKept(['mine']);
    stock(blocks.held, plan('mine'));
    const thief = plan('thief', 1);
    thief.blocks = [...plan('mine').blocks, { cid: 'm-mine', bytes: 10 }, ...thief.blocks];
    await kept.keep('m-thief', thief);
    stock(blocks.held, thief);
    for (let i = 0; i < MAX_KEPT_TRACKS; i++) await kept.keep(`m-t${i}`, plan(`t${i}`));
    expect(blocks.held.has('thief-0')).toBe(false);
    expect(blocks.held.has('mine-0')).toBe(true);
    expect(blocks.held.has('m-mine')).toBe(true);
  });

  it('deletes no block that another kept track or an own cover needs', async () => {
    const { kept, blocks } = setUpKept(['mine']);
    const album = (name: string) => {
      const value = plan(name);
      value.blocks = [...value.blocks, { cid: 'cover', bytes: 10 }];
      return value;
    };
    await kept.keep('m-one', album('one'));
    stock(blocks.held, album('one'));
    for (let i = 0; i < MAX_KEPT_TRACKS - 1; i++) await kept.keep(`m-t${i}`, plan(`t${i}`));
    await kept.keep('m-two', album('two'));
    stock(blocks.held, album('two'));
    expect(blocks.held.has('one-0')).toBe(false);
    expect(blocks.held.has('cover')).toBe(true);
  });

  it('drops by bytes as well, and makes room on a full card but for what is about to play', async () => {
    const { kept } = setUpKept();
    const heavy = (name: string) => {
      const value = plan(name, 1);
      value.blocks = [{ cid: `${name}-0`, bytes: 2 ** 29 }];
      return value;
    };
    for (let i = 0; i < 12; i++) await kept.keep(`m-h${i}`, heavy(`h${i}`));
    expect(kept.size).toBe(MIN_KEPT_TRACKS);
    expect(await kept.makeRoom()).toBe(false);
    await kept.keep('m-light', plan('light'));
    const more = setUpKept();
    for (let i = 0; i < MIN_KEPT_TRACKS + 1; i++) await more.kept.keep(`m-t${i}`, plan(`t${i}`));
    expect([await more.kept.makeRoom(), await more.kept.makeRoom()]).toEqual([true, false]);
  });

  it('passes over rows that are damaged', async () => {
    const { kept } = setUpKept();
    kept.restore({ 'kept:a': null, 'kept:b': 5, 'kept:c': { v: 1, manifest: 7 } } as never);
    expect(kept.size).toBe(0);
  });

  it('comes back from the journal', async () => {
    const { kept } = setUpKept();
    kept.restore({ 'kept:m-x': { v: 1, trackHash: 'sha256:x', manifest: 'm-x', slot: 3 }, 'log:1': { v: 1 } });
    expect(kept.size).toBe(1);
  });
});

describe('chooseOffers', () => {
  const allowed = { minDurationMs: 10_000, maxDurationMs: 600_000 };
  it('offers what played longest ago first, and nothing outside the allowed lengths', () => {
    const tracks = [own('new'), own('old'), own('never'), own('short', 5_000), own('long', 700_000)];
    const last = new Map([
      ['sha256:new', 90],
      ['sha256:old', 10],
    ]);
    const offers = chooseOffers(tracks, last, allowed, shuffler(1), 10);
    expect(offers.map((offer) => offer.track_name)).toEqual(['never', 'old', 'new']);
  });

  it('keeps its bound and differs from seed to seed', () => {
    const tracks = Array.from({ length: 500 }, (_, i) => own(`t${i}`));
    const names = (seed: number) =>
      chooseOffers(tracks, new Map(), allowed, shuffler(seed), 128).map((o) => o.track_name);
    expect(names(1)).toHaveLength(128);
    expect(names(1)).toEqual(names(1));
    expect(names(1)).not.toEqual(names(2));
  });
});

describe('createLogger', () => {
  it('lets no control character of a stranger’s name through', () => {
    const lines: string[] = [];
    createLogger('info', (line) => lines.push(line)).info('decided', { track: 'a\u001b[2Jb\nc' });
    expect(lines).toEqual(['info  decided  track=a\\x1b[2Jb\\x0ac']);
  });
});
