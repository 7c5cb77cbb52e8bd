import type { ScheduledTrack } from '../consensus/events.ts';
import { SWITCH_LEAD_MS } from './bounds.ts';
import type { BlocksPort, Logger, OwnTrack, PlaybackPort, ReadManifest, TrackPlan } from './ports.ts';
import type { ModerationCause } from './taste.ts';
import { planOfTrack } from './track-plan.ts';

export interface ProgrammeComponents {
  playback: PlaybackPort;
  blocks: BlocksPort;
  readManifest: ReadManifest;
  /** This box's own tracks: what plays when the flock has nothing, and what fills a hole. */
  ownTracks(): readonly OwnTrack[];
  /** Why the listeners of this box do not want what the flock plays in a slot; null: they do. */
  judge(slot: number, track: ScheduledTrack, plan: TrackPlan | null): ModerationCause | null;
  /** Whether this box plays one of its own tracks at all. */
  likesOwn(track: OwnTrack): boolean;
  stationNowMs(): number;
  random(): number;
  log: Logger;
}

/** What plays in place of the flock's track. */
export interface Stead {
  cause: ModerationCause;
  /** Own music; null: this box has none that it may play, so that the place stays empty. */
  plan: TrackPlan | null;
  /** Station time from which on it plays: the slot's start, or later when the slot was under way. */
  startMs: number;
  /** False while own music is being looked for. */
  isChosen: boolean;
  /** What the player has meanwhile; left out where it has none. */
  before?: Stead;
}

export interface ProgrammeSlot {
  slot: number;
  startMs: number;
  durationMs: number;
  /** Null: no proposal and no history, each box plays its own. */
  track: ScheduledTrack | null;
  plan: TrackPlan | null;
  /** Station time from which on `plan` plays: the slot's start, or later where listeners wanted other own music. */
  fromMs: number;
  /** Null: the flock's track plays here. */
  stead: Stead | null;
}

/** Own music in a slot, and from when on it plays. */
export interface OwnPlace {
  slot: number;
  plan: TrackPlan;
  startMs: number;
}

/** Own places remembered: what sounds, what comes, and the presses in between. */
const MAX_OWN_PLACES = 8;
/** Slots behind the newest one that are remembered: the queue of five, the one that plays, and some to look back on. */
const KEPT_SLOTS = 16;
/** Own tracks tried for a hole. */
const OWN_ATTEMPTS = 3;

/**
 * The bridge from the decided log to the player: a slot is handed over as soon as its manifest is here (segments may
 * still be on their way), and one without a track is filled from this box's own music.
 */
export class Programme {
  readonly #components: ProgrammeComponents;
  readonly #slots = new Map<number, ProgrammeSlot>();
  /** Own music that the player was given last, the newest at the end: the older one sounds on for a while. */
  #own: OwnPlace[] = [];
  #filler: TrackPlan | null = null;

  constructor(components: ProgrammeComponents) {
    this.#components = components;
  }

  /** The slot as it is known here, for the picture that people see. */
  get(slot: number): ProgrammeSlot | undefined {
    return this.#slots.get(slot);
  }

  /** True when the slot's manifest has been read. */
  isPlannable(slot: number): boolean {
    return this.#slots.get(slot)?.plan != null;
  }

  async schedule(entry: {
    slot: number;
    track: ScheduledTrack | null;
    startMs: number;
    durationMs: number;
  }): Promise<void> {
    const known = this.#slots.get(entry.slot);
    // Said again: what was chosen for it stays, own music too, or it would change while it plays.
    const isSame = known !== undefined && known.track?.manifest === entry.track?.manifest;
    const isSamePlace = isSame && known.startMs === entry.startMs;
    const slot: ProgrammeSlot = {
      ...entry,
      plan: isSame && isPlanOf(entry, known.plan) ? known.plan : null,
      fromMs: isSamePlace ? known.fromMs : entry.startMs,
      stead: isSamePlace ? known.stead : null,
    };
    this.#slots.set(entry.slot, slot);
    this.#forgetBefore(entry.slot - KEPT_SLOTS);
    if (slot.plan === null) {
      const plan = entry.track === null ? await this.#ownPlan() : await this.#planOf(entry.track);
      // The fetcher may have brought it meanwhile.
      slot.plan ??= plan;
    }
    await this.#handOver(slot);
  }

  /** The fetcher has a slot's manifest. */
  async manifestArrived(slot: number, plan: TrackPlan): Promise<void> {
    const entry = this.#slots.get(slot);
    if (entry?.track == null || !isPlanOf(entry, plan) || entry.plan !== null) return;
    entry.plan = plan;
    await this.#handOver(entry);
  }

  /** Own music that the player was given for a slot, by what it says that sounds; null for anything else. */
  ownBy(slot: number, hash: string): OwnPlace | null {
    return this.#own.find((own) => own.slot === slot && own.plan.track.trackHash === hash) ?? null;
  }

  /** The slot of this station time; undefined where there is none. */
  at(nowMs: number): ProgrammeSlot | undefined {
    for (const entry of this.#slots.values()) {
      if (nowMs >= entry.startMs && nowMs < entry.startMs + entry.durationMs) return entry;
    }
    return undefined;
  }

  /** The listeners' taste has changed: every slot that is not over is judged anew. */
  async reconsider(): Promise<void> {
    const nowMs = this.#components.stationNowMs();
    for (const entry of [...this.#slots.values()]) {
      if (entry.startMs + entry.durationMs <= nowMs) continue;
      const isEmpty = entry.track === null ? entry.plan === null : entry.stead !== null && entry.stead.plan === null;
      if (entry.track === null) {
        if (isEmpty || this.#isDisliked(entry.plan)) await this.#replaceOwn(entry);
      } else if (isEmpty && this.#causeAgainst(entry) !== null) await this.#stepIn(entry, entry.stead!.cause);
      else if (entry.stead !== null || this.#causeAgainst(entry) !== null) await this.#handOver(entry);
    }
  }

  /** Own music is not what listeners want either: another piece of it, from now on. */
  async another(slot: number): Promise<void> {
    const entry = this.#slots.get(slot);
    if (entry === undefined) return;
    if (entry.track === null) await this.#replaceOwn(entry);
    else if (entry.stead !== null) await this.#stepIn(entry, entry.stead.cause);
  }

  unschedule(fromSlot: number): void {
    for (const slot of [...this.#slots.keys()]) if (slot >= fromSlot) this.#slots.delete(slot);
    this.#components.playback.unschedule(fromSlot);
  }

  /** Chooses anew what fills a hole, out of what this box has. */
  async refreshFiller(): Promise<void> {
    this.#filler = await this.#ownPlan();
  }

  /** Another one where listeners do not want to hear it, or where there was none. */
  async refreshFillerIfDisliked(): Promise<void> {
    if (this.#filler === null || this.#isDisliked(this.#filler)) await this.refreshFiller();
  }

  /** What fills a hole: an own track, because its blocks are certainly here. */
  filler(): TrackPlan['track'] | null {
    return this.#filler?.track ?? null;
  }

  /** The manifest of an own or fetched track, null when it is not here or is not of this track. */
  async #planOf(track: { track_hash: string; duration_ms: number; manifest: string }): Promise<TrackPlan | null> {
    const { blocks, readManifest, log } = this.#components;
    const { manifest } = track;
    try {
      const bytes = await blocks.get(manifest);
      return bytes === null ? null : planOfTrack(track, bytes, readManifest);
    } catch (error) {
      log.warn('a manifest cannot be used', { manifest, cause: (error as Error).message });
      return null;
    }
  }

  /**
   * An own track that listeners may hear; of another one when the first has lost its manifest (a worn card).
   *
   * @param not - never this one
   * @param rather - one of these only where there is nothing else
   */
  async #ownPlan(not: string | null = null, rather: ReadonlySet<string> = NONE): Promise<TrackPlan | null> {
    const liked = this.#components
      .ownTracks()
      .filter((track) => track.trackHash !== not && this.#components.likesOwn(track));
    const fresh = liked.filter((track) => !rather.has(track.trackHash));
    const own = fresh.length > 0 ? fresh : liked;
    for (let attempt = 0; attempt < OWN_ATTEMPTS; attempt++) {
      const pick = own[Math.floor(this.#components.random() * own.length)];
      if (pick === undefined) return null;
      const { trackHash, durationMs, manifest } = pick;
      const plan = await this.#planOf({ track_hash: trackHash, duration_ms: durationMs, manifest });
      if (plan !== null) return plan;
    }
    return null;
  }

  #causeAgainst({ slot, track, plan }: ProgrammeSlot): ModerationCause | null {
    return track === null ? null : this.#components.judge(slot, track, plan);
  }

  #isDisliked(plan: TrackPlan | null): boolean {
    if (plan === null) return false;
    const { trackHash } = plan.track;
    const own = this.#components.ownTracks().find((track) => track.trackHash === trackHash);
    return own !== undefined && !this.#components.likesOwn(own);
  }

  /** Gives a slot to the player: the flock's track, or own music in its stead. */
  async #handOver(entry: ProgrammeSlot): Promise<void> {
    // An await may lie between: the slot can have been replaced or dropped meanwhile.
    if (this.#slots.get(entry.slot) !== entry) return;
    const cause = this.#causeAgainst(entry);
    if (cause === null) {
      const isBack = entry.stead !== null;
      entry.stead = null;
      if (entry.plan !== null) this.#play(entry, entry.plan, entry.fromMs);
      // Its manifest is still on its way.
      else if (isBack) await this.#keepEmpty(entry);
      return;
    }
    const { stead } = entry;
    // Whoever looked for it may have looked for an earlier word of this slot, and be of no use to this one.
    if (stead === null || !stead.isChosen || this.#isDisliked(stead.plan)) return await this.#stepIn(entry, cause);
    entry.stead = { ...stead, cause };
    if (stead.plan !== null) this.#play(entry, stead.plan, stead.startMs);
  }

  /** Own music takes the slot's place, from now on if it has begun. */
  async #stepIn(entry: ProgrammeSlot, cause: ModerationCause): Promise<void> {
    const startMs = this.#switchAtMs(entry);
    // Too late to be heard before the slot ends.
    if (startMs >= entry.startMs + entry.durationMs) return;
    const before = (entry.stead?.isChosen === true ? entry.stead : entry.stead?.before) ?? null;
    const stead: Stead = { cause, plan: null, startMs, isChosen: false, ...(before === null ? {} : { before }) };
    entry.stead = stead;
    const rather = new Set([...this.#slots.values()].flatMap(({ track }) => track?.track_hash ?? []));
    if (before?.plan != null) rather.add(before.plan.track.trackHash);
    const plan = await this.#ownPlan(entry.track?.track_hash ?? null, rather);
    if (this.#slots.get(entry.slot) !== entry || entry.stead !== stead) return;
    // The only one there is plays already, or none did before.
    const isAsBefore = before !== null && before.plan?.track.trackHash === plan?.track.trackHash;
    entry.stead = isAsBefore ? { ...before, cause } : { cause, plan, startMs, isChosen: true };
    if (isAsBefore) return;
    if (plan !== null) this.#play(entry, plan, startMs);
    else await this.#keepEmpty(entry);
  }

  /** Other own music, where each box plays its own anyway. */
  async #replaceOwn(entry: ProgrammeSlot): Promise<void> {
    const before = entry.plan?.track.trackHash ?? null;
    const plan = await this.#ownPlan(null, new Set(before === null ? [] : [before]));
    const startMs = this.#switchAtMs(entry);
    if (this.#slots.get(entry.slot) !== entry || startMs >= entry.startMs + entry.durationMs) return;
    if ((plan?.track.trackHash ?? null) === before) return;
    entry.plan = plan;
    entry.fromMs = startMs;
    if (plan === null) await this.#keepEmpty(entry);
    else this.#play(entry, plan, startMs);
  }

  #switchAtMs({ startMs }: ProgrammeSlot): number {
    return Math.max(startMs, Math.ceil(this.#components.stationNowMs()) + SWITCH_LEAD_MS);
  }

  #play(entry: ProgrammeSlot, plan: TrackPlan, startMs: number): void {
    const { slot } = entry;
    const { track } = plan;
    if (entry.stead !== null || entry.track === null) {
      const others = this.#own.filter((own) => own.slot !== slot || own.plan.track.trackHash !== track.trackHash);
      this.#own = [...others, { slot, plan, startMs }].slice(-MAX_OWN_PLACES);
    }
    const durationMs = entry.startMs + entry.durationMs - startMs;
    const reason = entry.stead === null ? null : 'moderation';
    try {
      this.#components.playback.schedule({ slot, startMs, durationMs, track, reason });
    } catch (error) {
      // Somebody's manifest may ask for what no player here can do: a hole then, which is filled.
      this.#components.log.warn('the player refuses a slot', { slot, cause: (error as Error).message });
    }
  }

  /** The player knows "this slot and all after it" only: those after it are said again. */
  async #keepEmpty(entry: ProgrammeSlot): Promise<void> {
    this.#components.playback.unschedule(entry.slot);
    const later = [...this.#slots.values()].filter(({ slot }) => slot > entry.slot);
    for (const other of later) await this.#handOver(other);
  }

  #forgetBefore(slot: number): void {
    for (const known of [...this.#slots.keys()]) if (known < slot) this.#slots.delete(known);
  }
}

const NONE: ReadonlySet<string> = new Set();

/** Own music fits any slot. */
function isPlanOf({ track }: Pick<ProgrammeSlot, 'track'>, plan: TrackPlan | null): boolean {
  if (plan === null || track === null) return plan !== null;
  return plan.track.trackHash === track.track_hash && plan.durationMs === track.duration_ms;
}
