import { MAX_RATE_CLIENTS } from './limits.ts';

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Token buckets, one a client: `burst` requests at once, `perSecond` in the long run. The table is bounded: the client
 * unseen for longest is forgotten, which only ever gives tokens back.
 */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  readonly #init: { burst: number; perSecond: number; maxClients: number };

  constructor(init: { burst: number; perSecond: number; maxClients: number }) {
    this.#init = init;
  }

  /**
   * Takes one token. @returns 0 when there was one, else the milliseconds until there is one again.
   * @param nowMs monotonic
   */
  take(client: string, nowMs: number): number {
    const { burst, perSecond, maxClients } = this.#init;
    const known = this.#buckets.get(client);
    const tokens = known ? Math.min(burst, known.tokens + ((nowMs - known.atMs) * perSecond) / 1_000) : burst;
    const allowed = tokens >= 1;
    // Deleting first moves the client to the young end of the map.
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > maxClients) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return allowed ? 0 : Math.ceil(((1 - tokens) * 1_000) / perSecond);
  }

  /** As `take`, but takes nothing. */
  wait(client: string, nowMs: number): number {
    const { burst, perSecond } = this.#init;
    const known = this.#buckets.get(client);
    if (known === undefined) return 0;
    const tokens = Math.min(burst, known.tokens + ((nowMs - known.atMs) * perSecond) / 1_000);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 1_000) / perSecond);
  }

  get size(): number {
    return this.#buckets.size;
  }
}

/** So many at once, and so many a minute in the long run. */
export function perMinute(count: number): RateLimit {
  return new RateLimit({ burst: count, perSecond: count / 60, maxClients: MAX_RATE_CLIENTS });
}
