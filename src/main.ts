/**
 * The front door: reads the command line and the settings, brings the rooms together, starts them, and ends them on a
 * signal. The only file that knows every room.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { CID } from 'multiformats/cid';
import { StationClock } from './clock/station-clock.ts';
import {
  createConsensus,
  DEFAULT_RULES,
  drawOf,
  likesCount,
  nextWakeMs,
  stationId,
  step,
  view,
} from './consensus/index.ts';
import { type Controls, type choosePattern, createControls, createGpiod } from './controls/index.ts';
import {
  createContentStore,
  createDatastore,
  createLibrary,
  decodeManifest,
  makeDemoLibrary,
  StoreFullError,
} from './library/index.ts';
import { createNetwork } from './network/index.ts';
import { writeFileAtomically } from './node/atomic-file.ts';
import { ROOM_FOR_OTHERS_BYTES, ROOM_FOR_OTHERS_SHARE } from './node/bounds.ts';
import { BoxSettings } from './node/box-actions.ts';
import { createCrypto } from './node/crypto.ts';
import { setAsideIfDamaged } from './node/damaged-file.ts';
import { diagnosticsText, secretsOf } from './node/diagnostics.ts';
import { type DrawView, drawView } from './node/draw.ts';
import { loadIdentity } from './node/identity.ts';
import { Journal } from './node/journal.ts';
import { LastTime } from './node/last-time.ts';
import { rememberedPort, rememberPort } from './node/listen-port.ts';
import { createLogger, type LineLogger } from './node/logger.ts';
import { chooseSources, type MusicSources } from './node/music-sources.ts';
import { MusicWatch } from './node/music-watch.ts';
import { StarlingNode } from './node/node.ts';
import { confirmAtTheMachine, PAIR_SIGNAL, RUN_FILE } from './node/pair-command.ts';
import type { BlocksPort, ReadManifest } from './node/ports.ts';
import { showProgress } from './node/progress.ts';
import { projectRoot } from './node/project-root.ts';
import { Radio } from './node/radio.ts';
import { carryOutReset, isResetOrdered, orderReset } from './node/reset.ts';
import { withRoom } from './node/room-maker.ts';
import { EXIT_WRONG_SETTINGS, loadSettings, packageVersion, type Settings, saveSettings } from './node/settings.ts';
import { readSettingsFile, SETTINGS_FILE, type SettingsJson, writeSettingsFile } from './node/settings-file.ts';
import { buildSnapshot } from './node/snapshot.ts';
import { automaticDevices, outputChoices } from './node/sound-cards.ts';
import { Taste } from './node/taste.ts';
import { toTrackPlan } from './node/track-plan.ts';
import { createListen, createPlayback } from './playback/index.ts';
import {
  createHost,
  createMounts,
  createNotify,
  createUpdates,
  createWatchdog,
  createWifi,
  musicFolder,
  type Notify,
  type RadioReading,
  runsFromMemory,
  storageTrouble,
  takeNotifyInit,
  type Updates,
  type Wifi,
} from './system/index.ts';
import { createWeb, PortInUseError, type Web } from './web/index.ts';
import type { StatusSnapshot } from './web/snapshot.ts';

/** Read by systemd/starling-country.service. */
const COUNTRY_FILE = 'country';
/** Written when starling.txt lets a phone in. */
const LET_IN_FILE = 'let-in';
const EXIT_FAILED = 1;
/** A stop that hangs must not keep a box from restarting; systemd would wait 90 s. */
const STOP_LIMIT_MS = 10_000;
/** What the library and the network keep beside the journal. All of it can be made again. */
const REMAKABLE_FILES = ['library.db', 'network.db'];
/** Stays free on the card for the system and the journal, whoever writes blocks. */
const MIN_FREE_BYTES = 64 * 2 ** 20;
/** The library that a box makes itself when there is no music; long enough for the default rules. */
const DEMO_FOLDER = 'demo-music';
const DEMO_LIBRARY = { seed: 0, count: 12, minSeconds: 24, maxSeconds: 40 };

/** Local monotonic clock in fractional milliseconds: CLOCK_MONOTONIC, the same for every process of this machine. */
const monoMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const lastTime = new LastTime();

/** What stands between the rooms while they are made: the node comes last, and everybody asks it for the time. */
interface House {
  settings: Settings;
  log: LineLogger;
  journal: Journal;
  clock: StationClock;
  identity: ReturnType<typeof loadIdentity>;
  crypto: ReturnType<typeof createCrypto>;
  stationId: string;
  store: ReturnType<typeof createContentStore>;
  /** The same blocks; writing stops earlier, so that the flock's music finds room. */
  libraryStore: ReturnType<typeof createContentStore>;
  datastore: ReturnType<typeof createDatastore>;
  blocks: BlocksPort;
  node: StarlingNode | null;
}

/** `npm start -- pair`: a word to the radio that runs, instead of another radio. */
function pair(words: readonly string[]): void {
  const loaded = loadSettings([...words], process.env);
  if (loaded.kind !== 'run') {
    process.stderr.write(loaded.text);
    process.exitCode = EXIT_WRONG_SETTINGS;
    return;
  }
  const { ok, text } = confirmAtTheMachine(loaded.settings.dataDir);
  (ok ? process.stdout : process.stderr).write(`${text}\n`);
  if (!ok) process.exitCode = EXIT_FAILED;
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (words[0] === 'pair') return pair(words.slice(1));
  // Before the page stands, and while the radio starts anew, nobody asks; unheard, the signal would end the process.
  process.on(PAIR_SIGNAL, () => {});
  const load = () => loadSettings(words, process.env);
  let loaded = load();
  if (loaded.kind === 'refused') {
    process.stderr.write(loaded.text);
    process.exitCode = EXIT_WRONG_SETTINGS;
    return;
  }
  if (loaded.kind !== 'run') {
    process.stdout.write(loaded.text);
    return;
  }
  const log = createLogger(loaded.settings.log, (line) => process.stdout.write(`${line}\n`));
  surviveAccidents(log);
  const notify = createNotify({ log }, takeNotifyInit(process.env));
  const { dataDir } = loaded.settings;
  const loadAfterReset = () => {
    forgetIfOrdered(dataDir, log);
    return load();
  };
  if (isResetOrdered(dataDir)) loaded = loadAfterReset();
  if (loaded.kind !== 'run') throw new Error(loaded.text);
  const radio: Radio = new Radio({
    run: (settings) => run(settings, radio, log),
    load: loadAfterReset,
    readFile: () => readSettingsFile(dataDir),
    putBack: (file) => putBackSettings(dataDir, file),
    giveUp,
    log,
  });
  stopOnSignal(() => radio.stop(), notify, log);
  createWatchdog({ notify, read: () => watched?.() ?? null, monoMs, log }).start();
  await radio.start(loaded.settings);
  notify.ready();
}

/** What the watchdog looks at; null while no radio runs. */
let watched: (() => RadioReading) | null = null;

function readingOf(node: StarlingNode, playback: ReturnType<typeof createPlayback>): RadioReading {
  const { phase, slot } = node.view();
  return { player: playback.progress(), slot: slot < 0 ? null : slot, isMember: phase === 'member' };
}

/** Ends what was begun, the last first; what fails to end does not keep the others. */
class Closing {
  readonly #steps: (() => unknown)[] = [];
  readonly #log: LineLogger;

  constructor(log: LineLogger) {
    this.#log = log;
  }

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  async close(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        this.#log.error('stopping failed', { cause: (error as Error).stack });
      }
    }
  }
}

/** Starts a starling. What a failed start began is ended. @returns the way to stop it */
async function run(settings: Settings, radio: Radio, log: LineLogger): Promise<() => Promise<void>> {
  const closing = new Closing(log);
  try {
    await begin(settings, radio, log, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
  return () => closing.close();
}

async function begin(settings: Settings, radio: Radio, log: LineLogger, closing: Closing): Promise<void> {
  const house = await openHouse(settings, log, closing);
  const network = composeNetwork(house, await listenAddresses(settings));
  const mounts = createMounts({ log });
  await mounts.start().catch((error) => log.warn('sticks cannot be watched', { cause: (error as Error).message }));
  closing.add(() => mounts.stop());
  const wifi = await startWifi(house, closing);
  const updates = await startUpdates(house, mounts, closing);
  const music = new MusicWatch({
    choose: () =>
      chooseSources(
        { sticks: () => mounts.sticks(), musicFolder: async () => await musicFolder(homedir(), process.env) },
        settings.music,
      ),
    makeDemo: (signal) => makeDemo(settings.dataDir, signal, log),
    use: (directories) => library.setSources(directories),
    log,
  });
  closing.add(mounts.onChanged(() => void music.changed()));
  closing.add(() => music.stop());
  const { directories } = await music.first();
  const library = createLibrary(
    { store: house.libraryStore, pinner: network.content, log },
    { sources: directories, dataDir: settings.dataDir },
  );
  const playback = composePlayback(house);
  const node = composeNode(house, network, library, playback);
  closing.add(() => node.stop());
  const host = createHost();
  closing.add(() => host.stop());
  await host.start();
  const shown: Shown = {
    ...{ node, network, library, playback, host, radio, wifi, updates, controls: null, web: null },
    sources: () => music.sources,
  };
  shown.controls = composeControls(house, shown);
  closing.add(() => shown.controls?.stop());
  await shown.controls.start();
  // The page asks whether there is a button, so the pins come first.
  const web = await startWeb(house, shown, closing);
  await node.start();
  // Sticks that came meanwhile, and pieces that are made where there are none: the page comes first.
  void music.follow();
  watched = () => readingOf(node, playback);
  closing.add(() => {
    watched = null;
  });
  closing.add(showProgress(() => library.status(), process.stdout, log));
  tellWhereToFind(house, network, web.port);
  closing.add(() => rmSync(join(settings.dataDir, RUN_FILE), { force: true }));
  const { clock } = house;
  closing.add(() => lastTime.note(house.stationId, { ...clock.status(monoMs()), domain: clock.domain }));
}

/** @returns the folder of the pieces, with those that could be made; null: given up */
async function makeDemo(dataDir: string, signal: AbortSignal, log: LineLogger): Promise<string | null> {
  const folder = join(dataDir, DEMO_FOLDER);
  try {
    if (!existsSync(folder)) log.info('no stick and no music folder: making a few pieces to play', { folder });
    await makeDemoLibrary(folder, { ...DEMO_LIBRARY, signal });
  } catch (error) {
    if (signal.aborted) return null;
    log.warn('not all pieces could be made here', { cause: (error as Error).message });
  }
  return folder;
}

async function openHouse(settings: Settings, log: LineLogger, closing: Closing): Promise<House> {
  const { dataDir } = settings;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // First of all: the journal keeps a second process out of this data directory.
  const journal = new Journal(dataDir);
  closing.add(() => journal.close());
  const identity = loadIdentity(dataDir);
  // Its run file is still there: the process before did not end by itself.
  const endedBadly = existsSync(join(dataDir, RUN_FILE));
  for (const file of REMAKABLE_FILES) {
    const aside = setAsideIfDamaged(join(dataDir, file), endedBadly);
    if (aside !== null) log.error('a damaged file was moved aside and is made anew', { file: aside });
  }
  // Until this one tells where it is, nobody is to look for it where that one was.
  rmSync(join(dataDir, RUN_FILE), { force: true });
  const dir = join(dataDir, 'blocks');
  const store = createContentStore({ dir, minFreeBytes: MIN_FREE_BYTES });
  const libraryStore = createContentStore({ dir, minFreeBytes: MIN_FREE_BYTES + roomForOthers(dataDir) });
  await store.start();
  closing.add(() => store.stop());
  await libraryStore.start();
  closing.add(() => libraryStore.stop());
  const datastore = openDatastore(dataDir, log);
  closing.add(() => datastore.close());
  const station = stationId(settings.station, settings.stationKey);
  return {
    settings,
    log,
    journal,
    clock: new StationClock(lastTime.startOf(station, Date.now() - monoMs())),
    identity,
    crypto: createCrypto(identity),
    stationId: station,
    store,
    libraryStore,
    datastore,
    blocks: {
      get: async (cid) => await store.getBytes(CID.parse(cid)),
      has: async (cid) => await store.has(CID.parse(cid)),
      delete: async (cid) => await store.delete(CID.parse(cid)),
    },
    node: null,
  };
}

/** Everything but the music, if a phone or the buttons asked for that. Never under another process's feet. */
function forgetIfOrdered(dataDir: string, log: LineLogger): void {
  if (!isResetOrdered(dataDir)) return;
  new Journal(dataDir).close();
  log.warn('as new: forgotten', { files: carryOutReset(dataDir).join(', ') });
}

/** Pins and addresses of peers; in memory when the card cannot hold them (full), since they can be made again. */
function openDatastore(dataDir: string, log: LineLogger): ReturnType<typeof createDatastore> {
  const datastore = createDatastore({ path: join(dataDir, 'network.db') });
  try {
    datastore.open();
    return datastore;
  } catch (error) {
    log.error('what the network remembers cannot be kept on this card', { cause: (error as Error).message });
    const inMemory = createDatastore({ path: ':memory:' });
    inMemory.open();
    return inMemory;
  }
}

function roomForOthers(dataDir: string): number {
  const { blocks, bsize } = statfsSync(dataDir);
  return Math.min(ROOM_FOR_OTHERS_BYTES, Math.floor(blocks * bsize * ROOM_FOR_OTHERS_SHARE));
}

function stationNowMs(house: House): number {
  return house.node?.stationNowMs() ?? house.clock.nowMs(monoMs());
}

/** As chosen; by default every address, on a port that stays the same from start to start. */
async function listenAddresses(settings: Settings): Promise<string[]> {
  if (settings.source.listen !== 'default') return settings.listen;
  return [`/ip4/0.0.0.0/tcp/${await rememberedPort(settings.dataDir)}`];
}

function composeNetwork(house: House, listen: string[]) {
  const { settings, store, datastore, crypto, log } = house;
  return createNetwork(
    {
      blockstore: withRoom(
        store,
        async () => (await house.node?.makeRoom()) ?? false,
        (error) => error instanceof StoreFullError,
      ),
      datastore,
      verify: crypto.verify,
      log,
      stationNowMs: () => stationNowMs(house),
      monoNowMs: monoMs,
      timeDomain: () => house.node?.timeDomain() ?? null,
    },
    {
      identitySeed: house.identity.signingSeed,
      stationId: house.stationId,
      stationKey: settings.stationKey,
      listen,
      bootstrap: settings.bootstrap,
      mdns: settings.mdns,
      localName:
        settings.localName === null ? null : { name: settings.localName, ipv6: settings.http.host.includes(':') },
    },
  );
}

function composePlayback(house: House): ReturnType<typeof createPlayback> {
  const { settings, blocks, log } = house;
  return createPlayback(
    {
      clock: { stationNowMs: () => stationNowMs(house) },
      content: { segment: (cid) => blocks.get(cid) },
      filler: () => house.node?.filler() ?? null,
      automaticDevices,
      log,
    },
    { output: settings.output, volume: settings.volume, trimMs: -settings.trimMs },
  );
}

function composeNode(
  house: House,
  network: ReturnType<typeof createNetwork>,
  library: ReturnType<typeof createLibrary>,
  playback: ReturnType<typeof createPlayback>,
): StarlingNode {
  const { settings, blocks, log, journal, clock, crypto } = house;
  const rules = settings.rules ?? DEFAULT_RULES;
  const state = createConsensus({
    crypto,
    stationId: house.stationId,
    nodeName: settings.name,
    rules,
    deployAfterMs: settings.deployAfterMs,
    keepDraws: true,
  });
  const readManifest: ReadManifest = (bytes) => toTrackPlan(decodeManifest(bytes));
  const taste = new Taste({ wallMs: () => Date.now(), log }, { dataDir: settings.dataDir });
  taste.load();
  const node = new StarlingNode(
    {
      consensus: {
        step: (event) => step(state, event),
        nextWakeMs: () => nextWakeMs(state),
        view: (nowMs) => view(state, nowMs),
        draw: (slot) => drawOf(state, slot),
        likesCount: () => likesCount(state),
      },
      clock,
      network,
      library,
      playback,
      blocks,
      readManifest,
      journal,
      taste,
      monoMs,
      randomBytes: (count) => Uint8Array.from(randomBytes(count)),
      log,
    },
    { minDurationMs: rules.min_track_ms, maxDurationMs: rules.max_track_ms },
  );
  house.node = node;
  return node;
}

interface Shown {
  node: StarlingNode;
  network: ReturnType<typeof createNetwork>;
  library: ReturnType<typeof createLibrary>;
  playback: ReturnType<typeof createPlayback>;
  host: ReturnType<typeof createHost>;
  radio: Radio;
  /** Null where the network is not this radio's business. */
  wifi: Wifi | null;
  /** Null on a machine that does not run from a card with two slots. */
  updates: Updates | null;
  /** Null while they are made: buttons, page and light ask each other. */
  controls: Controls | null;
  web: Web | null;
  sources(): MusicSources;
}

/** Only where it was asked for: a hotspot must not open on somebody's laptop. */
async function startWifi({ settings, crypto, log }: House, closing: Closing): Promise<Wifi | null> {
  if (!settings.wifi) return null;
  // The same four digits from start to start, and others on another box.
  const suffix = createHash('sha256').update(crypto.nodeId).digest('hex').slice(0, 4);
  const wifi = createWifi({ log }, { suffix, countryFile: join(settings.dataDir, COUNTRY_FILE) });
  closing.add(() => wifi.stop());
  await wifi.start();
  return wifi;
}

async function startUpdates(
  house: House,
  mounts: ReturnType<typeof createMounts>,
  closing: Closing,
): Promise<Updates | null> {
  const updates = createUpdates(
    {
      sticks: () => mounts.sticks(),
      makeRoom: async () => (await house.node?.makeRoom()) ?? false,
      monoMs,
      log: house.log,
    },
    { dataDir: house.settings.dataDir, version: VERSION },
  );
  closing.add(() => updates?.stop());
  await updates?.start();
  return updates;
}

function composeControls(house: House, shown: Shown): Controls {
  const { settings, log } = house;
  const { node, wifi, updates } = shown;
  const { listener } = node;
  return createControls(
    {
      gpio: createGpiod(),
      actions: {
        skip: () => listener.skip(null),
        never: () => listener.never(null),
        allow: (hash) => listener.allow(hash),
        reset: (what) => composeBox(house, shown, () => null).reset(what),
      },
      doing: () => doing(shown, settings),
      onChange: (handler) => {
        const ways = [node, wifi, updates].filter((part) => part !== null).map((part) => part.onChange(handler));
        return () => {
          for (const stop of ways) stop();
        };
      },
      log,
    },
    { hardwareDir: join(projectRoot(), 'hardware'), setting: settings.gpio },
  );
}

/** What the light tells. */
function doing(
  { node, network, playback, wifi, updates, web }: Shown,
  { output, dataDir }: Settings,
): Parameters<typeof choosePattern>[0] {
  const { phase, diverged } = node.view();
  const wifiPhase = wifi?.view().phase ?? null;
  return {
    phase,
    peers: network.peers().filter(({ sync }) => sync).length,
    diverged,
    wifi: wifiPhase === 'hotspot' || wifiPhase === 'trying' ? wifiPhase : wifiPhase === 'failed' ? 'hotspot' : null,
    updating: updates?.isBusy() ?? false,
    pairing: web?.pairingWaits() ?? false,
    noSound: playback.status().silent && output !== 'null',
    noStorage: storageTrouble(dataDir) !== null || runsFromMemory(),
  };
}

/** The port of the page, which phones have open: the same one after a restart. */
let webPort: number | null = null;

/** Serves the status. A default port that is taken gives way to a free one; a port that was asked for does not. */
async function startWeb(house: House, shown: Shown, closing: Closing): Promise<{ port: number }> {
  const { settings, blocks, log } = house;
  const listen = createListen({
    clock: { stationNowMs: () => stationNowMs(house) },
    content: { segment: (cid) => blocks.get(cid) },
    filler: () => shown.node.filler(),
    playback: shown.playback,
    log,
  });
  closing.add(() => listen.stop());
  const serve = async (port: number) => {
    let counters: () => Record<string, number> = () => ({});
    const snapshot = () => snapshotOf(house, shown, counters());
    const web = createWeb(
      {
        snapshot,
        onChange: (handler) => shown.node.onChange(handler),
        cover: async (cid) => {
          const bytes = await house.blocks.get(cid).catch(() => null);
          return bytes === null ? null : { bytes };
        },
        draw: (slot) => drawAnswer(shown.node, slot),
        music: shown.node.listener,
        box: composeBox(house, shown, snapshot),
        wifi: shown.wifi,
        listen,
        update: shown.updates,
        presence: shown.controls?.presence ?? null,
        log,
      },
      {
        host: settings.http.host,
        port,
        webRoot: join(projectRoot(), 'web-setup'),
        hostNames: [hostname()],
        dataDir: settings.dataDir,
      },
    );
    counters = () => web.counters();
    await web.start();
    closing.add(() => web.stop());
    closing.add(onPairSignal(web, log));
    if (takeLetIn(settings.dataDir)) web.letNextPhoneIn();
    shown.web = web;
    webPort = web.address()?.port ?? port;
    return { port: webPort };
  };
  try {
    return await serve(webPort ?? settings.http.port);
  } catch (error) {
    if (!(error instanceof PortInUseError) || settings.source.http !== 'default') throw error;
    log.warn(`${error.message}; taking another port`);
    return await serve(0);
  }
}

/** Whether starling.txt asked for that (src/system/card/keeper.ts): once, so the mark goes first. */
function takeLetIn(dataDir: string): boolean {
  try {
    rmSync(join(dataDir, LET_IN_FILE));
    return true;
  } catch {
    // There is none, or it would count at every start.
    return false;
  }
}

/** A person at the machine says yes to a phone. @returns the way to stop listening */
function onPairSignal(web: Web, log: LineLogger): () => void {
  const confirm = () => {
    const answer = web.confirmPairing();
    if (answer.ok) log.info('a phone is paired', { name: answer.value.name });
    else log.warn(`No phone is paired: ${answer.text}`);
  };
  process.on(PAIR_SIGNAL, confirm);
  return () => process.off(PAIR_SIGNAL, confirm);
}

function drawAnswer(node: StarlingNode, slot: number): DrawView | null {
  const draw = node.draw(slot);
  return draw === null ? null : drawView(draw, node.view().roster);
}

/** What a phone may ask of the box as a whole. */
function composeBox(house: House, shown: Shown, status: () => unknown): BoxSettings {
  const { settings, identity, log } = house;
  const { dataDir } = settings;
  const { radio, playback, wifi } = shown;
  const secrets = () => [...secretsOf(identity, settings.stationKey), ...networkNames(wifi)];
  const sources = { version: VERSION, settings, status, secrets, logLines: log.recent, wallMs: () => Date.now() };
  return new BoxSettings(
    {
      playback,
      outputs: outputChoices,
      save: (changes) => saveSettings(dataDir, changes),
      restart: (changed) => radio.restart(changed),
      resetAll: () => {
        orderReset(dataDir);
        radio.restart();
      },
      resetWifi: wifi === null ? null : () => wifi.forgetAll(),
      diagnostics: async () => diagnosticsText(sources),
      paths: { baseDir: dataDir, homeDir: homedir(), mustExist: false },
      log,
    },
    { settings },
  );
}

/** Where somebody lives can be told from the networks around. */
function networkNames(wifi: Wifi | null): string[] {
  if (wifi === null) return [];
  const { networks, saved, ssid, failure } = wifi.view();
  const names = [...networks.map((network) => network.ssid), ...saved, ssid, failure?.ssid];
  return names.filter((name) => name != null && name !== '') as string[];
}

function putBackSettings(dataDir: string, file: SettingsJson | null): void {
  if (file === null) rmSync(join(dataDir, SETTINGS_FILE), { force: true });
  else writeSettingsFile(dataDir, file);
}

const STARTED_MONO_MS = monoMs();
/** Read once: a snapshot is made several times a second while a page is open. */
const VERSION = packageVersion();

function snapshotOf(house: House, shown: Shown, webCounters: Record<string, number>) {
  const { settings, crypto } = house;
  const { node, network, library } = shown;
  return buildSnapshot({
    node,
    nodeId: crypto.nodeId,
    version: VERSION,
    name: settings.name,
    station: { name: settings.station, closed: settings.stationKey !== null },
    output: settings.output,
    startedMonoMs: STARTED_MONO_MS,
    monoMs,
    wallMs: () => Date.now(),
    addresses: () => network.addresses(),
    peers: () => network.peers(),
    networkCounters: () => ({ ...network.counters(), ...webCounters }),
    library: () => ({
      ...library.status(),
      sources: shown.sources().directories,
      catalog: library.catalogCid(),
      playlistHash: library.playlistHash(),
    }),
    host: () => shown.host.figures(),
    light: () => lightOf(shown.controls),
    notices: () => [
      ...restartNotices(shown.radio),
      ...storageNotices(settings.dataDir),
      ...updateNotices(shown.updates),
    ],
  });
}

/** The light on the page shows what the light on the box does. */
function lightOf(controls: Controls | null): NonNullable<StatusSnapshot['light']> | null {
  const light = controls?.light() ?? null;
  if (light === null) return null;
  const { name: pattern, steps, looks, text, help } = light;
  return { pattern, steps, looks, text, help };
}

function restartNotices({ failure }: Radio): StatusSnapshot['notices'] {
  if (failure === null) return [];
  return [{ level: 'error', code: 'restartFailed', text: `The new settings did not work: ${failure}` }];
}

function storageNotices(dataDir: string): StatusSnapshot['notices'] {
  if (runsFromMemory()) {
    const text =
      'The card could not be read at the start: this box runs from memory, and forgets all when the power goes.';
    return [{ level: 'error', code: 'storageMissing', text }];
  }
  const trouble = storageTrouble(dataDir);
  if (trouble === null) return [];
  const text = trouble === 'full' ? 'The card is full.' : 'The card cannot be written to: it may be worn out.';
  return [{ level: 'error', code: trouble === 'full' ? 'storageFull' : 'storageFails', text }];
}

/** That a box came back with the old version is told to whoever looks; the rest stands where updates are asked for. */
function updateNotices(updates: Updates | null): StatusSnapshot['notices'] {
  const last = updates?.last() ?? null;
  if (last?.outcome !== 'fell_back') return [];
  const why = last.text === null ? '' : ` (${last.text})`;
  const text = `The update to ${last.version ?? 'another version'} did not come up${why}; the old version runs.`;
  return [{ level: 'warning', code: 'updateFailed', text }];
}

/** Tells people where the page is, and programs (`run.json`) how to reach this process. */
function tellWhereToFind(house: House, network: ReturnType<typeof createNetwork>, port: number): void {
  const { settings, crypto, log } = house;
  const run = { version: 1, pid: process.pid, http_port: port, addresses: network.addresses(), node_id: crypto.nodeId };
  try {
    writeFileAtomically(join(settings.dataDir, RUN_FILE), `${JSON.stringify(run, null, 2)}\n`);
    if (settings.source.listen === 'default') rememberPort(settings.dataDir, network.addresses());
  } catch (error) {
    // A full card: others find this box all the same.
    log.warn('where to find this box could not be written down', { cause: (error as Error).message });
  }
  log.info(`${settings.name} is tuned to "${settings.station}": http://${hostname()}:${port}/`, {
    node: crypto.nodeId,
  });
}

/** A radio does not end because nobody reads its log any more, or because something that nobody waits for failed. */
function surviveAccidents(log: LineLogger): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('unhandledRejection', (cause) => {
    log.error('something failed unnoticed', { cause: cause instanceof Error ? cause.stack : String(cause) });
  });
}

function stopOnSignal(stop: () => Promise<void>, notify: Notify, log: LineLogger): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    // npm and the terminal each send one for the same wish.
    if (stopping) return;
    stopping = true;
    log.info('stopping', { signal });
    notify.stopping();
    setTimeout(() => process.exit(EXIT_FAILED), STOP_LIMIT_MS).unref();
    stop().then(
      () => process.exit(0),
      (error) => {
        log.error('stopping failed', { cause: (error as Error).stack });
        process.exit(EXIT_FAILED);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
}

function giveUp(error: Error): void {
  // What a person can mend has a message that says how; anything else is a fault and shows where.
  const { code } = error as NodeJS.ErrnoException;
  const isOfTheMachine = code === 'ERR_SQLITE_ERROR' || /^E[A-Z]+$/.test(code ?? '');
  const isFault = error.name === 'Error' || error instanceof TypeError || error instanceof RangeError;
  const known = isOfTheMachine || !isFault;
  process.stderr.write(`starling: ${known ? error.message : error.stack}\n`);
  process.exit(EXIT_FAILED);
}

main().catch(giveUp);
