import { bounded, securityOf } from './networks.ts';
import { hexOf, nameOf } from './ssid.ts';
import type { SeenNetwork } from './types.ts';

/** What GetManagedObjects of org.freedesktop.DBus.ObjectManager answers: properties by interface by object. */
export type ManagedObjects = Record<string, Record<string, Record<string, unknown>>>;

export const NM = 'org.freedesktop.NetworkManager';

/** NMDeviceType. */
const ETHERNET = 1;
const WIFI = 2;
/** NM80211Mode: access point. */
const MODE_AP = 3;

export interface RadioDevice {
  path: string;
  /** "wlan0". */
  name: string;
  state: number;
  /** Active connection, "/" without one. */
  activePath: string;
  /** Milliseconds of the machine's uptime; -1 before the first scan. */
  lastScanMs: number;
  isAccessPoint: boolean;
}

export interface ActiveConnection {
  path: string;
  id: string;
  uuid: string;
  profilePath: string;
  /** NMActiveConnectionState: 1 activating, 2 activated, 3 deactivating, 4 deactivated. */
  state: number;
}

/** NetworkManager's world as far as provisioning needs it. */
export interface NmSnapshot {
  radio: RadioDevice | null;
  /** Names of Ethernet devices. */
  wired: string[];
  networks: SeenNetwork[];
  active: ActiveConnection[];
  profilePaths: string[];
}

/** @param interfaceName the radio's; null: the first one */
export function snapshotOf(objects: ManagedObjects, interfaceName: string | null): NmSnapshot {
  const devices = Object.entries(objects).flatMap(([path, interfaces]) => {
    const device = interfaces[`${NM}.Device`];
    return device === undefined ? [] : [{ path, device, wireless: interfaces[`${NM}.Device.Wireless`] }];
  });
  const radios = devices.filter(
    ({ device, wireless }) =>
      device.DeviceType === WIFI &&
      wireless !== undefined &&
      device.Managed !== false &&
      (interfaceName === null || device.Interface === interfaceName),
  );
  radios.sort((a, b) => (text(a.device.Interface) < text(b.device.Interface) ? -1 : 1));
  const [radio] = radios;
  return {
    radio: radio === undefined ? null : radioOf(radio.path, radio.device, radio.wireless ?? {}),
    wired: devices.filter(({ device }) => device.DeviceType === ETHERNET).map(({ device }) => text(device.Interface)),
    networks: bounded(accessPoints(objects, radio?.wireless)),
    active: activeConnections(objects),
    profilePaths: Object.keys(objects).filter((path) => objects[path]?.[`${NM}.Settings.Connection`] !== undefined),
  };
}

function radioOf(path: string, device: Record<string, unknown>, wireless: Record<string, unknown>): RadioDevice {
  return {
    path,
    name: text(device.Interface),
    state: number(device.State),
    activePath: text(device.ActiveConnection) || '/',
    lastScanMs: number(wireless.LastScan ?? -1),
    isAccessPoint: wireless.Mode === MODE_AP,
  };
}

function accessPoints(objects: ManagedObjects, wireless: Record<string, unknown> | undefined): SeenNetwork[] {
  if (wireless === undefined || wireless.Mode === MODE_AP) return [];
  const paths = Array.isArray(wireless.AccessPoints) ? wireless.AccessPoints : [];
  return paths.flatMap((path) => {
    const point = objects[String(path)]?.[`${NM}.AccessPoint`];
    if (point === undefined || !(point.Ssid instanceof Uint8Array)) return [];
    const security = securityOf(number(point.Flags), number(point.WpaFlags), number(point.RsnFlags));
    const strength = Math.min(Math.max(number(point.Strength), 0), 100);
    return [{ ssid: nameOf(point.Ssid), ssidHex: hexOf(point.Ssid), strength, security }];
  });
}

function activeConnections(objects: ManagedObjects): ActiveConnection[] {
  return Object.entries(objects).flatMap(([path, interfaces]) => {
    const active = interfaces[`${NM}.Connection.Active`];
    if (active === undefined) return [];
    const { Id, Uuid, Connection, State } = active;
    return [{ path, id: text(Id), uuid: text(Uuid), profilePath: text(Connection), state: number(State) }];
  });
}

/** A kept network, from GetSettings; null for hotspots, cables and the rest. */
export function savedOf(settings: Record<string, Record<string, unknown>>): {
  id: string;
  ssid: string;
  ssidHex: string;
  hidden: boolean;
} | null {
  const wireless = settings['802-11-wireless'];
  if (wireless === undefined || !(wireless.ssid instanceof Uint8Array)) return null;
  if (wireless.mode !== undefined && wireless.mode !== 'infrastructure') return null;
  return {
    id: text(settings.connection?.id),
    ssid: nameOf(wireless.ssid),
    ssidHex: hexOf(wireless.ssid),
    hidden: wireless.hidden === true,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
}
