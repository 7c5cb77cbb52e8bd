/** A whole box in memory for the page: what a phone asks for shows in its status, as it does on a real one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';
import type { Answer, BlacklistEntry, CatalogPage, Filters, ListenPort, MusicActions } from '../../src/web/box.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import type { WebInit } from '../../src/web/web.ts';
import { FakeBox, FakePresence, FakeUpdate, FakeWifi } from './fakes.ts';
import { type Served, serve } from './serve.ts';

const ok = <T>(value: T): Answer<T> => ({ ok: true, value });
const refused = (code: string, text: string): Answer<never> => ({ ok: false, code, text });
const DIVERGED_MS = 60_000;

/** Skips, blacklists and filters change what the status says plays. */
export class LivingMusic implements MusicActions {
  readonly liked: string[] = [];
  entries: BlacklistEntry[] = [];
  kept: Filters = { explicit: true, genres: ['polka'] };
  /** Tracks in the catalogs of others. */
  tracks = 20_000;
  readonly #state: Served['state'];
  readonly #changed: () => void;

  constructor(state: Served['state'], changed: () => void) {
    this.#state = state;
    this.#changed = changed;
  }

  skip(slot: number | null): Answer<{ slot: number; until_ms: number }> {
    const { now } = this.#state.snapshot;
    if (now === null || (slot !== null && slot !== now.slot)) return refused('slot_over', 'That slot is over.');
    return ok({ slot: now.slot, until_ms: this.#goOwnWay('skip') });
  }

  never(hash: string | null): Answer<{ hash: string; name: string; undo_until_ms: number }> {
    const { now, station } = this.#state.snapshot;
    const track = now?.track ?? null;
    const chosen = hash ?? track?.hash;
    if (chosen === undefined || track === null) return refused('nothing_plays', 'Nothing plays.');
    this.entries = [{ hash: chosen, name: track.name, at_ms: 1_790_000_000_000 }, ...this.entries];
    if (chosen === track.hash) this.#goOwnWay('never');
    return ok({ hash: chosen, name: track.name, undo_until_ms: station.time_ms + 10_000 });
  }

  allow(hash: string): Answer<{ hash: string }> {
    if (!this.entries.some((entry) => entry.hash === hash)) return refused('not_listed', 'Not on the list.');
    this.entries = this.entries.filter((entry) => entry.hash !== hash);
    this.#show({ diverged: false, now: { ...this.#state.snapshot.now!, ...flocks } });
    return ok({ hash });
  }

  like(hash: string): Answer<{ hash: string; counted: boolean }> {
    this.liked.push(hash);
    return ok({ hash, counted: true });
  }

  blacklist(): readonly BlacklistEntry[] {
    return this.entries;
  }

  filters(): Filters {
    return this.kept;
  }

  setFilters(filters: unknown): Answer<Filters> {
    this.kept = filters as Filters;
    return ok(this.kept);
  }

  async catalogOf(nodeId: string, offset: number, limit: number): Promise<CatalogPage | null> {
    if (!nodeId.includes('Wren')) return null;
    const count = Math.max(0, Math.min(limit, this.tracks - offset));
    const items = Array.from({ length: count }, (_, at) => ({
      hash: `sha256:${String(offset + at).padStart(64, '0')}`,
      name: `Reed Warblers – Marsh Song No. ${offset + at + 1}`,
      duration_ms: 120_000 + ((offset + at) % 90) * 1_000,
    }));
    return { total: this.tracks, offset, items };
  }

  draw(slot: number): unknown {
    const entry = this.#state.snapshot.queue.find((queued) => queued.slot === slot);
    if (entry?.node_id === null || entry === undefined) return null;
    const others = this.#state.snapshot.peers.filter((peer) => peer.node_id !== entry.node_id).slice(0, 2);
    const proposals = [
      { node_id: entry.node_id, name: entry.node_name, ticket: `03${entry.ticket?.slice(2)}`, track: entry.track },
      ...others.map((peer, at) => ({
        node_id: peer.node_id,
        name: peer.name,
        ticket: `${7 + at}c${'4e81'.repeat(16)}`.slice(0, 64),
        track: { hash: `sha256:${'d'.repeat(64)}`, name: 'The Waders – Low Water' },
      })),
    ];
    return { slot, draw: 'ticket', beacon: 'be'.repeat(32), proposals, winner: entry.node_id, seed: null, index: null };
  }

  #goOwnWay(moderation: 'skip' | 'never'): number {
    const { snapshot } = this.#state;
    const untilMs = snapshot.station.time_ms + DIVERGED_MS;
    this.#show({ diverged: true, now: { ...snapshot.now!, source: 'own', moderation, skipped_until_ms: untilMs } });
    return untilMs;
  }

  #show(part: Partial<StatusSnapshot>): void {
    this.#state.snapshot = { ...this.#state.snapshot, ...part };
    this.#changed();
  }
}

const flocks = { source: 'flock', moderation: null, skipped_until_ms: null } as const;

/** One frame of silence: MPEG-1 layer III, 128 kbit/s, 44.1 kHz. */
const SILENT_FRAME = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x64]), Buffer.alloc(413)]);

/** A stream that can be heard by a browser, for one listener. */
class SilentListen implements ListenPort {
  listeners = 0;

  open() {
    if (this.listeners > 0) return null;
    this.listeners += 1;
    let closed = false;
    const close = () => {
      if (!closed) this.listeners -= 1;
      closed = true;
    };
    async function* pieces() {
      for (let sent = 0; !closed && sent < 10_000; sent += 40) {
        yield Buffer.concat(Array.from({ length: 40 }, () => SILENT_FRAME));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    return { type: 'audio/mpeg', stream: pieces(), close };
  }
}

export interface Living extends Served {
  music: LivingMusic;
  box: FakeBox;
  wifi: FakeWifi;
  presence: FakePresence;
  listen: SilentListen;
  update: FakeUpdate;
  /** Stops the server and forgets its phones. */
  end(): Promise<void>;
}

/** Pairs a browser with the box before it opens the page. */
export function paired(box: Living): (context: BrowserContext) => Promise<void> {
  return async ({ request }) => {
    const headers = { 'X-Starling': '1' };
    const asked = await request.post(`${box.url}/api/pair`, { data: { name: 'Anna’s phone' }, headers });
    const { request: id } = (await asked.json()) as { request: string };
    box.presence.hold();
    const { state } = (await (await request.get(`${box.url}/api/pair/${id}`)).json()) as { state: string };
    if (state !== 'granted') throw new Error(`not paired: ${state}`);
  };
}

export interface LivingOptions {
  init?: Partial<WebInit>;
  hasButton?: boolean;
  /** Parts that this box lacks. */
  without?: ('music' | 'box' | 'wifi' | 'listen' | 'update')[];
}

export async function serveLiving({ init = {}, hasButton = true, without = [] }: LivingOptions = {}): Promise<Living> {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-face-'));
  const parts = {
    box: new FakeBox(),
    wifi: new FakeWifi(),
    presence: new FakePresence(hasButton),
    listen: new SilentListen(),
    update: new FakeUpdate(),
  };
  let music: LivingMusic | null = null;
  const served = await serve({ dataDir, ...init }, (state, changed) => {
    music = new LivingMusic(state, changed);
    return { music, ...parts, ...Object.fromEntries(without.map((part) => [part, null])) };
  });
  const end = async () => {
    await served.web.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { ...served, ...parts, music: music!, end };
}
