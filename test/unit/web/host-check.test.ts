import { describe, expect, it } from 'vitest';
import { clientKey } from '../../../src/web/client-address.ts';
import { hostName, isAllowedHost } from '../../../src/web/host-check.ts';

describe('the Host field', () => {
  it.each([
    '192.168.1.20',
    '192.168.1.20:8080',
    '[fe80::1]',
    '[fe80::1]:8080',
    'localhost',
    'LocalHost:80',
    'localhost.',
    'starling.local',
    'Starling-1a2b.local:8080',
    'kitchen.starling.local',
    'radio.home',
    'RADIO.home.:8080',
  ])('lets %s pass', (host) => {
    expect(isAllowedHost(host, ['Radio.Home'])).toBe(true);
  });

  it.each([
    undefined,
    '',
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    'starling.local.evil.example',
    'evil.example#.local',
    'evil.example/.local',
    'user@localhost',
    'local',
    '.local',
    '-.-..local',
    'radio.home.evil.example',
    '1.2.3',
    '1.2.3.4.evil.example',
    '1.2.3.4.5',
    '0x7f.1',
    '[::1',
    '::1',
    '[1.2.3.4]',
    '[evil]',
    'localhost:',
    'localhost:99999',
    'localhost:80:80',
    'localhost, evil.example',
    'lo calhost',
    'localhost\u0000',
  ])('stops %j', (host) => {
    expect(isAllowedHost(host, ['radio.home'])).toBe(false);
  });

  it('gives the name alone', () => {
    expect(hostName('Starling.LOCAL.:80')).toBe('starling.local');
  });
});

describe('whoever shares an address', () => {
  it.each([
    ['192.168.1.20', '192.168.1.20'],
    ['::ffff:192.168.1.20', '192.168.1.20'],
    ['2001:db8:0:1::5', '2001:db8:0:1::/64'],
    ['2001:db8:0:1:aaaa:bbbb:cccc:dddd', '2001:db8:0:1::/64'],
    ['2001:0db8:0000:0001::', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, 'unknown'],
  ])('%s is %s', (address, key) => {
    expect(clientKey(address)).toBe(key);
  });

  it('is every device for itself on our own link, where all of a house share a prefix', () => {
    expect(clientKey('fe80::2%eth0', 'fe80::1%eth0')).toBe('fe80::2%eth0');
    expect(clientKey('2001:db8:0:1::7', '2001:db8:0:1:a:b:c:d')).toBe('2001:db8:0:1::7');
    expect(clientKey('2001:db8:0:2::7', '2001:db8:0:1:a:b:c:d')).toBe('2001:db8:0:2::/64');
    expect(clientKey('2001:db8:0:2::7', '::ffff:10.0.0.1')).toBe('2001:db8:0:2::/64');
  });
});
