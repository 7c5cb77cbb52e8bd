import type { ScheduledTrack } from '../consensus/events.ts';
import type { BlocksPort, Logger, OwnTrack, PlaybackPort, ReadManifest, TrackPlan } from './ports.ts';
import { planOfTrack } from './track-plan.ts';

export interface ProgrammeComponents {
  playback: PlaybackPort;
  blocks: BlocksPort;
  readManifest: ReadManifest;
  /** This box's own tracks: what plays when the flock has nothing, and what fills a hole. */
  ownTracks(): readonly OwnTrack[];
  random(): number;
  log: Logger;
}

export interface ProgrammeSlot {
  slot: number;
  startMs: number;
  durationMs: number;
  /** Null: no proposal and no history, each box plays its own. */
  track: ScheduledTrack | null;
  plan: TrackPlan | null;
}

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
    const slot: ProgrammeSlot = { ...entry, plan: isSame && isPlanOf(entry, known.plan) ? known.plan : null };
    this.#slots.set(entry.slot, slot);
    this.#forgetBefore(entry.slot - KEPT_SLOTS);
    if (slot.plan === null) {
      const plan = entry.track === null ? await this.#ownPlan() : await this.#planOf(entry.track);
      // The fetcher may have brought it meanwhile.
      slot.plan ??= plan;
    }
    this.#handOver(slot);
  }

  /** The fetcher has a slot's manifest. */
  manifestArrived(slot: number, plan: TrackPlan): void {
    const entry = this.#slots.get(slot);
    if (entry?.track == null || !isPlanOf(entry, plan) || entry.plan !== null) return;
    entry.plan = plan;
    this.#handOver(entry);
  }

  unschedule(fromSlot: number): void {
    for (const slot of [...this.#slots.keys()]) if (slot >= fromSlot) this.#slots.delete(slot);
    this.#components.playback.unschedule(fromSlot);
  }

  /** Chooses anew what fills a hole, out of what this box has. */
  async refreshFiller(): Promise<void> {
    this.#filler = await this.#ownPlan();
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

  /** Of another one when the first has lost its manifest (a worn card). */
  async #ownPlan(): Promise<TrackPlan | null> {
    const own = this.#components.ownTracks();
    for (let attempt = 0; attempt < OWN_ATTEMPTS; attempt++) {
      const pick = own[Math.floor(this.#components.random() * own.length)];
      if (pick === undefined) return null;
      const { trackHash, durationMs, manifest } = pick;
      const plan = await this.#planOf({ track_hash: trackHash, duration_ms: durationMs, manifest });
      if (plan !== null) return plan;
    }
    return null;
  }

  #handOver(entry: ProgrammeSlot): void {
    // An await may lie between: the slot can have been replaced or dropped meanwhile.
    if (entry.plan === null || this.#slots.get(entry.slot) !== entry) return;
    const { slot, startMs, durationMs, plan } = entry;
    try {
      this.#components.playback.schedule({ slot, startMs, durationMs, track: plan.track });
    } catch (error) {
      // Somebody's manifest may ask for what no player here can do: a hole then, which is filled.
      this.#components.log.warn('the player refuses a slot', { slot, cause: (error as Error).message });
    }
  }

  #forgetBefore(slot: number): void {
    for (const known of [...this.#slots.keys()]) if (known < slot) this.#slots.delete(known);
  }
}

/** Own music fits any slot. */
function isPlanOf({ track }: Pick<ProgrammeSlot, 'track'>, plan: TrackPlan | null): boolean {
  if (plan === null || track === null) return plan !== null;
  return plan.track.trackHash === track.track_hash && plan.durationMs === track.duration_ms;
}
