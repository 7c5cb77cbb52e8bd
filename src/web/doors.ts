import type { RequestHandler, Router } from 'express';
import express from 'express';
import { SlowGate } from './answers.ts';
import type { Answer, PresencePort } from './box.ts';
import { boxRoutes } from './box-routes.ts';
import { captiveApi, portal } from './captive.ts';
import { Listening } from './listen.ts';
import { musicRoutes } from './music-routes.ts';
import { PairingDoor } from './pairing-door.ts';
import { PhoneBook } from './phone-book.ts';
import type { Texts } from './plain-text.ts';
import { type SessionComponents, sessionRoutes } from './session-routes.ts';
import { updateRoutes } from './update-routes.ts';
import { Visitors } from './visitors.ts';
import type { WebComponents } from './web.ts';
import { wifiPageRoutes } from './wifi-page-routes.ts';
import { wifiRoutes } from './wifi-routes.ts';

/** All of the web room by which something changes, or that only some may see: put together, started and stopped. */
export class Doors {
  readonly #components: WebComponents;
  readonly #book: PhoneBook | null;
  readonly #session: SessionComponents;
  readonly #listening: Listening;
  readonly #hostNames: readonly string[];

  constructor(components: WebComponents, init: { dataDir: string | null; hostNames: readonly string[] }) {
    const { music = null, box = null, wifi = null, listen = null, update = null, presence = null, log } = components;
    this.#components = components;
    this.#hostNames = init.hostNames;
    this.#book =
      init.dataDir === null ? null : new PhoneBook({ wallMs: () => Date.now(), log }, { dataDir: init.dataDir });
    this.#listening = new Listening(listen);
    this.#session = {
      book: this.#book,
      pairing: new PairingDoor({ book: this.#book, log }),
      visitors: new Visitors({ book: this.#book, wifi, presence }),
      // Asked each time: pins can be lost, and come back.
      get hasButton() {
        return presence?.hasButton ?? false;
      },
      can: {
        music: music !== null,
        box: box !== null,
        wifi: wifi !== null,
        listen: listen !== null,
        update: update !== null,
      },
      log,
    };
  }

  /** Reads the list of phones and listens for a hand at the box. @returns the way out */
  start(): () => void {
    this.#book?.load();
    const presence: PresencePort | null = this.#components.presence ?? null;
    const stopPresence = presence?.onHold(() => void this.confirmPairing());
    return () => {
      stopPresence?.();
      this.#listening.stop();
    };
  }

  confirmPairing(): Answer<{ name: string }> {
    return this.#session.pairing.confirm();
  }

  letNextPhoneIn(): void {
    this.#session.pairing.letNextIn();
  }

  pairingWaits(): boolean {
    return this.#session.pairing.isWaiting();
  }

  forgetPhones(): void {
    this.#book?.clear();
    this.#components.log.info('all paired phones were forgotten');
  }

  get listeners(): number {
    return this.#listening.size;
  }

  /** Before the check of host names. */
  portal(): RequestHandler {
    return portal(this.#components.wifi ?? null, this.#hostNames);
  }

  routes(texts: ReadonlyMap<string, Texts>): Router {
    const { music = null, box = null, wifi = null, update = null } = this.#components;
    const { visitors } = this.#session;
    const gate = new SlowGate();
    const draw = (slot: number) => (this.#components.draw ? this.#components.draw(slot) : music?.draw?.(slot));
    const hasDraw = this.#components.draw !== undefined || music?.draw !== undefined;
    const router = express.Router({ caseSensitive: true, strict: true });
    router.use(sessionRoutes(this.#session));
    router.use(musicRoutes({ music, draw: hasDraw ? draw : null, visitors, gate }));
    router.use(boxRoutes({ box, visitors, gate, forgetPhones: () => this.forgetPhones() }));
    router.use(wifiRoutes({ wifi, visitors }));
    router.use(updateRoutes({ update, visitors, gate }));
    router.use(wifiPageRoutes({ wifi, visitors, pairing: this.#session.pairing, texts }));
    router.get('/api/captive', captiveApi(wifi));
    router.get('/listen', (request, response) => this.#listening.serve(request, response));
    return router;
  }
}
