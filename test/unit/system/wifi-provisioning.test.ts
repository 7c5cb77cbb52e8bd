import type { NetworkInterfaceInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WifiTimes } from '../../../src/system/wifi/types.ts';
import { createWifi, type Wifi } from '../../../src/system/wifi/wifi.ts';
import type { WifiPort } from '../../../src/web/box.ts';
import { wifiContract } from '../../web/ports-contract.ts';
import { FakeRadio, NEST } from './wifi-radio.ts';

const PASSWORD = 'correct horse';
const ADDRESS = { address: '192.0.2.8', family: 'IPv4', internal: false } as NetworkInterfaceInfo;

class Rig {
  readonly radio = new FakeRadio();
  readonly lines: string[] = [];
  country: string | null = null;
  countries: string[] = [];
  readonly wifi: Wifi;

  constructor(times: Partial<WifiTimes> = {}) {
    const log = (message: string, fields?: object) =>
      void this.lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
    this.wifi = createWifi(
      {
        log: { info: log, warn: log },
        radio: this.radio,
        country: {
          read: async () => this.country,
          set: async (country) => void this.countries.push(country),
        },
        interfaces: () => (this.radio.now?.ssid ? { wlan0: [ADDRESS] } : {}),
        stations: async () => 0,
        flush: async () => void this.radio.done.push('flush'),
      },
      { suffix: '4f2a', countryFile: '/nowhere/country', times },
    );
  }

  async until(holds: () => boolean): Promise<void> {
    for (let round = 0; !holds() && round < 1_000; round += 1) await sleep(2);
    expect(holds(), `${JSON.stringify(this.wifi.view())} ${this.radio.done.join()}`).toBe(true);
  }

  async inHotspot(): Promise<void> {
    await this.wifi.start();
    await this.until(() => this.wifi.view().hotspot.on);
  }
}

/** The page's port is what this is: the compiler says no otherwise. */
const asPort = (wifi: Wifi): WifiPort => wifi;

wifiContract('provisioning', async () => {
  const rig = new Rig();
  await rig.inHotspot();
  return { part: asPort(rig.wifi), guest: '10.42.0.17', end: () => rig.wifi.stop() };
});

describe('provisioning', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.wifi.stop());

  const join = (ssid = 'Nest') => rig.wifi.join({ ssid, password: PASSWORD, hidden: false, country: null });

  it('scans, opens the hotspot, and shows what it saw before', async () => {
    await rig.inHotspot();
    expect(rig.radio.done).toEqual(['scan', 'openHotspot']);
    expect(rig.wifi.view()).toMatchObject({
      phase: 'hotspot',
      hotspot: { on: true, ssid: 'Starling-4f2a', address: '10.42.0.1' },
      networks: [{ ssid: 'Nest', strength: 70, secured: true, known: false }],
    });
  });

  it('tells the kernel the kept country before it scans', async () => {
    rig.country = 'DE';
    await rig.inHotspot();
    expect(rig.countries).toEqual(['DE']);
    expect(rig.wifi.view().country).toBe('DE');
  });

  it('joins, keeps, and tells where the box is found', async () => {
    await rig.inHotspot();
    expect(join()).toEqual({ ok: true, value: null });
    await rig.until(() => rig.radio.answer !== null);
    expect(rig.wifi.view().phase).toBe('trying');
    expect(join()).toMatchObject({ ok: false, code: 'busy' });
    rig.radio.answer?.(null);
    await rig.until(() => rig.wifi.view().phase === 'idle' && rig.wifi.view().ssid === 'Nest');
    await rig.until(() => rig.radio.done.at(-1) === 'flush');
    expect(rig.radio.done.slice(2)).toEqual(['closeHotspot', 'try Nest psk', 'save', 'flush']);
    expect(rig.wifi.view()).toMatchObject({ addresses: ['192.0.2.8'], saved: ['Nest'], failure: null });
  });

  it('comes back to the hotspot with the reason, and with no password in view, log or list', async () => {
    await rig.inHotspot();
    join();
    await rig.until(() => rig.radio.answer !== null);
    rig.radio.answer?.('wrong_password');
    await rig.until(() => rig.wifi.view().hotspot.on);
    expect(rig.wifi.view()).toMatchObject({
      phase: 'failed',
      failure: { ssid: 'Nest', cause: 'wrong_password' },
      saved: [],
    });
    expect(rig.radio.done.slice(2)).toEqual(['closeHotspot', 'try Nest psk', 'drop', 'openHotspot']);
    expect(JSON.stringify([rig.wifi.view(), rig.lines])).not.toContain(PASSWORD);
    expect(JSON.stringify(rig.lines)).not.toContain('Nest');
  });

  it('gives up an attempt that says nothing', async () => {
    rig = new Rig({ attemptMs: 20 });
    await rig.inHotspot();
    join();
    await rig.until(() => rig.wifi.view().failure !== null && rig.wifi.view().hotspot.on);
    expect(rig.wifi.view().failure?.cause).toBe('no_answer');
  });

  it('tells of a step that fails once, and tries anew', async () => {
    rig = new Rig({ reopenMs: 20, openMs: 5_000 });
    rig.radio.failing.add('openHotspot');
    await rig.wifi.start();
    await rig.until(() => rig.radio.done.filter((step) => step === 'openHotspot').length > 1);
    expect(rig.lines.filter((line) => line.includes('no openHotspot'))).toHaveLength(1);
    rig.radio.failing.clear();
    await rig.until(() => rig.wifi.view().hotspot.on);
  });

  it('is unavailable without a radio, refuses by name, and is there when the radio is', async () => {
    const { now } = rig.radio;
    rig.radio.now = null;
    await rig.wifi.start();
    expect(rig.wifi.view().phase).toBe('unavailable');
    expect(join()).toMatchObject({ ok: false, code: 'unavailable' });
    expect(await rig.wifi.forget('Nest')).toMatchObject({ ok: false, code: 'unavailable' });
    expect(await rig.wifi.scan()).toMatchObject({ ok: false, code: 'unavailable' });
    rig.radio.now = now;
    rig.radio.change({});
    await rig.until(() => rig.wifi.view().hotspot.on);
  });

  it('loses an attempt with its radio', async () => {
    await rig.inHotspot();
    join();
    await rig.until(() => rig.radio.answer !== null);
    rig.radio.change(null);
    expect(rig.wifi.view()).toMatchObject({ phase: 'unavailable', failure: { cause: 'no_answer' } });
  });

  it('opens the hotspot when all is forgotten', async () => {
    rig.radio.now = { ...rig.radio.now!, ssid: 'Nest', saved: [NEST] };
    await rig.wifi.start();
    expect(rig.wifi.view()).toMatchObject({ phase: 'idle', ssid: 'Nest', saved: ['Nest'] });
    expect(await rig.wifi.forget('Other')).toMatchObject({ ok: false, code: 'unknown_network', field: 'ssid' });
    expect(await rig.wifi.forgetAll()).toEqual({ ok: true, value: null });
    await rig.until(() => rig.wifi.view().hotspot.on);
    expect(rig.wifi.view().saved).toEqual([]);
  });

  it('stops in the middle of an attempt, and starts anew', async () => {
    await rig.inHotspot();
    rig.wifi.join({ ssid: 'Typed', password: PASSWORD, hidden: false, country: null });
    await rig.until(() => rig.radio.answer !== null);
    await rig.wifi.stop();
    await rig.wifi.start();
    await rig.until(() => rig.wifi.view().hotspot.on);
  });

  it('starts and stops as often as it is told to', async () => {
    await rig.wifi.start();
    await rig.wifi.start();
    await rig.wifi.stop();
    await rig.wifi.stop();
    await rig.wifi.start();
    await rig.until(() => rig.wifi.view().hotspot.on);
  });
});
