import { describe, expect, it } from 'vitest';
import { type DeviceChange, failureOf, toldOf } from '../../../src/system/wifi/nm-causes.ts';
import { hotspotProfile, networkProfile } from '../../../src/system/wifi/nm-profiles.ts';
import { type ManagedObjects, savedOf, snapshotOf } from '../../../src/system/wifi/nm-snapshot.ts';
import { stationsIn } from '../../../src/system/wifi/stations.ts';
import type { Recipe } from '../../../src/system/wifi/types.ts';
import { importsOf, read } from '../house/files.ts';
import recorded from './wifi-nm-objects.json' with { type: 'json' };

interface Printed {
  type: string;
  data: unknown;
}

/** busctl prints each property with its type, and bytes as numbers. */
function plain({ type, data }: Printed): unknown {
  if (type === 'ay') return Uint8Array.from(data as number[]);
  return data;
}

function objects(): ManagedObjects {
  const byPath = recorded.objects as unknown as Record<string, Record<string, Record<string, Printed>>>;
  return Object.fromEntries(
    Object.entries(byPath).map(([path, interfaces]) => [
      path,
      Object.fromEntries(
        Object.entries(interfaces).map(([name, properties]) => [
          name,
          Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, plain(value)])),
        ]),
      ),
    ]),
  );
}

describe('what NetworkManager says', () => {
  it('is read from a recorded answer', () => {
    const snapshot = snapshotOf(objects(), 'wlan0');
    expect(snapshot.radio).toMatchObject({ name: 'wlan0', isAccessPoint: false });
    expect(snapshot.wired).toEqual([]);
    expect(snapshot.networks.map(({ ssid, security }) => [ssid, security]).sort()).toEqual([['Nest', 'psk']]);
    expect(snapshot.profilePaths.length).toBeGreaterThan(0);
    expect(snapshot.active.map(({ state }) => state).every((state) => state >= 0 && state <= 4)).toBe(true);
  });

  it('of another radio than the one that was named is left alone', () => {
    expect(snapshotOf(objects(), 'wlan7').radio).toBeNull();
    expect(snapshotOf({}, null)).toEqual({ radio: null, wired: [], networks: [], active: [], profilePaths: [] });
  });

  it('of profiles is taken for networks only where they are', () => {
    const ssid = Uint8Array.of(0x4e, 0xff);
    const wireless = { ssid, mode: 'infrastructure', hidden: true };
    const kept = savedOf({ connection: { id: 'x' }, '802-11-wireless': wireless });
    expect(kept).toEqual({ id: 'x', ssid: 'N\\xff', ssidHex: '4eff', hidden: true });
    expect(savedOf({ '802-11-wireless': { ssid, mode: 'ap' } })).toBeNull();
    expect(savedOf({ '802-3-ethernet': {} })).toBeNull();
    expect(savedOf({})).toBeNull();
  });
});

const change = (from: number, to: number, reason: number): DeviceChange => ({ from, to, reason });
/** prepare, config, secrets at hand: every attempt at a protected network begins so. */
const BEGIN = [change(30, 40, 0), change(40, 50, 0), change(50, 60, 0), change(60, 40, 0), change(40, 50, 0)];

describe('why an attempt failed', () => {
  it.each([
    // Recorded: the handshake ends, NetworkManager asks for another password, and nobody answers.
    ['wrong_password', [...BEGIN, change(50, 60, 8), change(60, 120, 7), change(120, 30, 0)]],
    ['no_address', [...BEGIN, change(50, 70, 0), change(70, 120, 5), change(120, 30, 0)]],
    ['no_answer', [...BEGIN, change(50, 120, 11)]],
    ['not_found', [change(30, 40, 0), change(40, 50, 0), change(50, 120, 53)]],
    ['refused', [...BEGIN, change(50, 120, 10)]],
    ['refused', [...BEGIN, change(50, 120, 1)]],
    ['no_answer', []],
  ] as const)('%s', (failure, changes) => expect(failureOf(changes)).toBe(failure));
});

describe('"not found" of a network that was seen', () => {
  it.each([
    ['not_found', 'sae', true, 'wrong_password'],
    ['not_found', 'psk', true, 'no_answer'],
    ['not_found', 'sae', false, 'not_found'],
    ['no_address', 'sae', true, 'no_address'],
  ] as const)('%s by %s, seen %s: %s', (failure, recipe, wasSeen, told) =>
    expect(toldOf(failure, recipe, wasSeen)).toBe(told),
  );
});

describe('profiles', () => {
  const wish = { ssid: 'Nest', ssidHex: '4e657374', password: 'correct horse', hidden: false, recipes: [] };
  const security = (recipe: Recipe) => {
    const part = networkProfile(wish, recipe, 'u', false)['802-11-wireless-security'];
    return part && Object.fromEntries(Object.entries(part).map(([key, { value }]) => [key, value]));
  };

  it('speak to each kind of network in its way', () => {
    expect(security('psk')).toEqual({ 'key-mgmt': 'wpa-psk', psk: 'correct horse' });
    expect(security('wpa2')).toEqual({ 'key-mgmt': 'wpa-psk', proto: ['rsn'], pmf: 1, psk: 'correct horse' });
    expect(security('sae')).toEqual({ 'key-mgmt': 'sae', psk: 'correct horse' });
    expect(security('owe')).toEqual({ 'key-mgmt': 'owe' });
    expect(security('open')).toBeUndefined();
  });

  it('join by themselves only once they are kept', () => {
    expect(networkProfile(wish, 'psk', 'u', false).connection?.autoconnect?.value).toBe(false);
    expect(networkProfile(wish, 'psk', 'u', true).connection?.autoconnect?.value).toBe(true);
  });

  it('of the hotspot share nothing but the box, and are open only without a password', () => {
    const init = { ssid: 'Starling-4f2a', address: '10.42.0.1', prefix: 24, password: null };
    expect(hotspotProfile(init)['802-11-wireless-security']).toBeUndefined();
    expect(hotspotProfile({ ...init, password: 'eight signs' })['802-11-wireless-security']?.psk?.value).toBe(
      'eight signs',
    );
    expect(hotspotProfile(init).ipv4?.method?.value).toBe('shared');
  });
});

describe('the list of stations', () => {
  it('is counted', () => {
    const dump =
      'Station 02:00:00:00:01:00 (on wlan0)\n\tinactive time:\t2556 ms\nStation 02:00:00:00:02:00 (on wlan0)\n';
    expect([stationsIn(dump), stationsIn('')]).toEqual([2, 0]);
  });
});

describe('the pure part', () => {
  const PURE = ['machine', 'types', 'networks', 'ssid', 'wish', 'countries', 'view', 'limits', 'radio'];
  const PARSERS = ['nm-causes', 'nm-profiles', 'nm-snapshot', 'dbus/codec'];
  it.each([...PURE, ...PARSERS])('%s imports nothing of Node and asks no clock', (name) => {
    const source = read(`src/system/wifi/${name}.ts`);
    const local = importsOf(source).every(({ target }) => target.startsWith('.'));
    expect(local).toBe(true);
    expect(source).not.toMatch(/\bDate\b|performance\.|setTimeout|setInterval|Math\.random|process\./);
  });
});
