/**
 * The radio's part of updates: it finds them, takes one from a phone, asks root to install one, and tells how that goes. It
 * has no rights of its own for any of it; what it asks for is checked again by root (updater.ts).
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FoundUpdate, findUpdates, placeOf } from './found.ts';
import { parseKernelLine, type Started } from './kernel-line.ts';
import { MAX_UPDATE_BYTES, PICK_UP_MS, PROGRESS_POLL_MS, STALE_AFTER_MS, UPLOAD_KEPT_MS } from './limits.ts';
import { encodeRequest, REQUEST_FILE, UPDATE_FOLDER, type UpdateRequest } from './request.ts';
import { outcomeOf, readResult, type UpdateResult } from './result.ts';
import { Upload, type UploadComponents } from './upload.ts';

export interface UpdatesComponents extends UploadComponents {
  /** Sticks that are mounted now. */
  sticks(): readonly { path: string }[];
  monoMs(): number;
  log: {
    info(message: string, fields?: Record<string, unknown>): void;
    warn(message: string, fields?: Record<string, unknown>): void;
  };
}

export interface UpdatesInit {
  dataDir: string;
  /** Of the software that runs. */
  version: string;
  places?: Partial<UpdatesPlaces>;
}

export interface UpdatesPlaces {
  keys: string;
  results: string;
  sticks: string;
  kernelLine: string;
  bootId: string;
  arch: string;
}

/** receiving: from a phone; waiting: for root to begin; installing; restarting; trying: the new version is on trial. */
export type UpdatePhase = 'idle' | 'receiving' | 'waiting' | 'installing' | 'restarting' | 'trying';

export interface UpdateView {
  /** That runs. */
  version: string;
  phase: UpdatePhase;
  /** Of receiving or installing. */
  percent: number | null;
  /** The version that is under way. */
  target: string | null;
  found: FoundUpdate[];
  /** How the last one ended; null before the first. */
  last: LastUpdate | null;
}

export interface LastUpdate {
  outcome: 'confirmed' | 'refused' | 'interrupted' | 'fell_back';
  version: string | null;
  code: string | null;
  text: string | null;
  at_ms: number;
}

type Answer<T = null> = { ok: true; value: T } | { ok: false; code: string; text: string; field?: string };

export interface Updates {
  /** The largest file that is taken. */
  readonly maxBytes: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  view(): Promise<UpdateView>;
  /** Whether an update is under way: the box must not be unplugged. */
  isBusy(): boolean;
  /** How the last one ended; null before the first. */
  last(): LastUpdate | null;
  /** Called when `isBusy` or `last` may have changed. @returns the way to stop listening */
  onChange(handler: () => void): () => void;
  /** Makes room for a file of so many bytes. */
  prepare(bytes: number): Promise<Answer>;
  /** Takes a file of exactly so many bytes. */
  receive(bytes: number, body: AsyncIterable<Uint8Array>): Promise<Answer<FoundUpdate>>;
  /** Begins to install one that was found. `any_version`: also one that is not newer. */
  install(wish: { file: string; any_version: boolean }): Promise<Answer<{ version: string }>>;
}

/** @returns null on a machine that was not started from a card with two slots */
export function createUpdates(components: UpdatesComponents, init: UpdatesInit): Updates | null {
  const places: UpdatesPlaces = {
    keys: '/usr/lib/starling/release-keys',
    results: '/data/update',
    sticks: '/media',
    kernelLine: init.places?.kernelLine ?? textOf('/proc/cmdline'),
    bootId: init.places?.bootId ?? textOf('/proc/sys/kernel/random/boot_id').trim(),
    arch: process.arch,
    ...init.places,
  };
  const started = parseKernelLine(places.kernelLine);
  return started === null ? null : new CardUpdates(components, { ...init, places }, started);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const refused = (code: string, text: string, field?: string): Answer<never> => ({ ok: false, code, text, field });
const BUSY = refused('update_busy', 'An update is under way already.');

class CardUpdates implements Updates {
  readonly maxBytes = MAX_UPDATE_BYTES;
  readonly #components: UpdatesComponents;
  readonly #init: UpdatesInit & { places: UpdatesPlaces };
  readonly #started: Started;
  readonly #upload: Upload;
  readonly #handlers = new Set<() => void>();
  #received: { done: number; of: number } | null = null;
  /** A request that root has not begun with: when it was made, and the result that stood there then. */
  #asked: { atMs: number; version: string; before: string } | null = null;
  /** Nobody took the last request up. */
  #unheard: LastUpdate | null = null;
  #result: UpdateResult | null = null;
  #resultText = '';
  #resultSinceMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #uploadTimer: NodeJS.Timeout | null = null;

  constructor(components: UpdatesComponents, init: UpdatesInit & { places: UpdatesPlaces }, started: Started) {
    this.#components = components;
    this.#init = init;
    this.#started = started;
    this.#upload = new Upload(components, init.dataDir);
  }

  async start(): Promise<void> {
    if (this.#timer !== null) return;
    this.#look();
    this.#timer = setInterval(() => this.#look(), PROGRESS_POLL_MS);
    this.#timer.unref();
    // What nobody asked for before the last start takes room; what was asked for is root's business.
    if (!this.isBusy() && !existsSync(this.#requestPath())) await this.#upload.clear().catch(() => {});
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#uploadTimer !== null) clearTimeout(this.#uploadTimer);
    this.#timer = null;
    this.#uploadTimer = null;
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  isBusy(): boolean {
    return this.#phase() !== 'idle';
  }

  async view(): Promise<UpdateView> {
    const { version, places, dataDir } = this.#init;
    const phase = this.#phase();
    const sticks = this.#components.sticks().map(({ path }) => path);
    // While one is written nobody chooses another, and the stick has enough to do.
    const isSearched = phase === 'idle' || phase === 'trying';
    const searcher = { version, arch: places.arch };
    const found = isSearched ? await findUpdates(sticks, { ...places, data: dataDir }, searcher) : [];
    return { version, phase, percent: this.#percent(phase), target: this.#target(phase), found, last: this.last() };
  }

  last(): LastUpdate | null {
    if (this.#unheard !== null) return this.#unheard;
    const outcome = this.#outcome();
    if (
      this.#result === null ||
      (outcome !== 'confirmed' && outcome !== 'refused' && outcome !== 'interrupted' && outcome !== 'fell_back')
    )
      return null;
    const { version, code, text, atMs } = this.#result;
    return { outcome, version, code, text, at_ms: atMs };
  }

  async prepare(bytes: number): Promise<Answer> {
    if (this.isBusy()) return BUSY;
    const refusal = await this.#upload.prepare(bytes);
    return refusal === null ? { ok: true, value: null } : { ok: false, ...refusal };
  }

  async receive(bytes: number, body: AsyncIterable<Uint8Array>): Promise<Answer<FoundUpdate>> {
    if (this.isBusy()) return BUSY;
    this.#received = { done: 0, of: bytes };
    this.#changed();
    try {
      const refusal = await this.#upload.receive(bytes, body, (done) => {
        this.#received = { done, of: bytes };
      });
      if (refusal !== null) return { ok: false, ...refusal };
      return await this.#lookAtUpload();
    } finally {
      this.#received = null;
      this.#changed();
    }
  }

  async install({ file, any_version }: { file: string; any_version: boolean }): Promise<Answer<{ version: string }>> {
    if (this.isBusy()) return this.#phase() === 'trying' ? ON_TRIAL : BUSY;
    const chosen = (await this.view()).found.find((found) => found.file === file);
    const place = placeOf(file);
    if (chosen === undefined || place === null)
      return refused('no_such_update', 'There is no such update any more. Is the stick still plugged in?', 'file');
    if (chosen.refused !== null) return { ok: false, ...chosen.refused };
    const { version, age } = chosen;
    if (age !== 'newer' && !any_version)
      return refused('not_newer', `Version ${version} is not newer than the one that runs.`, 'any_version');
    // Looking took a while: somebody else may have been quicker.
    if (this.isBusy()) return BUSY;
    // A result that came since the last look (an updater run by hand) is not the answer to this request.
    this.#look();
    this.#asked = { atMs: this.#components.monoMs(), version: version ?? '', before: this.#resultText };
    this.#unheard = null;
    try {
      await this.#writeRequest({ place, anyVersion: any_version });
    } catch (error) {
      this.#asked = null;
      return refused('not_written', `The card cannot be written (${(error as Error).message}).`);
    }
    this.#components.log.info('an update was asked for', { version });
    this.#changed();
    return { ok: true, value: { version: version ?? '' } };
  }

  async #lookAtUpload(): Promise<Answer<FoundUpdate>> {
    const { version, places, dataDir } = this.#init;
    const [found] = await findUpdates([], { ...places, data: dataDir }, { version, arch: places.arch });
    if (found === undefined) return refused('cut_off', 'The file did not arrive whole. Send it again.');
    if (found.refused !== null) {
      await this.#upload.clear();
      return { ok: false, ...found.refused };
    }
    this.#components.log.info('an update was uploaded', { version: found.version });
    if (this.#uploadTimer !== null) clearTimeout(this.#uploadTimer);
    this.#uploadTimer = setTimeout(() => {
      if (!this.isBusy()) void this.#upload.clear().catch(() => {});
    }, UPLOAD_KEPT_MS);
    this.#uploadTimer.unref();
    return { ok: true, value: found };
  }

  #phase(): UpdatePhase {
    if (this.#received !== null) return 'receiving';
    if (this.#asked !== null) return 'waiting';
    const outcome = this.#outcome();
    return outcome === 'installing' || outcome === 'restarting' || outcome === 'trying' ? outcome : 'idle';
  }

  /** As the result tells; an installation that does not go on for long has ended without a word. */
  #outcome() {
    const { kind } = outcomeOf(this.#result, this.#started, this.#init.places.bootId);
    const isStale = this.#components.monoMs() - this.#resultSinceMs > STALE_AFTER_MS;
    return kind === 'installing' && isStale ? 'interrupted' : kind;
  }

  #percent(phase: UpdatePhase): number | null {
    if (phase === 'receiving' && this.#received !== null)
      return Math.floor((100 * this.#received.done) / Math.max(1, this.#received.of));
    return phase === 'installing' ? (this.#result?.percent ?? 0) : null;
  }

  #target(phase: UpdatePhase): string | null {
    if (phase === 'idle' || phase === 'receiving') return null;
    return this.#asked?.version ?? this.#result?.version ?? null;
  }

  /** One small file a second: it is there only after a first update. */
  #look(): void {
    const result = readResult(this.#init.places.results);
    const text = JSON.stringify(result);
    if (text !== this.#resultText) {
      this.#resultText = text;
      this.#result = result;
      this.#resultSinceMs = this.#components.monoMs();
      // It was heard after all, if late.
      this.#unheard = null;
      this.#changed();
    }
    const asked = this.#asked;
    if (asked === null) return;
    if (asked.before !== text) this.#asked = null;
    else if (this.#components.monoMs() - asked.atMs > PICK_UP_MS) this.#giveUp(asked.version);
    else return;
    this.#changed();
  }

  #giveUp(version: string): void {
    this.#asked = null;
    const text = 'The part of the system that installs updates did not begin. Start the box anew and try again.';
    this.#unheard = { outcome: 'refused', version, code: 'no_updater', text, at_ms: Date.now() };
    this.#components.log.warn('nobody took up the request for an update');
    void rm(this.#requestPath(), { force: true }).catch(() => {});
  }

  /** Appears whole, or not at all. */
  async #writeRequest(request: UpdateRequest): Promise<void> {
    const folder = join(this.#init.dataDir, UPDATE_FOLDER);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const part = join(folder, `request-${randomUUID()}.part`);
    const file = await open(part, 'wx', 0o600);
    try {
      await file.writeFile(encodeRequest(request));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, this.#requestPath());
  }

  #requestPath(): string {
    return join(this.#init.dataDir, UPDATE_FOLDER, REQUEST_FILE);
  }

  #changed(): void {
    for (const handler of this.#handlers) handler();
  }
}

const ON_TRIAL = refused('on_trial', 'The last update is still on trial. Wait some minutes until it is confirmed.');
