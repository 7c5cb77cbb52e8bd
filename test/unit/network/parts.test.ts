import * as dagCbor from '@ipld/dag-cbor';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { BoundedSet, ExpiringSet, TokenBucket } from '../../../src/network/bounded.ts';
import { parseCid } from '../../../src/network/content.ts';
import { peerOf, redialDelayMs } from '../../../src/network/dialler.ts';
import { BadCidError } from '../../../src/network/errors.ts';
import { readTold } from '../../../src/network/exchange.ts';
import { readAnswers, SERVICE_NAME, sameNetwork } from '../../../src/network/mdns.ts';
import { ANSWER_BYTES, decodeAnswer, encodeAnswer, FrameCutter } from '../../../src/network/time.ts';

const PEER = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5';
const OTHER = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq';

describe('bounded tables', () => {
  it('a set forgets its oldest member', () => {
    const set = new BoundedSet(2);
    for (const member of ['a', 'b', 'a', 'c']) set.add(member);
    expect([set.has('a'), set.has('b'), set.has('c'), set.size]).toEqual([true, false, true, 2]);
  });

  it('members expire, and the oldest makes room', () => {
    const set = new ExpiringSet(2);
    set.add('a', 100, 0);
    set.add('b', 1_000, 0);
    expect([set.has('a', 99), set.has('a', 100), set.has('b', 999)]).toEqual([true, false, true]);
    set.add('c', 10, 0);
    set.add('d', 10, 0);
    expect([set.has('b', 5), set.has('d', 5), set.size]).toEqual([false, true, 2]);
  });

  it('a token bucket gives a burst, then a pace; a clock that goes back gives nothing', () => {
    const bucket = new TokenBucket(2, 10, 0);
    expect([0, 0, 0, 50, 100, 100].map((ms) => bucket.take(ms))).toEqual([true, true, false, false, true, false]);
    expect(bucket.take(-1_000_000)).toBe(false);
    expect([1e9, 1e9, 1e9].map((ms) => bucket.take(ms))).toEqual([true, true, false]);
  });
});

describe('time frames', () => {
  const question = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);

  it('come out as they went in', () => {
    const domain = 'ab'.repeat(32);
    expect(decodeAnswer(encodeAnswer(question, 1.25, 2.5, domain))).toEqual({
      key: '0102030405060708',
      t2: 1.25,
      t3: 2.5,
      domain,
    });
    expect(decodeAnswer(encodeAnswer(question, 1, 1, null))?.domain).toBeNull();
    expect(decodeAnswer(encodeAnswer(question, 1, 1, 'no hash'))?.domain).toBeNull();
  });

  it('that hold no times are refused', () => {
    expect(decodeAnswer(encodeAnswer(question, Number.NaN, 1, null))).toBeNull();
    expect(decodeAnswer(encodeAnswer(question, 1, Number.POSITIVE_INFINITY, null))).toBeNull();
    expect(decodeAnswer(encodeAnswer(question, 2, 1, null))).toBeNull();
  });

  it('are cut from a stream however it arrives', () => {
    const cut: number[][] = [];
    const cutter = new FrameCutter(3, (frame) => cut.push([...frame]));
    for (const part of [[1], [2, 3, 4, 5], [6, 7, 8, 9, 10, 11], [12], []]) cutter.push(new Uint8Array(part));
    expect(cut).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
      [10, 11, 12],
    ]);
    expect(ANSWER_BYTES).toBe(57);
  });
});

describe('addresses', () => {
  it('name a peer or none', () => {
    expect(peerOf(multiaddr(`/ip4/10.0.0.1/tcp/4001/p2p/${PEER}`))).toBe(PEER);
    expect(peerOf(multiaddr('/ip4/10.0.0.1/tcp/4001'))).toBeNull();
  });

  it('are dialled ever more seldom, up to a limit', () => {
    const delays = (proven: boolean) => [0, 1, 2, 10, 1_000].map((failures) => redialDelayMs(failures, proven, 0.5));
    expect(delays(false)).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
    expect(delays(true)).toEqual([1_000, 2_000, 4_000, 10_000, 60_000]);
    expect(redialDelayMs(0, true, 0)).toBe(750);
  });

  it('share a network or not', () => {
    expect(sameNetwork('192.168.1.5', '192.168.1.200', '255.255.255.0')).toBe(true);
    expect(sameNetwork('192.168.2.5', '192.168.1.200', '255.255.255.0')).toBe(false);
    expect(sameNetwork('200.1.2.3', '200.1.2.4', '255.255.255.255')).toBe(false);
  });
});

describe('an mDNS answer', () => {
  const ptr = { name: SERVICE_NAME, type: 'PTR', data: `x.${SERVICE_NAME}` };
  const txt = (...data: string[]) => ({
    name: `x.${SERVICE_NAME}`,
    type: 'TXT',
    data: data.map((text) => Buffer.from(text)),
  });

  it('is read, in one record or in several', () => {
    const address = `dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/${PEER}`;
    const expected = { station: 'ab', peer: PEER, addresses: [multiaddr(address.slice(8))] };
    expect(readAnswers([ptr, txt('station=ab'), txt(address)])).toEqual(expected);
    expect(readAnswers([ptr, txt('station=ab', address)])).toEqual(expected);
  });

  it('that is none of ours, incomplete, or speaks for two is left alone', () => {
    const address = `dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/${PEER}`;
    expect(readAnswers([])).toBeNull();
    expect(readAnswers([{ ...ptr, name: '_p2p._udp.local' }, txt('station=ab', address)])).toBeNull();
    expect(readAnswers([ptr, txt(address)])).toBeNull();
    expect(readAnswers([ptr, txt('station=ab')])).toBeNull();
    expect(readAnswers([ptr, txt('station=ab', 'dnsaddr=/ip4/10.0.0.1/tcp/1')])).toBeNull();
    expect(readAnswers([ptr, txt('station=ab', 'dnsaddr=nonsense')])).toBeNull();
    expect(readAnswers([ptr, txt('station=ab', address, `dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/${OTHER}`)])).toBeNull();
    expect(readAnswers([ptr, { name: 'x', type: 'TXT', data: { odd: true } }])).toBeNull();
  });
});

describe('told peers', () => {
  const read = (value: unknown) => readTold(dagCbor.encode(value));

  it('are read; what makes no sense in them is left out', () => {
    const good = { id: PEER, addresses: ['/ip4/10.0.0.1/tcp/4001'] };
    const bad = [
      null,
      7,
      { id: 'x', addresses: [] },
      { id: PEER },
      { id: PEER, addresses: [5] },
      { id: PEER, addresses: ['/nonsense'] },
    ];
    expect(read([good, ...bad]).map((entry) => entry.id)).toEqual([PEER]);
    expect(read([{ id: PEER, addresses: [`/ip4/10.0.0.1/tcp/1/p2p/${OTHER}`] }])[0]!.addresses).toEqual([]);
    expect(() => read({})).toThrow();
    expect(() => readTold(new Uint8Array([0xff]))).toThrow();
  });

  it('are few, whatever was sent', () => {
    const many = Array.from({ length: 100 }, () => ({
      id: PEER,
      addresses: Array.from({ length: 50 }, () => '/ip4/1.2.3.4/tcp/1'),
    }));
    const told = read(many);
    expect(told).toHaveLength(16);
    expect(told[0]!.addresses).toHaveLength(8);
  });
});

describe('a CID', () => {
  it('is of a raw or dag-cbor block with a sha2-256 hash', () => {
    expect(parseCid('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy').code).toBe(0x55);
    for (const text of [
      '',
      'x',
      'bafyaaiakcaeaaaa',
      '../../etc/passwd',
      'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
    ]) {
      expect(() => parseCid(text)).toThrow(BadCidError);
    }
  });
});
