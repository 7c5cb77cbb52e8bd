/**
 * One player at work: feeds it quantum by quantum, learns its clock, and steers the programme against it.
 *
 * A deck opens mute: it writes silence until it knows when its frames are heard. Then it can go live, and from its
 * first live frame on the programme is in time.
 */
import {
  type ObservationResult,
  QUANTUM_FRAMES,
  SoundCardClock,
  Steering,
  type SteeringMove,
} from '../clock/steering.ts';
import { OutputUnavailableError } from './errors.ts';
import type { Player } from './player.ts';
import { type FrameSource, SlipRenderer } from './slip-renderer.ts';
import { CHANNELS, FRAMES_PER_MS, type Logger, type Playing } from './types.ts';

/**
 * Written ahead of what is heard while opening: short, so that the programme is heard soon, but more than mpv's audio buffer
 * (0.2 s), which it fills before it begins.
 */
const OPEN_LEAD_MS = 300;
/** Written ahead while live: longer than this process is ever kept from its timer. Also the delay of a jump. */
const LEAD_MS = 800;
const TICK_MS = 100;
/** Between two readings of the player while its clock is not known yet, when it is, and where readings scatter. */
const OBSERVE_FAST_MS = 30;
const OBSERVE_MS = 250;
const OBSERVE_NOISY_MS = 70;
/** Above this, readings count as scattered. PipeWire's own output: 3 ms; ALSA: 0.02 ms. */
const NOISY_MS = 0.3;
/** Pauses vary by so much either way, or readings in step with the sound system's periods would all be wrong alike. */
const OBSERVE_JITTER = 0.3;
/** So many readings at the fast pace: 8 blocks. */
const FAST_OBSERVATIONS = 64;
/** Blocks of readings that must agree before the clock counts as known: a first delay report may be wrong. */
const SETTLED_BLOCKS = 2;
/**
 * Opening ends by then: with an error if the player told no position at all, else with the clock as far as it is known. A
 * machine that is too busy for steady readings sounds a little out of time, which is better than not at all.
 */
const SETTLE_TIMEOUT_MS = 8_000;
/** A player that is fed and does not advance for so long is broken. */
const STALL_MS = 2_000;
/** Quanta written in one tick at most: 10 s, after this process was held up. */
const MAX_QUANTA_A_TICK = 400;
/** Quanta whose source place is remembered: 12.8 s, more than is ever on its way. */
const REMEMBERED_QUANTA = 512;
/** A pair of clock readings that took longer is taken again, so often at most. */
const CLOCK_READING_MS = 0.02;
const CLOCK_READINGS = 4;
/** Changes of what plays that are written and not yet heard. */
const MAX_NOTES = 64;

export interface Programme extends FrameSource {
  prepare(position: number, nowMs: number): void;
  readonly playing: Playing;
}

/** Mixed over the programme, in the order of time, as it is written. */
export interface Overlay {
  mixInto(out: Int16Array): void;
}

export interface DeckComponents {
  player: Player;
  programme: Programme;
  overlay: Overlay;
  clock: { stationNowMs(): number };
  log: Logger;
}

export interface DeckInit {
  trimMs: number;
  /** The player runs by the monotonic clock itself: nothing is to be learned before it goes live. */
  clocked: boolean;
  nowMs?: () => number;
}

export interface DeckHandlers {
  /** What is heard has changed. */
  playing(playing: Playing): void;
  /** The player has ended by itself. */
  ended(reason: string): void;
}

/** This machine's monotonic clock and the station's, at one instant. */
interface Clocks {
  monoMs: number;
  stationMs: number;
}

/** What is heard at this instant. */
export interface Heard {
  /** Timeline position, frames, fractional. */
  position: number;
  /** Ahead of station time (positive) or behind. */
  offsetMs: number;
}

export class Deck {
  readonly #components: DeckComponents;
  #trimMs: number;
  readonly #clocked: boolean;
  readonly #nowMs: () => number;
  readonly #handlers: DeckHandlers;
  readonly #card = new SoundCardClock();
  readonly #steering = new Steering();
  readonly #renderer: SlipRenderer;
  readonly #quantum = new Int16Array(QUANTUM_FRAMES * CHANNELS);
  readonly #quantumBytes = new Uint8Array(this.#quantum.buffer);
  readonly #places = new Float64Array(REMEMBERED_QUANTA);
  #writtenQuanta = 0;
  #liveFrom: number | null = null;
  #liveWanted = false;
  #notes: { frame: number; playing: Playing }[] = [];
  #lastNoted: Playing | null = null;
  #tickTimer: NodeJS.Timeout | null = null;
  #observeTimer: NodeJS.Timeout | null = null;
  #observations = 0;
  #lastFrame = 0;
  #lastAdvanceMs = 0;
  #closed = false;
  #failure: string | null = null;
  #wasDry = false;
  #counters = { slips: 0, jumps: 0, underruns: 0 };

  constructor(components: DeckComponents, init: DeckInit, handlers: DeckHandlers) {
    this.#components = components;
    this.#trimMs = init.trimMs;
    this.#clocked = init.clocked;
    this.#nowMs = init.nowMs ?? (() => performance.now());
    this.#handlers = handlers;
    this.#renderer = new SlipRenderer(components.programme);
  }

  /** Opens the player and learns its clock. @throws what `Player.start` and `begin` throw */
  async open(): Promise<void> {
    const { player } = this.#components;
    player.onEnded((reason) => this.#fail(reason));
    player.onUnderrun(() => {
      this.#counters.underruns += 1;
    });
    await player.start();
    this.#writeSilence((OPEN_LEAD_MS * FRAMES_PER_MS) / QUANTUM_FRAMES);
    this.#card.restart(await player.begin());
    this.#throwIfClosed();
    this.#lastAdvanceMs = this.#nowMs();
    this.#tickTimer = setInterval(() => this.#tick(), TICK_MS);
    if (this.#clocked) this.#scheduleObservation();
    else await this.#settle();
  }

  /** From now on the programme is heard. */
  goLive(): void {
    if (this.#closed || this.#liveFrom !== null) return;
    const clocks = this.#clocks();
    if (clocks === null) {
      this.#components.log.warn('there is no station time: playback waits for it');
      this.#liveWanted = true;
      return;
    }
    this.#liveFrom = this.#writtenQuanta;
    this.#renderer.seek(Math.round(this.#target(clocks)));
    this.#tick();
  }

  /** The steering takes the sound there, by itself. */
  setTrim(ms: number): void {
    this.#trimMs = ms;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#tickTimer !== null) clearInterval(this.#tickTimer);
    if (this.#observeTimer !== null) clearTimeout(this.#observeTimer);
    await this.#components.player.stop();
  }

  /** Station time has jumped: follow at once. */
  anchor(): void {
    if (this.#liveFrom === null) return;
    this.#steering.anchor();
    this.#tick();
  }

  /** Null before anything of the programme is heard. */
  heard(): Heard | null {
    if (this.#liveFrom === null) return null;
    const clocks = this.#clocks();
    if (clocks === null) return null;
    const { monoMs, stationMs } = clocks;
    const frame = this.#card.frameAt(monoMs);
    const quantum = Math.min(Math.floor(frame / QUANTUM_FRAMES), this.#writtenQuanta - 1);
    if (quantum < this.#liveFrom || quantum < this.#writtenQuanta - REMEMBERED_QUANTA) return null;
    const position = this.#places[quantum % REMEMBERED_QUANTA]! + frame - quantum * QUANTUM_FRAMES;
    if (Number.isNaN(position)) return null;
    return { position, offsetMs: position / FRAMES_PER_MS - this.#trimMs - stationMs };
  }

  /** Frames that the player was last seen to have reached, and frames written to it. Both stand still where it does. */
  progress(): { heardFrames: number; writtenFrames: number } {
    return { heardFrames: this.#lastFrame, writtenFrames: this.#writtenQuanta * QUANTUM_FRAMES };
  }

  status() {
    const { driftPpm, noiseMs, steps } = this.#card.status();
    return { ...this.#counters, driftPpm, sensorNoiseMs: noiseMs, steps };
  }

  /** Waits until two blocks of readings in a row agree, or time is up. */
  async #settle(): Promise<void> {
    const deadlineMs = this.#nowMs() + SETTLE_TIMEOUT_MS;
    for (let blocks = 0; blocks < SETTLED_BLOCKS; ) {
      this.#throwIfClosed();
      if (this.#nowMs() > deadlineMs) {
        if (blocks === 0) throw new OutputUnavailableError('the player cannot tell its position');
        this.#components.log.warn('the player cannot tell its position steadily; it may sound a little out of time');
        break;
      }
      const result = await this.#observe();
      if (result === 'updated') blocks += 1;
      if (result === 'stepped') blocks = 1;
      await pause(jittered(OBSERVE_FAST_MS));
    }
    this.#throwIfClosed();
    this.#scheduleObservation();
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new OutputUnavailableError(this.#failure ?? 'stopped while opening');
  }

  #scheduleObservation(): void {
    if (this.#closed) return;
    const steadyMs = this.#card.status().noiseMs > NOISY_MS ? OBSERVE_NOISY_MS : OBSERVE_MS;
    const pauseMs = this.#observations < FAST_OBSERVATIONS ? OBSERVE_FAST_MS : steadyMs;
    this.#observeTimer = setTimeout(() => {
      void this.#observe()
        .catch(() => {})
        .then(() => this.#scheduleObservation());
    }, jittered(pauseMs));
  }

  async #observe(): Promise<ObservationResult> {
    const observation = await this.#components.player.observe();
    if (this.#closed) return 'noted';
    const monoMs = this.#nowMs();
    if (observation !== null && observation.frame > this.#lastFrame) {
      this.#lastFrame = observation.frame;
      this.#lastAdvanceMs = monoMs;
      this.#observations += 1;
      const result = this.#card.observe(observation);
      if (result === 'stepped') this.#observations = 0;
      return result;
    }
    if (monoMs - this.#lastAdvanceMs > STALL_MS) this.#fail('the player does not advance');
    return 'noted';
  }

  /** Timeline position that is due when the next frame to be written is heard. */
  #target({ monoMs, stationMs }: Clocks): number {
    const heardMs = this.#card.heardAtMs(this.#writtenQuanta * QUANTUM_FRAMES);
    return (stationMs + heardMs - monoMs + this.#trimMs) * FRAMES_PER_MS;
  }

  /**
   * Both clocks at one instant: reading them takes time too, so the middle counts, and a held-up reading does not.
   * Null while the station's clock gives no number.
   */
  #clocks(): Clocks | null {
    let best: Clocks | null = null;
    let narrowestMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < CLOCK_READINGS && narrowestMs > CLOCK_READING_MS; i++) {
      const beforeMs = this.#nowMs();
      const stationMs = this.#components.clock.stationNowMs();
      const tookMs = this.#nowMs() - beforeMs;
      if (tookMs >= narrowestMs || !Number.isFinite(stationMs)) continue;
      narrowestMs = tookMs;
      best = { monoMs: beforeMs + tookMs / 2, stationMs };
    }
    return best;
  }

  #tick(): void {
    if (this.#closed) return;
    const nowMs = this.#nowMs();
    const heardFrame = this.#card.frameAt(nowMs);
    const leadMs = this.#liveFrom === null ? OPEN_LEAD_MS : LEAD_MS;
    const missing = heardFrame + leadMs * FRAMES_PER_MS - this.#writtenQuanta * QUANTUM_FRAMES;
    const quanta = Math.min(MAX_QUANTA_A_TICK, Math.ceil(missing / QUANTUM_FRAMES));
    this.#noteDryness(heardFrame);
    const clocks = this.#clocks();
    if (this.#liveFrom === null || clocks === null) {
      this.#writeSilence(quanta);
      if (this.#liveWanted && clocks !== null) this.goLive();
      return;
    }
    this.#components.programme.prepare(this.#renderer.position, nowMs);
    for (let i = 0; i < quanta && !this.#closed; i++) this.#writeQuantum(this.#target(clocks));
    while (this.#notes.length > 0 && this.#notes[0]!.frame <= heardFrame) {
      this.#handlers.playing(this.#notes.shift()!.playing);
    }
  }

  /** Counts each time that the player ran out of frames because this process came late. */
  #noteDryness(heardFrame: number): void {
    const dry = heardFrame > this.#writtenQuanta * QUANTUM_FRAMES;
    if (dry && !this.#wasDry) this.#counters.underruns += 1;
    this.#wasDry = dry;
  }

  #writeQuantum(target: number): void {
    const move = this.#steering.decide(this.#renderer.position - target);
    this.#count(move);
    const jump = move.kind === 'jump' ? move.frames : 0;
    this.#places[this.#writtenQuanta % REMEMBERED_QUANTA] = this.#renderer.position + jump;
    this.#renderer.render(move, this.#quantum);
    if (this.#writtenQuanta === this.#liveFrom) fadeIn(this.#quantum);
    this.#components.overlay.mixInto(this.#quantum);
    this.#write();
    const { playing } = this.#components.programme;
    if (playing !== this.#lastNoted) {
      this.#lastNoted = playing;
      if (this.#notes.length >= MAX_NOTES) this.#notes.shift();
      this.#notes.push({ frame: (this.#writtenQuanta - 1) * QUANTUM_FRAMES, playing });
    }
  }

  #count(move: SteeringMove): void {
    if (move.kind === 'slip') this.#counters.slips += 1;
    if (move.kind !== 'jump') return;
    this.#counters.jumps += 1;
    this.#components.log.info('playback jumps to be in time', { ms: move.frames / FRAMES_PER_MS });
  }

  #writeSilence(quanta: number): void {
    this.#quantum.fill(0);
    for (let i = 0; i < quanta; i++) {
      this.#places[this.#writtenQuanta % REMEMBERED_QUANTA] = Number.NaN;
      this.#write();
    }
  }

  #write(): void {
    this.#components.player.write(this.#quantumBytes);
    this.#writtenQuanta += 1;
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.#failure = reason;
    void this.close();
    this.#handlers.ended(reason);
  }
}

function jittered(ms: number): number {
  return ms * (1 + OBSERVE_JITTER * (2 * Math.random() - 1));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The first frames of the programme come out of silence without a click. */
function fadeIn(quantum: Int16Array): void {
  for (let i = 0; i < quantum.length; i++) quantum[i] = Math.round((quantum[i]! * i) / quantum.length);
}
