import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import multicastDns from 'multicast-dns';
import { afterEach, describe, expect, it } from 'vitest';
import { machineLinks } from '../../src/network/mdns.ts';
import { makeBox, until } from './boxes.ts';

/** Real multicast on the first link of this machine. Nobody else's name: other boxes may run here. */
const NAME = `starling-${randomBytes(4).toString('hex')}`;
const link = machineLinks()[0]!;

interface Told {
  name: string;
  type: string;
  data: unknown;
  flush: boolean;
  ttl: number;
}

describe('the name that all boxes share, over real multicast', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  async function box(number: number, localName: { name: string; ipv6: boolean } | null) {
    const { network } = makeBox(number, { mdns: true, stationId: number.toString(16).repeat(32), localName });
    ends.push(() => network.stop());
    await network.start();
  }

  function resolver() {
    const socket = multicastDns({ interface: link.address, bind: '0.0.0.0' });
    ends.push(() => new Promise<void>((resolve) => socket.destroy(resolve)));
    const told: Told[] = [];
    socket.on('response', ({ answers }) => {
      for (const answer of answers as unknown as Told[]) if (answer.name === `${NAME}.local`) told.push(answer);
    });
    const ask = (name = NAME) => socket.query({ questions: [{ name: `${name}.local`, type: 'A' }] });
    return { ask, told };
  }

  it('is answered by the boxes that were asked to, and by them alone', async () => {
    await box(41, { name: NAME, ipv6: false });
    await box(42, { name: NAME, ipv6: false });
    await box(43, null);
    const { ask, told } = resolver();
    await until('an answer', () => {
      ask();
      return told.length > 0;
    });
    expect(told[0]).toMatchObject({ type: 'A', data: link.address, flush: false, ttl: 30 });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const before = told.length;
    ask(`${NAME}x`);
    ask(NAME.toUpperCase());
    await until('both boxes', () => told.length >= before + 2);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(told.length).toBe(before + 2);
  });

  it('is answered to a plain resolver at its own port', async () => {
    await box(44, { name: NAME, ipv6: false });
    const socket = createSocket('udp4');
    ends.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
    await new Promise<void>((resolve) => socket.bind(0, () => resolve()));
    socket.setMulticastInterface(link.address);
    const replies: Buffer[] = [];
    socket.on('message', (message) => replies.push(message));
    const label = Buffer.concat([
      Buffer.from([NAME.length]),
      Buffer.from(NAME),
      Buffer.from([5]),
      Buffer.from('local\0'),
    ]);
    const query = Buffer.concat([
      Buffer.from([0xbe, 0xef, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      label,
      Buffer.from([0, 1, 0, 1]),
    ]);
    await until('a reply', () => {
      socket.send(query, 5353, '224.0.0.251');
      return replies.length > 0;
    });
    const [reply] = replies;
    expect(reply!.readUInt16BE(0)).toBe(0xbeef);
    // One question, one answer; its last four bytes are the address.
    expect([reply!.readUInt16BE(4), reply!.readUInt16BE(6)]).toEqual([1, 1]);
    expect([...reply!.subarray(-4)].join('.')).toBe(link.address);
  });
});
