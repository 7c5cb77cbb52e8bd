import type { NetworkInterfaceInfo } from 'node:os';
import type { Link } from './types.ts';

export type Interfaces = Record<string, NetworkInterfaceInfo[] | undefined>;

/** Addresses at which others in the network reach the box; IPv4 first. Addresses that a machine gives itself do not count. */
export function usableAddresses(interfaces: Interfaces, device: string): string[] {
  const all = (interfaces[device] ?? []).filter(({ internal }) => !internal);
  const v4 = all.filter(({ family, address }) => family === 'IPv4' && !address.startsWith('169.254.'));
  const v6 = all.filter(({ family, address }) => family === 'IPv6' && !/^fe[89ab]/i.test(address));
  return [...v4, ...v6].map(({ address }) => address);
}

/** How the box is linked. A network that gave no address is none. */
export function linkOf(
  interfaces: Interfaces,
  radio: { device: string; wired: readonly string[]; ssid: string | null },
): Link {
  const byCable = radio.wired.flatMap((device) => usableAddresses(interfaces, device));
  const byRadio = radio.ssid === null ? [] : usableAddresses(interfaces, radio.device);
  return {
    wired: byCable.length > 0,
    ssid: byRadio.length > 0 ? radio.ssid : null,
    addresses: [...byCable, ...byRadio],
  };
}

/** Whether an IPv4 address, as Node's sockets tell it, lies in the network of `own` but is not `own`. */
export function isInNetwork(address: string, own: string, prefix: number): boolean {
  const plain = address.replace(/^::ffff:/i, '');
  const there = numberOf(plain);
  const here = numberOf(own);
  if (there === null || here === null || there === here) return false;
  const size = 2 ** (32 - prefix);
  return Math.floor(there / size) === Math.floor(here / size);
}

function numberOf(address: string): number | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
