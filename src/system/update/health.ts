/**
 * Whether a box on trial works: it is a member of its station, with company or alone by choice, it has network and sound as
 * before, and its player goes on. One that had no music and has nobody who does is asked for less: alone and without music
 * there is no station, and the stick with the update is often the only one in. Pure: what was seen, and when.
 */
import { COMPANY_WAIT_MS, PLAYS_FOR_MS } from './limits.ts';
import type { Before } from './result.ts';

/** What one look at the radio's status showed. */
export interface Sample {
  isMember: boolean;
  /** Other boxes that are connected. */
  peers: number;
  /** Music files of its own. */
  tracks: number;
  silent: boolean;
  /** Names what plays, and where it is in it; null while nothing does. */
  playing: { track: string; positionMs: number } | null;
  /** The machine has an address in a network. */
  linked: boolean;
}

/** What keeps a trial from being over: for programs, and for people. */
export const MISSING = {
  no_answer: 'the radio did not answer',
  not_joined: 'it did not join its station',
  no_network: 'it found no network',
  no_company: 'it did not find the other boxes',
  no_sound: 'its sound card did not work',
  no_music: 'its player did not go on',
} as const;
export type Missing = keyof typeof MISSING;

export type Verdict = { healthy: true } | { healthy: false; missing: Missing };

/** A position may lag behind the clock this much and still go on: it is told a few times a second. */
const LEAST_SPEED = 0.5;

export class Health {
  readonly #before: Before;
  readonly #startedMs: number;
  #last: { sample: Sample; atMs: number } | null = null;
  #playedForMs = 0;
  #answersSinceMs: number | null = null;
  #verdict: Verdict = { healthy: false, missing: 'no_answer' };

  /** @param before null when it is not known: then nothing of it is asked for */
  constructor(before: Before | null, startedMs: number) {
    this.#before = before ?? { company: false, linked: false, sound: false, music: true };
    this.#startedMs = startedMs;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  /** @param sample null when the radio did not answer */
  take(sample: Sample | null, atMs: number): Verdict {
    this.#playedForMs = this.#played(sample, atMs);
    this.#last = sample === null ? null : { sample, atMs };
    this.#answersSinceMs = sample === null ? null : (this.#answersSinceMs ?? atMs);
    const missing = this.#missing(sample, atMs);
    this.#verdict = missing === null ? { healthy: true } : { healthy: false, missing };
    return this.#verdict;
  }

  /** How long the player went on without a stop. A change of tracks counts for nothing, and breaks nothing. */
  #played(sample: Sample | null, atMs: number): number {
    const last = this.#last;
    const [now, then] = [sample?.playing ?? null, last?.sample.playing ?? null];
    if (last === null || now === null || then === null) return 0;
    if (now.track !== then.track) return this.#playedForMs;
    const passedMs = atMs - last.atMs;
    return now.positionMs - then.positionMs >= passedMs * LEAST_SPEED ? this.#playedForMs + passedMs : 0;
  }

  #missing(sample: Sample | null, atMs: number): Missing | null {
    if (sample === null) return 'no_answer';
    const hasMusic = this.#before.music || sample.tracks > 0 || sample.peers > 0;
    if (hasMusic && !sample.isMember) return 'not_joined';
    if (this.#before.linked && !sample.linked) return 'no_network';
    if (this.#before.company && sample.peers === 0 && atMs - this.#startedMs < COMPANY_WAIT_MS) return 'no_company';
    if (this.#before.sound && sample.silent) return 'no_sound';
    if (hasMusic && this.#playedForMs < PLAYS_FOR_MS) return 'no_music';
    // Whether its sound card works shows after a moment.
    if (atMs - (this.#answersSinceMs ?? atMs) < PLAYS_FOR_MS) return 'no_answer';
    return null;
  }
}

/** The parts of `GET /api/status` that tell; null for something else. */
export function readStatus(json: unknown): Omit<Sample, 'linked'> | null {
  const { station, peers, now, output, library } = (json ?? {}) as Record<
    string,
    Record<string, unknown> | null | undefined
  >;
  if (typeof station !== 'object' || station === null || !Array.isArray(peers)) return null;
  const positionMs = now?.position_ms;
  const hash = (now?.track as { hash?: unknown } | null | undefined)?.hash;
  return {
    isMember: station.phase === 'member',
    peers: peers.filter((peer: { connected?: unknown } | null) => peer?.connected === true).length,
    tracks: Number(library?.tracks) || 0,
    silent: output?.silent === true,
    playing: typeof positionMs === 'number' ? { track: `${now?.slot} ${hash}`, positionMs } : null,
  };
}
