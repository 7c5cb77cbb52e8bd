import { type Variant, variant } from './dbus/codec.ts';
import { bytesOfHex } from './ssid.ts';
import type { Recipe, Wish } from './types.ts';

/** A connection profile as NetworkManager's D-Bus interface takes it: a{sa{sv}}. */
export type Profile = Record<string, Record<string, Variant>>;

/** Marks profiles that this box made. */
export const HOTSPOT_ID = 'starling-hotspot';
/** Of the attempt that is going on; what an earlier life left behind is swept at the start. */
export const ATTEMPT_ID = 'starling-attempt';

/** No answer to DHCP after this is none, seconds; with the default of 45 a person has walked away. */
const DHCP_TIMEOUT_S = 20;
/** NMSettingWirelessSecurityPmf: disable. */
const PMF_DISABLE = 1;
/** NMSettingWirelessPowersave: disable. A radio that dozes answers the flock's clock late. */
const POWERSAVE_DISABLE = 2;

export interface HotspotInit {
  ssid: string;
  /** Of the box in its own network: "10.42.0.1". */
  address: string;
  prefix: number;
  /** Null: open, as there is no place on the box to read a password from. */
  password: string | null;
}

export function hotspotProfile(init: HotspotInit): Profile {
  const security = {
    'key-mgmt': variant('s', 'wpa-psk'),
    proto: variant('as', ['rsn']),
    pairwise: variant('as', ['ccmp']),
    group: variant('as', ['ccmp']),
    pmf: variant('i', PMF_DISABLE),
    psk: variant('s', init.password),
  };
  return {
    connection: {
      id: variant('s', HOTSPOT_ID),
      type: variant('s', '802-11-wireless'),
      autoconnect: variant('b', false),
    },
    '802-11-wireless': {
      ssid: variant('ay', new TextEncoder().encode(init.ssid)),
      mode: variant('s', 'ap'),
      // Every phone has 2.4 GHz, and every country allows it.
      band: variant('s', 'bg'),
    },
    ...(init.password === null ? {} : { '802-11-wireless-security': security }),
    // An address server, a name server, and address translation that systemd/nftables keeps from leading anywhere.
    ipv4: {
      method: variant('s', 'shared'),
      // Nobody else can have an address in a network that begins here: nothing to look for, and phones wait.
      'dad-timeout': variant('i', 0),
      'address-data': variant('aa{sv}', [{ address: variant('s', init.address), prefix: variant('u', init.prefix) }]),
    },
    ipv6: { method: variant('s', 'disabled') },
  };
}

/** @param kept false while it is only tried: then nothing joins by itself. */
export function networkProfile(wish: Wish, recipe: Recipe, uuid: string, kept: boolean): Profile {
  const security = securityFor(recipe, wish.password);
  return {
    connection: {
      id: variant('s', kept ? wish.ssid : ATTEMPT_ID),
      uuid: variant('s', uuid),
      type: variant('s', '802-11-wireless'),
      autoconnect: variant('b', kept),
    },
    '802-11-wireless': {
      ssid: variant('ay', bytesOfHex(wish.ssidHex)),
      mode: variant('s', 'infrastructure'),
      hidden: variant('b', wish.hidden),
      powersave: variant('u', POWERSAVE_DISABLE),
    },
    ...(security === null ? {} : { '802-11-wireless-security': security }),
    ipv4: { method: variant('s', 'auto'), 'dhcp-timeout': variant('i', DHCP_TIMEOUT_S) },
    ipv6: { method: variant('s', 'auto') },
  };
}

function securityFor(recipe: Recipe, password: string | null): Record<string, Variant> | null {
  const secret: Record<string, Variant> = password === null ? {} : { psk: variant('s', password) };
  switch (recipe) {
    case 'psk':
      return { 'key-mgmt': variant('s', 'wpa-psk'), ...secret };
    case 'wpa2':
      return {
        'key-mgmt': variant('s', 'wpa-psk'),
        proto: variant('as', ['rsn']),
        pmf: variant('i', PMF_DISABLE),
        ...secret,
      };
    case 'sae':
      return { 'key-mgmt': variant('s', 'sae'), ...secret };
    case 'owe':
      return { 'key-mgmt': variant('s', 'owe') };
    case 'open':
    case 'kept':
      return null;
  }
}
