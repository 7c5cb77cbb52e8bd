import { beforeEach, describe, expect, it } from 'vitest';
import { SAME_PRESS_MS, SWITCH_LEAD_MS, UNDO_MS } from '../../../src/node/bounds.ts';
import { Listener, type SlotTags } from '../../../src/node/listener.ts';
import type { PeerCatalogs } from '../../../src/node/peer-catalogs.ts';
import type { PlayableTrack, PlaybackPort, PlayingReport } from '../../../src/node/ports.ts';
import { Programme } from '../../../src/node/programme.ts';
import { Taste } from '../../../src/node/taste.ts';
import { musicContract } from '../../web/ports-contract.ts';
import { MemoryBlocks, own, plan, quiet, readPlan, stock } from './fakes.ts';

const TRACK_MS = 24_000;
/** A track whose hash looks like one, for who looks. */
const FLOCK_HEX = '0'.repeat(64);

interface Word {
  slot: number;
  startMs: number;
  durationMs: number;
  name: string;
  reason: 'moderation' | null;
}

/** What the player would have: the newest word for each slot. */
class Player {
  readonly words = new Map<number, Word>();
  schedule(entry: Parameters<PlaybackPort['schedule']>[0]): void {
    const { slot, startMs, durationMs, track, reason } = entry;
    this.words.set(slot, { slot, startMs, durationMs, name: track.name, reason: reason ?? null });
  }
  unschedule(fromSlot: number): void {
    for (const slot of [...this.words.keys()]) if (slot >= fromSlot) this.words.delete(slot);
  }
}

/** A box with own tracks, in a programme of others' tracks x0, x1, ... of which x0 plays. */
class Box {
  readonly player = new Player();
  readonly blocks = new MemoryBlocks();
  readonly taste = new Taste({ wallMs: () => 0, log: quiet }, { dataDir: null });
  readonly tags = new Map<number, SlotTags>();
  readonly programme: Programme;
  readonly listener: Listener;
  nowMs = 2_000;
  playing: PlayingReport | null = null;
  lastFiller: PlayableTrack | null = null;
  ownNames: string[];
  liked: string[] = [];
  #settling: Promise<void> = Promise.resolve();

  constructor(ownNames: string[]) {
    this.ownNames = ownNames;
    for (const name of [...ownNames, 'x0', 'x1', 'x2', 'x3', FLOCK_HEX]) stock(this.blocks.held, plan(name));
    const ownTracks = () => this.ownNames.map((name) => own(name, TRACK_MS));
    this.programme = new Programme({
      playback: this.player as unknown as PlaybackPort,
      blocks: this.blocks,
      readManifest: readPlan,
      ownTracks,
      judge: (slot, track, known) => this.listener.judge(slot, track, known),
      likesOwn: (track) => this.listener.likesOwn(track),
      stationNowMs: () => this.nowMs,
      random: () => 0,
      log: quiet,
    });
    this.listener = new Listener({
      taste: this.taste,
      programme: this.programme,
      catalogs: { nameOf: () => null, page: async () => null } as unknown as PeerCatalogs,
      ownTracks,
      tagsOf: (slot) => this.tags.get(slot) ?? null,
      programmeName: (hash) => /^sha256:(x\d|0{64})$/.exec(hash)?.[1] ?? null,
      playing: () => this.playing,
      lastFiller: () => this.lastFiller,
      stationNowMs: () => this.nowMs,
      like: (hash) => this.liked.push(hash) > 0,
      tasteChanged: () => this.#change(),
      log: quiet,
    });
  }

  async #change(): Promise<void> {
    this.#settling = (async () => {
      await this.programme.refreshFillerIfDisliked();
      await this.programme.reconsider();
    })();
    await this.#settling;
  }

  async settled(): Promise<void> {
    await this.#settling;
    await new Promise((resolve) => setImmediate(resolve));
  }

  async schedule(slot: number, name: string | null = `x${slot}`): Promise<void> {
    const owned = { track_hash: `sha256:${name}`, track_name: `${name}`, duration_ms: TRACK_MS, manifest: `m-${name}` };
    const track = name === null ? null : { ...owned, owners: [] };
    await this.programme.schedule({ slot, track, startMs: slot * TRACK_MS, durationMs: TRACK_MS });
  }

  /** What the player reports of its newest word for a slot. */
  hear(slot: number): void {
    const word = this.player.words.get(slot);
    const actual = word === undefined ? null : `sha256:${word.name}`;
    this.playing = { slot: word === undefined ? null : slot, actual, reason: word?.reason ?? null };
  }
}

describe('a listener', () => {
  let box: Box;
  const word = (slot: number) => box.player.words.get(slot);

  const setUp = async (ownNames: string[]) => {
    box = new Box(ownNames);
    for (const slot of [0, 1, 2]) await box.schedule(slot);
    box.hear(0);
  };
  beforeEach(() => setUp(['a', 'b', 'c']));

  it('skips: own music from now to the end of the slot, and nothing else changes', async () => {
    expect(box.listener.skip(0)).toEqual({ ok: true, value: { slot: 0, until_ms: TRACK_MS } });
    await box.settled();
    const startMs = 2_000 + SWITCH_LEAD_MS;
    expect(word(0)).toEqual({ slot: 0, startMs, durationMs: TRACK_MS - startMs, name: 'a', reason: 'moderation' });
    expect(word(1)).toMatchObject({ name: 'x1', reason: null });
    expect(box.programme.get(0)?.stead).toMatchObject({ cause: 'skip', startMs });
  });

  it('skips again: other own music; the same press twice is one', async () => {
    box.listener.skip(null);
    await box.settled();
    box.nowMs += SAME_PRESS_MS - 1;
    expect(box.listener.skip(null).ok).toBe(true);
    await box.settled();
    expect(word(0)?.name).toBe('a');
    box.nowMs += 2;
    box.listener.skip(null);
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'b', reason: 'moderation', startMs: box.nowMs + SWITCH_LEAD_MS });
    // The one before sounds on until then.
    expect(box.programme.ownBy(0, 'sha256:a')).toMatchObject({ startMs: 2_000 + SWITCH_LEAD_MS });
    expect(box.programme.ownBy(0, 'sha256:b')).toMatchObject({ startMs: box.nowMs + SWITCH_LEAD_MS });
    expect(box.programme.ownBy(0, 'sha256:x0')).toBeNull();
  });

  it('does not skip what is over, or about to be', async () => {
    expect(box.listener.skip(1)).toMatchObject({ ok: false, code: 'slot_over', field: 'slot', allowed: '0' });
    box.nowMs = TRACK_MS - SWITCH_LEAD_MS;
    expect(box.listener.skip(null)).toMatchObject({ ok: false, code: 'slot_over' });
    await box.settled();
    expect([word(0)?.name, word(1)?.name]).toEqual(['x0', 'x1']);
    box.nowMs = 10 * TRACK_MS;
    expect(box.listener.skip(null)).toMatchObject({ ok: false, code: 'nothing_plays' });
  });

  it('is back with the next slot by itself', async () => {
    box.listener.skip(null);
    await box.settled();
    box.nowMs = TRACK_MS + 10;
    await box.programme.reconsider();
    expect(word(1)).toEqual({ slot: 1, startMs: TRACK_MS, durationMs: TRACK_MS, name: 'x1', reason: null });
  });

  it('blacklists what sounds, and takes it back: the same place as everybody', async () => {
    expect(box.listener.never(null)).toEqual({
      ok: true,
      value: { hash: 'sha256:x0', name: 'x0', undo_until_ms: 2_000 + UNDO_MS },
    });
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'a', reason: 'moderation' });
    expect(box.programme.get(0)?.stead?.cause).toBe('never');
    expect(box.listener.allowLast()).toEqual({ ok: true, value: { hash: 'sha256:x0' } });
    await box.settled();
    expect(word(0)).toEqual({ slot: 0, startMs: 0, durationMs: TRACK_MS, name: 'x0', reason: null });
    expect(box.listener.blacklist()).toEqual([]);
    expect(box.listener.allowLast()).toMatchObject({ ok: false, code: 'nothing_to_undo' });
  });

  it('replaces a blacklisted track of the queue in its slot, from its start', async () => {
    box.listener.never('sha256:x2');
    await box.settled();
    expect(word(2)).toEqual({ slot: 2, startMs: 2 * TRACK_MS, durationMs: TRACK_MS, name: 'a', reason: 'moderation' });
    expect(word(0)?.name).toBe('x0');
    await box.schedule(3, 'x2');
    expect(word(3)).toMatchObject({ reason: 'moderation' });
  });

  it('takes back too late for the button, and after the slot has ended', async () => {
    box.listener.never(null);
    await box.settled();
    box.nowMs += UNDO_MS + 1;
    expect(box.listener.allowLast()).toMatchObject({ ok: false, code: 'nothing_to_undo' });
    box.nowMs = TRACK_MS + 1;
    expect(box.listener.allow('sha256:x0').ok).toBe(true);
    await box.settled();
    expect(word(0)?.reason).toBe('moderation');
    expect(word(1)).toMatchObject({ name: 'x1', reason: null });
  });

  it('takes a skip back', async () => {
    box.listener.skip(null);
    await box.settled();
    expect(box.listener.allow('sha256:x0').ok).toBe(true);
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'x0', startMs: 0, reason: null });
    expect(box.listener.allow('sha256:x0')).toMatchObject({ ok: false, code: 'not_listed' });
  });

  it('blacklists the own track that a skip brought, and hears another', async () => {
    box.listener.skip(null);
    await box.settled();
    box.hear(0);
    box.nowMs += SAME_PRESS_MS;
    expect(box.listener.never(null)).toMatchObject({ ok: true, value: { hash: 'sha256:a' } });
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'b', reason: 'moderation' });
  });

  it('blacklists the filler, which is never one of the list', async () => {
    await box.programme.refreshFiller();
    expect(box.programme.filler()?.name).toBe('a');
    box.playing = { slot: 0, actual: null, reason: 'fetch' };
    box.lastFiller = box.programme.filler();
    expect(box.listener.never(null)).toMatchObject({ ok: true, value: { hash: 'sha256:a' } });
    await box.settled();
    expect(box.programme.filler()?.name).toBe('b');
  });

  it('skips a track that is still being fetched, which does not come back when it arrives', async () => {
    box = new Box(['a']);
    box.blocks.held.delete('m-x0');
    await box.schedule(0);
    expect(word(0)).toBeUndefined();
    box.listener.skip(null);
    await box.settled();
    await box.programme.manifestArrived(0, plan('x0'));
    expect(word(0)).toMatchObject({ name: 'a', reason: 'moderation' });
    box.listener.allow('sha256:x0');
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'x0', startMs: 0, reason: null });
  });

  it('takes own music off when a skip of a track that never came is taken back', async () => {
    box = new Box(['a']);
    box.blocks.held.delete('m-x0');
    await box.schedule(0);
    await box.schedule(1);
    box.listener.skip(null);
    await box.settled();
    box.listener.allow('sha256:x0');
    await box.settled();
    expect(word(0)).toBeUndefined();
    expect(word(1)).toMatchObject({ name: 'x1', reason: null });
  });

  it('does not carry a skip over to another log', async () => {
    box.listener.skip(null);
    await box.settled();
    box.programme.unschedule(0);
    await box.schedule(0, 'x3');
    expect(word(0)).toMatchObject({ name: 'x3', reason: null });
    await box.schedule(0, 'x0');
    expect(word(0)).toMatchObject({ reason: 'moderation' });
  });

  it('drops what was chosen for a slot that went meanwhile', async () => {
    box.listener.skip(null);
    box.programme.unschedule(0);
    await box.settled();
    expect(box.player.words.size).toBe(0);
  });

  it('takes two wishes at once as they come', async () => {
    await setUp([]);
    box.listener.skip(null);
    box.listener.setFilters({ explicit: false, genres: [] });
    await box.settled();
    expect(word(0)).toBeUndefined();
    await setUp(['a', 'b']);
    box.listener.never(null);
    box.listener.allow('sha256:x0');
    box.listener.never('sha256:x1');
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'x0', startMs: 0, reason: null });
    expect(word(1)).toMatchObject({ name: 'a', reason: 'moderation' });
  });

  it('keeps the place empty without own music, and the slots after it', async () => {
    await setUp([]);
    box.listener.skip(null);
    await box.settled();
    expect(word(0)).toBeUndefined();
    expect(box.programme.get(0)?.stead).toMatchObject({ cause: 'skip', plan: null });
    expect([word(1)?.name, word(2)?.name]).toEqual(['x1', 'x2']);
    // A stick is plugged in.
    box.ownNames = ['a'];
    stock(box.blocks.held, plan('a'));
    await box.programme.reconsider();
    expect(word(0)).toMatchObject({ name: 'a', reason: 'moderation' });
  });

  it('blacklists the only track of a box that plays its own programme', async () => {
    box = new Box(['a']);
    for (const slot of [0, 1, 2, 3]) await box.schedule(slot, 'a');
    box.hear(0);
    box.listener.never(null);
    await box.settled();
    expect(box.player.words.size).toBe(0);
    expect(box.listener.likesOwn(own('a'))).toBe(false);
    box.listener.allow('sha256:a');
    await box.settled();
    expect([0, 1, 2, 3].map((slot) => word(slot)?.startMs)).toEqual([0, 1, 2, 3].map((slot) => slot * TRACK_MS));
  });

  it('changes own music where each box plays its own, and does not call that diverged', async () => {
    box = new Box(['a', 'b']);
    await box.schedule(0, null);
    expect(word(0)).toMatchObject({ name: 'a', reason: null });
    box.hear(0);
    box.listener.skip(null);
    await box.settled();
    const startMs = 2_000 + SWITCH_LEAD_MS;
    expect(word(0)).toMatchObject({ name: 'b', startMs, reason: null });
    // Said again by the log: it must not begin anew.
    await box.schedule(0, null);
    expect(word(0)).toMatchObject({ name: 'b', startMs });
    box.hear(0);
    box.listener.never(null);
    await box.settled();
    expect(word(0)).toMatchObject({ name: 'a', reason: null });
  });

  it('filters by what the proposer says and by what the tags say', async () => {
    box.tags.set(1, { genre: 'Polka', explicit: false });
    box.tags.set(2, { genre: '', explicit: true });
    expect(box.listener.setFilters({ explicit: false, genres: ['polka'] }).ok).toBe(true);
    await box.settled();
    expect([word(0)?.reason, word(1)?.reason, word(2)?.reason]).toEqual([null, 'moderation', 'moderation']);
    expect(box.listener.likesOwn({ ...own('a'), genre: 'Polka' })).toBe(false);
    box.listener.setFilters({ explicit: true, genres: [] });
    await box.settled();
    expect([word(1)?.name, word(2)?.name]).toEqual(['x1', 'x2']);
  });

  it('knows what it lists and likes', () => {
    expect(box.listener.never('sha256:unheard-of')).toMatchObject({ ok: false, code: 'unknown_track', field: 'hash' });
    expect(box.listener.like('sha256:unheard-of')).toMatchObject({ ok: false, code: 'unknown_track' });
    expect(box.listener.like('sha256:x1')).toEqual({ ok: true, value: { hash: 'sha256:x1', counted: true } });
    expect(box.liked).toEqual(['sha256:x1']);
    box.playing = null;
    expect(box.listener.never(null)).toMatchObject({ ok: false, code: 'nothing_plays' });
  });
});

musicContract('a listener', async () => {
  const box = new Box(['a', 'b']);
  await box.schedule(0, FLOCK_HEX);
  box.hear(0);
  return { part: box.listener, slot: 0 };
});
