import type { Request } from 'express';
import { notOnThisBox } from './answers.ts';
import type { Answer } from './box.ts';
import { ASKING_COOKIE, readCookie } from './cookies.ts';
import { RequestError } from './errors.ts';
import { LET_IN_MS, PAIRINGS_PER_MINUTE, PAIRINGS_PER_MINUTE_ALL } from './limits.ts';
import { type PairingCause, PairingDesk, type PairingState } from './pairing-desk.ts';
import type { PhoneBook } from './phone-book.ts';
import { cleanText } from './public-status.ts';
import { perMinute } from './rate-limit.ts';
import type { Visitor } from './visitors.ts';
import type { WebLogger } from './web.ts';

/** What phones and hands find at the desk: who may ask how often, and who need not wait. */
export class PairingDoor {
  readonly #desk = new PairingDesk();
  readonly #one = perMinute(PAIRINGS_PER_MINUTE);
  readonly #all = perMinute(PAIRINGS_PER_MINUTE_ALL);
  #letsInUntilMs = 0;
  readonly #components: { book: PhoneBook | null; log: WebLogger };

  constructor(components: { book: PhoneBook | null; log: WebLogger }) {
    this.#components = components;
  }

  /** Counts a request to be paired. @throws {RequestError} 429 `too_many_requests`, 501 without a list of phones */
  admit(visitor: Visitor): void {
    if (this.#components.book === null) throw notOnThisBox('place to remember phones');
    const nowMs = performance.now();
    // One address first, so that one alone cannot use up what all share.
    const waitMs = this.#one.take(visitor.key, nowMs) || this.#all.take('all', nowMs);
    if (waitMs === 0) return;
    throw new RequestError(429, 'too_many_requests', 'Too many phones asked to be paired. Wait a little.', {
      allowed: `${PAIRINGS_PER_MINUTE} a minute from one address, ${PAIRINGS_PER_MINUTE_ALL} from all`,
      retryAfterMs: waitMs,
    });
  }

  /** A phone asks; `admit` comes before. @returns the name of its request */
  enter(request: Request, visitor: Visitor, name: string): string {
    const earlier = readCookie(request.headers.cookie, ASKING_COOKIE);
    const granted = visitor.atTheBox || this.#isLetIn() ? 'at-the-box' : visitor.setup ? 'first' : null;
    return this.#desk.ask(cleanText(name).trim(), earlier, granted, performance.now());
  }

  /** Both at once. */
  ask(request: Request, visitor: Visitor, name: string): string {
    this.admit(visitor);
    return this.enter(request, visitor, name);
  }

  /** Where a request is; null for an unknown one. What was granted is used up by looking, if `takes`. */
  look(
    id: string,
    takes: boolean,
  ): { state: PairingState; cause: PairingCause | null; taken: { name: string } | null } | null {
    const nowMs = performance.now();
    const isPaired = (this.#components.book?.size ?? 0) > 0;
    const before = this.#desk.look(id, nowMs);
    const taken = takes ? this.#desk.take(id, isPaired, nowMs) : null;
    const found = taken === null ? this.#desk.look(id, nowMs) : before;
    return found === null ? null : { ...found, taken };
  }

  /** A hand at the box says yes. */
  confirm(): Answer<{ name: string }> {
    const answer = this.#desk.confirm(performance.now());
    this.#components.log.info('a hand at the box', answer.ok ? { pairs: answer.value.name } : { refused: answer.code });
    return answer;
  }

  /** Who held the card in a hand lets in the next phone that asks, as a hand at the box does. */
  letNextIn(): void {
    this.#letsInUntilMs = performance.now() + LET_IN_MS;
    this.#components.log.info('the next phone is let in', { minutes: LET_IN_MS / 60_000 });
  }

  /** Once. */
  #isLetIn(): boolean {
    const isOpen = performance.now() < this.#letsInUntilMs;
    this.#letsInUntilMs = 0;
    return isOpen;
  }

  isWaiting(): boolean {
    return this.#desk.isWaiting(performance.now());
  }
}
