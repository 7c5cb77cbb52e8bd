export interface ClockStart {
  /** Station time minus monotonic time. */
  initialOffsetMs: number;
  domain?: string | null;
}

/**
 * Station time from run to run of the radio in one process: a restart for another name is no reason to fall back on the
 * wall clock, which may be far from the flock's time. Another station has another time.
 */
export class LastTime {
  #stationId: string | null = null;
  #start: ClockStart | null = null;

  /** Where a station's clock begins: where it was, or at `wallOffsetMs` (wall clock minus monotonic time). */
  startOf(stationId: string, wallOffsetMs: number): ClockStart {
    return this.#start !== null && this.#stationId === stationId ? this.#start : { initialOffsetMs: wallOffsetMs };
  }

  /** A run that had started ends. A clock that was in nobody's time is not worth keeping. */
  note(stationId: string, clock: { synced: boolean; offsetMs: number; domain: string | null }): void {
    this.#stationId = stationId;
    this.#start = clock.synced ? { initialOffsetMs: clock.offsetMs, domain: clock.domain } : null;
  }
}
