/** Small boxes in memory behind the ports of `src/web/box.ts`. They pass the suite of `ports-contract.ts`, as the real parts do. */
import type {
  Answer,
  BlacklistEntry,
  BoxActions,
  Filters,
  FoundUpdate,
  ListenPort,
  MusicActions,
  PresencePort,
  SettingsChange,
  SettingsView,
  UpdatePort,
  UpdateView,
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

export const ON_STICK: FoundUpdate = {
  ...{ file: 'sda1/starling-1.3.0-arm64.update', place: 'stick', name: 'starling-1.3.0-arm64.update' },
  ...{ version: '1.3.0', created: '2026-12-24T12:00:00Z', age: 'newer', refused: null },
};

/** A box with two systems. What is uploaded is an update when it begins with "update ", followed by its version. */
export class FakeUpdate implements UpdatePort {
  readonly maxBytes = 400_000;
  readonly asked: string[] = [];
  /** Room on its card. */
  roomBytes = 300_000;
  /** What is being received waits for this, piece by piece. */
  pace: () => Promise<void> = async () => {};
  state: UpdateView = {
    version: '1.2.0',
    phase: 'idle',
    percent: null,
    target: null,
    found: [structuredClone(ON_STICK)],
    last: null,
  };

  async view(): Promise<UpdateView> {
    return structuredClone(this.state);
  }

  change(part: Partial<UpdateView>): void {
    this.state = { ...this.state, ...part };
  }

  async prepare(bytes: number): Promise<Answer> {
    this.asked.push(`prepare ${bytes}`);
    if (this.state.phase !== 'idle') return refused('update_busy', 'An update is under way already.');
    if (bytes > this.maxBytes) return refused('too_large', 'No update is as large as that.');
    return bytes > this.roomBytes ? refused('no_room', 'The card has no room for it.') : ok(null);
  }

  async receive(bytes: number, body: AsyncIterable<Uint8Array>): Promise<Answer<FoundUpdate>> {
    const prepared = await this.prepare(bytes);
    if (!prepared.ok) return prepared;
    this.change({ phase: 'receiving', percent: 0 });
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of body) {
        pieces.push(piece);
        await this.pace();
      }
    } catch {
      return refused('cut_off', 'The file did not arrive whole.');
    } finally {
      this.change({ phase: 'idle', percent: null });
    }
    const text = Buffer.concat(pieces).toString('latin1');
    this.asked.push(`received ${text.length}`);
    if (text.length !== bytes) return refused('cut_off', 'The file did not arrive whole.');
    const version = /^update (\d+\.\d+\.\d+)/.exec(text)?.[1];
    if (version === undefined) return refused('not_an_update', 'That is no Starling update.');
    const age = version > '1.2.0' ? 'newer' : version === '1.2.0' ? 'same' : 'older';
    const found: FoundUpdate = { ...ON_STICK, file: 'upload', place: 'upload', name: 'upload.update', version, age };
    this.change({ found: [found, ...this.state.found.filter(({ place }) => place === 'stick')] });
    return ok(found);
  }

  async install({ file, any_version }: { file: string; any_version: boolean }): Promise<Answer<{ version: string }>> {
    this.asked.push(`install ${file} ${any_version}`);
    if (this.state.phase !== 'idle') return refused('update_busy', 'An update is under way already.');
    const found = this.state.found.find((other) => other.file === file);
    if (found === undefined) return refused('no_such_update', 'There is no such update any more.', 'file');
    if (found.refused !== null) return refused(found.refused.code, found.refused.text);
    if (found.age !== 'newer' && !any_version) return refused('not_newer', 'It is not newer.', 'any_version');
    this.change({ phase: 'waiting', target: found.version });
    return ok({ version: found.version ?? '' });
  }
}
