import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BUS, type Bus, type BusSignal, BusTimeoutError, connectBus, SYSTEM_BUS } from './dbus/bus.ts';
import { variant } from './dbus/codec.ts';
import { MAX_KNOWN_TRIES, MAX_SAVED, MAX_SLOW_READS, RECONNECT_MS, REFRESH_MS, SETTLE_MS } from './limits.ts';
import {
  DEVICE_ACTIVATED,
  DEVICE_DISCONNECTED,
  DEVICE_UNAVAILABLE,
  type DeviceChange,
  failureOf,
  toldOf,
} from './nm-causes.ts';
import { ATTEMPT_ID, HOTSPOT_ID, type HotspotInit, hotspotProfile, networkProfile } from './nm-profiles.ts';
import { type ManagedObjects, NM, type NmSnapshot, type RadioDevice, savedOf, snapshotOf } from './nm-snapshot.ts';
import type { RadioPort, RadioView } from './radio.ts';
import { bytesOfHex } from './ssid.ts';
import type { Failure, Recipe, SavedNetwork, SeenNetwork, Wish } from './types.ts';

export interface WifiLogger {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
}

export interface NmInit {
  hotspot: HotspotInit;
  /** The radio's device; null: the first that NetworkManager manages. */
  interfaceName?: string | null;
  /** The system bus's socket. */
  busPath?: string;
  /** An opening, and a scan, that take longer have failed; the state machine waits a little longer than this. */
  openMs: number;
  scanMs: number;
  firstScanMs: number;
}

const MANAGER = { destination: NM, path: '/org/freedesktop/NetworkManager', interface: NM } as const;
const PROFILE = { destination: NM, interface: `${NM}.Settings.Connection` } as const;
/** Signals that tell of what is looked at here; strengths of access points change every second, and are left out. */
const MATCHES = [
  `type='signal',sender='${NM}',interface='${NM}.Device',member='StateChanged'`,
  `type='signal',sender='${NM}',interface='${NM}.Connection.Active',member='StateChanged'`,
  `type='signal',sender='${NM}',interface='org.freedesktop.DBus.Properties',path_namespace='${MANAGER.path}/Devices'`,
  `type='signal',sender='${NM}',interface='org.freedesktop.DBus.Properties',path='${MANAGER.path}'`,
  `type='signal',sender='${NM}',interface='${NM}.Settings'`,
  `type='signal',sender='${NM}',interface='${NM}.Settings.Connection'`,
  `type='signal',sender='${BUS.destination}',interface='${BUS.interface}',member='NameOwnerChanged',arg0='${NM}'`,
];
/** NMSettingsUpdate2Flags: to disk. */
const TO_DISK = 1;
/** NMActiveConnectionState. */
const ACTIVATED = 2;
const DEACTIVATED = 4;
/** How often a wait looks whether what it waits for has come, if no signal said so. */
const LOOK_MS = 500;
const CLOSING_MS = 4_000;
/** A network that three scans do not show is not there; one alone misses many a quiet one. */
const SCANS_BEFORE_NOT_FOUND = 3;

interface Kept extends SavedNetwork {
  id: string;
  path: string;
  hidden: boolean;
}

/** There is no NetworkManager, or no radio that it manages. */
export class NoRadioError extends Error {
  override readonly name = 'NoRadioError';
  constructor() {
    super('There is no Wi-Fi radio that NetworkManager manages.');
  }
}

/** NetworkManager did not do in time what was asked. */
export class RadioTimeoutError extends Error {
  override readonly name = 'RadioTimeoutError';
}

export function createNetworkManager(components: { log: WifiLogger }, init: NmInit): RadioPort {
  return new NmRadio(components, init);
}

/** NetworkManager over D-Bus: secrets travel over the bus's socket alone, SSIDs as bytes, and causes as numbers. */
class NmRadio implements RadioPort {
  readonly #components: { log: WifiLogger };
  readonly #init: NmInit;
  readonly #handlers = new Set<() => void>();
  /** Profiles by path; null for those that are no networks. */
  readonly #kept = new Map<string, Kept | null>();
  /** Profiles that changed since they were read. */
  readonly #stale = new Set<string>();
  #bus: Bus | null = null;
  #snapshot: NmSnapshot | null = null;
  #changes: DeviceChange[] = [];
  #attempt: { wish: Wish; recipe: Recipe; uuid: string; path: string | null } | null = null;
  #running = false;
  #swept = false;
  #told: string | null = null;
  #timers: { refresh: NodeJS.Timeout; reconnect: NodeJS.Timeout | null; settle: NodeJS.Timeout | null } | null = null;
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #slowReads = 0;

  constructor(components: { log: WifiLogger }, init: NmInit) {
    this.#components = components;
    this.#init = init;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const refresh = setInterval(() => void this.refresh(), REFRESH_MS).unref();
    this.#timers = { refresh, reconnect: null, settle: null };
    await this.#connect();
  }

  async stop(): Promise<void> {
    this.#running = false;
    clearInterval(this.#timers?.refresh);
    clearTimeout(this.#timers?.reconnect ?? undefined);
    clearTimeout(this.#timers?.settle ?? undefined);
    this.#timers = null;
    const bus = this.#bus;
    this.#bus = null;
    bus?.close();
    this.#swept = false;
    await this.#reading;
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  view(): RadioView | null {
    const snapshot = this.#snapshot;
    const radio = snapshot?.radio;
    if (snapshot === null || radio === undefined || radio === null || radio.state < DEVICE_UNAVAILABLE) return null;
    const active = snapshot.active.find(({ path }) => path === radio.activePath);
    const isHotspot = active?.id === HOTSPOT_ID;
    const isJoined = radio.state === DEVICE_ACTIVATED && active !== undefined && !isHotspot;
    // A profile that was just made may not have been read yet.
    const kept = active === undefined ? null : (this.#kept.get(active.profilePath) ?? null);
    return {
      device: radio.name,
      wired: snapshot.wired,
      ssid: isJoined ? (kept?.ssid ?? this.#attempt?.wish.ssid ?? active.id) : null,
      hotspotOn: isHotspot && active?.state === ACTIVATED,
      saved: this.#savedNetworks(),
      networks: isHotspot || radio.isAccessPoint ? null : snapshot.networks,
      scannedAtMs: radio.lastScanMs,
    };
  }

  #savedNetworks(): SavedNetwork[] {
    const saved = new Map<string, SavedNetwork>();
    for (const { ssid, ssidHex } of this.#keptNetworks()) saved.set(ssidHex, { ssid, ssidHex });
    return [...saved.values()];
  }

  #keptNetworks(): Kept[] {
    return [...this.#kept.values()].filter((kept) => kept !== null && kept.id !== ATTEMPT_ID) as Kept[];
  }

  // --- Connection to the bus, and what is read from it

  async #connect(): Promise<void> {
    if (!this.#running || this.#bus !== null) return;
    try {
      const bus = await connectBus(this.#init.busPath ?? SYSTEM_BUS);
      if (!this.#running) return bus.close();
      this.#bus = bus;
      bus.onSignal((signal) => this.#onSignal(signal));
      bus.onClose(() => this.#onClose(bus));
      for (const rule of MATCHES) await bus.call({ ...BUS, member: 'AddMatch', signature: 's', body: [rule] });
    } catch (error) {
      this.#tell(String((error as Error).message));
      this.#bus?.close();
      this.#reconnectLater();
    }
    await this.refresh();
  }

  #onClose(bus: Bus): void {
    if (this.#bus !== bus) return;
    this.#bus = null;
    this.#lose('The system bus hung up');
    this.#reconnectLater();
  }

  #reconnectLater(): void {
    if (!this.#running || this.#timers === null) return;
    clearTimeout(this.#timers.reconnect ?? undefined);
    this.#timers.reconnect = setTimeout(() => void this.#connect(), RECONNECT_MS).unref();
  }

  /** One line for each new reason why there is no Wi-Fi. */
  #tell(cause: string): void {
    if (cause === this.#told) return;
    this.#told = cause;
    this.#components.log.info('No Wi-Fi set-up; the radio plays on', { cause });
  }

  #lose(cause: string): void {
    this.#tell(cause);
    const had = this.#snapshot !== null;
    this.#snapshot = null;
    this.#kept.clear();
    if (had) this.#changed();
  }

  #changed(): void {
    for (const handler of this.#handlers) handler();
  }

  #onSignal(signal: BusSignal): void {
    if (signal.interface === `${NM}.Device` && signal.path === this.#snapshot?.radio?.path) {
      const [to, from, reason] = signal.body.map(Number);
      if (this.#changes.length < MAX_CHANGES) this.#changes.push({ to: to ?? 0, from: from ?? 0, reason: reason ?? 0 });
    }
    if (signal.interface === PROFILE.interface) this.#stale.add(signal.path);
    if (this.#timers === null || this.#timers.settle !== null) return;
    this.#timers.settle = setTimeout(() => {
      if (this.#timers !== null) this.#timers.settle = null;
      void this.refresh();
    }, SETTLE_MS).unref();
  }

  /** Reads everything; a wish for it while it goes on is kept for one more time. */
  async refresh(): Promise<void> {
    if (this.#reading !== null) {
      this.#readAgain = true;
      return this.#reading;
    }
    this.#reading = this.#readAll();
    await this.#reading;
  }

  async #readAll(): Promise<void> {
    try {
      do {
        this.#readAgain = false;
        await this.#read();
      } while (this.#readAgain);
    } finally {
      this.#reading = null;
    }
  }

  async #read(): Promise<void> {
    const bus = this.#bus;
    if (bus === null) return;
    try {
      const [objects] = await bus.call({
        destination: NM,
        path: '/org/freedesktop',
        interface: 'org.freedesktop.DBus.ObjectManager',
        member: 'GetManagedObjects',
      });
      const snapshot = snapshotOf(objects as ManagedObjects, this.#init.interfaceName ?? null);
      await this.#readProfiles(bus, snapshot);
      this.#snapshot = snapshot;
      this.#slowReads = 0;
      await this.#sweep(bus);
      if (snapshot.radio === null) this.#tell(new NoRadioError().message);
      else this.#told = null;
      this.#changed();
    } catch (error) {
      this.#slowReads += 1;
      if (error instanceof BusTimeoutError && this.#slowReads < MAX_SLOW_READS) return;
      if (this.#running) this.#lose((error as Error).message);
    }
  }

  async #readProfiles(bus: Bus, snapshot: NmSnapshot): Promise<void> {
    const there = new Set(snapshot.profilePaths.slice(0, MAX_PROFILES));
    for (const path of this.#stale) if (!there.has(path)) this.#stale.delete(path);
    for (const path of this.#kept.keys()) if (!there.has(path)) this.#kept.delete(path);
    for (const path of there) {
      if (this.#kept.has(path) && !this.#stale.delete(path)) continue;
      // A profile may go while it is read.
      const [settings] = await bus.call({ ...PROFILE, path, member: 'GetSettings' }).catch(() => [{}]);
      const saved = savedOf(settings as Record<string, Record<string, unknown>>);
      this.#kept.set(path, saved === null ? null : { ...saved, path });
    }
  }

  /** What an earlier life of this process was trying is not kept. */
  async #sweep(bus: Bus): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    for (const kept of [...this.#kept.values()]) {
      if (kept?.id === ATTEMPT_ID) await bus.call({ ...PROFILE, path: kept.path, member: 'Delete' }).catch(() => []);
    }
  }

  // --- What provisioning asks for

  #ready(): { bus: Bus; radio: RadioDevice } {
    const bus = this.#bus;
    const radio = this.#snapshot?.radio ?? null;
    if (bus === null || radio === null) throw new NoRadioError();
    return { bus, radio };
  }

  async scan(): Promise<readonly SeenNetwork[]> {
    // How long it is waited for is the state machine's to say; a late answer is shown all the same.
    const limitMs = this.#init.firstScanMs;
    const within = AbortSignal.timeout(limitMs);
    const seen = await this.#scan([], within, limitMs);
    // The very first one of a radio may come too early to see anything.
    return seen.length > 0 || within.aborted ? seen : this.#scan([], within, limitMs);
  }

  async #scan(
    ssids: readonly Uint8Array[],
    signal: AbortSignal,
    limitMs = this.#init.scanMs,
  ): Promise<readonly SeenNetwork[]> {
    const { bus, radio } = this.#ready();
    const options = ssids.length === 0 ? {} : { ssids: variant('aay', [...ssids]) };
    const wireless = { destination: NM, path: radio.path, interface: `${NM}.Device.Wireless` };
    // Refused while a scan goes on already: its results will do.
    await bus.call({ ...wireless, member: 'RequestScan', signature: 'a{sv}', body: [options] }).catch(() => undefined);
    const within = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    await this.#until(() => (this.#snapshot?.radio?.lastScanMs ?? -1) > radio.lastScanMs, within);
    return this.#snapshot?.networks ?? [];
  }

  async openHotspot(): Promise<void> {
    const { bus, radio } = this.#ready();
    const [, active] = await bus.call({
      ...MANAGER,
      member: 'AddAndActivateConnection2',
      signature: 'a{sa{sv}}ooa{sv}',
      // Of no use without the box, and never on its disk.
      body: [hotspotProfile(this.#init.hotspot), radio.path, '/', { persist: variant('s', 'volatile') }],
    });
    const isOpen = await this.#activated(String(active), AbortSignal.timeout(this.#init.openMs));
    if (isOpen) return;
    await this.closeHotspot();
    throw new RadioTimeoutError('NetworkManager did not open the hotspot');
  }

  async closeHotspot(): Promise<void> {
    const { bus } = this.#ready();
    const open = () => this.#snapshot?.active.filter(({ id, state }) => id === HOTSPOT_ID && state < DEACTIVATED) ?? [];
    await this.refresh();
    for (const { path } of open())
      await bus
        .call({ ...MANAGER, member: 'DeactivateConnection', signature: 'o', body: [path] })
        .catch(() => undefined);
    await this.#until(() => open().length === 0, AbortSignal.timeout(CLOSING_MS));
  }

  async tryNetwork(wish: Wish, recipe: Recipe, signal: AbortSignal): Promise<Failure | null> {
    const { bus, radio } = this.#ready();
    const uuid = randomUUID();
    this.#attempt = { wish, recipe, uuid, path: null };
    if (recipe === 'kept') return this.#tryKept(wish, signal);
    if (!(await this.#isInReach(wish, signal))) return 'not_found';
    this.#changes = [];
    const profile = networkProfile(wish, recipe, uuid, false);
    const [path, active] = await bus.call({
      ...MANAGER,
      member: 'AddAndActivateConnection2',
      signature: 'a{sa{sv}}ooa{sv}',
      body: [profile, radio.path, '/', { persist: variant('s', 'memory') }],
    });
    this.#attempt = { wish, recipe, uuid, path: String(path) };
    const wasSeen = this.#snapshot?.networks.some(({ ssidHex }) => ssidHex === wish.ssidHex) ?? false;
    const failure = await this.#outcome(String(active), signal);
    return failure === null ? null : toldOf(failure, recipe, wasSeen);
  }

  async #isInReach(wish: Wish, signal: AbortSignal): Promise<boolean> {
    await this.#ableToScan(signal);
    const ssids = wish.hidden ? [bytesOfHex(wish.ssidHex)] : [];
    for (let round = 0; round < SCANS_BEFORE_NOT_FOUND && !signal.aborted; round += 1) {
      const networks = await this.#scan(ssids, signal);
      if (networks.some(({ ssidHex }) => ssidHex === wish.ssidHex)) return true;
    }
    // NetworkManager asks for a hidden one by name itself, and knows better.
    return wish.hidden;
  }

  /** After a hotspot was closed, the radio takes a moment until it listens again. */
  async #ableToScan(signal: AbortSignal): Promise<void> {
    const able = () => {
      const radio = this.#snapshot?.radio;
      return radio !== undefined && radio !== null && radio.state >= DEVICE_DISCONNECTED && !radio.isAccessPoint;
    };
    await this.#until(able, AbortSignal.any([signal, AbortSignal.timeout(CLOSING_MS)]));
  }

  async #tryKept(wish: Wish, signal: AbortSignal): Promise<Failure | null> {
    const kept = this.#keptNetworks().find(({ ssidHex }) => ssidHex === wish.ssidHex);
    if (kept === undefined) return 'not_found';
    if (!kept.hidden && !(await this.#isInReach(wish, signal))) return 'not_found';
    return this.#activate(kept.path, signal);
  }

  async #activate(profilePath: string, signal: AbortSignal): Promise<Failure | null> {
    const { bus, radio } = this.#ready();
    this.#changes = [];
    const body = [profilePath, radio.path, '/'];
    const [active] = await bus.call({ ...MANAGER, member: 'ActivateConnection', signature: 'ooo', body });
    return this.#outcome(String(active), signal);
  }

  async #outcome(activePath: string, signal: AbortSignal): Promise<Failure | null> {
    if (await this.#activated(activePath, signal)) return null;
    return failureOf(this.#changes);
  }

  async tryKnown(first: string | null, signal: AbortSignal): Promise<Failure | null> {
    await this.#ableToScan(signal);
    const seen = await this.#scan([], signal);
    const strength = (kept: Kept) => seen.find(({ ssidHex }) => ssidHex === kept.ssidHex)?.strength ?? -1;
    const candidates = this.#keptNetworks()
      .filter((kept) => kept.hidden || strength(kept) >= 0)
      .sort((a, b) => Number(b.ssid === first) - Number(a.ssid === first) || strength(b) - strength(a));
    let failure: Failure = 'not_found';
    for (const { path } of candidates.slice(0, MAX_KNOWN_TRIES)) {
      if (signal.aborted) return failure;
      const outcome = await this.#activate(path, signal);
      if (outcome === null) return null;
      failure = outcome;
    }
    return failure;
  }

  async saveProfile(): Promise<void> {
    const { bus } = this.#ready();
    const attempt = this.#attempt;
    if (attempt === null || attempt.path === null) return;
    const { wish, recipe, uuid, path } = attempt;
    const profile = networkProfile(wish, recipe, uuid, true);
    const body = [profile, TO_DISK, {}];
    await bus.call({ ...PROFILE, path, member: 'Update2', signature: 'a{sa{sv}}ua{sv}', body });
    this.#attempt = null;
    const older = this.#keptNetworks().filter((kept) => kept.ssidHex === wish.ssidHex && kept.path !== path);
    await this.#remove(older);
    await this.refresh();
  }

  async dropProfile(): Promise<void> {
    const path = this.#attempt?.path ?? null;
    this.#attempt = null;
    if (path === null) return;
    await this.#ready().bus.call({ ...PROFILE, path, member: 'Delete' });
    await this.refresh();
  }

  async forget(ssids: readonly string[]): Promise<void> {
    this.#ready();
    await this.#remove(this.#keptNetworks().filter(({ ssid }) => ssids.includes(ssid)));
    await this.refresh();
  }

  async #remove(kept: readonly Kept[]): Promise<void> {
    for (const { path } of kept) await this.#ready().bus.call({ ...PROFILE, path, member: 'Delete' });
  }

  /** Waits for an active connection. @returns false when it ended, or the signal came */
  async #activated(path: string, signal: AbortSignal): Promise<boolean> {
    let state = 0;
    await this.refresh();
    await this.#until(() => {
      const active = this.#snapshot?.active.find((each) => each.path === path);
      state = active?.state ?? DEACTIVATED;
      return state === ACTIVATED || state >= DEACTIVATED;
    }, signal);
    return state === ACTIVATED;
  }

  /** Waits until something holds in what was read, or the signal comes. */
  async #until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    while (!holds() && !signal.aborted && this.#bus !== null) {
      await this.#nextChange(signal);
    }
  }

  async #nextChange(signal: AbortSignal): Promise<void> {
    const looked = new AbortController();
    const stopListening = this.onChange(() => looked.abort());
    const either = AbortSignal.any([signal, looked.signal]);
    await sleep(LOOK_MS, undefined, { signal: either })
      .then(() => this.refresh())
      .catch(() => undefined);
    stopListening();
  }
}

/** Changes of one attempt that are kept; an attempt has about ten. */
const MAX_CHANGES = 64;
/** Profiles that are looked at, whoever made them. */
const MAX_PROFILES = 2 * MAX_SAVED;
