import { isIP } from 'node:net';

/**
 * One name for whoever shares an address: IPv4 as it is (also when it comes mapped into IPv6), IPv6 by its first 64
 * bits, because one device owns that many addresses.
 */
export function clientKey(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (isIP(address) !== 6) return address;
  return `${expand(address.split('%')[0] ?? '')
    .slice(0, 4)
    .join(':')}::/64`;
}

/** The eight groups of an IPv6 address without leading zeros; a dotted tail counts as two groups that we never need. */
function expand(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':')).map((group) => group.replace(/^0+(?=.)/, ''));
  const before = groups(head);
  if (tail === undefined) return before;
  const after = groups(tail);
  const zeros = Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array<string>(zeros).fill('0'), ...after];
}
