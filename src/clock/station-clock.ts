/**
 * Station time: the flock's common clock, kept by everybody from four-timestamp exchanges with a few peers. PURE: the
 * local monotonic clock comes in with every call, nothing else does.
 *
 * A peer's offset is judged by its best recent exchange. Between members the estimates are combined by the
 * fault-tolerant midpoint (Welch and Lynch 1988), own clock included: with n clocks, floor((n-1)/3) are dropped at
 * each end. A newcomer has no clock of its own to count yet; it takes the median, which up to half of its peers cannot
 * move. Newcomers step, members slew.
 */

/** Four timestamps of one exchange, ms: t1, t4 on the local monotonic clock, t2, t3 in the peer's station time. */
export interface TimeSample {
  t1: number;
  t2: number;
  t3: number;
  t4: number;
}

export interface StationClockStatus {
  /** Station time minus local monotonic time. */
  offsetMs: number;
  /** How far station time here may be from the flock's: half a round trip and what is still to be corrected. */
  errorMs: number;
  /** Peers whose answers are recent enough to count. */
  peers: number;
  /** This clock is in the flock's time, or is the origin of it. */
  synced: boolean;
  /** Flock's rate against the local clock. */
  driftPpm: number;
  /** How often the clock jumped since it was made. */
  steps: number;
}

export interface StationClockInit {
  /** Station time minus monotonic time to begin with: the wall clock's, where there is one. */
  initialOffsetMs: number;
  domain?: string | null;
}

/** Exchanges kept of a peer (protocol, section 8: best of 8 to 16). */
const WINDOW = 16;
/** Peers kept: more than the eight that are asked, as the choice of peers moves. */
const MAX_PEERS = 16;
/** A longer round trip says nothing about milliseconds. */
const MAX_ROUND_TRIP_MS = 2_000;
/** Exchanges older than this are forgotten, and their peer with them. */
const MAX_AGE_MS = 90_000;
/** An old exchange counts as if its round trip were longer: what is left of drift after compensation (as in NTP). */
const AGE_ERROR_PPM = 15;
/** Exchanges a peer needs before it is heard: the best of four is seldom a delayed one. */
const MIN_SAMPLES = 4;
/** A newcomer waits this long for all its peers to be heard, at least and at most. */
const SETTLE_MIN_MS = 300;
const SETTLE_MAX_MS = 3_000;
/** So long after its first exchange a newcomer still steps: its slower peers come in late. */
const BOOT_MS = 10_000;
/** Smaller corrections are slewed even by a newcomer. */
const BOOT_STEP_MS = 2;
/** A member this far off for this long has not drifted but been suspended or put back: slewing would take hours. */
const LOST_MS = 250;
const LOST_FOR_MS = 12_000;
/** Protocol, section 8. Inaudible, and within what playback can follow. */
const MAX_SLEW_PPM = 500;
/** Crystals are good for 50 ppm; two of them differ by twice that. */
const MAX_DRIFT_PPM = 120;
/** Control law: proportional per second, integral per second squared; critically damped, settles in a minute. */
const GAIN_P = 0.1;
const GAIN_I = 0.0025;
/** Longest time one update may integrate over: after a silence the old error says little. */
const MAX_INTEGRATION_MS = 10_000;

const PPM = 1e-6;

interface Exchange {
  /** Peer's station time minus local monotonic time. */
  offsetMs: number;
  roundTripMs: number;
  /** Local monotonic time it holds for. */
  atMs: number;
}

interface PeerEstimate {
  errorMs: number;
  halfTripMs: number;
}

/** The flock's time on one box. Times in fractional milliseconds. */
export class StationClock {
  readonly #peers = new Map<string, Exchange[]>();
  #domain: string | null;
  /** The clock's line: station time `#baseMs` at monotonic time `#anchorMs`, from there with drift and slew. */
  #anchorMs = 0;
  #baseMs: number;
  #driftPpm = 0;
  #slewLeftMs = 0;
  #slewPpm = 0;
  #synced = false;
  #firstMs: number | null = null;
  #updatedMs: number | null = null;
  #lostSinceMs: number | null = null;
  /** A newcomer's clock steps until then; an origin's and a member's never does for a small error. */
  #bootEndsMs = Number.NEGATIVE_INFINITY;
  #errorMs = 0;
  #halfTripMs = Number.POSITIVE_INFINITY;
  #steps = 0;

  constructor(init: StationClockInit) {
    this.#baseMs = init.initialOffsetMs;
    this.#domain = init.domain ?? null;
  }

  get domain(): string | null {
    return this.#domain;
  }

  /** Station time. Never goes back while it slews; may jump at a step. */
  nowMs(monoMs: number): number {
    const passedMs = monoMs - this.#anchorMs;
    const slewedMs = Math.min(Math.abs(this.#slewLeftMs), Math.max(0, passedMs) * this.#slewPpm * PPM);
    return this.#baseMs + passedMs * (1 + this.#driftPpm * PPM) + Math.sign(this.#slewLeftMs) * slewedMs;
  }

  /**
   * Another time domain (genesis) from now on: forgets every exchange. Station time runs on from where it is, or from
   * `initialOffsetMs` to the monotonic clock.
   */
  reset(domain: string | null, initialOffsetMs?: number): void {
    if (initialOffsetMs !== undefined) {
      this.#anchorMs = 0;
      this.#baseMs = initialOffsetMs;
      this.#driftPpm = 0;
      this.#slewLeftMs = 0;
    }
    this.#domain = domain;
    this.#peers.clear();
    this.#synced = false;
    this.#firstMs = null;
    this.#updatedMs = null;
    this.#lostSinceMs = null;
    this.#bootEndsMs = Number.NEGATIVE_INFINITY;
    this.#errorMs = 0;
    this.#halfTripMs = Number.POSITIVE_INFINITY;
  }

  /** This clock is its domain's time: it counts among those of its peers, and slews, from the first exchange on. */
  becomeOrigin(): void {
    this.#synced = true;
  }

  /** One exchange with a peer of the same domain. One that makes no sense is left out. */
  addSample(peer: string, sample: TimeSample): void {
    const exchange = readSample(sample);
    if (exchange === null) return;
    const nowMs = sample.t4;
    this.#firstMs ??= nowMs;
    this.#remember(peer, exchange);
    this.#forgetOld(nowMs);
    this.#update(nowMs);
  }

  /** Forgets a peer that is no longer followed. */
  removePeer(peer: string): void {
    this.#peers.delete(peer);
  }

  /** A peer's station time minus this one's, as its best recent exchange tells; null while it was not asked enough. */
  peerOffsetMs(peer: string, monoMs: number): number | null {
    const exchanges = this.#peers.get(peer);
    return exchanges === undefined ? null : (this.#estimate(exchanges, monoMs)?.errorMs ?? null);
  }

  status(monoMs: number): StationClockStatus {
    const peers = this.#estimates(monoMs).length;
    const leftMs = Math.abs(this.#errorMs);
    const reach = peers === 0 ? 0 : this.#halfTripMs;
    return {
      offsetMs: this.nowMs(monoMs) - monoMs,
      errorMs: Number.isFinite(reach) ? reach + leftMs : 0,
      peers,
      synced: this.#synced,
      driftPpm: this.#driftPpm,
      steps: this.#steps,
    };
  }

  #remember(peer: string, exchange: Exchange): void {
    const known = this.#peers.get(peer);
    if (known !== undefined) {
      known.push(exchange);
      if (known.length > WINDOW) known.shift();
      return;
    }
    if (this.#peers.size < MAX_PEERS) this.#peers.set(peer, [exchange]);
  }

  #forgetOld(nowMs: number): void {
    for (const [peer, exchanges] of this.#peers) {
      const recent = exchanges.filter((exchange) => nowMs - exchange.atMs <= MAX_AGE_MS);
      if (recent.length === 0) this.#peers.delete(peer);
      else this.#peers.set(peer, recent);
    }
  }

  #update(nowMs: number): void {
    if (this.#synced) this.#updateMember(nowMs);
    else this.#updateNewcomer(nowMs);
  }

  /** A newcomer waits until its peers have been heard, then takes their median in one step. */
  #updateNewcomer(nowMs: number): void {
    const waitedMs = nowMs - this.#firstMs!;
    const estimates = this.#estimates(nowMs);
    const allHeard = estimates.length === this.#peers.size;
    if (estimates.length === 0 || waitedMs < SETTLE_MIN_MS) return;
    if (!allHeard && waitedMs < SETTLE_MAX_MS) return;
    this.#step(nowMs, median(estimates.map((estimate) => estimate.errorMs)));
    this.#note(estimates, 0);
    this.#synced = true;
    this.#bootEndsMs = this.#firstMs! + BOOT_MS;
  }

  #updateMember(nowMs: number): void {
    const estimates = this.#estimates(nowMs);
    if (estimates.length === 0) return;
    const errors = estimates.map((estimate) => estimate.errorMs);
    if (nowMs < this.#bootEndsMs) {
      const errorMs = median(errors);
      if (Math.abs(errorMs) > BOOT_STEP_MS) {
        this.#step(nowMs, errorMs);
        this.#note(estimates, 0);
        return;
      }
    }
    const errorMs = trimmedMidpoint([0, ...errors]);
    this.#note(estimates, errorMs);
    if (this.#isLost(nowMs, errorMs)) this.#step(nowMs, median(errors));
    else this.#slew(nowMs, errorMs);
  }

  #isLost(nowMs: number, errorMs: number): boolean {
    if (Math.abs(errorMs) < LOST_MS) {
      this.#lostSinceMs = null;
      return false;
    }
    this.#lostSinceMs ??= nowMs;
    return nowMs - this.#lostSinceMs >= LOST_FOR_MS;
  }

  #note(estimates: PeerEstimate[], errorMs: number): void {
    this.#errorMs = errorMs;
    this.#halfTripMs = median(estimates.map((estimate) => estimate.halfTripMs));
  }

  #step(nowMs: number, byMs: number): void {
    this.#anchor(nowMs);
    this.#baseMs += byMs;
    this.#slewLeftMs = 0;
    this.#lostSinceMs = null;
    this.#steps += 1;
  }

  #slew(nowMs: number, errorMs: number): void {
    this.#anchor(nowMs);
    const sinceMs = Math.min(nowMs - (this.#updatedMs ?? nowMs), MAX_INTEGRATION_MS);
    this.#updatedMs = nowMs;
    const wantedPpm = (GAIN_P * Math.abs(errorMs)) / 1_000 / PPM;
    const roomPpm = MAX_SLEW_PPM - MAX_DRIFT_PPM;
    // no integration while the correction is at its limit: the drift is not to blame for a large error
    if (wantedPpm < roomPpm) this.#integrate(errorMs, sinceMs);
    this.#slewLeftMs = errorMs;
    this.#slewPpm = Math.min(wantedPpm, roomPpm);
  }

  #integrate(errorMs: number, sinceMs: number): void {
    const ppm = this.#driftPpm + (GAIN_I * (errorMs / 1_000) * (sinceMs / 1_000)) / PPM;
    this.#driftPpm = Math.max(-MAX_DRIFT_PPM, Math.min(MAX_DRIFT_PPM, ppm));
  }

  /** Continues the line from `nowMs` on. */
  #anchor(nowMs: number): void {
    this.#baseMs = this.nowMs(nowMs);
    this.#anchorMs = nowMs;
    this.#slewLeftMs = 0;
  }

  #estimates(nowMs: number): PeerEstimate[] {
    const all = [...this.#peers.values()].map((exchanges) => this.#estimate(exchanges, nowMs));
    return all.filter((estimate) => estimate !== null);
  }

  /** A heard peer's best exchange, brought to the present with the drift, against this clock; null: too few. */
  #estimate(exchanges: readonly Exchange[], nowMs: number): PeerEstimate | null {
    const recent = exchanges.filter((exchange) => nowMs - exchange.atMs <= MAX_AGE_MS);
    if (recent.length < MIN_SAMPLES) return null;
    const best = recent.reduce((a, b) => (distanceMs(b, nowMs) < distanceMs(a, nowMs) ? b : a));
    const offsetMs = best.offsetMs + (nowMs - best.atMs) * this.#driftPpm * PPM;
    return { errorMs: offsetMs - (this.nowMs(nowMs) - nowMs), halfTripMs: distanceMs(best, nowMs) };
  }
}

/** Null for an exchange that cannot have happened, or took too long to say anything. */
function readSample({ t1, t2, t3, t4 }: TimeSample): Exchange | null {
  if (![t1, t2, t3, t4].every(Number.isFinite)) return null;
  const roundTripMs = t4 - t1 - (t3 - t2);
  if (t4 < t1 || t3 < t2 || roundTripMs < 0 || roundTripMs > MAX_ROUND_TRIP_MS) return null;
  return { offsetMs: (t2 - t1 + (t3 - t4)) / 2, roundTripMs, atMs: (t1 + t4) / 2 };
}

/** How wrong an exchange may be by now: half its round trip, and a little for its age. */
function distanceMs(exchange: Exchange, nowMs: number): number {
  return exchange.roundTripMs / 2 + (nowMs - exchange.atMs) * AGE_ERROR_PPM * PPM;
}

/** Midpoint of what is left when floor((n-1)/3) values are dropped at each end. `values` is not empty. */
export function trimmedMidpoint(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const drop = Math.floor((sorted.length - 1) / 3);
  return (sorted[drop]! + sorted[sorted.length - 1 - drop]!) / 2;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)]!;
  const high = sorted[Math.floor(sorted.length / 2)]!;
  return (low + high) / 2;
}
