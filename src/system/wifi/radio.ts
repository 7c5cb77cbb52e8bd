import type { Failure, Recipe, SavedNetwork, SeenNetwork, Wish } from './types.ts';

/** What the machine is told about the radio, whenever something of it changed. */
export interface RadioView {
  /** The radio's network device, "wlan0". */
  device: string;
  /** Names of devices with cables. */
  wired: readonly string[];
  /** The network in use, null without one or while it is still being joined. */
  ssid: string | null;
  hotspotOn: boolean;
  saved: readonly SavedNetwork[];
  /** Of the last scan; null while the radio is a hotspot and sees nothing. */
  networks: readonly SeenNetwork[] | null;
  /** Of the last scan, in the radio's own time. */
  scannedAtMs: number;
}

/** A radio that provisioning drives: NetworkManager's, or a test's. One method runs at a time, but for `view`. */
export interface RadioPort {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Null: there is none, or NetworkManager is not there. */
  view(): RadioView | null;
  onChange(handler: () => void): () => void;
  /** Reads everything anew. */
  refresh(): Promise<void>;
  scan(): Promise<readonly SeenNetwork[]>;
  /** @throws when it could not be opened */
  openHotspot(): Promise<void>;
  closeHotspot(): Promise<void>;
  /** Tries a network with a profile of its own. @returns why not, null when linked */
  tryNetwork(wish: Wish, recipe: Recipe, signal: AbortSignal): Promise<Failure | null>;
  /** Tries kept networks in reach, `first` before all others. */
  tryKnown(first: string | null, signal: AbortSignal): Promise<Failure | null>;
  /** Keeps the profile of the last attempt, in place of others of that network. */
  saveProfile(): Promise<void>;
  /** Takes the profile of the last attempt away. */
  dropProfile(): Promise<void>;
  forget(ssids: readonly string[]): Promise<void>;
}
