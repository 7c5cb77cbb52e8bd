import type { ScheduledTrack } from '../consensus/events.ts';
import type { BlocksPort, Logger, OwnTrack, PlaybackPort, ReadManifest, TrackPlan } from './ports.ts';

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
    const samePlan = known?.track != null && known.track.manifest === entry.track?.manifest ? known.plan : null;
    const slot: ProgrammeSlot = { ...entry, plan: samePlan };
    this.#slots.set(entry.slot, slot);
    this.#forgetBefore(entry.slot - KEPT_SLOTS);
    slot.plan ??= entry.track === null ? await this.#ownPlan() : await this.#localPlan(entry.track.manifest);
    this.#handOver(slot);
  }

  /** The fetcher has a slot's manifest. */
  manifestArrived(slot: number, plan: TrackPlan): void {
    const entry = this.#slots.get(slot);
    if (entry?.track?.track_hash !== plan.track.trackHash || entry.plan !== null) return;
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

  /** The manifest of an own or fetched track, null when it is not here. */
  async #localPlan(manifest: string): Promise<TrackPlan | null> {
    const bytes = await this.#components.blocks.get(manifest);
    if (bytes === null) return null;
    try {
      return this.#components.readManifest(bytes);
    } catch (error) {
      this.#components.log.warn('a manifest cannot be read', { manifest, cause: (error as Error).message });
      return null;
    }
  }

  async #ownPlan(): Promise<TrackPlan | null> {
    const own = this.#components.ownTracks();
    const pick = own[Math.floor(this.#components.random() * own.length)];
    return pick === undefined ? null : await this.#localPlan(pick.manifest);
  }

  #handOver(entry: ProgrammeSlot): void {
    // An await may lie between: the slot can have been replaced or dropped meanwhile.
    if (entry.plan === null || this.#slots.get(entry.slot) !== entry) return;
    const { slot, startMs, durationMs, plan } = entry;
    this.#components.playback.schedule({ slot, startMs, durationMs, track: plan.track });
  }

  #forgetBefore(slot: number): void {
    for (const known of [...this.#slots.keys()]) if (known < slot) this.#slots.delete(known);
  }
}
