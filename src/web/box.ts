/**
 * What a phone may ask of the box beyond looking: declared here by its user, the web room, and carried out by the node
 * (music), by src/system (Wi-Fi) and by src/playback (sound). Each method answers; none throws for a wrong wish.
 */

/** Done, or refused with a cause that the page can show: `code` for programs, `text` in English for people. */
export type Answer<T = null> =
  | { ok: true; value: T }
  | {
      ok: false;
      /** Short name of the cause, such as "slot_over" or "bad_value". */
      code: string;
      text: string;
      /** The field of the request that is wrong, where one is. */
      field?: string;
      /** What it may be, in words. */
      allowed?: string;
    };

/** Music: the same wishes as the two buttons, and the lists behind them. All of it is local to this box. */
export interface MusicActions {
  /** Plays something of its own until the next slot. Refused (`slot_over`) when `slot` does not play any more; null: what plays now. */
  skip(slot: number | null): Answer<{ slot: number; until_ms: number }>;
  /** Blacklists a track of the programme for ever; skips it if it plays. `undo_until_ms`: station time. */
  never(hash: string | null): Answer<{ hash: string; name: string; undo_until_ms: number }>;
  /** Takes a track off the blacklist again; back in the programme if that very track plays. */
  allow(hash: string): Answer<{ hash: string }>;
  /** A listener's vote for a track; counts as far as the station's rules let it. */
  like(hash: string): Answer<{ hash: string; counted: boolean }>;
  /** Newest first. */
  blacklist(): readonly BlacklistEntry[];
  filters(): Filters;
  setFilters(filters: unknown): Answer<Filters>;
  /** What another node can play, from its published catalog; null when it is not to be had. */
  catalogOf(nodeId: string, offset: number, limit: number): Promise<CatalogPage | null>;
  /** How a slot was won, to check by hand; null when it is not known here. */
  draw?(slot: number): unknown;
}

export interface BlacklistEntry {
  hash: string;
  name: string;
  /** Wall clock, milliseconds since 1970. */
  at_ms: number;
}

/** Tracks that this box does not play, whoever brings them. */
export interface Filters {
  /** True: tracks marked as explicit are played. */
  explicit: boolean;
  /** Genres that are not played, lower case. */
  genres: string[];
}

export interface CatalogPage {
  total: number;
  offset: number;
  items: { hash: string; name: string; duration_ms: number }[];
}

/** The settings that a phone may see and change; the settings file keeps them. */
export interface SettingsView {
  name: string;
  station: string;
  closed: boolean;
  output: string;
  /** Outputs to choose from. */
  outputs: string[];
  /** Percent, 0 to 100. */
  volume: number;
  /** Plays this much later (positive) or earlier than the flock. */
  trim_ms: number;
  /** Settings given on the command line: they cannot be changed from a phone, and why. */
  fixed: string[];
}

/** A change of settings: any of them, nothing else. `station_key`: base64url or hex of 32 bytes, null for an open station. */
export interface SettingsChange {
  name?: string;
  station?: string;
  station_key?: string | null;
  output?: string;
  volume?: number;
  trim_ms?: number;
}

export interface BoxActions {
  settings(): SettingsView;
  /** All or nothing. `restarts`: the radio starts anew within seconds to follow (station, name, output). */
  change(change: SettingsChange): Answer<{ applied: string[]; restarts: boolean }>;
  /** Text that lets another box tune in, key included: `starling://station?name=...&key=...`. */
  invitation(): string;
  /** A few quiet beeps through the output in use. */
  testTone(): Answer;
  /** `wifi`: forgets the networks; `all`: everything but the music, as new. */
  reset(what: 'wifi' | 'all'): Promise<Answer>;
  /** One text file with all that helps to find a fault, and no secret, no name of a network, no key in it. */
  diagnostics(): Promise<string>;
}

/** The programme as one endless MP3 stream for a phone's own loudspeaker. Null: the box has no hands free for one more. */
export interface ListenPort {
  /** The stream ends when it is closed, also for a reader that waits; closing twice is fine. */
  open(): { type: string; stream: AsyncIterable<Uint8Array>; close(): void } | null;
}

export interface WifiNetwork {
  ssid: string;
  /** 0 to 100. */
  strength: number;
  secured: boolean;
  /** A password for it is kept here. */
  known: boolean;
}

/**
 * idle: linked or not, nothing to do; hotspot: open for a phone; trying: the hotspot is closed while a network is
 * tried; failed: back in the hotspot, with the cause of the last attempt.
 */
export type WifiPhase = 'unavailable' | 'idle' | 'hotspot' | 'trying' | 'failed';
export type WifiFailure = 'wrong_password' | 'not_found' | 'no_address' | 'no_answer' | 'refused';

export interface WifiView {
  phase: WifiPhase;
  /** ISO 3166-1 alpha-2, null while none is set. */
  country: string | null;
  /** The network in use, null without one. */
  ssid: string | null;
  /** Addresses at which the box is found now, and its name there. */
  addresses: string[];
  hostname: string;
  /** Seen in the last scan, strongest first; the scan before the hotspot while it is open. */
  networks: WifiNetwork[];
  scanned_ago_ms: number | null;
  /** Networks with kept passwords. */
  saved: string[];
  /** The last attempt: of which network, and why it failed. */
  failure: { ssid: string; cause: WifiFailure } | null;
  hotspot: { on: boolean; ssid: string; address: string };
}

export interface WifiPort {
  view(): WifiView;
  onChange(handler: () => void): () => void;
  /** Begins to try; the outcome shows in `view()`. A password of null: an open network, or the one that is kept. */
  join(wish: { ssid: string; password: string | null; hidden: boolean; country: string | null }): Answer;
  forget(ssid: string): Promise<Answer>;
  setCountry(country: string): Promise<Answer>;
  /** Scans anew where the radio can; under the hotspot the kept list stays. */
  scan(): Promise<Answer>;
  /** Whether a request from this address came over the box's own hotspot. */
  isHotspotClient(address: string): boolean;
}

/** An update that lies on a stick, or that a phone has sent. */
export interface FoundUpdate {
  /** Names it in a wish to install it. */
  file: string;
  place: 'stick' | 'upload';
  /** Name of the file. */
  name: string;
  /** Null when it cannot be believed. */
  version: string | null;
  /** When it was released, ISO 8601. */
  created: string | null;
  /** Against what runs. */
  age: 'newer' | 'same' | 'older' | null;
  /** Why it cannot be installed; null: it can. */
  refused: { code: string; text: string } | null;
}

export interface UpdateView {
  /** That runs. */
  version: string;
  /** receiving: from a phone; waiting: for the system to begin; trying: the new version is on trial. */
  phase: 'idle' | 'receiving' | 'waiting' | 'installing' | 'restarting' | 'trying';
  /** Of receiving or installing. */
  percent: number | null;
  /** The version that is under way. */
  target: string | null;
  found: FoundUpdate[];
  /** How the last one ended: the new version stays; was not taken; power went; did not come up, and the old one is back. */
  last: {
    outcome: 'confirmed' | 'refused' | 'interrupted' | 'fell_back';
    version: string | null;
    code: string | null;
    text: string | null;
    at_ms: number;
  } | null;
}

/** Updates of the whole system, where a box has a second place for one. */
export interface UpdatePort {
  /** The largest file that is taken. */
  readonly maxBytes: number;
  view(): Promise<UpdateView>;
  /** Makes room for a file of so many bytes, so that none is sent in vain. */
  prepare(bytes: number): Promise<Answer>;
  /** Takes a file of exactly so many bytes. */
  receive(bytes: number, body: AsyncIterable<Uint8Array>): Promise<Answer<FoundUpdate>>;
  /** Begins to install one that was found; the rest shows in `view()`. `any_version`: also one that is not newer. */
  install(wish: { file: string; any_version: boolean }): Promise<Answer<{ version: string }>>;
}

/** A person at the box itself: pairing is confirmed by a hand on a button. */
export interface PresencePort {
  /** False where there is no button: pairing is then confirmed on the command line: `npm start -- pair`. */
  readonly hasButton: boolean;
  /** The button was held: whoever asked within the last minute is paired. Returns the way out. */
  onHold(handler: () => void): () => void;
}
