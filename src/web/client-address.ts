import { isIP } from 'node:net';

/**
 * One name for one client, as far as addresses tell: IPv4 as it is (also when it comes mapped into IPv6). An IPv6
 * client on this box's own link by its address, since everybody in a house shares the first 64 bits; one from
 * elsewhere by those, because there one device owns them all.
 * @param address of the client
 * @param own address of this box on the same connection
 */
export function clientKey(address: string | undefined, own?: string): string {
  if (address === undefined) return 'unknown';
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const network = networkOf(plain);
  return own !== undefined && isIP(own) === 6 && networkOf(own) === network ? plain : `${network}::/64`;
}

/** An IPv4 address as it is when it comes mapped into IPv6; any other as given. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** The first 64 bits. */
function networkOf(address: string): string {
  return expand(address.split('%')[0] ?? '')
    .slice(0, 4)
    .join(':');
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
