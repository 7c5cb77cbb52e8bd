import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { PresencePort, WifiPort } from './box.ts';
import { clientKey, plainAddress } from './client-address.ts';
import { PHONE_COOKIE, readCookie } from './cookies.ts';
import { RequestError } from './errors.ts';
import { hostName } from './host-check.ts';
import { CHANGES_PER_MINUTE, WRONG_COOKIES_PER_MINUTE } from './limits.ts';
import type { Phone, PhoneBook } from './phone-book.ts';
import { perMinute } from './rate-limit.ts';

/** Who a request comes from. */
export interface Visitor {
  address: string;
  /** One name for one client, see `clientKey`. */
  key: string;
  phone: Phone | null;
  /** On the box's own hotspot while nothing is set up yet: may put the box on a Wi-Fi without being paired. */
  setup: boolean;
  /** A person at the box itself. */
  atTheBox: boolean;
}

export interface VisitorComponents {
  book: PhoneBook | null;
  wifi: WifiPort | null;
  presence: PresencePort | null;
}

/** Fields by which a proxy tells that it passes on somebody else's request. */
const PROXY_FIELDS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

/** Tells who asks, and lets pass who may. */
export class Visitors {
  readonly #components: VisitorComponents;
  readonly #wrongCookies = perMinute(WRONG_COOKIES_PER_MINUTE);
  readonly #changes = perMinute(CHANGES_PER_MINUTE);

  constructor(components: VisitorComponents) {
    this.#components = components;
  }

  /** @throws {RequestError} 429 `too_many_attempts` after many wrong cookies from one address */
  who(request: IncomingMessage): Visitor {
    const { wifi, book } = this.#components;
    const { remoteAddress, localAddress } = request.socket;
    const address = plainAddress(remoteAddress ?? '');
    const key = clientKey(remoteAddress, localAddress);
    const setup = wifi !== null && book?.size === 0 && wifi.isHotspotClient(address) && wifi.view().saved.length === 0;
    return { address, key, phone: this.#phone(request, key), setup, atTheBox: this.#isAtTheBox(request, address) };
  }

  /** @throws {RequestError} 401 `not_paired`, 403 `foreign_origin`, 429 */
  paired(request: IncomingMessage): Visitor & { phone: Phone } {
    const visitor = this.who(request);
    if (visitor.phone === null) throw notPaired();
    return { ...visitor, phone: visitor.phone };
  }

  /** Who may see and change the Wi-Fi: a paired phone, or anybody on the hotspot at first set-up. */
  pairedOrSetUp(request: IncomingMessage): Visitor {
    const visitor = this.who(request);
    if (visitor.phone === null && !visitor.setup) throw notPaired();
    return visitor;
  }

  /** Counts a change. @throws {RequestError} 429 `too_many_changes` */
  countChange(visitor: Visitor): void {
    const waitMs = this.#changes.take(visitor.phone?.id ?? visitor.key, performance.now());
    if (waitMs === 0) return;
    throw new RequestError(429, 'too_many_changes', `Allowed are ${CHANGES_PER_MINUTE} changes a minute.`, {
      retryAfterMs: waitMs,
    });
  }

  #phone(request: IncomingMessage, key: string): Phone | null {
    const { book } = this.#components;
    const token = readCookie(request.headers.cookie, PHONE_COOKIE);
    if (book === null || token === null) return null;
    const nowMs = performance.now();
    const waitMs = this.#wrongCookies.wait(key, nowMs);
    if (waitMs > 0) {
      throw new RequestError(429, 'too_many_attempts', 'Too many wrong cookies from this address.', {
        retryAfterMs: waitMs,
      });
    }
    const phone = book.find(token);
    if (phone === null) this.#wrongCookies.take(key, nowMs);
    else book.seen(phone);
    return phone;
  }

  /**
   * On a machine without button and without hotspot, somebody who opens the page on that machine itself: who sits at
   * it, or is logged in to it, could as well write the file of paired phones. A proxy there is nobody: it tells itself by
   * its headers or by the name under which it was asked.
   */
  #isAtTheBox(request: IncomingMessage, address: string): boolean {
    const { presence, wifi } = this.#components;
    if (wifi !== null || presence?.hasButton) return false;
    if (PROXY_FIELDS.some((field) => request.headers[field] !== undefined)) return false;
    const host = hostName(request.headers.host ?? '') ?? '';
    return isLoopback(address) && (host === 'localhost' || isLoopback(host.replace(/^\[|\]$/g, '')));
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function notPaired(): RequestError {
  return new RequestError(401, 'not_paired', 'This phone is not paired with the box.', {
    allowed: 'phones that were paired by a hand at the box',
  });
}
