import type { Logger, TimeSample } from './ports.ts';

/** Exchanges in the first burst: enough for the best-of-eight filter to settle at once. */
const BURST_EXCHANGES = 8;
const BURST_SPACING_MS = 60;
const STEADY_SPACING_MS = 4_000;
const EXCHANGE_TIMEOUT_MS = 2_000;
/** Protocol section 8: up to eight roster peers; more add traffic and no accuracy. */
const MAX_PEERS = 8;
/** A clock that moved further than this in one go was stepped: players must anchor anew. */
const STEP_MS = 20;

/** The filter that turns exchanges into station time (see src/clock). */
export interface ClockFilter {
  addSample(peer: string, sample: TimeSample): void;
  nowMs(monoMs: number): number;
  reset(domain: string | null, initialOffsetMs?: number): void;
  /** This clock is the domain's time from now on: later peers pull it, they do not set it. */
  becomeOrigin(): void;
  removePeer(peer: string): void;
  peerOffsetMs(peer: string, monoMs: number): number | null;
  status(monoMs: number): { offsetMs: number; errorMs: number; peers: number; synced: boolean; driftPpm: number };
}

export interface TimeKeeperComponents {
  clock: ClockFilter;
  exchangeTime(peer: string, signal?: AbortSignal): Promise<TimeSample>;
  /** Local monotonic clock, fractional milliseconds. */
  monoMs(): number;
  /** The clock follows the named time domain from now on. */
  onSynced(domain: string | null, errorMs: number): void;
  /** Station time jumped: whatever was anchored to it must be anchored again. */
  onStep(): void;
  log: Logger;
}

/**
 * Keeps station time: asks the peers of the current time domain in turn, a burst first, then steadily. With nobody to
 * follow, the clock runs free.
 */
export class TimeKeeper {
  readonly #components: TimeKeeperComponents;
  #domain: string | null = null;
  #peers: string[] = [];
  #round: AbortController | null = null;
  #announced = false;

  constructor(components: TimeKeeperComponents) {
    this.#components = components;
  }

  stationNowMs(): number {
    return this.#components.clock.nowMs(this.#components.monoMs());
  }

  /** The genesis that station time belongs to, null while it runs free. */
  get domain(): string | null {
    return this.#announced ? this.#domain : null;
  }

  /** Follow these peers, who live in this time domain. Empty: run free, and be an origin of time for that domain. */
  follow(domain: string | null, peers: readonly string[]): void {
    const followed = peers.slice(0, MAX_PEERS);
    for (const peer of this.#peers) if (!followed.includes(peer)) this.#components.clock.removePeer(peer);
    this.#peers = followed;
    if (domain !== this.#domain) this.#enter(domain);
    if (this.#peers.length === 0) this.#becomeOrigin();
    else if (this.#round === null) this.#begin();
  }

  stop(): void {
    this.#round?.abort();
    this.#round = null;
  }

  #enter(domain: string | null): void {
    this.stop();
    this.#domain = domain;
    this.#announced = false;
    this.#components.clock.reset(domain);
  }

  #becomeOrigin(): void {
    if (this.#announced || this.#domain === null) return;
    this.#components.clock.becomeOrigin();
    this.#announce();
  }

  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    const { clock, monoMs, onSynced } = this.#components;
    onSynced(this.#domain, clock.status(monoMs()).errorMs);
  }

  #begin(): void {
    const round = new AbortController();
    this.#round = round;
    this.#run(round.signal).catch((error) => {
      this.#components.log.warn('time exchange ended', { cause: String(error) });
      // The next word about peers begins it again.
      if (this.#round === round) this.#round = null;
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) {
      await this.#askEverybody(signal);
      if (signal.aborted) return;
      if (turn + 1 >= BURST_EXCHANGES && this.#components.clock.status(this.#components.monoMs()).synced) {
        this.#announce();
      }
      await pause(turn < BURST_EXCHANGES ? BURST_SPACING_MS : STEADY_SPACING_MS, signal);
    }
  }

  async #askEverybody(signal: AbortSignal): Promise<void> {
    const before = this.#offsetNow();
    await Promise.all(this.#peers.map((peer) => this.#ask(peer, signal)));
    if (signal.aborted) return;
    if (Math.abs(this.#offsetNow() - before) > STEP_MS) this.#components.onStep();
  }

  #offsetNow(): number {
    const mono = this.#components.monoMs();
    return this.#components.clock.nowMs(mono) - mono;
  }

  async #ask(peer: string, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(EXCHANGE_TIMEOUT_MS)]);
    try {
      const sample = await this.#components.exchangeTime(peer, limit);
      if (signal.aborted) return;
      if (sample.domain !== undefined && sample.domain !== this.#domain) return;
      this.#components.clock.addSample(peer, sample);
    } catch (error) {
      this.#components.log.debug('no time from peer', { peer, cause: String(error) });
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
