/**
 * The control law of playback: keeps what sounds and the station time together.
 *
 * Two parts, both pure; the caller passes every number in:
 *
 * - `SoundCardClock` learns when a frame that was handed to the sound card is heard, from noisy observations "frame F was
 *   heard at monotonic instant M". A sound card counts frames with a quartz of its own, off by up to some 100 ppm, steady
 *   over minutes; so the model is a level and a drift, tracked by a Kalman filter over the middles of blocks.
 * - `Steering` decides what to do about an error at the write head: nothing, leave out or repeat one frame, or jump.
 *
 * The error is judged for the next frame to be written, not for the one that is heard: what is in flight to the card is
 * known exactly, so the loop has no dead time and cannot oscillate, however long the queue is.
 *
 * Numbers (48,000 Hz; 1 frame = 0.0208 ms)
 *
 * | what                       | value            | reason                                                             |
 * | -------------------------- | ---------------- | ------------------------------------------------------------------ |
 * | block                      | 8 observations   | mean of the middle half: shrugs off 2 wild ones at either end       |
 * | dead band                  | 0.65 frame       | more than half a frame, so that a slip never calls for its opposite |
 * | slip                       | 1 frame in 1,200 | 833 ppm: 500 for a station clock that slews, 100 for a bad quartz,  |
 * |                            |                  | 200 to close the gap; 1.4 cent of pitch, under what ears tell apart |
 * | jump                       | from 5 ms        | the gliding way would take longer than 6 s                          |
 * | pause between jumps        | 2 s              | a wandering sensor cannot make a stutter of them                    |
 * | step of the level          | > 0.3 ms and 6 σ | in two blocks, or > 5 ms and 6 σ in 3 observations (8 where they        |
 * |                            |                  | scatter): an underrun, another device, another period size          |
 */

export const FRAMES_PER_MS = 48;

/** One reading of the player: this frame was heard at this monotonic instant, give or take. */
export interface SoundObservation {
  /** Frames since the player's first, fractional. */
  frame: number;
  monoMs: number;
  /** Half the round trip of the reading. */
  uncertaintyMs: number;
}

export interface SoundCardClockStatus {
  /** True once the first block is in. */
  settled: boolean;
  /** How much faster (positive) than nominal the card plays, against the monotonic clock. */
  driftPpm: number;
  /** Standard deviation of a single observation. */
  noiseMs: number;
  /** Sudden changes of level: underruns, devices changed. */
  steps: number;
}

/** What an observation brought. */
export type ObservationResult = 'noted' | 'updated' | 'stepped';

export const BLOCK_OBSERVATIONS = 8;
/** Consumer quartzes: most within 50 ppm, the worst seen at 100 to 200. */
const DRIFT_SIGMA_MS_PER_MS = 50e-6;
/** No card is off by more than this. */
const MAX_DRIFT = 1_000e-6;
/** Thermal walk of the drift: 0.1 ppm after a second, 0.8 ppm after a minute. */
const DRIFT_WALK_VARIANCE = 0.1e-6 ** 2 / 1000;
/** Walk of the level (latency of the mixing graph): 2 us after a second. */
const LEVEL_WALK_VARIANCE = 0.002 ** 2 / 1000;
const MIN_NOISE_MS = 0.01;
/** Median absolute deviation to standard deviation, for a normal distribution. */
const MAD_TO_SIGMA = 1.4826;
/** Variance of the mean of the middle half against that of a mean, for a normal distribution. */
const MIDDLE_VARIANCE_FACTOR = 1.2;
const NOISE_SMOOTHING = 0.25;
const STEP_SIGMAS = 6;
const MIN_BLOCK_STEP_MS = 0.3;
const STEP_BLOCKS = 2;
const MIN_SINGLE_STEP_MS = 5;
const STEP_SINGLES = 3;
/** Above this noise a new level is taken from a whole block. */
const NOISY_MS = 0.3;
/** Readings with a longer round trip than this are no readings. */
export const MAX_UNCERTAINTY_MS = 5;
/** Readings up to this many times the block's shortest round trip count. */
const UNCERTAINTY_RATIO = 3;
const UNCERTAINTY_SLACK_MS = 0.05;

interface Residual {
  monoMs: number;
  /** Monotonic instant minus nominal instant of the frame. */
  latenessMs: number;
  uncertaintyMs: number;
}

/** Learns the affine map between frames heard and the monotonic clock. */
export class SoundCardClock {
  #block: Residual[] = [];
  #outliers: Residual[] = [];
  #strangeBlocks = 0;
  #settled = false;
  #steps = 0;
  #noiseMs = MIN_NOISE_MS;
  // State of the filter at #atMs: lateness = level + drift * (monoMs - atMs).
  #atMs = 0;
  #levelMs = 0;
  #drift = 0;
  #pLevel = 1;
  #pCross = 0;
  #pDrift = DRIFT_SIGMA_MS_PER_MS ** 2;

  /** Forgets the level and keeps the drift: the player was started (again) and frame 0 is heard at about `monoMs`. */
  restart(monoMs: number): void {
    this.#block = [];
    this.#outliers = [];
    this.#strangeBlocks = 0;
    this.#settled = false;
    this.#atMs = monoMs;
    this.#levelMs = monoMs;
  }

  observe(observation: SoundObservation): ObservationResult {
    const { frame, monoMs, uncertaintyMs } = observation;
    if (!Number.isFinite(frame) || !Number.isFinite(monoMs) || !(uncertaintyMs <= MAX_UNCERTAINTY_MS)) return 'noted';
    const residual = { monoMs, latenessMs: monoMs - frame / FRAMES_PER_MS, uncertaintyMs };
    if (this.#settled && this.#isWild(residual)) {
      this.#outliers.push(residual);
      const enough = this.#noiseMs > NOISY_MS ? BLOCK_OBSERVATIONS : STEP_SINGLES;
      if (this.#outliers.length < enough) return 'noted';
      this.#setLevel(this.#outliers);
      return this.#stepped();
    }
    this.#outliers = [];
    this.#block.push(residual);
    if (this.#block.length < BLOCK_OBSERVATIONS) return 'noted';
    const block = this.#block;
    this.#block = [];
    return this.#takeBlock(block);
  }

  /** Monotonic instant at which a frame is heard. */
  heardAtMs(frame: number): number {
    // lateness depends on the instant itself; solved for the instant, the drift's second order included.
    const nominalMs = frame / FRAMES_PER_MS;
    return (nominalMs + this.#levelMs - this.#drift * this.#atMs) / (1 - this.#drift);
  }

  /** Frame that is heard at a monotonic instant, fractional. */
  frameAt(monoMs: number): number {
    return (monoMs - this.#levelMs - this.#drift * (monoMs - this.#atMs)) * FRAMES_PER_MS;
  }

  status(): SoundCardClockStatus {
    return {
      settled: this.#settled,
      driftPpm: -this.#drift * 1e6,
      noiseMs: this.#noiseMs,
      steps: this.#steps,
    };
  }

  #predict(monoMs: number): number {
    return this.#levelMs + this.#drift * (monoMs - this.#atMs);
  }

  #isWild(residual: Residual): boolean {
    const limit = Math.max(MIN_SINGLE_STEP_MS, STEP_SIGMAS * this.#noiseMs);
    return Math.abs(residual.latenessMs - this.#predict(residual.monoMs)) > limit;
  }

  #takeBlock(block: Residual[]): ObservationResult {
    const shortest = Math.min(...block.map((r) => r.uncertaintyMs));
    const good = block.filter((r) => r.uncertaintyMs <= shortest * UNCERTAINTY_RATIO + UNCERTAINTY_SLACK_MS);
    if (!this.#settled) {
      this.#setLevel(good);
      this.#settled = true;
      return 'updated';
    }
    const atMs = meanTime(good);
    const residuals = good.map((r) => r.latenessMs - this.#predict(r.monoMs));
    const innovation = middle(residuals);
    const noise = spread(residuals, innovation);
    this.#noiseMs = Math.max(MIN_NOISE_MS, this.#noiseMs + NOISE_SMOOTHING * (noise - this.#noiseMs));
    const measured = (Math.max(noise, this.#noiseMs) ** 2 * MIDDLE_VARIANCE_FACTOR) / good.length;
    this.#advance(atMs);
    const sigma = Math.sqrt(this.#pLevel + measured);
    if (Math.abs(innovation) > Math.max(MIN_BLOCK_STEP_MS, STEP_SIGMAS * sigma)) {
      this.#strangeBlocks += 1;
      if (this.#strangeBlocks < STEP_BLOCKS) return 'noted';
      this.#setLevel(good);
      return this.#stepped();
    }
    this.#strangeBlocks = 0;
    this.#correct(innovation, measured);
    return 'updated';
  }

  #advance(atMs: number): void {
    const dt = Math.max(0, atMs - this.#atMs);
    this.#levelMs += this.#drift * dt;
    this.#atMs += dt;
    this.#pLevel += 2 * dt * this.#pCross + dt * dt * this.#pDrift + LEVEL_WALK_VARIANCE * dt;
    this.#pCross += dt * this.#pDrift;
    this.#pDrift += DRIFT_WALK_VARIANCE * dt;
  }

  #correct(innovationMs: number, variance: number): void {
    const s = this.#pLevel + variance;
    const gainLevel = this.#pLevel / s;
    const gainDrift = this.#pCross / s;
    this.#levelMs += gainLevel * innovationMs;
    this.#drift = clamp(this.#drift + gainDrift * innovationMs, MAX_DRIFT);
    this.#pDrift -= gainDrift * this.#pCross;
    this.#pCross *= 1 - gainLevel;
    this.#pLevel *= 1 - gainLevel;
  }

  #setLevel(residuals: Residual[]): void {
    this.#atMs = meanTime(residuals);
    const levels = residuals.map((r) => r.latenessMs - this.#drift * (r.monoMs - this.#atMs));
    this.#levelMs = middle(levels);
    const noise = Math.max(MIN_NOISE_MS, spread(levels, this.#levelMs));
    if (!this.#settled) this.#noiseMs = noise;
    this.#pLevel = (noise ** 2 * MIDDLE_VARIANCE_FACTOR) / residuals.length;
    this.#pCross = 0;
  }

  #stepped(): ObservationResult {
    this.#steps += 1;
    this.#strangeBlocks = 0;
    this.#block = [];
    this.#outliers = [];
    return 'stepped';
  }
}

/** What to do with the next quantum of output. */
export type SteeringMove =
  | { kind: 'hold' }
  /** +1: leave one source frame out; -1: repeat one (both smeared over a ramp, inaudible). */
  | { kind: 'slip'; frames: 1 | -1 }
  /** Move the source position by so many frames at once, under a cross-fade. */
  | { kind: 'jump'; frames: number };

/** Frames of one decision; at most one slip in each. */
export const QUANTUM_FRAMES = 1_200;
export const DEAD_BAND_FRAMES = 0.65;
export const JUMP_MS = 5;
export const JUMP_PAUSE_MS = 2_000;

const HOLD: SteeringMove = { kind: 'hold' };

/** Decides, quantum by quantum, how the source is moved against the sound card. */
export class Steering {
  #quantaSinceJump = Number.POSITIVE_INFINITY;
  #anchorNext = false;

  /** The next error is closed at once, however small (a start, a stepped clock). */
  anchor(): void {
    this.#anchorNext = true;
  }

  /**
   * @param errorFrames how far the source is ahead of where it should be at the write head, in frames
   */
  decide(errorFrames: number): SteeringMove {
    this.#quantaSinceJump += 1;
    if (!Number.isFinite(errorFrames)) return HOLD;
    if (this.#anchorNext) return this.#jump(errorFrames);
    const size = Math.abs(errorFrames);
    if (size >= JUMP_MS * FRAMES_PER_MS && this.#quantaSinceJump * QUANTUM_FRAMES >= JUMP_PAUSE_MS * FRAMES_PER_MS) {
      return this.#jump(errorFrames);
    }
    if (size <= DEAD_BAND_FRAMES) return HOLD;
    return { kind: 'slip', frames: errorFrames > 0 ? -1 : 1 };
  }

  #jump(errorFrames: number): SteeringMove {
    this.#anchorNext = false;
    const frames = -Math.round(errorFrames);
    if (frames === 0) return HOLD;
    this.#quantaSinceJump = 0;
    return { kind: 'jump', frames };
  }
}

function meanTime(residuals: Residual[]): number {
  return residuals.reduce((sum, { monoMs }) => sum + monoMs, 0) / residuals.length;
}

/** Mean of the middle half. */
function middle(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const half = sorted.slice(cut, sorted.length - cut);
  return half.reduce((sum, value) => sum + value, 0) / half.length;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Standard deviation estimated from the median absolute deviation. */
function spread(values: number[], center: number): number {
  return MAD_TO_SIGMA * median(values.map((value) => Math.abs(value - center)));
}

function clamp(value: number, limit: number): number {
  return Math.min(limit, Math.max(-limit, value));
}
