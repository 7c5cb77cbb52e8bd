import { randomBytes } from 'node:crypto';
import type { Answer } from './box.ts';
import { MAX_PAIRING_REQUESTS, PAIRING_AFTER_MS, PAIRING_WAIT_MS } from './limits.ts';

export type PairingState = 'waiting' | 'granted' | 'refused' | 'expired';

/** Why a request is where it is, for programs. */
export type PairingCause = 'several_asked' | 'too_late' | 'not_fetched' | 'used' | 'phone_paired';

interface PairingRequest {
  name: string;
  askedAtMs: number;
  state: PairingState;
  cause: PairingCause | null;
  grantedAtMs: number;
  /** Granted because nobody is paired yet: holds only as long as that. */
  first: boolean;
}

/**
 * Phones that ask to be paired, and the hand on the box that says yes. A yes has to be meant for one phone: where
 * several asked within the minute (or one asked and let its minute pass, and another asks now), all are refused, since
 * nobody at the box can tell which one the hand meant. Times are monotonic milliseconds.
 */
export class PairingDesk {
  readonly #requests = new Map<string, PairingRequest>();

  /**
   * A phone asks. @returns the name of its request, 128 random bits that only the phone knows
   * @param replaces an earlier request of the same phone
   * @param granted who need not wait for a hand: somebody `at-the-box`, or the `first` phone at set-up
   */
  ask(name: string, replaces: string | null, granted: 'at-the-box' | 'first' | null, nowMs: number): string {
    this.#tidy(nowMs);
    const earlier = replaces === null ? undefined : this.#requests.get(replaces);
    if (replaces !== null && earlier?.state !== 'granted') this.#requests.delete(replaces);
    if (this.#requests.size >= MAX_PAIRING_REQUESTS) this.#requests.delete([...this.#requests.keys()][0] ?? '');
    const id = randomBytes(16).toString('base64url');
    const state = granted === null ? 'waiting' : 'granted';
    this.#requests.set(id, {
      name,
      askedAtMs: nowMs,
      state,
      cause: null,
      grantedAtMs: nowMs,
      first: granted === 'first',
    });
    return id;
  }

  /** A hand at the box says yes. */
  confirm(nowMs: number): Answer<{ name: string }> {
    this.#tidy(nowMs);
    const askers = [...this.#requests.values()];
    const waiting = askers.filter(({ state }) => state === 'waiting');
    const late = askers.some(({ cause }) => cause === 'too_late');
    const only = waiting[0];
    if (only === undefined) {
      return { ok: false, code: 'nobody_asked', text: 'No phone asked to be paired within the last minute.' };
    }
    if (waiting.length > 1 || late) {
      for (const request of waiting) Object.assign(request, { state: 'refused', cause: 'several_asked' });
      return {
        ok: false,
        code: 'several_asked',
        text: 'Several phones asked within the same minute. Wait a minute, and let one of them ask.',
      };
    }
    Object.assign(only, { state: 'granted', grantedAtMs: nowMs });
    return { ok: true, value: { name: only.name } };
  }

  /** Where a request is; null for an unknown one. */
  look(id: string, nowMs: number): { state: PairingState; cause: PairingCause | null } | null {
    this.#tidy(nowMs);
    const request = this.#requests.get(id);
    return request === undefined ? null : { state: request.state, cause: request.cause };
  }

  /**
   * Takes what was granted, once: afterwards the request is used up.
   * @param othersPaired whether some phone is paired by now
   */
  take(id: string, othersPaired: boolean, nowMs: number): { name: string } | null {
    this.#tidy(nowMs);
    const request = this.#requests.get(id);
    if (request?.state !== 'granted') return null;
    if (request.first && othersPaired) {
      Object.assign(request, { state: 'refused', cause: 'phone_paired' });
      return null;
    }
    Object.assign(request, { state: 'expired', cause: 'used' });
    return { name: request.name };
  }

  /** Whether somebody waits for a hand. */
  isWaiting(nowMs: number): boolean {
    this.#tidy(nowMs);
    return [...this.#requests.values()].some(({ state }) => state === 'waiting');
  }

  #tidy(nowMs: number): void {
    for (const [id, request] of this.#requests) {
      const ageMs = nowMs - request.askedAtMs;
      if (request.state === 'waiting' && ageMs >= PAIRING_WAIT_MS) {
        Object.assign(request, { state: 'expired', cause: 'too_late' });
      }
      if (request.state === 'granted' && nowMs - request.grantedAtMs >= PAIRING_AFTER_MS) {
        Object.assign(request, { state: 'expired', cause: 'not_fetched' });
      }
      const keptMs = PAIRING_WAIT_MS + PAIRING_AFTER_MS + (request.state === 'granted' ? PAIRING_AFTER_MS : 0);
      if (ageMs >= keptMs) this.#requests.delete(id);
    }
  }
}
