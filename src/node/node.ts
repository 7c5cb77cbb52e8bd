import type { ConsensusView, Effect, Indication, ScheduledTrack } from '../consensus/events.ts';
import { MAX_OFFERS, MAX_REMEMBERED_TRACKS } from './bounds.ts';
import { CrossSeeder } from './cross-seeder.ts';
import type { DrawPicture } from './draw.ts';
import { Fetcher, type FetchOrder } from './fetcher.ts';
import { type ConsensusPort, Heart } from './heart.ts';
import type { Journal } from './journal.ts';
import { KeptTracks } from './kept-tracks.ts';
import { Listener, type SlotTags } from './listener.ts';
import { chooseOffers, shuffler } from './offers.ts';
import { type CatalogNote, overheard, PeerCatalogs } from './peer-catalogs.ts';
import type {
  BlocksPort,
  LibraryPort,
  Logger,
  NetworkPort,
  PlayableTrack,
  PlaybackFigures,
  PlaybackPort,
  PlayingReport,
  ReadManifest,
  TrackPlan,
} from './ports.ts';
import { type OwnPlace, Programme, type ProgrammeSlot } from './programme.ts';
import { Taste } from './taste.ts';
import { type ClockFilter, TimeKeeper } from './time-keeper.ts';

/** Slots shown as history, and kept to say who had which track. */
const HISTORY_SLOTS = 50;

export interface NodeComponents {
  consensus: ConsensusPort & {
    view(nowMs: number): ConsensusView;
    /** How a slot was or is being drawn; null where this node does not know. */
    draw?(slot: number): DrawPicture | null;
    /** Whether this node's likes weigh in the draw. */
    likesCount?(): boolean;
  };
  clock: ClockFilter;
  network: NetworkPort;
  library: LibraryPort;
  playback: PlaybackPort;
  blocks: BlocksPort;
  readManifest: ReadManifest;
  journal: Journal;
  /** What the listeners of this box do not want to hear, loaded; without it nothing of that outlives this node. */
  taste?: Taste;
  /** Local monotonic clock, fractional milliseconds, the same for every process of this machine. */
  monoMs(): number;
  randomBytes(count: number): Uint8Array;
  log: Logger;
}

export interface NodeInit {
  /** Track lengths that the station's rules admit. */
  minDurationMs: number;
  maxDurationMs: number;
}

/** One decided slot, as this node saw it. */
export interface DecidedSlot {
  slot: number;
  hash: string;
  startMs: number;
  track: ScheduledTrack | null;
  nodeId: string | null;
  fallback: boolean;
  proposals: number;
}

type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>;

/**
 * A starling: brings the rooms together around the consensus. Music and messages come in, `step` decides, and its
 * effects go out to network, store and player.
 */
export class StarlingNode {
  readonly #components: NodeComponents;
  readonly #init: NodeInit;
  readonly #network: NetworkPort;
  readonly #heart: Heart;
  readonly #fetcher: Fetcher;
  readonly #programme: Programme;
  readonly #kept: KeptTracks;
  readonly #crossSeeder: CrossSeeder;
  readonly #timeKeeper: TimeKeeper;
  readonly #catalogs: PeerCatalogs;
  readonly #random: () => number;
  /** What listeners of this box may wish. */
  readonly listener: Listener;
  readonly #tags = new Map<number, SlotTags>();
  readonly #decided = new Map<number, DecidedSlot>();
  readonly #lastSlot = new Map<string, number>();
  /** Manifests that the fetcher brought, by slot. */
  readonly #arrived = new Map<number, { manifest: string; plan: TrackPlan }>();
  readonly #ready = new Set<number>();
  readonly #changeHandlers = new Set<() => void>();
  #fetchedTracks = 0;
  #fallbacks = 0;
  #playing: PlayingReport | null = null;
  /** Slot in which the consensus was told of a place that this box keeps empty; -1: none. */
  #toldEmpty = -1;
  #lastFiller: PlayableTrack | null = null;
  #running = false;
  #offersAreStale = false;

  constructor(components: NodeComponents, init: NodeInit) {
    this.#components = components;
    this.#init = init;
    const { playback, blocks, readManifest, library, network, log } = components;
    this.#random = shuffler(new DataView(components.randomBytes(4).buffer).getUint32(0));
    const ownTracks = () => library.tracks();
    this.#timeKeeper = this.#createTimeKeeper();
    this.#catalogs = this.#createCatalogs();
    this.#network = overheard(network, this.#catalogs);
    this.#programme = new Programme({
      playback,
      blocks,
      readManifest,
      ownTracks,
      judge: (slot, track, plan) => this.listener.judge(slot, track, plan),
      likesOwn: (track) => this.listener.likesOwn(track),
      stationNowMs: () => this.stationNowMs(),
      random: this.#random,
      log,
    });
    this.listener = this.#createListener();
    this.#kept = new KeptTracks({
      content: network.content,
      blocks,
      readManifest,
      ownTracks,
      write: (entries) => components.journal.write(entries),
      log,
    });
    this.#fetcher = new Fetcher({
      content: network.content,
      blocks,
      readManifest,
      stationNowMs: () => this.stationNowMs(),
      onManifest: (order, plan) => this.#manifestArrived(order, plan),
      onDone: (order, ok) => this.#fetched(order, ok),
      log,
    });
    this.#crossSeeder = new CrossSeeder({
      content: network.content,
      blocks,
      readManifest,
      isBusy: () => this.#fetcher.isBusy,
      reserve: (manifests) => this.#kept.reserve(manifests),
      enter: (manifest, plan) => this.#kept.enterReserved(manifest, plan),
      isKept: (manifest) => this.#kept.has(manifest),
      discard: (manifest, plan, brought) => this.#kept.discard(manifest, plan, brought),
      log,
    });
    this.#heart = this.#createHeart();
  }

  /** Station time, fractional milliseconds. */
  stationNowMs(): number {
    return this.#timeKeeper.stationNowMs();
  }

  /** The genesis that station time belongs to; told to peers that ask for the time. */
  timeDomain(): string | null {
    return this.#timeKeeper.domain;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { library, playback, journal, log } = this.#components;
    const network = this.#network;
    const restored = journal.read();
    for (const cause of journal.damage) log.error('the journal was damaged', { cause });
    this.#kept.restore(restored);
    const forConsensus = Object.fromEntries(Object.entries(restored).filter(([key]) => !KeptTracks.owns(key)));
    network.onMessage((message, from) => this.#heart.receive(message, from));
    network.onRequest((from, request) => this.#heart.ask(from, request));
    network.onPeers((peers) => {
      this.#heart.dispatch({ type: 'peers', peers: peers.filter((peer) => peer.sync).map((peer) => peer.nodeId) });
    });
    library.onChanged(() => this.#libraryChanged());
    playback.onPlaying((report) => this.#playingChanged(report));
    await network.start();
    await playback.start();
    this.#heart.start(forConsensus, this.#components.randomBytes(32));
    await library.start().catch((error) => {
      // The flock's music plays all the same.
      log.error('own music cannot be read', { cause: (error as Error).message });
    });
    this.#libraryChanged();
    this.#catalogs.start();
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    const { network, library, playback, journal } = this.#components;
    this.#heart.stop();
    this.#timeKeeper.stop();
    this.#fetcher.stop();
    this.#crossSeeder.stop();
    this.#catalogs.stop();
    await playback.stop();
    await library.stop();
    await network.stop();
    journal.close();
  }

  /** Called whenever something that people can see may have changed. Returns the way out. */
  onChange(handler: () => void): () => void {
    this.#changeHandlers.add(handler);
    return () => this.#changeHandlers.delete(handler);
  }

  view(): ConsensusView {
    return this.#components.consensus.view(Math.floor(this.stationNowMs()));
  }

  /** Decided slots, oldest first, at most 50. */
  history(): DecidedSlot[] {
    return [...this.#decided.values()].sort((a, b) => a.slot - b.slot);
  }

  /** What is known of a slot's track beyond the log: tags and cover, once its manifest is here. */
  planOf(slot: number): TrackPlan | null {
    return this.#arrived.get(slot)?.plan ?? this.#programme.get(slot)?.plan ?? null;
  }

  /** The slot as the player has it, with what plays in its stead; undefined where it is not known here. */
  placeOf(slot: number): ProgrammeSlot | undefined {
    return this.#programme.get(slot);
  }

  /** Own music that sounds in a slot; null where something else does. */
  ownSounding(slot: number): OwnPlace | null {
    const { playing } = this;
    return playing?.slot === slot && playing.actual !== null ? this.#programme.ownBy(slot, playing.actual) : null;
  }

  /** What the proposer of a slot's track said of it; null while the slot is not decided, or was before the start. */
  tagsOf(slot: number): SlotTags | null {
    return this.#tags.get(slot) ?? null;
  }

  /** How a slot was or is being drawn; null where this node does not know. */
  draw(slot: number): DrawPicture | null {
    return this.#components.consensus.draw?.(slot) ?? null;
  }

  /** How many proposals were in a slot's draw, as far as this node knows. */
  proposalsOf(slot: number): number | null {
    return this.#decided.get(slot)?.proposals ?? this.draw(slot)?.rows.length ?? null;
  }

  /** Where a peer's catalog is, as far as it said so. */
  catalogNoteOf(nodeId: string): CatalogNote {
    return this.#catalogs.noteOf(nodeId);
  }

  /** All blocks of a slot's track are here. */
  isReady(slot: number): boolean {
    return this.#ready.has(slot) || this.#isOwn(slot);
  }

  get playing(): PlayingReport | null {
    return this.#playing;
  }

  figures(): { fetchedTracks: number; fallbacks: number; keptTracks: number; faults: number } {
    return {
      fetchedTracks: this.#fetchedTracks,
      fallbacks: this.#fallbacks,
      keptTracks: this.#kept.size,
      faults: this.#heart.faults,
    };
  }

  playbackStatus(): PlaybackFigures {
    return this.#components.playback.status();
  }

  /** What fills a hole in the programme: an own track, null without music. */
  filler(): PlayableTrack | null {
    this.#lastFiller = this.#programme.filler();
    return this.#lastFiller;
  }

  /** Drops the track of others that was used longest ago, for a card that is full. False when none can go. */
  makeRoom(): Promise<boolean> {
    return this.#kept.makeRoom();
  }

  clockStatus(): ReturnType<ClockFilter['status']> {
    return this.#components.clock.status(this.#components.monoMs());
  }

  /** A peer's station time minus ours; null while it is not known. */
  peerOffsetMs(nodeId: string): number | null {
    return this.#components.clock.peerOffsetMs(nodeId, this.#components.monoMs());
  }

  #createTimeKeeper(): TimeKeeper {
    const { clock, network, playback, monoMs, log } = this.#components;
    return new TimeKeeper({
      clock,
      exchangeTime: (peer, signal) => network.exchangeTime(peer, signal),
      monoMs,
      onSynced: (genesis, errorMs) => {
        this.#heart.dispatch({ type: 'clock', genesis, synced: true, errorMs: Math.ceil(errorMs) });
      },
      onStep: () => {
        log.info('station time stepped');
        playback.clockStepped();
        this.#heart.dispatch({ type: 'tick' });
      },
      log,
    });
  }

  #createCatalogs(): PeerCatalogs {
    const { network, library, blocks, log } = this.#components;
    return new PeerCatalogs({
      nodeId: () => network.nodeId,
      own: () => ({ cid: library.catalogCid(), tracks: library.status().ready }),
      peers: () => network.peers(),
      request: (peer, request, timeoutMs) => network.request(peer, request, timeoutMs),
      content: network.content,
      blocks,
      isNeeded: (cid) => this.#isNeeded(cid),
      log,
    });
  }

  /** A manifest that belongs to a kept track, to an order, or to own music. */
  #isNeeded(cid: string): boolean {
    if (this.#kept.has(cid) || this.#fetcher.isOrdered(cid) || this.#crossSeeder.isOrdered(cid)) return true;
    return this.#components.library.tracks().some(({ manifest }) => manifest === cid);
  }

  #createListener(): Listener {
    const { library, taste, log } = this.#components;
    return new Listener({
      taste: taste ?? new Taste({ wallMs: () => Date.now(), log }, { dataDir: null }),
      programme: this.#programme,
      catalogs: this.#catalogs,
      ownTracks: () => library.tracks(),
      tagsOf: (slot) => this.tagsOf(slot),
      programmeName: (hash) => this.#programmeName(hash),
      playing: () => this.#playing,
      lastFiller: () => this.#lastFiller,
      stationNowMs: () => this.stationNowMs(),
      like: (hash) => this.#like(hash),
      tasteChanged: () => this.#tasteChanged(),
      log,
    });
  }

  #createHeart(): Heart {
    const { consensus, journal, monoMs, log } = this.#components;
    return new Heart({
      consensus,
      network: this.#network,
      writeJournal: (entries) => journal.write(entries),
      stationNowMs: () => this.stationNowMs(),
      monoMs,
      onFetch: (effect) => this.#fetch(toOrder(effect)),
      onCancelFetch: (effect) => this.#cancelFetch(effect),
      onKeep: (effect) => this.#crossSeeder.keep(effect.tracks),
      onSchedule: (effect) => this.#schedule(effect),
      onUnschedule: (effect) => this.#unschedule(effect.fromSlot),
      onSyncTime: (effect) => this.#timeKeeper.follow(effect.genesis, effect.peers),
      onIndication: (indication) => this.#indicate(indication),
      onAdvanced: () => this.#advanced(),
      log,
    });
  }

  #fetch(order: FetchOrder): void {
    this.#forgetOther(order.slot, order.track.manifest);
    this.#fetcher.fetch(order);
  }

  #cancelFetch({ slot, manifest }: EffectOf<'cancelFetch'>): void {
    this.#fetcher.cancel(slot, manifest);
    if (this.#arrived.get(slot)?.manifest === manifest) this.#forgetOther(slot, null);
  }

  /** What arrived for a slot that now has another track says nothing of this one. */
  #forgetOther(slot: number, manifest: string | null): void {
    if (this.#arrived.get(slot)?.manifest === manifest) return;
    this.#arrived.delete(slot);
    this.#ready.delete(slot);
  }

  #schedule(effect: EffectOf<'schedule'>): void {
    this.#fetcher.forget((slot) => slot < effect.slot - HISTORY_SLOTS);
    this.#programme.schedule(effect).catch((error) => {
      this.#components.log.error('a slot could not be scheduled', { slot: effect.slot, cause: String(error) });
    });
  }

  #unschedule(fromSlot: number): void {
    this.#fetcher.forget((slot) => slot >= fromSlot);
    forget([this.#arrived, this.#ready], (slot) => slot >= fromSlot);
    this.#programme.unschedule(fromSlot);
  }

  /** What was decided on a log that this node left is not its history. */
  #forgetDecided(fromSlot: number): void {
    forget([this.#decided, this.#tags], (slot) => slot >= fromSlot);
  }

  /** In the books before any of its blocks comes: what is given up half-way, or loses, must go again as well. */
  async #manifestArrived({ slot, track }: FetchOrder, plan: TrackPlan): Promise<void> {
    this.#arrived.set(slot, { manifest: track.manifest, plan });
    await this.#programme.manifestArrived(slot, plan);
    await this.#kept.keep(track.manifest, plan).catch((error) => {
      this.#components.log.warn('a fetched track is not in the books', { slot, cause: String(error) });
    });
  }

  #fetched({ slot, track, final }: FetchOrder, ok: boolean): void {
    if (ok) this.#ready.add(slot);
    if (ok && final && track.owners[0] !== this.#components.network.nodeId) this.#fetchedTracks += 1;
    this.#heart.dispatch({ type: 'fetched', slot, ok });
  }

  #isOwn(slot: number): boolean {
    return this.#decided.get(slot)?.nodeId === this.#components.network.nodeId;
  }

  #playingChanged(report: PlayingReport): void {
    this.#playing = report;
    // Between slots there is nothing that could differ from the log.
    if (report.slot !== null) {
      this.#toldEmpty = -1;
      this.#heart.dispatch({ type: 'playback', ...report, slot: report.slot });
    }
    this.#tellEmptyPlace();
  }

  /** A place that is kept empty, because there is no own music for it, is nothing that the player could report. */
  #tellEmptyPlace(): void {
    const place = this.#programme.at(this.stationNowMs());
    if (place?.stead == null || place.stead.plan !== null || place.slot === this.#toldEmpty) return;
    if (this.#playing?.slot === place.slot) return;
    this.#toldEmpty = place.slot;
    this.#heart.dispatch({ type: 'playback', slot: place.slot, actual: null, reason: 'moderation' });
  }

  async #tasteChanged(): Promise<void> {
    const { playback } = this.#components;
    const filler = this.#programme.filler();
    await this.#programme.refreshFillerIfDisliked();
    await this.#programme.reconsider();
    if (filler !== this.#programme.filler()) playback.refreshFiller?.();
    this.#tellEmptyPlace();
    this.#offerTracks();
    this.#changed();
  }

  #like(hash: string): boolean {
    const { consensus } = this.#components;
    this.#heart.dispatch({ type: 'command', command: { kind: 'like', trackHash: hash } });
    return consensus.likesCount?.() ?? false;
  }

  #programmeName(hash: string): string | null {
    const { now, queue } = this.view();
    const tracks = [now, ...queue].map((entry) => entry?.track);
    for (const entry of this.#decided.values()) tracks.push(entry.track);
    return tracks.find((track) => track?.track_hash === hash)?.track_name ?? null;
  }

  #indicate(indication: Indication): void {
    const { log } = this.#components;
    switch (indication.kind) {
      case 'decided':
        this.#noteDecided(indication);
        return;
      case 'switchedLog':
        this.#forgetDecided(indication.fromSlot);
        log.info('on another log now', { fromSlot: indication.fromSlot, genesis: indication.genesis });
        return;
      case 'phase':
        if (indication.phase === 'listening') this.#forgetDecided(0);
        log.info(PHASE_TEXT[indication.phase]);
        return;
      case 'fallback':
        this.#fallbacks += 1;
        log.info('nobody proposed: a track of the last ones plays again', { slot: indication.slot });
        return;
      case 'noHistory':
        log.info('nobody proposed and nothing has played yet: own music', { slot: indication.slot });
        return;
      case 'ownKeyElsewhere':
        log.error(
          'another box speaks with the identity of this one (a copied card?): this box listens and plays, but proposes no more. ' +
            'Remove identity.json from the data directory of one of the two',
        );
        return;
      default:
        log.info(indication.kind, { ...indication, kind: undefined });
        return;
    }
  }

  #noteDecided({ slot, record, hash, proposals }: Extract<Indication, { kind: 'decided' }>): void {
    const nodeId = record.proposal?.body.node_id ?? record.track?.owners[0] ?? null;
    const fallback = record.proposal === null;
    this.#decided.set(slot, { slot, hash, startMs: record.start_ms, track: record.track, nodeId, fallback, proposals });
    const body = record.proposal?.body;
    if (body !== undefined) this.#tags.set(slot, { genre: body.genre, explicit: body.explicit });
    forget([this.#decided, this.#arrived, this.#ready, this.#tags], (known) => known < slot - HISTORY_SLOTS);
    if (record.track !== null) this.#remember(record.track.track_hash, slot);
    this.#components.log.info('decided', { slot, track: record.track?.track_name, by: nodeId?.slice(-8), proposals });
    this.#offersAreStale = true;
  }

  #remember(trackHash: string, slot: number): void {
    this.#lastSlot.delete(trackHash);
    this.#lastSlot.set(trackHash, slot);
    const oldest = this.#lastSlot.keys().next();
    if (this.#lastSlot.size > MAX_REMEMBERED_TRACKS && !oldest.done) this.#lastSlot.delete(oldest.value);
  }

  #libraryChanged(): void {
    if (!this.#running) return;
    this.#programme.refreshFiller().catch((error) => {
      this.#components.log.warn('no filler', { cause: String(error) });
    });
    this.#programme.reconsider().catch((error) => {
      this.#components.log.warn('a slot could not be looked at anew', { cause: String(error) });
    });
    this.#offerTracks();
    this.#changed();
  }

  #offerTracks(): void {
    const { library } = this.#components;
    const liked = library.tracks().filter((track) => this.listener.likesOwn(track));
    const offers = chooseOffers(liked, this.#lastSlot, this.#init, this.#random, MAX_OFFERS);
    this.#heart.dispatch({ type: 'library', offers, playlistHash: library.playlistHash() });
  }

  /** One look through a large library for a whole run of decided slots, as a box that catches up has them. */
  #advanced(): void {
    this.#tellEmptyPlace();
    if (this.#offersAreStale) {
      this.#offersAreStale = false;
      this.#offerTracks();
    }
    this.#changed();
  }

  #changed(): void {
    for (const handler of this.#changeHandlers) handler();
  }
}

const PHASE_TEXT: Record<ConsensusView['phase'], string> = {
  listening: 'listening whether the station is on the air',
  joining: 'the station is on the air: joining',
  member: 'in the flock',
  stopped: 'no longer taking part',
};

function forget(
  tables: { keys(): Iterable<number>; delete(slot: number): boolean }[],
  isStale: (slot: number) => boolean,
) {
  for (const table of tables) {
    for (const slot of [...table.keys()]) if (isStale(slot)) table.delete(slot);
  }
}

function toOrder(effect: EffectOf<'fetch'>): Parameters<Fetcher['fetch']>[0] {
  const { slot, track, neededAtMs, final } = effect;
  return { slot, track, neededAtMs, uselessAtMs: neededAtMs + track.duration_ms, final };
}
