/** Small tables with a bound: the oldest entry makes room for the newest. */

/** A set that forgets its oldest members beyond `capacity`. */
export class BoundedSet {
  readonly #members = new Set<string>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#members.size;
  }

  has(member: string): boolean {
    return this.#members.has(member);
  }

  add(member: string): void {
    this.#members.delete(member);
    this.#members.add(member);
    if (this.#members.size <= this.#capacity) return;
    const oldest = this.#members.values().next().value;
    if (oldest !== undefined) this.#members.delete(oldest);
  }
}

/** Members with an end: forgotten when their time is over, or as the oldest beyond `capacity`. Times in ms. */
export class ExpiringSet {
  readonly #endsMs = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#endsMs.size;
  }

  add(member: string, forMs: number, nowMs: number): void {
    this.#endsMs.delete(member);
    this.#endsMs.set(member, nowMs + forMs);
    if (this.#endsMs.size <= this.#capacity) return;
    const oldest = this.#endsMs.keys().next().value;
    if (oldest !== undefined) this.#endsMs.delete(oldest);
  }

  delete(member: string): void {
    this.#endsMs.delete(member);
  }

  has(member: string, nowMs: number): boolean {
    const endMs = this.#endsMs.get(member);
    if (endMs === undefined) return false;
    if (nowMs < endMs) return true;
    this.#endsMs.delete(member);
    return false;
  }
}

/** Token bucket: `burst` at once, then `perSecond`. Times in ms of any monotonic clock. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  #lastMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#tokens = burst;
    this.#lastMs = nowMs;
  }

  /** Takes one token; false when there is none. */
  take(nowMs: number): boolean {
    const passedMs = Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (passedMs * this.#perSecond) / 1000);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
