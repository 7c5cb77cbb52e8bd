/** Small boxes in memory behind the ports of `src/web/box.ts`. They pass the suite of `ports-contract.ts`, as the real parts do. */
import type {
  Answer,
  BlacklistEntry,
  BoxActions,
  Filters,
  ListenPort,
  MusicActions,
  PresencePort,
  SettingsChange,
  SettingsView,
  WifiPort,
  WifiView,
} from '../../src/web/box.ts';

const ok = <T>(value: T): Answer<T> => ({ ok: true, value });
const refused = (code: string, text: string, field?: string): Answer<never> => ({ ok: false, code, text, field });

export const PLAYING = { slot: 7, hash: `sha256:${'a'.repeat(64)}`, name: 'Wren – Dawn' };

/** Plays one track for ever. */
export class FakeMusic implements MusicActions {
  readonly asked: string[] = [];
  entries: BlacklistEntry[] = [];
  #filters: Filters = { explicit: true, genres: [] };

  skip(slot: number | null): Answer<{ slot: number; until_ms: number }> {
    this.asked.push(`skip ${slot}`);
    if (slot !== null && slot !== PLAYING.slot)
      return refused('slot_over', 'That slot does not play any more.', 'slot');
    return ok({ slot: PLAYING.slot, until_ms: 1_700_000_200_000 });
  }

  never(hash: string | null): Answer<{ hash: string; name: string; undo_until_ms: number }> {
    this.asked.push(`never ${hash}`);
    const chosen = hash ?? PLAYING.hash;
    if (!this.entries.some((entry) => entry.hash === chosen)) {
      this.entries = [{ hash: chosen, name: PLAYING.name, at_ms: 1_700_000_000_000 }, ...this.entries];
    }
    return ok({ hash: chosen, name: PLAYING.name, undo_until_ms: 1_700_000_010_000 });
  }

  allow(hash: string): Answer<{ hash: string }> {
    this.asked.push(`allow ${hash}`);
    if (!this.entries.some((entry) => entry.hash === hash))
      return refused('not_listed', 'Not on the blacklist.', 'hash');
    this.entries = this.entries.filter((entry) => entry.hash !== hash);
    return ok({ hash });
  }

  like(hash: string): Answer<{ hash: string; counted: boolean }> {
    this.asked.push(`like ${hash}`);
    return ok({ hash, counted: false });
  }

  blacklist(): readonly BlacklistEntry[] {
    return this.entries;
  }

  filters(): Filters {
    return this.#filters;
  }

  setFilters(filters: unknown): Answer<Filters> {
    const { explicit, genres } = (filters ?? {}) as Partial<Filters>;
    if (typeof explicit !== 'boolean') return refused('bad_value', 'explicit is true or false.', 'explicit');
    if (!Array.isArray(genres)) return refused('bad_value', 'genres is a list.', 'genres');
    this.#filters = { explicit, genres: genres.map((genre) => genre.toLowerCase()) };
    return ok(this.#filters);
  }

  async catalogOf(nodeId: string, offset: number, limit: number) {
    if (nodeId !== '12D3KooWWrenWrenWren') return null;
    const items = Array.from({ length: 30 }, (_, at) => ({
      hash: `sha256:${String(at).padStart(64, '0')}`,
      name: `<img src=x onerror=alert(${at})>`,
      duration_ms: 180_000,
    }));
    return { total: 30, offset, items: items.slice(offset, offset + limit) };
  }
}

export const STATION_KEY = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I';

export class FakeBox implements BoxActions {
  readonly asked: string[] = [];
  view: SettingsView = {
    name: 'Kitchen',
    station: 'Night Birds',
    closed: true,
    output: 'auto',
    outputs: ['auto', 'null'],
    volume: 70,
    trim_ms: 0,
    fixed: [],
  };

  settings(): SettingsView {
    return { ...this.view };
  }

  change(change: SettingsChange): Answer<{ applied: string[]; restarts: boolean }> {
    this.asked.push(`change ${Object.keys(change).join(' ')}`);
    for (const field of Object.keys(change)) {
      if (this.view.fixed.includes(field)) return refused('fixed_by_command_line', 'Given at the start.', field);
    }
    if (change.output !== undefined && !this.view.outputs.includes(change.output)) {
      return refused('bad_value', 'No such output.', 'output');
    }
    const { station_key, ...rest } = change;
    this.view = { ...this.view, ...rest, closed: station_key === undefined ? this.view.closed : station_key !== null };
    return ok({ applied: Object.keys(change), restarts: change.station !== undefined });
  }

  invitation(): string {
    return `starling://station?name=${encodeURIComponent(this.view.station)}&key=${STATION_KEY}`;
  }

  testTone(): Answer {
    this.asked.push('tone');
    return ok(null);
  }

  async reset(what: 'wifi' | 'all'): Promise<Answer> {
    this.asked.push(`reset ${what}`);
    return ok(null);
  }

  async diagnostics(): Promise<string> {
    return 'uptime 5 s\n';
  }
}

export const HOTSPOT_ADDRESS = '10.42.0.1';
export const WIFI_PASSWORD = 'correct horse battery';

export class FakeWifi implements WifiPort {
  readonly asked: string[] = [];
  /** Addresses of phones on the hotspot. */
  readonly guests = new Set<string>();
  readonly #handlers = new Set<() => void>();
  state: WifiView = {
    phase: 'hotspot',
    country: 'DE',
    ssid: null,
    addresses: [HOTSPOT_ADDRESS],
    hostname: 'starling-1a2b',
    networks: [
      { ssid: 'Home <b>', strength: 80, secured: true, known: false },
      { ssid: 'Café', strength: 40, secured: false, known: false },
    ],
    scanned_ago_ms: 4_000,
    saved: [],
    failure: null,
    hotspot: { on: true, ssid: 'Starling 1a2b', address: HOTSPOT_ADDRESS },
  };

  view(): WifiView {
    return structuredClone(this.state);
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  change(part: Partial<WifiView>): void {
    this.state = { ...this.state, ...part };
    for (const handler of this.#handlers) handler();
  }

  join(wish: { ssid: string; password: string | null; hidden: boolean; country: string | null }): Answer {
    this.asked.push(`join ${JSON.stringify(wish)}`);
    if (this.state.phase === 'unavailable') return refused('no_wifi', 'There is no Wi-Fi card.');
    if (this.state.phase === 'trying') return refused('wifi_busy', 'Another network is being tried.');
    this.change({ phase: 'trying', failure: null });
    return ok(null);
  }

  async forget(ssid: string): Promise<Answer> {
    this.asked.push(`forget ${ssid}`);
    if (!this.state.saved.includes(ssid)) return refused('not_saved', 'No such network is kept.', 'ssid');
    this.change({ saved: this.state.saved.filter((other) => other !== ssid) });
    return ok(null);
  }

  async setCountry(country: string): Promise<Answer> {
    this.asked.push(`country ${country}`);
    this.change({ country });
    return ok(null);
  }

  async scan(): Promise<Answer> {
    this.asked.push('scan');
    return ok(null);
  }

  isHotspotClient(address: string): boolean {
    return this.guests.has(address);
  }
}

export class FakePresence implements PresencePort {
  readonly #handlers = new Set<() => void>();
  readonly hasButton: boolean;

  constructor(hasButton = true) {
    this.hasButton = hasButton;
  }

  onHold(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** A hand holds the button. */
  hold(): void {
    for (const handler of this.#handlers) handler();
  }

  get handlers(): number {
    return this.#handlers.size;
  }
}

/** As many streams as given; each sends a few pieces, and then has none until it is closed. */
export class FakeListen implements ListenPort {
  open_ = 0;
  readonly #places: number;

  constructor(places = 2) {
    this.#places = places;
  }

  open() {
    if (this.open_ >= this.#places) return null;
    this.open_ += 1;
    const closed = Promise.withResolvers<void>();
    let isOpen = true;
    const close = () => {
      if (isOpen) this.open_ -= 1;
      isOpen = false;
      closed.resolve();
    };
    async function* pieces() {
      for (let at = 0; at < 5 && isOpen; at++) yield Buffer.alloc(417, 0xff);
      await closed.promise;
    }
    return { type: 'audio/mpeg', stream: pieces(), close };
  }
}
