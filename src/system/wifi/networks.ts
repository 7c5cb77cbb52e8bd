import { MAX_NETWORKS } from './limits.ts';
import type { Security, SeenNetwork } from './types.ts';

/** Each network once, at its strongest, without those that hide their names; strongest first; bounded. */
export function bounded(networks: readonly SeenNetwork[]): SeenNetwork[] {
  const best = new Map<string, SeenNetwork>();
  for (const network of networks) {
    if (/^(00)*$/.test(network.ssidHex)) continue;
    const known = best.get(network.ssidHex);
    if (known === undefined || known.strength < network.strength) best.set(network.ssidHex, network);
  }
  // Of equal strength, by name: the list must not jump under a finger.
  return [...best.values()]
    .sort((a, b) => b.strength - a.strength || (a.ssidHex < b.ssidHex ? -1 : 1))
    .slice(0, MAX_NETWORKS);
}

/** Bits of NM80211ApFlags and NM80211ApSecurityFlags, see NetworkManager's D-Bus reference. */
const PRIVACY = 0x1;
const PSK = 0x100;
const SAE = 0x400;
const OWE = 0x800;
const OWE_TRANSITION = 0x1000;

/** What kind of network an access point announces. */
export function securityOf(flags: number, wpaFlags: number, rsnFlags: number): Security {
  const all = wpaFlags | rsnFlags;
  if ((all & PSK) !== 0) return (all & SAE) !== 0 ? 'mixed' : 'psk';
  if ((all & SAE) !== 0) return 'sae';
  if ((all & OWE) !== 0) return 'owe';
  // An open network that has an encrypted twin announces just that.
  if ((all & ~OWE_TRANSITION) === 0 && (flags & PRIVACY) === 0) return 'open';
  return 'other';
}
