/** Composes the room: the programme's timeline, the deck that plays it, and the watch over the output. */
import { Deck } from './deck.ts';
import { PlaybackInputError, PlayerMissingError } from './errors.ts';
import { type OutputTarget, outputName, parseOutput } from './output-target.ts';
import { type OutputChoice, outputChoices, SILENT_CHOICE } from './outputs.ts';
import type { Player } from './player.ts';
import { TestTone } from './test-tone.ts';
import { Timeline } from './timeline.ts';
import {
  FRAMES_PER_MS,
  type Playback,
  type PlaybackComponents,
  type PlaybackInit,
  type PlaybackProgress,
  type PlaybackSlot,
  type PlaybackState,
  type PlaybackStatus,
  type Playing,
  type ProgrammeFollower,
  type ToneAnswer,
} from './types.ts';

const DEFAULT_VOLUME = 100;
/** Slow loudspeakers and television sets delay by up to about a second. */
const MAX_TRIM_MS = 2_000;
/** Before the next attempt to open an output that failed; doubled up to the limit. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 30_000;
/** Between two test tones: one is over by then. */
const TONE_PAUSE_MS = 2_000;
/** Timelines beside the box's own that get the same slots: the stream for phones, and room for one more. */
const MAX_FOLLOWERS = 2;
/** A player that lived for so long starts with a short pause again. */
const GOOD_LIFE_MS = 30_000;

/** @throws OutputNameError, PlaybackInputError for settings that cannot be */
export function createPlayback(components: PlaybackComponents, init: PlaybackInit): Playback {
  const volume = checkRange('volume', init.volume ?? DEFAULT_VOLUME, 0, 100);
  const trimMs = checkRange('trimMs', init.trimMs ?? 0, -MAX_TRIM_MS, MAX_TRIM_MS);
  return new PlaybackRoom(components, { target: parseOutput(init.output), volume, trimMs, env: init.env });
}

interface RoomInit {
  target: OutputTarget;
  volume: number;
  trimMs: number;
  env: NodeJS.ProcessEnv | undefined;
}

class PlaybackRoom implements Playback {
  readonly #components: PlaybackComponents;
  readonly #init: RoomInit;
  readonly #handlers: ((playing: Playing) => void)[] = [];
  readonly #followers = new Set<ProgrammeFollower>();
  readonly #tone = new TestTone();
  #toneAtMs = Number.NEGATIVE_INFINITY;
  #timeline: Timeline;
  #volume: number;
  #trimMs: number;
  #running = false;
  /** Counts starts and stops, so that what was begun before a stop does not go on after it. */
  #epoch = 0;
  #deck: Deck | null = null;
  /** Decks that went live so far. */
  #decks = 0;
  #opening: Deck | null = null;
  #choice: OutputChoice | null = null;
  #setVolumeOf: ((percent: number) => void) | null = null;
  #reason: string | null = null;
  #liveSinceMs = 0;
  #retryMs = RETRY_MIN_MS;
  #retryTimer: NodeJS.Timeout | null = null;
  #heard: Playing | null = null;
  #totals = { slips: 0, jumps: 0, underruns: 0 };
  #restarts = 0;
  #hasSounded = false;
  /** One line for each outage, not for each attempt. */
  #outageSaid = false;

  constructor(components: PlaybackComponents, init: RoomInit) {
    this.#components = components;
    this.#init = init;
    this.#volume = init.volume;
    this.#trimMs = init.trimMs;
    this.#timeline = this.#newTimeline();
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#epoch += 1;
    // Time passes from the first moment on, heard or not; a real output takes over when it is ready.
    const epoch = this.#epoch;
    await this.#connect([SILENT_CHOICE]);
    if (epoch === this.#epoch && this.#init.target.kind !== 'null') await this.#connectOrRetry();
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#epoch += 1;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    const decks = [this.#deck, this.#opening];
    this.#retire();
    this.#opening = null;
    await Promise.all(decks.map((deck) => deck?.close()));
    this.#timeline.close();
    this.#timeline = this.#newTimeline();
    for (const follower of this.#followers) follower.dropFrom(0);
    this.#heard = null;
    this.#hasSounded = false;
  }

  schedule(slot: PlaybackSlot): void {
    this.#timeline.set(slot);
    for (const follower of this.#followers) follower.set(slot);
  }

  unschedule(fromSlot: number): void {
    this.#timeline.dropFrom(fromSlot);
    for (const follower of this.#followers) follower.dropFrom(fromSlot);
  }

  refreshFiller(): void {
    this.#timeline.refreshFiller();
    for (const follower of this.#followers) follower.refreshFiller();
  }

  follow(follower: ProgrammeFollower): () => void {
    if (this.#followers.size >= MAX_FOLLOWERS) throw new PlaybackInputError(`${MAX_FOLLOWERS} follow already`);
    for (const slot of this.#timeline.slots()) follower.set(slot);
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  onPlaying(handler: (playing: Playing) => void): void {
    this.#handlers.push(handler);
  }

  clockStepped(): void {
    this.#deck?.anchor();
  }

  setVolume(percent: number): void {
    this.#volume = checkRange('volume', percent, 0, 100);
    this.#setVolumeOf?.(this.#volume);
  }

  setTrim(ms: number): void {
    this.#trimMs = checkRange('trimMs', ms, -MAX_TRIM_MS, MAX_TRIM_MS);
    this.#deck?.setTrim(this.#trimMs);
    this.#opening?.setTrim(this.#trimMs);
  }

  testTone(): ToneAnswer {
    if (this.#deck === null || this.#choice?.audible !== true) return 'not_playing';
    const nowMs = performance.now();
    if (nowMs - this.#toneAtMs < TONE_PAUSE_MS) return 'too_soon';
    this.#toneAtMs = nowMs;
    this.#tone.begin();
    return 'playing';
  }

  status(): PlaybackStatus {
    const heard = this.#deck?.heard() ?? null;
    const now = this.#deck?.status();
    const start = heard === null ? null : this.#timeline.trackStartOf(this.#heard?.slot ?? null);
    return {
      state: this.#state(),
      output: this.#choice?.name ?? outputName(this.#init.target),
      slot: this.#heard?.slot ?? null,
      positionMs: start === null ? null : Math.max(0, heard!.position / FRAMES_PER_MS - start),
      offsetMs: heard?.offsetMs ?? null,
      driftPpm: now?.driftPpm ?? 0,
      sensorNoiseMs: now?.sensorNoiseMs ?? 0,
      corrections: this.#totals.jumps + (now?.jumps ?? 0),
      slips: this.#totals.slips + (now?.slips ?? 0),
      underruns: this.#totals.underruns + (now?.underruns ?? 0),
      restarts: this.#restarts,
      fillerMs: Math.round(this.#timeline.fillerFrames / FRAMES_PER_MS),
      silentMs: Math.round(this.#timeline.silentFrames / FRAMES_PER_MS),
      bufferedMs:
        heard === null ? 0 : Math.round(this.#timeline.supply(Math.floor(heard.position)).frames / FRAMES_PER_MS),
      silent: this.#choice?.audible !== true,
      reason: this.#reason,
    };
  }

  progress(): PlaybackProgress | null {
    return this.#deck === null ? null : { player: this.#decks, ...this.#deck.progress() };
  }

  #state(): PlaybackState {
    if (!this.#running) return 'stopped';
    if (this.#heard === null) return 'starting';
    if (this.#heard.actual !== null) return 'playing';
    if (this.#heard.filler) return 'filler';
    return this.#hasSounded ? 'idle' : 'starting';
  }

  #newTimeline(): Timeline {
    const { content, log } = this.#components;
    return new Timeline({ content, log, filler: () => this.#components.filler() }, { env: this.#init.env });
  }

  async #connectOrRetry(): Promise<void> {
    const { log } = this.#components;
    const { target, env } = this.#init;
    const devices = this.#components.automaticDevices?.() ?? [];
    const choices = outputChoices({ log }, { target, volume: this.#volume, env, devices });
    const epoch = this.#epoch;
    const problem = await this.#connect(choices);
    if (epoch !== this.#epoch) return;
    if (problem === null) {
      log.info('sound goes out', { output: this.#choice!.name });
      this.#reason = null;
      this.#outageSaid = false;
      return;
    }
    if (!this.#outageSaid) {
      log.warn(`no sound: ${problem}. The radio plays on silently.`, { output: outputName(target) });
    }
    this.#outageSaid = true;
    this.#reason = problem;
    this.#retryLater();
  }

  /** Opens the first choice that works and lets it take over. Returns what was wrong with all of them, or null. */
  async #connect(choices: OutputChoice[]): Promise<string | null> {
    const problems: Error[] = [];
    const epoch = this.#epoch;
    for (const choice of choices) {
      if (epoch !== this.#epoch) return null;
      const player = choice.make();
      const deck = this.#newDeck(player, choice.clocked);
      this.#opening = deck;
      try {
        await deck.open();
        if (this.#opening === deck) this.#opening = null;
        if (epoch !== this.#epoch) {
          await deck.close();
          return null;
        }
        const before = this.#deck;
        this.#retire();
        this.#deck = deck;
        this.#decks += 1;
        this.#choice = choice;
        this.#setVolumeOf = (percent) => player.setVolume(percent);
        this.#liveSinceMs = performance.now();
        deck.goLive();
        await before?.close();
        return null;
      } catch (error) {
        if (this.#opening === deck) this.#opening = null;
        await deck.close();
        problems.push(error as Error);
        this.#components.log.debug('an output failed', { output: choice.name, error: (error as Error).message });
        if (error instanceof PlayerMissingError) break;
      }
    }
    return problemText(this.#init.target, problems);
  }

  #newDeck(player: Player, clocked: boolean): Deck {
    const room = this;
    // A replaced timeline (stop, start) must not be held by an old deck.
    const programme = {
      render: (position: number, frames: number, out: Int16Array) => room.#timeline.render(position, frames, out),
      prepare: (position: number, nowMs: number) => room.#timeline.prepare(position, nowMs),
      get playing() {
        return room.#timeline.playing;
      },
    };
    const { clock, log } = this.#components;
    const deck: Deck = new Deck(
      { player, programme, overlay: this.#tone, clock, log },
      { trimMs: this.#trimMs, clocked },
      {
        playing: (playing) => this.#hear(playing),
        ended: (reason) => {
          if (deck === this.#deck) void this.#replace(reason);
        },
      },
    );
    return deck;
  }

  #hear(playing: Playing): void {
    this.#hasSounded ||= playing.filler || playing.actual !== null;
    const old = this.#heard;
    this.#heard = playing;
    // Handlers hear of what plays; whether its hole is filled is the status's matter.
    if (old?.slot === playing.slot && old.actual === playing.actual && old.reason === playing.reason) return;
    for (const handler of this.#handlers) handler(playing);
  }

  /** The player has gone: silence takes over at once, and the output is tried again. */
  async #replace(reason: string): Promise<void> {
    if (!this.#running) return;
    this.#components.log.warn(`the player ended: ${reason}`);
    this.#restarts += 1;
    this.#reason = reason;
    this.#retire();
    if (performance.now() - this.#liveSinceMs >= GOOD_LIFE_MS) this.#retryMs = RETRY_MIN_MS;
    await this.#connect([SILENT_CHOICE]);
    this.#retryLater();
  }

  #retryLater(): void {
    // A file is not opened again: that would write over what was recorded.
    if (!this.#running || this.#init.target.kind === 'file') return;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => void this.#connectOrRetry(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
  }

  /** Takes the present deck out, keeping its counts. */
  #retire(): void {
    const past = this.#deck?.status();
    if (past !== undefined) {
      this.#totals.slips += past.slips;
      this.#totals.jumps += past.jumps;
      this.#totals.underruns += past.underruns;
    }
    this.#deck = null;
    this.#choice = null;
    this.#setVolumeOf = null;
  }
}

/** For people; what the player said word by word goes to the debug log. */
function problemText(target: OutputTarget, problems: Error[]): string {
  const missing = problems.find((problem) => problem instanceof PlayerMissingError);
  if (missing !== undefined) return `${missing.message} (Debian: apt install mpv)`;
  if (target.kind === 'auto') return 'no sound card found: ALSA and PipeWire both refused';
  if (target.kind === 'file') return problems.map(({ message }) => message).join('; ');
  return `the output ${outputName(target)} cannot be opened`;
}

function checkRange(name: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw new PlaybackInputError(`${name} is ${String(value)}; allowed: ${min} to ${max}`);
}
