import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Visitors } from '../../../src/web/visitors.ts';
import { FakePresence, FakeWifi } from '../../web/fakes.ts';

function request(remoteAddress: string, host: string, headers: Record<string, string> = {}): IncomingMessage {
  return { headers: { host, ...headers }, socket: { remoteAddress, localAddress: '192.168.1.5' } } as never;
}

describe('somebody at the machine itself', () => {
  const visitors = new Visitors({ book: null, wifi: null, presence: null });

  it.each([
    ['127.0.0.1', 'localhost:8080'],
    ['127.0.0.1', '127.0.0.1:8080'],
    ['::ffff:127.0.0.1', 'localhost'],
    ['::1', '[::1]:8080'],
  ])('comes from %s and asks for %s', (address, host) => {
    expect(visitors.who(request(address, host)).atTheBox).toBe(true);
  });

  it.each([
    ['192.168.1.5', 'localhost', {}],
    ['192.168.1.20', '127.0.0.1', {}],
    ['::ffff:192.168.1.20', 'localhost', {}],
    ['fe80::1', '[::1]', {}],
    ['127.0.0.1', 'radio.example', {}],
    ['127.0.0.1', '192.168.1.5', {}],
    ['127.0.0.1', 'localhost.evil.example', {}],
    ['127.0.0.1', 'localhost', { 'x-forwarded-for': '127.0.0.1' }],
    ['127.0.0.1', 'localhost', { forwarded: 'for=127.0.0.1' }],
    ['127.0.0.1', 'localhost', { via: '1.1 proxy' }],
    ['', 'localhost', {}],
  ])('is nobody who comes from %s and asks for %s with %j', (address, host, headers) => {
    expect(visitors.who(request(address, host, headers)).atTheBox).toBe(false);
  });

  it('is nobody where there is a button or a hotspot', () => {
    const here = request('127.0.0.1', 'localhost');
    const presence = new FakePresence(true);
    expect(new Visitors({ book: null, wifi: null, presence }).who(here).atTheBox).toBe(false);
    expect(new Visitors({ book: null, wifi: new FakeWifi(), presence: null }).who(here).atTheBox).toBe(false);
    const without = new FakePresence(false);
    expect(new Visitors({ book: null, wifi: null, presence: without }).who(here).atTheBox).toBe(true);
  });
});

it('a guest of the hotspot is known by the plain address, and sets nothing up where no phone can be remembered', () => {
  const wifi = new FakeWifi();
  wifi.guests.add('10.42.0.17');
  const visitors = new Visitors({ book: null, wifi, presence: null });
  expect(visitors.who(request('::ffff:10.42.0.17', '10.42.0.1'))).toMatchObject({
    address: '10.42.0.17',
    key: '10.42.0.17',
    phone: null,
    setup: false,
  });
});
