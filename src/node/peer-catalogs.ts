import { decode } from '@ipld/dag-cbor';
import type { SyncRequest, SyncResponse } from '../consensus/events.ts';
import type { NodeId } from '../consensus/messages.ts';
import { MAX_BLOCK_BYTES } from './bounds.ts';
import type { BlocksPort, ConnectedPeer, ContentPort, Logger, NetworkPort } from './ports.ts';

export interface CatalogPage {
  total: number;
  offset: number;
  items: { hash: string; name: string; duration_ms: number }[];
}

/** Where a peer's catalog is and how long it says it is. */
export interface CatalogNote {
  cid: string | null;
  tracks: number | null;
}

export interface PeerCatalogsComponents {
  nodeId(): NodeId;
  /** The own catalog, null before there is one. */
  own(): CatalogNote;
  peers(): ConnectedPeer[];
  request(peer: NodeId, request: SyncRequest, timeoutMs: number): Promise<SyncResponse>;
  content: ContentPort;
  blocks: BlocksPort;
  /** The programme needs this block, as the manifest of a track: whoever calls it a catalog must not get it deleted. */
  isNeeded(cid: string): boolean;
  log: Logger;
}

/** Between two questions to the same peer: sticks change seldom. */
const ASK_EVERY_MS = 60_000;
/** The same while it has none: it may still be reading its music. */
const ASK_AGAIN_MS = 10_000;
/** How often it is looked whether a peer's turn has come. */
const LOOK_EVERY_MS = 5_000;
const ASK_TIMEOUT_MS = 4_000;
/** Peers that are asked at one look: a flock of 50 is through in a minute. */
const ASKED_AT_ONCE = 4;
/** Peers remembered: more than are ever connected. */
const MAX_NOTES = 256;
/** A person waits for it. */
const FETCH_TIMEOUT_MS = 8_000;
/** Pages of a catalog: 100,000 tracks of 500 a page. More are a lie. */
const MAX_CATALOG_PAGES = 200;
const MAX_CATALOG_TRACKS = 100_000;
/** Blocks of catalogs that are kept decoded: somebody pages through two lists. */
const MAX_DECODED = 8;
/** Rows of one answer. */
const MAX_ROWS = 200;
/** Catalogs fetched at a time; each may take a few blocks of a megabyte. */
const MAX_FETCHING = 4;
const MAX_NAME_CHARS = 300;
/** DAG-CBOR under SHA-256, in base32: what catalogs are made of. No segment has such a name. */
const CATALOG_CID = /^bafyrei[a-z2-7]{52}$/;
const TRACK_HASH = /^sha256:[0-9a-f]{64}$/;
/** A day, as for slots. */
const MAX_DURATION_MS = 86_400_000;

type Row = CatalogPage['items'][number];

interface Root {
  tracks: number;
  pages: string[];
}

/**
 * What others can play. A node says where its catalog is in its answer to `status` on the catch-up stream (fields
 * `catalog` and `tracks`, beside the consensus room's own); the catalog's blocks are fetched when somebody looks at
 * them, and not kept: they are of no use to the programme.
 */
export class PeerCatalogs {
  readonly #components: PeerCatalogsComponents;
  readonly #notes = new Map<NodeId, CatalogNote & { askedAtMs: number }>();
  readonly #roots = new Map<string, Root>();
  readonly #pages = new Map<string, Row[]>();
  #timer: NodeJS.Timeout | null = null;
  #fetching = 0;

  constructor(components: PeerCatalogsComponents) {
    this.#components = components;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The own answer to `status` with the own catalog in it. */
  tell(response: SyncResponse): SyncResponse {
    if (response.kind !== 'status') return response;
    const { cid, tracks } = this.#components.own();
    return { ...response, catalog: cid, tracks: tracks ?? 0 };
  }

  /** A peer's answer to `status`, whoever asked. */
  hear(peer: NodeId, response: SyncResponse | null): void {
    if (response?.kind !== 'status') return;
    const { catalog, tracks } = response;
    const cid = typeof catalog === 'string' && CATALOG_CID.test(catalog) ? catalog : null;
    const count = isWhole(tracks, 0, Number.MAX_SAFE_INTEGER) ? Math.min(tracks, MAX_CATALOG_TRACKS) : null;
    this.#note(peer, { cid, tracks: count, askedAtMs: performance.now() });
  }

  noteOf(peer: NodeId): CatalogNote {
    return this.#notes.get(peer) ?? { cid: null, tracks: null };
  }

  /** Name of a track in one of the catalogs that somebody looked at lately. */
  nameOf(hash: string): string | null {
    for (const rows of this.#pages.values()) {
      const row = rows.find((track) => track.hash === hash);
      if (row !== undefined) return row.name;
    }
    return null;
  }

  /** Part of a node's catalog, the own one too; null when it is not to be had, or is none. */
  async page(nodeId: NodeId, offset: number, limit: number): Promise<CatalogPage | null> {
    const { cid } = nodeId === this.#components.nodeId() ? this.#components.own() : this.noteOf(nodeId);
    if (cid === null || this.#fetching >= MAX_FETCHING) return null;
    this.#fetching += 1;
    try {
      return await this.#read(cid, nodeId, offset, Math.min(limit, MAX_ROWS));
    } catch (error) {
      this.#components.log.debug('a catalog cannot be read', { peer: nodeId, cause: (error as Error).message });
      return null;
    } finally {
      this.#fetching -= 1;
    }
  }

  async #read(cid: string, nodeId: NodeId, offset: number, limit: number): Promise<CatalogPage> {
    const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    const root = await this.#get(this.#roots, cid, nodeId, readRoot, signal);
    const items: Row[] = [];
    // Pages are of one length but for the last; the first one tells which.
    const first = root.pages[0];
    if (first === undefined) return { total: 0, offset, items };
    const length = (await this.#get(this.#pages, first, nodeId, readPage, signal)).length;
    for (let at = length === 0 ? root.pages.length : Math.floor(offset / length); at < root.pages.length; at++) {
      if (items.length >= limit) break;
      const rows = await this.#get(this.#pages, root.pages[at]!, nodeId, readPage, signal);
      const from = Math.max(0, offset - at * length);
      items.push(...rows.slice(from, from + limit - items.length));
    }
    return { total: root.tracks, offset, items };
  }

  async #get<T>(
    known: Map<string, T>,
    cid: string,
    nodeId: NodeId,
    readBlock: (bytes: Uint8Array) => T,
    signal: AbortSignal,
  ): Promise<T> {
    const found = known.get(cid);
    if (found !== undefined) return found;
    const value = await this.#block(cid, nodeId, readBlock, signal);
    known.set(cid, value);
    const oldest = known.keys().next();
    if (known.size > MAX_DECODED && !oldest.done) known.delete(oldest.value);
    return value;
  }

  /** A block of others leaves the card again, catalog or not; one that was here, or is needed by now, stays. */
  async #block<T>(cid: string, nodeId: NodeId, readBlock: (bytes: Uint8Array) => T, signal: AbortSignal): Promise<T> {
    const { blocks, content, isNeeded } = this.#components;
    if (!CATALOG_CID.test(cid)) throw new Error('the name of no catalog block');
    const here = await blocks.get(cid);
    if (here !== null) return readBlock(here);
    try {
      return readBlock(await content.fetch(cid, { signal, providers: [nodeId], maxBytes: MAX_BLOCK_BYTES }));
    } finally {
      if (!isNeeded(cid)) await blocks.delete(cid);
    }
  }

  #look(): void {
    const { nodeId, peers, request } = this.#components;
    const nowMs = performance.now();
    const due = peers()
      .filter((peer) => peer.sync && peer.nodeId !== nodeId())
      .map((peer) => ({ id: peer.nodeId, dueMs: this.#dueMs(peer.nodeId) }))
      .filter(({ dueMs }) => dueMs <= nowMs)
      .sort((a, b) => a.dueMs - b.dueMs)
      .slice(0, ASKED_AT_ONCE);
    for (const { id } of due) {
      this.#note(id, { ...this.noteOf(id), askedAtMs: nowMs });
      request(id, { kind: 'status' }, ASK_TIMEOUT_MS).then(
        (response) => this.hear(id, response),
        () => {},
      );
    }
  }

  #dueMs(peer: NodeId): number {
    const note = this.#notes.get(peer);
    if (note === undefined) return 0;
    return note.askedAtMs + (note.cid === null ? ASK_AGAIN_MS : ASK_EVERY_MS);
  }

  #note(peer: NodeId, note: CatalogNote & { askedAtMs: number }): void {
    this.#notes.delete(peer);
    this.#notes.set(peer, note);
    const oldest = this.#notes.keys().next();
    if (this.#notes.size > MAX_NOTES && !oldest.done) this.#notes.delete(oldest.value);
  }
}

/** The network as it was, but that what peers answer to `status` is also heard here. */
export function overheard(network: NetworkPort, catalogs: PeerCatalogs): NetworkPort {
  return {
    start: () => network.start(),
    stop: () => network.stop(),
    get nodeId() {
      return network.nodeId;
    },
    addresses: () => network.addresses(),
    publish: (topic, message) => network.publish(topic, message),
    onMessage: (handler) => network.onMessage(handler),
    onPeers: (handler) => network.onPeers(handler),
    peers: () => network.peers(),
    request: async (peer, request, timeoutMs) => {
      const response = await network.request(peer, request, timeoutMs);
      catalogs.hear(peer, response);
      return response;
    },
    onRequest: (handler) => {
      network.onRequest(async (from, request) => catalogs.tell(await handler(from, request)));
    },
    exchangeTime: (peer, signal) => network.exchangeTime(peer, signal),
    content: network.content,
    counters: () => network.counters(),
  };
}

function readRoot(bytes: Uint8Array): Root {
  const { v, kind, tracks, pages } = decode(bytes) as Record<string, unknown>;
  if (v !== 1 || kind !== 'starling-catalog') throw new Error('that is no catalog');
  if (!isWhole(tracks, 0, MAX_CATALOG_TRACKS)) throw new Error(`a catalog of ${String(tracks)} tracks`);
  if (!Array.isArray(pages) || pages.length > MAX_CATALOG_PAGES) throw new Error('the list of pages is too long');
  return { tracks, pages: pages.map(String) };
}

function readPage(bytes: Uint8Array): Row[] {
  const { v, kind, tracks } = decode(bytes) as Record<string, unknown>;
  if (v !== 1 || kind !== 'starling-catalog-page' || !Array.isArray(tracks)) throw new Error('that is no catalog page');
  return tracks.map(readRow);
}

function readRow(row: unknown): Row {
  const { track_hash: hash, name, duration } = (row ?? {}) as Record<string, unknown>;
  if (typeof hash !== 'string' || !TRACK_HASH.test(hash)) throw new Error('a track without a hash');
  if (typeof name !== 'string' || !isWhole(duration, 0, MAX_DURATION_MS))
    throw new Error('a track without a name or length');
  return { hash, name: name.slice(0, MAX_NAME_CHARS), duration_ms: duration };
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
