import { describe, expect, it } from 'vitest';
import { initialWifi, stepWifi, WIFI_TIMES } from '../../../src/system/wifi/machine.ts';
import type { Link, WifiEffect, WifiEvent, WifiState, Wish } from '../../../src/system/wifi/types.ts';

const NOWHERE: Link = { wired: false, ssid: null, addresses: [] };
const CABLE: Link = { wired: true, ssid: null, addresses: ['192.0.2.7'] };
const HOME: Link = { wired: false, ssid: 'Nest', addresses: ['192.0.2.8'] };
const NEST = { ssid: 'Nest', ssidHex: '4e657374' };
const WISH: Wish = { ...NEST, password: 'correct horse', hidden: false, recipes: ['psk'] };
const MIXED: Wish = { ...WISH, recipes: ['psk', 'wpa2'] };
const SEEN = [{ ...NEST, strength: 70, security: 'psk' as const }];

const { bootGraceMs, linkLostMs, scanMs, firstScanMs, openMs, reopenMs, attemptMs, idleMs, knownMs, failureShownMs } =
  WIFI_TIMES;

type Told = WifiEvent extends infer E ? (E extends { nowMs: number } ? Omit<E, 'nowMs'> : never) : never;

/** Tells the machine what happens, and keeps what it wanted done. */
class Script {
  state: WifiState = initialWifi();
  nowMs = 0;

  tell(event: Told): string[] {
    const step = stepWifi(this.state, { ...event, nowMs: this.nowMs } as WifiEvent);
    this.state = step.state;
    return step.effects.map(plain);
  }

  after(ms: number): string[] {
    this.nowMs += ms;
    return this.tell({ type: 'tick' });
  }

  get doing(): string {
    return this.state.activity.kind;
  }
}

function plain(effect: WifiEffect): string {
  if (effect.do === 'tryNetwork') return `try ${effect.id} ${effect.wish.ssid} as ${effect.recipe}`;
  if (effect.do === 'tryKnown') return `tryKnown ${effect.id} ${effect.first ?? '-'}`;
  if ('id' in effect) return `${effect.do} ${effect.id}`;
  if (effect.do === 'setCountry') return `setCountry ${effect.country}`;
  if (effect.do === 'forget') return `forget ${effect.ssids.join()}`;
  return effect.do;
}

function booted(more: Partial<WifiEvent & { type: 'boot' }> = {}): Script {
  const script = new Script();
  script.tell({ type: 'boot', available: true, hotspotOn: false, link: NOWHERE, saved: [], country: null, ...more });
  return script;
}

function inHotspot(more: Partial<WifiEvent & { type: 'boot' }> = {}): Script {
  const script = booted(more);
  script.after(bootGraceMs);
  script.tell({ type: 'scanned', networks: SEEN });
  script.tell({ type: 'hotspot', on: true });
  expect(script.doing).toBe('hotspot');
  return script;
}

function join(script: Script, wish: Wish = WISH, country: string | null = null): string[] {
  return script.tell({ type: 'join', wish, country });
}

describe('a boot without a link', () => {
  it('scans at once when nothing is kept, then opens the hotspot with the scan kept', () => {
    const script = new Script();
    const boot = { type: 'boot', available: true, hotspotOn: false, link: NOWHERE, saved: [], country: 'DE' } as const;
    expect(script.tell(boot)).toEqual(['setCountry DE', 'scan']);
    expect(script.tell({ type: 'scanned', networks: SEEN })).toEqual(['openHotspot']);
    script.tell({ type: 'hotspot', on: true });
    expect(script.doing).toBe('hotspot');
    expect(script.state.networks).toEqual(SEEN);
  });

  it('waits longer for its first list while nothing is kept: the radio may not be at hand yet', () => {
    const script = booted();
    expect(script.after(scanMs)).toEqual([]);
    expect(script.after(firstScanMs - scanMs)).toEqual(['openHotspot']);
    script.tell({ type: 'scanned', networks: SEEN });
    expect(script.state.networks).toEqual(SEEN);
  });

  it('gives kept networks their grace first, and is up within 25 s with a scan that says nothing', () => {
    const script = booted({ saved: [NEST] });
    expect(script.doing).toBe('rest');
    expect(script.after(bootGraceMs - 1)).toEqual([]);
    expect(script.after(1)).toEqual(['scan']);
    expect(script.after(scanMs)).toEqual(['openHotspot']);
    expect(script.nowMs).toBeLessThanOrEqual(25_000 - 6_000);
  });

  it('finds a hotspot that an earlier life left open', () => {
    const script = booted({ hotspotOn: true });
    expect(script.doing).toBe('hotspot');
  });

  it('finds one open, and once nobody is on it makes the list of networks that it lacks', () => {
    const script = booted({ hotspotOn: true });
    script.tell({ type: 'phones', count: 1 });
    expect(script.after(idleMs)).toEqual([]);
    script.tell({ type: 'phones', count: 0 });
    expect(script.after(idleMs)).toEqual(['closeHotspot', 'scan']);
    expect(script.after(firstScanMs)).toEqual(['openHotspot']);
    script.tell({ type: 'hotspot', on: true });
    expect(script.after(3_600_000)).toEqual([]);
  });

  it('opens none when a link comes during the grace or the scan', () => {
    const early = booted({ saved: [NEST] });
    early.tell({ type: 'link', link: HOME });
    expect(early.after(bootGraceMs)).toEqual([]);
    const late = booted();
    late.tell({ type: 'link', link: CABLE });
    expect(late.doing).toBe('rest');
    expect(late.tell({ type: 'scanned', networks: SEEN })).toEqual([]);
  });

  it('tries the opening anew when it fails, and when it says nothing', () => {
    const script = booted();
    script.tell({ type: 'scanned', networks: [] });
    expect(script.tell({ type: 'hotspot', on: false })).toEqual([]);
    expect(script.after(reopenMs)).toEqual(['scan']);
    expect(script.after(firstScanMs)).toEqual(['openHotspot']);
    expect(script.after(openMs)).toEqual(['closeHotspot']);
    expect(script.after(reopenMs)).toEqual(['scan']);
  });
});

describe('with a link', () => {
  it('by cable or radio there is no hotspot', () => {
    for (const link of [CABLE, HOME]) expect(booted({ link, saved: [NEST] }).after(3_600_000)).toEqual([]);
  });

  it('that is lost there is one after five minutes, not before', () => {
    const script = booted({ link: HOME, saved: [NEST] });
    script.tell({ type: 'link', link: NOWHERE });
    expect(script.after(linkLostMs - 1)).toEqual([]);
    expect(script.after(1)).toEqual(['scan']);
  });

  it('that comes back in time there is none', () => {
    const script = booted({ link: HOME, saved: [NEST] });
    script.tell({ type: 'link', link: NOWHERE });
    script.after(linkLostMs / 2);
    script.tell({ type: 'link', link: HOME });
    script.after(linkLostMs);
    script.tell({ type: 'link', link: NOWHERE });
    expect(script.after(linkLostMs - 1)).toEqual([]);
  });

  it('whose network is forgotten there is one at once', () => {
    const script = booted({ link: HOME, saved: [NEST] });
    expect(script.tell({ type: 'forget', ssids: ['Nest'] })).toEqual(['forget Nest', 'scan']);
  });

  it('that still shows for a moment after its network was forgotten', () => {
    const script = booted({ link: HOME, saved: [NEST] });
    script.tell({ type: 'forget', ssids: ['Nest'] });
    script.tell({ type: 'link', link: HOME });
    expect(script.doing).toBe('rest');
    expect(script.tell({ type: 'link', link: NOWHERE })).toEqual(['scan']);
  });

  it('that appears the hotspot closes once it is idle', () => {
    const script = inHotspot();
    script.tell({ type: 'phones', count: 1 });
    script.tell({ type: 'link', link: CABLE });
    expect(script.after(3_600_000)).toEqual([]);
    script.tell({ type: 'phones', count: 0 });
    expect(script.after(idleMs - 1)).toEqual([]);
    expect(script.after(1)).toEqual(['closeHotspot']);
    expect(script.after(3_600_000)).toEqual([]);
  });
});

describe('the hotspot', () => {
  it('makes room for a look at kept networks when no phone is on it, and comes back', () => {
    const script = inHotspot({ saved: [NEST] });
    script.tell({ type: 'phones', count: 0 });
    expect(script.after(knownMs)).toEqual(['closeHotspot', 'tryKnown 1 -']);
    expect(script.tell({ type: 'outcome', id: 1, failure: 'not_found' })).toEqual(['stopTrying 1', 'openHotspot']);
  });

  it('stays closed when a kept network was found', () => {
    const script = inHotspot({ saved: [NEST] });
    script.after(knownMs);
    expect(script.tell({ type: 'outcome', id: 1, failure: null })).toEqual([]);
    script.tell({ type: 'link', link: HOME });
    expect(script.after(3_600_000)).toEqual([]);
  });

  it('stays for a phone, however long', () => {
    const script = inHotspot({ saved: [NEST] });
    script.tell({ type: 'phones', count: 1 });
    expect(script.after(24 * 3_600_000)).toEqual([]);
  });

  it('comes back when something else closed it', () => {
    const script = inHotspot();
    script.tell({ type: 'hotspot', on: false });
    expect(script.after(reopenMs)).toEqual(['scan']);
  });

  it('keeps its scan: a wish for another changes nothing', () => {
    const script = inHotspot();
    expect(script.tell({ type: 'scan' })).toEqual([]);
    expect(script.state.networks).toEqual(SEEN);
  });

  it('goes with the radio, and comes back with it', () => {
    const script = inHotspot();
    expect(script.tell({ type: 'available', available: false })).toEqual([]);
    expect(script.after(3_600_000)).toEqual([]);
    script.tell({ type: 'available', available: true });
    expect(script.after(bootGraceMs)).toEqual(['scan']);
  });
});

describe('an attempt', () => {
  it('closes the hotspot though a phone is on it, sets the country first, and keeps the network when it links', () => {
    const script = inHotspot();
    script.tell({ type: 'phones', count: 1 });
    expect(join(script, WISH, 'DE')).toEqual(['closeHotspot', 'setCountry DE', 'try 1 Nest as psk']);
    expect(script.tell({ type: 'outcome', id: 1, failure: null })).toEqual(['saveProfile 1']);
    script.tell({ type: 'link', link: HOME });
    expect(script.state.saved).toEqual([NEST]);
    expect(script.after(3_600_000)).toEqual([]);
  });

  it.each(['wrong_password', 'not_found', 'no_address', 'no_answer', 'refused'] as const)(
    'that fails by %s is back in the hotspot with the reason, and what was kept is kept',
    (failure) => {
      const script = inHotspot({ saved: [{ ssid: 'Old', ssidHex: '4f6c64' }] });
      join(script);
      expect(script.tell({ type: 'outcome', id: 1, failure })).toEqual(['dropProfile 1', 'openHotspot']);
      script.tell({ type: 'hotspot', on: true });
      expect(script.state.failure).toMatchObject({ ssid: 'Nest', cause: failure });
      expect(script.state.saved).toEqual([{ ssid: 'Old', ssidHex: '4f6c64' }]);
    },
  );

  it('that says nothing is given up', () => {
    const script = inHotspot();
    join(script);
    expect(script.after(attemptMs)).toEqual(['stopTrying 1', 'dropProfile 1', 'openHotspot']);
    expect(script.state.failure?.cause).toBe('no_answer');
    expect(script.tell({ type: 'outcome', id: 1, failure: null })).toEqual([]);
  });

  it('at a mixed network is made once more as plain WPA2', () => {
    const script = inHotspot();
    join(script, MIXED);
    expect(script.tell({ type: 'outcome', id: 1, failure: 'refused' })).toEqual([
      'dropProfile 1',
      'try 2 Nest as wpa2',
    ]);
    expect(script.tell({ type: 'outcome', id: 1, failure: null })).toEqual([]);
    expect(script.tell({ type: 'outcome', id: 2, failure: null })).toEqual(['saveProfile 2']);
  });

  it('is not made once more at a network that is not there or gives no address', () => {
    for (const failure of ['not_found', 'no_address'] as const) {
      const script = inHotspot();
      join(script, MIXED);
      expect(script.tell({ type: 'outcome', id: 1, failure })).toEqual(['dropProfile 1', 'openHotspot']);
    }
  });

  it.each([
    ['wrong_password', 'no_answer', 'wrong_password'],
    ['no_answer', 'wrong_password', 'wrong_password'],
    ['no_answer', 'no_address', 'no_address'],
    ['refused', 'not_found', 'refused'],
  ] as const)('that fails by %s and then %s tells %s', (first, second, told) => {
    const script = inHotspot();
    join(script, MIXED);
    script.tell({ type: 'outcome', id: 1, failure: first });
    script.tell({ type: 'outcome', id: 2, failure: second });
    expect(script.state.failure?.cause).toBe(told);
  });

  it('goes on alone: a second wish is not heard', () => {
    const script = inHotspot();
    join(script);
    expect(join(script, { ...WISH, ssid: 'Other' })).toEqual([]);
    expect(script.state.activity).toMatchObject({ kind: 'trying', wish: { ssid: 'Nest' } });
  });

  it('comes before a look at kept networks', () => {
    const script = inHotspot({ saved: [NEST] });
    script.after(knownMs);
    expect(join(script)).toEqual(['stopTrying 1', 'try 2 Nest as psk']);
    expect(script.tell({ type: 'outcome', id: 1, failure: 'no_answer' })).toEqual([]);
  });

  it('from another network goes back there when it fails, and to the hotspot if that fails too', () => {
    const script = booted({ link: { ...HOME, ssid: 'Old' }, saved: [{ ssid: 'Old', ssidHex: '4f6c64' }] });
    expect(join(script)).toEqual(['try 1 Nest as psk']);
    script.tell({ type: 'link', link: NOWHERE });
    expect(script.tell({ type: 'outcome', id: 1, failure: 'wrong_password' })).toEqual([
      'dropProfile 1',
      'tryKnown 2 Old',
    ]);
    expect(script.tell({ type: 'outcome', id: 2, failure: 'not_found' })).toEqual(['stopTrying 2', 'openHotspot']);
    expect(script.state.failure?.cause).toBe('wrong_password');
  });

  it('over a cable needs no hotspot afterwards, and its failure is told for a while', () => {
    const script = booted({ link: CABLE });
    join(script);
    expect(script.tell({ type: 'outcome', id: 1, failure: 'wrong_password' })).toEqual(['dropProfile 1']);
    expect(script.doing).toBe('rest');
    script.after(failureShownMs - 1);
    expect(script.state.failure).not.toBeNull();
    script.after(1);
    expect(script.state.failure).toBeNull();
  });

  it('that loses its radio has failed', () => {
    const script = inHotspot();
    join(script);
    script.tell({ type: 'available', available: false });
    expect(script.state.failure?.cause).toBe('no_answer');
    expect(script.doing).toBe('rest');
  });

  it('leaves no password behind, however it ends', () => {
    for (const failure of [null, 'wrong_password'] as const) {
      const script = inHotspot();
      join(script);
      script.tell({ type: 'outcome', id: 1, failure });
      expect(JSON.stringify(script.state)).not.toContain('correct horse');
    }
  });
});

describe('wishes', () => {
  it('for a country set it before they scan', () => {
    const script = booted({ link: CABLE });
    expect(script.tell({ type: 'country', country: 'JP' })).toEqual(['setCountry JP', 'scan']);
    expect(script.tell({ type: 'scanned', networks: SEEN })).toEqual([]);
  });

  it('for a country under the hotspot leave it open', () => {
    expect(inHotspot().tell({ type: 'country', country: 'JP' })).toEqual(['setCountry JP']);
  });

  it('for a scan serve the hotspot too when it becomes due meanwhile', () => {
    const script = booted({ link: HOME, saved: [NEST] });
    script.tell({ type: 'link', link: NOWHERE });
    script.after(linkLostMs - 1);
    expect(script.tell({ type: 'scan' })).toEqual(['scan']);
    script.after(1);
    expect(script.tell({ type: 'scanned', networks: SEEN })).toEqual(['openHotspot']);
  });

  it('to forget take the failure of that network along', () => {
    const script = inHotspot();
    join(script);
    script.tell({ type: 'outcome', id: 1, failure: 'wrong_password' });
    script.tell({ type: 'forget', ssids: ['Nest'] });
    expect(script.state.failure).toBeNull();
  });

  it('to join do nothing without a radio', () => {
    expect(join(booted({ available: false }))).toEqual([]);
  });
});
