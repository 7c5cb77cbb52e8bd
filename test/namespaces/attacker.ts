/**
 * An attacker in a process of its own: a whole node with its own keys and music, put together as main.ts does it, whose
 * proposals go another way on order, and beside it peers that send garbage. Takes a node's command line; one JSON line
 * of standard input is its orders (attacker-handle.ts); tells what it did and what its log says of it once a second.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CID } from 'multiformats/cid';
import { StationClock } from '../../src/clock/station-clock.ts';
import { createConsensus, DEFAULT_RULES, nextWakeMs, stationId, step, view } from '../../src/consensus/index.ts';
import type { Proposal, Signed, SignedMessage, Topic } from '../../src/consensus/messages.ts';
import { signBody } from '../../src/consensus/signed.ts';
import { createContentStore, createDatastore, createLibrary, decodeManifest } from '../../src/library/index.ts';
import { createNetwork, type Network } from '../../src/network/index.ts';
import { createCrypto } from '../../src/node/crypto.ts';
import { loadIdentity } from '../../src/node/identity.ts';
import { Journal } from '../../src/node/journal.ts';
import { createLogger } from '../../src/node/logger.ts';
import { StarlingNode } from '../../src/node/node.ts';
import { loadSettings, type Settings } from '../../src/node/settings.ts';
import { toTrackPlan } from '../../src/node/track-plan.ts';
import { createPlayback } from '../../src/playback/index.ts';
import type { AttackerReport, Orders } from './attacker-handle.ts';
import { Carrier } from './carrier.ts';
import { Flood } from './flood.ts';

const REPORT_EVERY_MS = 500;
/** A late proposal is sent so long before the deadline: what a message takes to one node on the same switch. */
const LAST_CALL_MS = 60;
/** A port that everybody can reach: the node's own default. */
const LISTEN = '/ip4/0.0.0.0/tcp/4774';

const monoMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const loaded = loadSettings(process.argv.slice(2), process.env);
if (loaded.kind !== 'run') throw new Error('an attacker takes the command line of a node');
const { settings } = loaded;
const station = stationId(settings.station, settings.stationKey);
const crypto = createCrypto(loadIdentity(settings.dataDir));
const rules = settings.rules ?? DEFAULT_RULES;
const state = createConsensus({
  crypto,
  stationId: station,
  nodeName: settings.name,
  rules,
  deployAfterMs: Number.MAX_SAFE_INTEGER,
});

let orders: Orders = { equivocate: null, releaseLateTo: null, flood: [] };
let carriers: Carrier[] = [];
let flood: Flood | null = null;
const equivocated: number[] = [];
const releasedLate: number[] = [];

/** It decides nothing by its own table, which it fills with lies, and believes the others' records. */
function follow(): void {
  if (orders.equivocate !== null || orders.releaseLateTo !== null) state.presentSinceMs = Number.MAX_SAFE_INTEGER;
}

/** Its neighbours must not find a proposal in its table that goes another way. */
function takeOut(proposal: Signed<Proposal>): void {
  const settling = state.settling.get(proposal.body.target_slot);
  for (const value of settling?.candidates.get(crypto.nodeId)?.values ?? []) settling?.values.delete(value.hash);
  settling?.candidates.delete(crypto.nodeId);
}

function speakTwice(proposal: Signed<Proposal>): void {
  const other = state.offers.find(({ track_hash }) => track_hash !== proposal.body.track_hash)!;
  const { track_hash, track_name, duration_ms: duration, manifest, track_index } = other;
  const body = { ...proposal.body, track_hash, track_name, duration, segments: [manifest], track_index };
  const second = signBody(state, body);
  // It must know it again, or it would take it for another box with its key, and stop.
  state.ownProposals.set(`second:${body.target_slot}`, second);
  carriers[0]?.publish('proposal', proposal);
  carriers[1]?.publish('proposal', second);
  equivocated.push(body.target_slot);
}

function releaseLate(proposal: Signed<Proposal>): void {
  const slot = proposal.body.target_slot;
  const settling = state.settling.get(slot);
  if (settling === undefined) return;
  const waitMs = settling.phases.t1Ms - LAST_CALL_MS - node.stationNowMs();
  const carrier = carriers[0];
  setTimeout(() => carrier?.publish('proposal', proposal), Math.max(0, waitMs));
  releasedLate.push(slot);
}

/** The network as the node sees it; what it proposes goes another way. */
function bent(network: Network): Network {
  const publish = async (topic: Topic, message: SignedMessage): Promise<void> => {
    follow();
    const isOwn = message.body.type === 'PROPOSAL' && message.body.node_id === crypto.nodeId;
    if (!isOwn || (orders.equivocate === null && orders.releaseLateTo === null)) return network.publish(topic, message);
    const proposal = message as Signed<Proposal>;
    takeOut(proposal);
    if (orders.equivocate !== null) speakTwice(proposal);
    else releaseLate(proposal);
  };
  const onMessage: Network['onMessage'] = (handler) => {
    network.onMessage((message, from, topic) => {
      follow();
      flood?.heard(topic, message);
      return handler(message, from, topic);
    });
  };
  return new Proxy(network, {
    get: (target, name) => {
      if (name === 'publish') return publish;
      if (name === 'onMessage') return onMessage;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function compose({ dataDir, bootstrap, music, output, volume }: Settings): Promise<StarlingNode> {
  const log = createLogger('error', (line) => process.stderr.write(`attacker: ${line}\n`));
  const store = createContentStore({ dir: join(dataDir, 'blocks'), minFreeBytes: 0 });
  await store.start();
  const datastore = createDatastore({ path: join(dataDir, 'network.db') });
  datastore.open();
  const clock = new StationClock({ initialOffsetMs: Date.now() - monoMs() });
  const stationNowMs = () => node.stationNowMs();
  const identitySeed = loadIdentity(dataDir).signingSeed;
  const network = createNetwork(
    {
      blockstore: store,
      datastore,
      verify: crypto.verify,
      log,
      stationNowMs,
      monoNowMs: monoMs,
      timeDomain: () => node.timeDomain(),
    },
    { identitySeed, stationId: station, stationKey: null, listen: [LISTEN], bootstrap, mdns: true },
  );
  const library = createLibrary({ store, pinner: network.content, log }, { sources: music, dataDir });
  const blocks = {
    get: async (cid: string) => await store.getBytes(CID.parse(cid)),
    has: async (cid: string) => await store.has(CID.parse(cid)),
    delete: async (cid: string) => await store.delete(CID.parse(cid)),
  };
  const playback = createPlayback(
    { clock: { stationNowMs }, content: { segment: (cid) => blocks.get(cid) }, filler: () => null, log },
    { output, volume, trimMs: 0 },
  );
  return new StarlingNode(
    {
      consensus: {
        step: (event) => step(state, event),
        nextWakeMs: () => nextWakeMs(state),
        view: (nowMs) => view(state, nowMs),
      },
      clock,
      network: bent(network),
      library,
      playback,
      blocks,
      readManifest: (bytes) => toTrackPlan(decodeManifest(bytes)),
      journal: new Journal(dataDir),
      monoMs,
      randomBytes: (count) => Uint8Array.from(randomBytes(count)),
      log,
    },
    { minDurationMs: rules.min_track_ms, maxDurationMs: rules.max_track_ms },
  );
}

async function obey(next: Orders): Promise<void> {
  orders = next;
  const groups = next.equivocate ?? (next.releaseLateTo === null ? [] : [[next.releaseLateTo]]);
  const before = carriers;
  carriers = await Promise.all(groups.map((group) => Carrier.to(station, group)));
  await Promise.all(before.map((carrier) => carrier.stop()));
  if (next.flood.length > 0 && flood === null) {
    flood = new Flood(station, next.flood);
    await flood.start();
  }
}

function report(): AttackerReport {
  const { phase, head, headSlot, roster } = node.view();
  const own = roster.find(({ nodeId }) => nodeId === crypto.nodeId);
  const { eligibleFrom = null, excludedUntil = null } = own ?? {};
  const did = { equivocated, releasedLate, flooded: flood?.sent() ?? {} };
  return { nodeId: crypto.nodeId, phase, head, headSlot, eligibleFrom, excludedUntil, ...did };
}

const node = await compose(settings);
await node.start();
setInterval(() => process.stdout.write(`${JSON.stringify(report())}\n`), REPORT_EVERY_MS);
createInterface({ input: process.stdin })
  .on('line', (line) => void obey(JSON.parse(line)))
  .on('close', () => process.exit(0));
