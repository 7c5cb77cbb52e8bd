/** A network of the last scan. `ssid` is its name as a person reads it; `ssidHex` its bytes. */
export interface SeenNetwork {
  ssid: string;
  ssidHex: string;
  /** 0 to 100. */
  strength: number;
  security: Security;
}

/**
 * open: no password; psk: WPA or WPA2; mixed: WPA2 and WPA3 under one name; sae: WPA3 alone; owe: encrypted without a
 * password; other: what a box cannot join (WEP, a company's 802.1X).
 */
export type Security = 'open' | 'psk' | 'mixed' | 'sae' | 'owe' | 'other';

/** A way of trying a network. wpa2: WPA2 alone without protected management frames, for radios that fail on mixed networks. */
export type Recipe = 'open' | 'owe' | 'psk' | 'wpa2' | 'sae' | 'kept';

export interface SavedNetwork {
  ssid: string;
  ssidHex: string;
}

/** How the box is reached besides its own hotspot. */
export interface Link {
  /** A cable with an address. */
  wired: boolean;
  /** The Wi-Fi network with an address, by name. */
  ssid: string | null;
  addresses: readonly string[];
}

export type Failure = 'wrong_password' | 'not_found' | 'no_address' | 'no_answer' | 'refused';

/** A wish that was checked. `password` null: an open network, or the one that is kept. */
export interface Wish {
  ssid: string;
  ssidHex: string;
  password: string | null;
  hidden: boolean;
  recipes: readonly Recipe[];
}

export type WifiEvent = { nowMs: number } & (
  | {
      type: 'boot';
      link: Link;
      saved: readonly SavedNetwork[];
      country: string | null;
      /** A hotspot of an earlier life of this process is still open. */
      hotspotOn: boolean;
      /** NetworkManager answers and has a radio. */
      available: boolean;
    }
  | { type: 'available'; available: boolean }
  | { type: 'link'; link: Link }
  | { type: 'saved'; saved: readonly SavedNetwork[] }
  | { type: 'scanned'; networks: readonly SeenNetwork[] }
  /** The hotspot is open, or is not (any more, or could not be opened). */
  | { type: 'hotspot'; on: boolean }
  | { type: 'phones'; count: number }
  /** How an attempt, by its number, came out: null for linked. */
  | { type: 'outcome'; id: number; failure: Failure | null }
  | { type: 'join'; wish: Wish; country: string | null }
  | { type: 'forget'; ssids: readonly string[] }
  | { type: 'country'; country: string }
  | { type: 'scan' }
  | { type: 'tick' }
);

/** Carried out in order, one after the other. */
export type WifiEffect =
  /** Answered by `scanned`. */
  | { do: 'scan' }
  /** Answered by `hotspot`. */
  | { do: 'openHotspot' }
  | { do: 'closeHotspot' }
  /** Answered by `outcome` with this number; the profile is made for it, beside those that are kept. */
  | { do: 'tryNetwork'; id: number; wish: Wish; recipe: Recipe }
  /** Tries kept networks that are in reach, `first` before all others. Answered by `outcome`. */
  | { do: 'tryKnown'; id: number; first: string | null }
  /** Gives an attempt up, whatever it came to. */
  | { do: 'stopTrying'; id: number }
  /** Keeps the profile of this attempt, in place of older ones of the same network. */
  | { do: 'saveProfile'; id: number }
  /** Takes the profile of this attempt away. */
  | { do: 'dropProfile'; id: number }
  | { do: 'forget'; ssids: readonly string[] }
  | { do: 'setCountry'; country: string };

export type Activity =
  | { kind: 'rest' }
  | { kind: 'scanning'; untilMs: number; opens: boolean }
  | { kind: 'opening'; untilMs: number }
  | {
      kind: 'hotspot';
      phones: number;
      /** Since when no phone is on it; null while one is. */
      quietSinceMs: number | null;
      /** When it makes room for a look at kept networks. */
      knownDueMs: number;
    }
  | {
      kind: 'trying';
      id: number;
      wish: Wish;
      /** The one being tried, and those that follow. */
      recipes: readonly [Recipe, ...Recipe[]];
      untilMs: number;
      /** The network that was in use before. */
      before: string | null;
      /** Of the first recipe: what came after it tells less. */
      firstFailure: Failure | null;
    }
  | { kind: 'seeking'; id: number; untilMs: number };

export interface WifiTimes {
  bootGraceMs: number;
  linkLostMs: number;
  scanMs: number;
  /** While no network is kept. */
  firstScanMs: number;
  openMs: number;
  reopenMs: number;
  attemptMs: number;
  idleMs: number;
  knownMs: number;
  failureShownMs: number;
}

export interface WifiState {
  readonly times: WifiTimes;
  readonly available: boolean;
  readonly country: string | null;
  readonly link: Link;
  /** Strongest first. */
  readonly networks: readonly SeenNetwork[];
  readonly scannedAtMs: number | null;
  readonly saved: readonly SavedNetwork[];
  readonly activity: Activity;
  /** When the hotspot must open; null while there is a link. */
  readonly dueMs: number | null;
  readonly failure: { ssid: string; cause: Failure; atMs: number } | null;
  readonly nextId: number;
}
