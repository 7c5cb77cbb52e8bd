/** What is counted. `refused…` are messages and requests of others, by cause. */
export const COUNTER_NAMES = [
  'published',
  'received',
  'delivered',
  'refusedOversized',
  'refusedMalformed',
  'refusedForeign',
  'refusedReplayed',
  'refusedUnsigned',
  'refusedByLog',
  'ignoredByLog',
  'handlerErrors',
  'syncAsked',
  'syncServed',
  'refusedSyncBusy',
  'refusedSyncRate',
  'refusedSyncMalformed',
  'refusedSyncTimeout',
  'timeAsked',
  'timeServed',
  'refusedTime',
  'peersServed',
  'refusedPeers',
  'foreignPeers',
  'abusivePeers',
  'dials',
  'failedDials',
  'mdnsFound',
  'refusedMdns',
  'blocksFetched',
  'blockBytesFetched',
  'failedFetches',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** Named counts; every name is there from the start, so that a reader never meets a hole. */
export class Counters {
  readonly #counts = new Map<CounterName, number>(COUNTER_NAMES.map((name) => [name, 0]));

  add(name: CounterName, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  snapshot(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
