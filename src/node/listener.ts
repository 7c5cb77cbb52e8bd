import type { ScheduledTrack } from '../consensus/events.ts';
import { type Answer, type BlacklistEntry, done, type Filters, refused } from './answers.ts';
import { SAME_PRESS_MS, SWITCH_LEAD_MS, UNDO_MS } from './bounds.ts';
import type { CatalogPage, PeerCatalogs } from './peer-catalogs.ts';
import type { Logger, OwnTrack, PlayableTrack, PlayingReport, TrackPlan } from './ports.ts';
import type { Programme, ProgrammeSlot } from './programme.ts';
import type { ModerationCause, Taste } from './taste.ts';

/** What the proposer of a slot's track says of it; the manifest may say more once it is here. */
export interface SlotTags {
  genre: string;
  explicit: boolean;
}

export interface ListenerComponents {
  taste: Taste;
  programme: Programme;
  catalogs: PeerCatalogs;
  ownTracks(): readonly OwnTrack[];
  tagsOf(slot: number): SlotTags | null;
  /** Name of a track of the programme, past or to come; null for none of its tracks. */
  programmeName(hash: string): string | null;
  /** What the player said last. */
  playing(): PlayingReport | null;
  /** What was last given to fill a hole. */
  lastFiller(): PlayableTrack | null;
  stationNowMs(): number;
  /** Tells the flock. @returns whether the station's rules let it count */
  like(hash: string): boolean;
  /** Carries a change of taste out everywhere. */
  tasteChanged(): Promise<void>;
  log: Logger;
}

/**
 * What a listener of this box may wish: skip, never again, like, filters. It changes what this box plays, and what it
 * says of that; the flock's log stays as it is, and the box is back in the programme with the next slot.
 */
export class Listener {
  readonly #components: ListenerComponents;
  #skipped: { slot: number; hash: string } | null = null;
  #lastSkip = { slot: -1, atMs: 0 };
  #lastNever: { hash: string; untilMs: number } | null = null;

  constructor(components: ListenerComponents) {
    this.#components = components;
  }

  /** Why this box does not play what the flock plays in a slot; null: it does. */
  judge(slot: number, track: ScheduledTrack, plan: TrackPlan | null): ModerationCause | null {
    const { taste, tagsOf } = this.#components;
    const tags = tagsOf(slot);
    const cause = taste.causeAgainst({
      hash: track.track_hash,
      genres: [tags?.genre ?? '', plan?.meta.genre ?? ''],
      explicit: tags?.explicit === true || plan?.meta.explicit === true,
    });
    if (cause !== null) return cause;
    return this.#skipped?.slot === slot && this.#skipped.hash === track.track_hash ? 'skip' : null;
  }

  likesOwn({ trackHash, genre, explicit }: OwnTrack): boolean {
    return this.#components.taste.causeAgainst({ hash: trackHash, genres: [genre], explicit }) === null;
  }

  /** Own music until the next slot; a second time: other own music. */
  skip(slot: number | null): Answer<{ slot: number; until_ms: number }> {
    const nowMs = this.#components.stationNowMs();
    const entry = this.#components.programme.at(nowMs);
    if (entry === undefined) return refused('nothing_plays', 'The programme has nothing that could be skipped now.');
    if (slot !== null && slot !== entry.slot) {
      return refused('slot_over', 'That track does not play any more.', { field: 'slot', allowed: String(entry.slot) });
    }
    const until_ms = entry.startMs + entry.durationMs;
    if (until_ms - nowMs <= SWITCH_LEAD_MS) return refused('slot_over', 'The next track is about to begin.');
    const isSamePress = this.#lastSkip.slot === entry.slot && nowMs - this.#lastSkip.atMs < SAME_PRESS_MS;
    if (!isSamePress) this.#leave(entry, nowMs);
    return done({ slot: entry.slot, until_ms });
  }

  never(hash: string | null): Answer<{ hash: string; name: string; undo_until_ms: number }> {
    const track = hash === null ? this.#sounding() : this.#named(hash);
    if (track === null) {
      if (hash === null) return refused('nothing_plays', 'Nothing plays that could be put on the list.');
      return refused('unknown_track', 'This box knows no such track.', { field: 'hash', allowed: 'a track it knows' });
    }
    const added = this.#components.taste.add(track.hash, track.name);
    if (!added.ok) return added;
    const untilMs = Math.floor(this.#components.stationNowMs()) + UNDO_MS;
    this.#lastNever = { hash: track.hash, untilMs };
    this.#components.log.info('never again', { track: track.name });
    this.#settle();
    return done({ ...track, undo_until_ms: untilMs });
  }

  /** Takes back a "never", and a skip of the track that plays. */
  allow(hash: string): Answer<{ hash: string }> {
    const { taste } = this.#components;
    const isSkipped = this.#skipped?.hash === hash;
    if (!isSkipped || taste.nameOf(hash) !== null) {
      const removed = taste.remove(hash);
      if (!removed.ok) return removed;
    }
    if (isSkipped) this.#skipped = null;
    this.#lastSkip = { slot: -1, atMs: 0 };
    if (this.#lastNever?.hash === hash) this.#lastNever = null;
    this.#settle();
    return done({ hash });
  }

  /** The button's undo: of the last "never again", within ten seconds. */
  allowLast(): Answer<{ hash: string }> {
    const last = this.#lastNever;
    if (last === null || this.#components.stationNowMs() > last.untilMs) {
      return refused('nothing_to_undo', 'There is nothing to take back any more.');
    }
    return this.allow(last.hash);
  }

  like(hash: string): Answer<{ hash: string; counted: boolean }> {
    if (this.#named(hash) === null) return refused('unknown_track', 'This box knows no such track.', { field: 'hash' });
    return done({ hash, counted: this.#components.like(hash) });
  }

  /** Newest first. */
  blacklist(): readonly BlacklistEntry[] {
    return this.#components.taste.blacklist();
  }

  filters(): Filters {
    return this.#components.taste.filters();
  }

  setFilters(filters: unknown): Answer<Filters> {
    const set = this.#components.taste.setFilters(filters);
    if (set.ok) this.#settle();
    return set;
  }

  /** What another node can play, from its published catalog; null when it is not to be had. */
  catalogOf(nodeId: string, offset: number, limit: number): Promise<CatalogPage | null> {
    return this.#components.catalogs.page(nodeId, offset, limit);
  }

  #leave(entry: ProgrammeSlot, nowMs: number): void {
    const { programme, log } = this.#components;
    this.#lastSkip = { slot: entry.slot, atMs: nowMs };
    log.info('skipped', { slot: entry.slot, track: entry.track?.track_name });
    if (entry.track === null || entry.stead !== null) {
      this.#inBackground(programme.another(entry.slot));
      return;
    }
    this.#skipped = { slot: entry.slot, hash: entry.track.track_hash };
    this.#settle();
  }

  /** What people hear, which a skip of a second ago has not changed yet. */
  #sounding(): { hash: string; name: string } | null {
    const { playing, lastFiller } = this.#components;
    const report = playing();
    if (report === null) return null;
    if (report.actual !== null) return this.#named(report.actual);
    const filler = lastFiller();
    return filler === null ? null : { hash: filler.trackHash, name: filler.name };
  }

  #named(hash: string): { hash: string; name: string } | null {
    const { taste, programmeName, ownTracks, catalogs } = this.#components;
    const own = () => ownTracks().find((track) => track.trackHash === hash)?.name;
    const name = programmeName(hash) ?? own() ?? taste.nameOf(hash) ?? catalogs.nameOf(hash);
    return name === null ? null : { hash, name };
  }

  #settle(): void {
    this.#inBackground(this.#components.tasteChanged());
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error) => this.#components.log.error('a wish could not be carried out', { cause: String(error) }));
  }
}
