import { hostname, networkInterfaces } from 'node:os';
import { type Interfaces, isInNetwork, linkOf } from './addresses.ts';
import { type CountryPort, createCountryFile } from './country.ts';
import { flushDisks } from './flush.ts';
import { MAX_EFFECTS, MAX_SAVED, TICK_MS } from './limits.ts';
import { initialWifi, stepWifi, WIFI_TIMES } from './machine.ts';
import { createNetworkManager, type WifiLogger } from './nm.ts';
import type { HotspotInit } from './nm-profiles.ts';
import type { RadioPort } from './radio.ts';
import { countStations } from './stations.ts';
import type { Failure, WifiEffect, WifiEvent, WifiState, WifiTimes } from './types.ts';
import { viewOf, type WifiView } from './view.ts';
import { type Answer, checkCountry, checkWish, DONE, type JoinWish, refused } from './wish.ts';

export interface WifiComponents {
  log: WifiLogger;
  /** But for tests: NetworkManager's. */
  radio?: RadioPort;
  country?: CountryPort;
  interfaces?: () => Interfaces;
  /** Phones on the hotspot of this device; null where it cannot be known. */
  stations?: (device: string) => Promise<number | null>;
  /** Brings what NetworkManager wrote to the disk. */
  flush?: () => Promise<void>;
}

export interface WifiInit {
  /** Of the box, last in the hotspot's name: "4f2a" gives "Starling-4f2a". */
  suffix: string;
  /** File that keeps the country, read by systemd/starling-country.service. */
  countryFile: string;
  /** Eight signs or more; without one the hotspot is open. */
  hotspotPassword?: string | null;
  /** Address of the box in its hotspot; systemd/dnsmasq-shared.d names the same. */
  hotspotAddress?: string;
  interfaceName?: string | null;
  busPath?: string;
  /** Other times, for tests. */
  times?: Partial<WifiTimes>;
}

export interface Wifi {
  /** Never throws for want of a radio: `view()` says "unavailable", and the log why. */
  start(): Promise<void>;
  /** Leaves links and hotspot as they are: the next start finds them. */
  stop(): Promise<void>;
  view(): WifiView;
  onChange(handler: () => void): () => void;
  join(wish: JoinWish): Answer;
  forget(ssid: string): Promise<Answer>;
  /** Wi-Fi as new: every kept network goes, and the hotspot opens. */
  forgetAll(): Promise<Answer>;
  setCountry(country: string): Promise<Answer>;
  scan(): Promise<Answer>;
  isHotspotClient(address: string): boolean;
}

export const HOTSPOT_ADDRESS = '10.42.0.1';
const HOTSPOT_PREFIX = 24;
/** The radio gives up this much before the state machine does: one of the two has to be the first to know. */
const MARGIN_MS = 1_000;

const TEXTS = {
  unavailable: 'This box has no Wi-Fi that it can set up.',
  busy: 'A network is being tried already; wait for its outcome.',
  full: 'Too many networks are kept; forget one first.',
  unknown: 'No such network is kept.',
};

/** Wi-Fi provisioning: the state machine of machine.ts, driven by NetworkManager, the clock and people. */
export function createWifi(components: WifiComponents, init: WifiInit): Wifi {
  return new Provisioning(components, init);
}

class Provisioning implements Wifi {
  readonly #log: WifiLogger;
  readonly #radio: RadioPort;
  readonly #country: CountryPort;
  readonly #interfaces: () => Interfaces;
  readonly #stations: (device: string) => Promise<number | null>;
  readonly #flush: () => Promise<void>;
  readonly #hotspot: HotspotInit;
  readonly #handlers = new Set<() => void>();
  readonly #queue: { effect: WifiEffect; done: () => void }[] = [];
  #state: WifiState;
  #shown = '';
  #timer: NodeJS.Timeout | null = null;
  #stopListening: (() => void) | null = null;
  #working: Promise<void> | null = null;
  #attempt: { id: number; stop: AbortController } | null = null;
  #scannedAtMs = -1;
  #counting = false;
  readonly #warned = new Map<WifiEffect['do'], string>();

  constructor(components: WifiComponents, init: WifiInit) {
    this.#log = components.log;
    this.#hotspot = {
      ssid: `Starling-${init.suffix}`,
      address: init.hotspotAddress ?? HOTSPOT_ADDRESS,
      prefix: HOTSPOT_PREFIX,
      password: init.hotspotPassword ?? null,
    };
    const { interfaceName, busPath } = init;
    const times = { ...WIFI_TIMES, ...init.times };
    this.#radio =
      components.radio ??
      createNetworkManager(components, {
        hotspot: this.#hotspot,
        openMs: times.openMs - MARGIN_MS,
        scanMs: times.scanMs - MARGIN_MS,
        firstScanMs: times.firstScanMs - MARGIN_MS,
        ...(interfaceName === undefined ? {} : { interfaceName }),
        ...(busPath === undefined ? {} : { busPath }),
      });
    this.#country = components.country ?? createCountryFile(init.countryFile);
    this.#interfaces = components.interfaces ?? networkInterfaces;
    this.#stations = components.stations ?? countStations;
    this.#flush = components.flush ?? flushDisks;
    this.#state = initialWifi(times);
  }

  async start(): Promise<void> {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
    const country = await this.#country.read();
    await this.#radio.start();
    this.#boot(country);
    this.#stopListening = this.#radio.onChange(() => this.#look());
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#stopListening?.();
    this.#stopListening = null;
    this.#attempt?.stop.abort();
    for (const { done } of this.#queue.splice(0)) done();
    await this.#radio.stop();
    await this.#working;
  }

  view(): WifiView {
    return viewOf(this.#state, this.#hotspot, hostname(), now());
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  join(asked: JoinWish): Answer {
    const { available, activity, networks, saved } = this.#state;
    if (!available) return refused('unavailable', TEXTS.unavailable);
    if (activity.kind === 'trying') return refused('busy', TEXTS.busy);
    const checked = checkWish(asked, networks, saved);
    if (!checked.ok) return checked;
    const isKept = saved.some(({ ssidHex }) => ssidHex === checked.value.ssidHex);
    if (!isKept && saved.length >= MAX_SAVED) return refused('too_many', TEXTS.full, 'ssid');
    this.#log.info('Trying a network', { ways: checked.value.recipes });
    void this.#dispatch({ type: 'join', nowMs: now(), wish: checked.value, country: asked.country });
    return DONE;
  }

  async forget(ssid: string): Promise<Answer> {
    if (!this.#state.available) return refused('unavailable', TEXTS.unavailable);
    if (!this.#state.saved.some((saved) => saved.ssid === ssid))
      return refused('unknown_network', TEXTS.unknown, 'ssid');
    await this.#dispatch({ type: 'forget', nowMs: now(), ssids: [ssid] });
    return DONE;
  }

  async forgetAll(): Promise<Answer> {
    if (!this.#state.available) return refused('unavailable', TEXTS.unavailable);
    await this.#dispatch({ type: 'forget', nowMs: now(), ssids: this.#state.saved.map(({ ssid }) => ssid) });
    return DONE;
  }

  async setCountry(country: string): Promise<Answer> {
    const checked = checkCountry(country);
    if (!checked.ok) return checked;
    await this.#dispatch({ type: 'country', nowMs: now(), country });
    return DONE;
  }

  async scan(): Promise<Answer> {
    if (!this.#state.available) return refused('unavailable', TEXTS.unavailable);
    await this.#dispatch({ type: 'scan', nowMs: now() });
    return DONE;
  }

  isHotspotClient(address: string): boolean {
    const { activity } = this.#state;
    return activity.kind === 'hotspot' && isInNetwork(address, this.#hotspot.address, this.#hotspot.prefix);
  }

  // --- Events

  #boot(country: string | null): void {
    const radio = this.#radio.view();
    if (radio !== null) this.#scannedAtMs = radio.scannedAtMs;
    void this.#dispatch({
      type: 'boot',
      nowMs: now(),
      available: radio !== null,
      hotspotOn: radio?.hotspotOn ?? false,
      link: linkOf(this.#interfaces(), radio ?? { device: '', wired: [], ssid: null }),
      saved: radio?.saved ?? [],
      country,
    });
  }

  /** What NetworkManager says now, as events. */
  #look(): void {
    const radio = this.#radio.view();
    const nowMs = now();
    if (radio === null || !this.#state.available) {
      if (radio !== null) this.#boot(this.#state.country);
      else void this.#dispatch({ type: 'available', nowMs, available: false });
      return;
    }
    void this.#dispatch({ type: 'saved', nowMs, saved: radio.saved });
    void this.#dispatch({ type: 'link', nowMs, link: linkOf(this.#interfaces(), radio) });
    // While steps are carried out, they tell of the hotspot themselves: what is read here may be of before.
    const isOpen = this.#state.activity.kind === 'hotspot';
    if (this.#working === null && radio.hotspotOn !== isOpen)
      void this.#dispatch({ type: 'hotspot', nowMs, on: radio.hotspotOn });
    if (radio.networks === null || radio.scannedAtMs <= this.#scannedAtMs) return;
    this.#scannedAtMs = radio.scannedAtMs;
    if (radio.networks.length > 0) void this.#dispatch({ type: 'scanned', nowMs, networks: radio.networks });
  }

  #tick(): void {
    const radio = this.#radio.view();
    if (radio !== null && this.#state.available)
      void this.#dispatch({ type: 'link', nowMs: now(), link: linkOf(this.#interfaces(), radio) });
    void this.#dispatch({ type: 'tick', nowMs: now() });
    if (radio !== null && this.#state.activity.kind === 'hotspot') void this.#countPhones(radio.device);
  }

  async #countPhones(device: string): Promise<void> {
    if (this.#counting) return;
    this.#counting = true;
    const count = await this.#stations(device).catch(() => null);
    this.#counting = false;
    // Where phones cannot be counted, one might be there: the hotspot then stays.
    if (this.#timer !== null) void this.#dispatch({ type: 'phones', nowMs: now(), count: count ?? 1 });
  }

  /** @returns when the effects of this event have been carried out */
  #dispatch(event: WifiEvent): Promise<void> {
    const { state, effects } = stepWifi(this.#state, event);
    this.#state = state;
    const done = Promise.all(effects.map((effect) => this.#enqueue(effect)));
    this.#show();
    return done.then(() => undefined);
  }

  #show(): void {
    const { scanned_ago_ms: _, ...view } = this.view();
    const shown = JSON.stringify(view);
    if (shown === this.#shown) return;
    this.#shown = shown;
    for (const handler of this.#handlers) handler();
  }

  // --- Effects: one after the other, but that an attempt is given up at once

  #enqueue(effect: WifiEffect): Promise<void> {
    // Stopped: the next start looks at the world anew.
    if (this.#timer === null) return Promise.resolve();
    if (effect.do === 'stopTrying') {
      if (this.#attempt?.id === effect.id) this.#attempt.stop.abort();
      return Promise.resolve();
    }
    if (effect.do === 'tryNetwork' || effect.do === 'tryKnown')
      this.#attempt = { id: effect.id, stop: new AbortController() };
    if (this.#queue.length >= MAX_EFFECTS) {
      this.#log.warn('Wi-Fi cannot keep up; a step is left out', { step: effect.do });
      return Promise.resolve();
    }
    return new Promise((done) => {
      this.#queue.push({ effect, done });
      this.#working ??= this.#work().finally(() => {
        this.#working = null;
        if (this.#timer !== null) this.#look();
      });
    });
  }

  async #work(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { effect, done } = next;
      try {
        await this.#carryOut(effect);
        this.#warned.delete(effect.do);
      } catch (error) {
        this.#warn(effect.do, String(error));
        this.#failed(effect);
      }
      done();
    }
  }

  /** What fails again and again for the same cause is told once. */
  #warn(step: WifiEffect['do'], cause: string): void {
    if (this.#warned.get(step) === cause) return;
    this.#warned.set(step, cause);
    this.#log.warn('A step of Wi-Fi set-up failed', { step, cause });
  }

  async #carryOut(effect: WifiEffect): Promise<void> {
    switch (effect.do) {
      case 'scan': {
        const heard = await this.#radio.scan();
        // As an access point, or gone, it hears nothing; what was heard before still helps.
        const networks = (this.#radio.view()?.networks ?? null) === null ? this.#state.networks : heard;
        return void this.#dispatch({ type: 'scanned', nowMs: now(), networks });
      }
      case 'openHotspot':
        await this.#radio.openHotspot();
        this.#log.info('The hotspot is open', { ssid: this.#hotspot.ssid });
        return void this.#dispatch({ type: 'hotspot', nowMs: now(), on: true });
      case 'closeHotspot':
        return this.#radio.closeHotspot();
      case 'tryNetwork':
        return this.#try(effect.id, (signal) => this.#radio.tryNetwork(effect.wish, effect.recipe, signal));
      case 'tryKnown':
        return this.#try(effect.id, (signal) => this.#radio.tryKnown(effect.first, signal));
      case 'saveProfile':
        await this.#radio.saveProfile();
        return this.#flush();
      case 'dropProfile':
        return this.#radio.dropProfile();
      case 'forget':
        return this.#radio.forget(effect.ssids);
      case 'setCountry':
        return this.#country.set(effect.country);
      case 'stopTrying':
        return;
    }
  }

  async #try(id: number, attempt: (signal: AbortSignal) => Promise<Failure | null>): Promise<void> {
    // Given up before its turn came.
    if (this.#attempt?.id !== id || this.#attempt.stop.signal.aborted) return;
    const failure = await attempt(this.#attempt.stop.signal);
    this.#log.info('A network was tried', { outcome: failure ?? 'linked' });
    void this.#dispatch({ type: 'outcome', nowMs: now(), id, failure });
  }

  /** The machine waits for an answer to these. */
  #failed(effect: WifiEffect): void {
    const nowMs = now();
    if (effect.do === 'openHotspot') void this.#dispatch({ type: 'hotspot', nowMs, on: false });
    if (effect.do === 'tryNetwork' || effect.do === 'tryKnown')
      void this.#dispatch({ type: 'outcome', nowMs, id: effect.id, failure: 'refused' });
    if (effect.do === 'scan') void this.#dispatch({ type: 'scanned', nowMs, networks: this.#state.networks });
  }
}

/** Milliseconds of a clock that no correction of the time moves. */
function now(): number {
  return Math.round(performance.now());
}
