import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NETWORKS, MAX_SAVED } from '../../../src/system/wifi/limits.ts';
import { initialWifi, isLinked, stepWifi, WIFI_TIMES } from '../../../src/system/wifi/machine.ts';
import type { Failure, Link, WifiEffect, WifiEvent, WifiState, Wish } from '../../../src/system/wifi/types.ts';

/**
 * A world of homes, phones, cables and people around the machine. It carries effects out as slowly and as badly as it likes, and
 * everything that happens in it is drawn by fast-check.
 */

const NAMES = ['Nest', 'Meadow', 'Burrow'];
const hexOf = (name: string) => Buffer.from(name).toString('hex');
const wishFor = (name: string, recipes: Wish['recipes']): Wish => ({
  ssid: name,
  ssidHex: hexOf(name),
  password: 'correct horse',
  hidden: false,
  recipes,
});

type Chance =
  | { what: 'wait'; ms: number }
  | { what: 'cable'; in: boolean }
  | { what: 'lose' }
  | { what: 'phone'; on: boolean }
  | { what: 'join'; name: string; recipes: 1 | 2 | 3 }
  | { what: 'forget'; name: string }
  | { what: 'scan' }
  | { what: 'country' }
  | { what: 'home'; name: string; here: boolean }
  | { what: 'radio'; here: boolean }
  | { what: 'hotspotGone' };

const chance: fc.Arbitrary<Chance> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('wait'), ms: fc.integer({ min: 1, max: 400_000 }) }) },
  fc.record({ what: fc.constant('cable'), in: fc.boolean() }),
  fc.record({ what: fc.constant('lose') }),
  { weight: 2, arbitrary: fc.record({ what: fc.constant('phone'), on: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('join'),
      name: fc.constantFrom(...NAMES),
      recipes: fc.constantFrom(1, 2, 3),
    }),
  },
  fc.record({ what: fc.constant('forget'), name: fc.constantFrom(...NAMES) }),
  fc.record({ what: fc.constant('scan') }),
  fc.record({ what: fc.constant('country') }),
  fc.record({ what: fc.constant('home'), name: fc.constantFrom(...NAMES), here: fc.boolean() }),
  fc.record({ what: fc.constant('radio'), here: fc.boolean() }),
  fc.record({ what: fc.constant('hotspotGone') }),
) as fc.Arbitrary<Chance>;

interface Manners {
  scanMs: number;
  openMs: number;
  tryMs: number;
  /** Whether the n-th opening comes about. */
  opens: boolean[];
  failures: (Failure | null)[];
}

const manners: fc.Arbitrary<Manners> = fc.record({
  scanMs: fc.integer({ min: 0, max: 20_000 }),
  openMs: fc.integer({ min: 0, max: 12_000 }),
  tryMs: fc.integer({ min: 0, max: 120_000 }),
  opens: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
  failures: fc.array(
    fc.constantFrom(
      null,
      'wrong_password',
      'not_found',
      'no_address',
      'no_answer',
      'refused',
    ) as fc.Arbitrary<Failure | null>,
    { minLength: 1, maxLength: 8 },
  ),
});

const STEP_MS = 1_000;
/** Without a link and a hotspot for longer than this, a box is lost: five minutes, an attempt in three ways, a look back, and a failed opening. */
const LOST_MS =
  WIFI_TIMES.linkLostMs +
  4 * WIFI_TIMES.attemptMs +
  2 * (WIFI_TIMES.scanMs + WIFI_TIMES.openMs + WIFI_TIMES.reopenMs) +
  10 * STEP_MS;

class World {
  state: WifiState = initialWifi();
  nowMs = 0;
  readonly #manners: Manners;
  readonly #later: { atMs: number; happen: () => void }[] = [];
  readonly #homes = new Set<string>();
  #wired = false;
  #joined: string | null = null;
  #hotspot = false;
  #phones = 0;
  #trying: number | null = null;
  #openings = 0;
  #tries = 0;
  #radio = true;
  #lostSinceMs = 0;
  #saved: string[];

  constructor(given: Manners, saved: string[]) {
    this.#manners = given;
    this.#saved = saved;
    const boot = { available: true, hotspotOn: false, link: this.#link(), country: null };
    this.tell({ type: 'boot', nowMs: 0, saved: this.#list(), ...boot });
  }

  #list() {
    return this.#saved.map((ssid) => ({ ssid, ssidHex: hexOf(ssid) }));
  }

  #link(): Link {
    return { wired: this.#wired, ssid: this.#joined, addresses: [] };
  }

  tell(event: WifiEvent): void {
    const phones = this.state.activity.kind === 'hotspot' ? this.state.activity.phones : 0;
    const { state, effects } = stepWifi(this.state, event);
    this.state = state;
    if (phones > 0 && effects.some((effect) => effect.do === 'closeHotspot')) expect(event.type).toBe('join');
    for (const effect of effects) this.#carryOut(effect);
    if (state.networks.length > MAX_NETWORKS || state.saved.length > MAX_SAVED) expect.fail('a list without end');
    if (event.type !== 'tick' && state.activity.kind !== 'trying')
      expect(JSON.stringify(state)).not.toContain('correct horse');
  }

  #in(ms: number, happen: () => void): void {
    this.#later.push({ atMs: this.nowMs + ms, happen });
  }

  #carryOut(effect: WifiEffect): void {
    const given = this.#manners;
    switch (effect.do) {
      case 'scan':
        this.#in(given.scanMs, () => this.tell({ type: 'scanned', nowMs: this.nowMs, networks: this.#air() }));
        return;
      case 'openHotspot': {
        const comesAbout = given.opens[this.#openings % given.opens.length] === true || this.#openings % 2 === 1;
        this.#openings += 1;
        expect(this.#trying).toBeNull();
        this.#in(given.openMs, () => this.#opened(comesAbout));
        return;
      }
      case 'closeHotspot':
        this.#hotspot = false;
        this.#phones = 0;
        return;
      case 'tryNetwork':
      case 'tryKnown':
        expect(this.#trying).toBeNull();
        expect(this.#hotspot).toBe(false);
        this.#trying = effect.id;
        this.#joined = null;
        this.#in(given.tryMs, () => this.#tried(effect));
        return;
      case 'stopTrying':
      case 'dropProfile':
        this.#trying = null;
        return;
      case 'saveProfile':
        return;
      case 'forget':
        this.#saved = this.#saved.filter((name) => !effect.ssids.includes(name));
        if (this.#joined !== null && effect.ssids.includes(this.#joined)) this.#joined = null;
        return;
      case 'setCountry':
        return;
    }
  }

  #opened(comesAbout: boolean): void {
    if (this.#trying !== null || this.#hotspot || !this.#radio || this.state.activity.kind !== 'opening') return;
    this.#hotspot = comesAbout;
    if (comesAbout) this.#joined = null;
    this.tell({ type: 'hotspot', nowMs: this.nowMs, on: comesAbout });
  }

  #tried(effect: WifiEffect & { do: 'tryNetwork' | 'tryKnown' }): void {
    if (this.#trying !== effect.id) return;
    this.#trying = null;
    const given = this.#manners.failures;
    const drawn = given[this.#tries % given.length] ?? null;
    this.#tries += 1;
    const name =
      effect.do === 'tryNetwork' ? effect.wish.ssid : (this.#saved.find((each) => this.#homes.has(each)) ?? null);
    const failure: Failure | null = name === null ? 'not_found' : drawn;
    if (failure === null) {
      this.#joined = name;
      if (effect.do === 'tryNetwork') this.#saved = [...new Set([...this.#saved, effect.wish.ssid])];
    }
    this.tell({ type: 'outcome', nowMs: this.nowMs, id: effect.id, failure });
    this.tell({ type: 'link', nowMs: this.nowMs, link: this.#link() });
    this.tell({ type: 'saved', nowMs: this.nowMs, saved: this.#list() });
  }

  #air() {
    if (this.#hotspot) return [];
    return [...this.#homes].map((ssid) => ({ ssid, ssidHex: hexOf(ssid), strength: 50, security: 'psk' as const }));
  }

  happen(each: Chance): void {
    const { nowMs } = this;
    switch (each.what) {
      case 'wait':
        this.pass(each.ms);
        return;
      case 'cable':
        this.#wired = each.in;
        this.tell({ type: 'link', nowMs, link: this.#link() });
        return;
      case 'lose':
        this.#joined = null;
        this.tell({ type: 'link', nowMs, link: this.#link() });
        return;
      case 'phone':
        this.#phones = each.on && this.#hotspot ? 1 : 0;
        this.tell({ type: 'phones', nowMs, count: this.#phones });
        return;
      case 'join': {
        const recipes = (['psk', 'wpa2', 'sae'] as const).slice(0, each.recipes);
        this.tell({ type: 'join', nowMs, wish: wishFor(each.name, recipes), country: null });
        return;
      }
      case 'forget':
        this.tell({ type: 'forget', nowMs, ssids: [each.name] });
        return;
      case 'scan':
        this.tell({ type: 'scan', nowMs });
        return;
      case 'country':
        this.tell({ type: 'country', nowMs, country: 'JP' });
        return;
      case 'home':
        if (each.here) this.#homes.add(each.name);
        else this.#homes.delete(each.name);
        return;
      case 'radio':
        this.#radioGoesOrComes(each.here);
        return;
      case 'hotspotGone':
        if (!this.#hotspot) return;
        this.#hotspot = false;
        this.#phones = 0;
        this.tell({ type: 'hotspot', nowMs, on: false });
        return;
    }
  }

  #radioGoesOrComes(here: boolean): void {
    if (this.#radio === here) return;
    this.#radio = here;
    this.#hotspot = false;
    this.#phones = 0;
    this.#trying = null;
    this.#joined = null;
    this.tell({ type: 'link', nowMs: this.nowMs, link: this.#link() });
    this.tell({ type: 'available', nowMs: this.nowMs, available: here });
    this.#lostSinceMs = this.nowMs;
  }

  /** Time passes, with what was to happen in it, and a look each second whether the box can be reached. */
  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs = Math.min(this.nowMs + STEP_MS, endMs);
      const due = this.#later.filter(({ atMs }) => atMs <= this.nowMs);
      for (const each of due) {
        this.#later.splice(this.#later.indexOf(each), 1);
        each.happen();
      }
      this.tell({ type: 'tick', nowMs: this.nowMs });
      if (this.#hotspot || isLinked(this.#link()) || !this.#radio) this.#lostSinceMs = this.nowMs;
      if (this.nowMs - this.#lostSinceMs > LOST_MS) expect.fail(`lost since ${this.#lostSinceMs} at ${this.nowMs}`);
    }
  }
}

describe('whatever happens', () => {
  it('there is a way in, one attempt at a time, a hotspot that stays for its phones, and no list without end', () => {
    fc.assert(
      fc.property(
        manners,
        fc.subarray(NAMES),
        fc.array(chance, { minLength: 1, maxLength: 25 }),
        (given, saved, chances) => {
          const world = new World(given, saved);
          for (const each of chances) world.happen(each);
          world.pass(LOST_MS + STEP_MS);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('a boot without a link has its hotspot within 25 s when scan and opening take what they take on a small board', () => {
    fc.assert(
      fc.property(
        fc.subarray(NAMES),
        fc.integer({ min: 0, max: 20_000 }),
        fc.integer({ min: 0, max: 5_000 }),
        (saved, scanMs, openMs) => {
          const world = new World({ scanMs, openMs, tryMs: 0, opens: [true], failures: [null] }, saved);
          world.pass(25_000);
          expect(world.state.activity.kind).toBe('hotspot');
        },
      ),
      { numRuns: 50 },
    );
  });
});
