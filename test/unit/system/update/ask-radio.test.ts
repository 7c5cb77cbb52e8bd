/** Which addresses of a box are a network. */
import { describe, expect, it } from 'vitest';
import { isLinked } from '../../../../src/system/update/ask-radio.ts';
import { HOTSPOT_ADDRESS } from '../../../../src/system/wifi/wifi.ts';

const at = (address: string, internal = false) => ({
  ...{ address, internal, netmask: '', mac: '00:00:00:00:00:00', cidr: null },
  ...(address.includes(':') ? { family: 'IPv6' as const, scopeid: 0 } : { family: 'IPv4' as const }),
});

describe('a box is linked', () => {
  it.each(['192.168.1.7', '10.42.0.17', '10.42.0.10', '2001:db8::7'])('at %s', (address) => {
    expect(isLinked({ lo: [at('127.0.0.1', true)], wlan0: [at('fe80::1'), at(address)] })).toBe(true);
  });

  it.each([HOTSPOT_ADDRESS, '169.254.3.4', 'fe80::1'])('not at %s', (address) => {
    expect(isLinked({ lo: [at('127.0.0.1', true)], wlan0: [at(address)], eth0: undefined })).toBe(false);
  });

  it('by a cable beside its hotspot', () => {
    expect(isLinked({ wlan0: [at(HOTSPOT_ADDRESS)], eth0: [at('192.168.1.7')] })).toBe(true);
  });
});
