/** The scenarios of the long form: each a flock of its own, one trouble, what must hold, and the figures. */
import { FLOCK_RULES, sleep } from '../flock/flock.ts';
import { Lab } from './lab.ts';
import type { Quantiles } from './watch.ts';

/** Of one scenario. An empty list of failures: everything held. */
export interface ScenarioResult {
  name: string;
  failures: string[];
  /** Slots that at least two nodes decided, and those that were ever held in two ways. */
  slots: number;
  torn: number[];
  fallbacks: number;
  silences: string[];
  /** Over all nodes, and of each against the middle of the others. */
  spreadMs: Quantiles;
  apartMs: Record<string, Quantiles>;
  figures: Record<string, number | string | null>;
}

export interface ScenarioInit {
  cutSeconds: number;
  say(line: string): void;
}

export type Scenario = (init: ScenarioInit) => Promise<ScenarioResult>;

const TRACK_SECONDS = [8, 11] as const;
const UP_WITHIN_MS = 90_000;
const MEMBERS_WITHIN_MS = 150_000;
const PLAYS_FOR_MS = 90_000;
const LOSS_PERCENT = 5;
const DELAY_MS = 300;
const CLOCK_OFF_MS = 2_000;
/** The least that is promised of any partition without an attacker. */
const HEAL_WITHIN_MS = 45_000;
const PLAYS_AFTER_HEAL_MS = 40_000;
/** An honest node corrects its sound beyond this at once. */
const SOUND_APART_MS = 20;
/** Replays begin two minutes after the flood (flood.ts). */
const FLOODS_FOR_MS = 180_000;

/** Collects what did not hold, so that one fault does not hide another. */
class Verdict {
  readonly failures: string[] = [];

  must(holds: boolean, otherwise: string): void {
    if (!holds) this.failures.push(otherwise);
  }
}

async function inLab(
  name: string,
  init: ScenarioInit,
  play: (lab: Lab, verdict: Verdict) => Promise<ScenarioResult['figures']>,
): Promise<ScenarioResult> {
  const lab = new Lab({ rules: FLOCK_RULES, trackSeconds: TRACK_SECONDS });
  const verdict = new Verdict();
  let figures: ScenarioResult['figures'] = {};
  try {
    await lab.start();
    figures = await play(lab, verdict);
  } catch (error) {
    verdict.failures.push((error as Error).message);
  } finally {
    await lab.stop();
  }
  const { slots, fallbacks, silences } = lab.watch.result();
  verdict.must(slots > 0, 'no slot was decided by two nodes');
  verdict.must(silences.length === 0, `silence: ${silences.join('; ')}`);
  const torn = lab.watch.splits().map(({ slot }) => slot);
  const apartMs = Object.fromEntries(lab.nodes.map(({ init: { name: node } }) => [node, lab.watch.of(node).apartMs]));
  for (const failure of verdict.failures) init.say(`${name}: ${failure}`);
  const { failures } = verdict;
  return { name, failures, slots, torn, fallbacks, silences, spreadMs: lab.watch.spread(), apartMs, figures };
}

async function playing(lab: Lab): Promise<void> {
  const count = lab.nodes.length;
  await lab.until(`${count} nodes on one track`, UP_WITHIN_MS, () => lab.watch.onOneTrack(count));
  lab.watch.plays();
}

function mustAgree(lab: Lab, verdict: Verdict): void {
  const torn = lab.watch.splits().map(({ slot }) => slot);
  verdict.must(torn.length === 0, `decided in two ways: slots ${torn.join(', ')}`);
}

/** Each node's sound is no further from the others' than its clock may be from theirs. */
function mustBeInTime(lab: Lab, verdict: Verdict): void {
  for (const { init } of lab.nodes) {
    const { apartMs, clockErrorMs } = lab.watch.of(init.name);
    const allowedMs = (clockErrorMs ?? 0) + SOUND_APART_MS;
    const isInTime = apartMs.p95 !== null && apartMs.p95 < allowedMs;
    verdict.must(isInTime, `${init.name} is ${apartMs.p95} ms from the others, allowed are ${allowedMs.toFixed(1)}`);
  }
}

/** At the end everybody stands on one record: at T_D some are a moment ahead. */
async function endsOnOneLog(lab: Lab): Promise<void> {
  const count = lab.nodes.length;
  await lab.until(`${count} nodes on one log`, UP_WITHIN_MS, () => lab.watch.onOneLog(count));
}

/** Everybody is in the roster and may propose for what comes. */
async function everybodyIsMember(lab: Lab): Promise<void> {
  const { watch, nodes } = lab;
  const inRoster = () =>
    watch.latest.length === nodes.length && watch.latest.every((s) => s.station.roster >= nodes.length);
  await lab.until('everybody in the roster', MEMBERS_WITHIN_MS, inRoster);
  const joined = watch.heads().most;
  await lab.until('everybody may propose', MEMBERS_WITHIN_MS, () => watch.heads().least >= joined + 2);
}

const loss: Scenario = (init) =>
  inLab('loss', init, async (lab, verdict) => {
    lab.lose(LOSS_PERCENT);
    await lab.compose(['Amsel', 'Drossel', 'Fink', 'Meise', 'Star']);
    await lab.add('Amsel', { deploys: true });
    await Promise.all(['Drossel', 'Fink', 'Meise', 'Star'].map((name) => lab.add(name)));
    await playing(lab);
    await everybodyIsMember(lab);
    await sleep(PLAYS_FOR_MS);
    await endsOnOneLog(lab);
    mustAgree(lab, verdict);
    mustBeInTime(lab, verdict);
    const { lost, passed } = lab.frames();
    return { frames: lost + passed, lost_percent: Math.round((lost / (lost + passed)) * 1_000) / 10 };
  });

const latency: Scenario = (init) =>
  inLab('latency', init, async (lab, verdict) => {
    await lab.compose(['Amsel', 'Drossel', 'Fink', 'Lerche']);
    await lab.add('Amsel', { deploys: true });
    await Promise.all(['Drossel', 'Fink'].map((name) => lab.add(name)));
    await lab.add('Lerche', { delayMs: DELAY_MS });
    await playing(lab);
    await everybodyIsMember(lab);
    await sleep(PLAYS_FOR_MS);
    await endsOnOneLog(lab);
    mustAgree(lab, verdict);
    mustBeInTime(lab, verdict);
    const far = lab.watch.named('Lerche')?.peers.filter((peer) => peer.connected) ?? [];
    const rtt = Math.min(...far.map((peer) => peer.rtt_ms ?? Number.POSITIVE_INFINITY));
    verdict.must(rtt >= 2 * DELAY_MS, `somebody answers Lerche in ${rtt} ms`);
    const { clockErrorMs } = lab.watch.of('Lerche');
    return { delay_ms: DELAY_MS, rtt_ms: Math.round(rtt), clock_error_ms: clockErrorMs, won: winsOf(lab, 'Lerche') };
  });

const clock: Scenario = (init) =>
  inLab('clock', init, async (lab, verdict) => {
    await lab.compose(['Amsel', 'Drossel', 'Fink', 'Star']);
    await lab.add('Amsel', { deploys: true });
    await lab.add('Drossel', { clockOffMs: CLOCK_OFF_MS });
    await lab.add('Star', { clockOffMs: -CLOCK_OFF_MS });
    await lab.add('Fink');
    await playing(lab);
    await everybodyIsMember(lab);
    await sleep(PLAYS_FOR_MS);
    await endsOnOneLog(lab);
    mustAgree(lab, verdict);
    mustBeInTime(lab, verdict);
    const [ahead, behind] = [lab.watch.of('Drossel').clockOffMs ?? 0, lab.watch.of('Star').clockOffMs ?? 0];
    verdict.must(Math.abs(ahead - CLOCK_OFF_MS) < SOUND_APART_MS, `Drossel's clock is ${ahead} ms ahead of the flock`);
    verdict.must(Math.abs(behind + CLOCK_OFF_MS) < SOUND_APART_MS, `Star's clock is ${behind} ms ahead of the flock`);
    return { wall_clocks_ahead_ms: `${ahead}, ${behind}`, won: winsOf(lab, 'Drossel') + winsOf(lab, 'Star') };
  });

/** Cuts the flock between these and the others for a while. */
function partition(name: string, all: readonly string[], side: readonly string[]): Scenario {
  return (init) =>
    inLab(name, init, async (lab, verdict) => {
      const { watch } = lab;
      await lab.compose(all);
      await lab.add(all[0]!, { deploys: true });
      await Promise.all(all.slice(1).map((node) => lab.add(node)));
      await playing(lab);
      await everybodyIsMember(lab);
      const before = watch.heads();
      lab.cut(side);
      await sleep(init.cutSeconds * 1_000);
      const [one, other] = [side, all.filter((node) => !side.includes(node))].map((half) => headsOf(lab, half));
      for (const half of [one!, other!]) {
        verdict.must(Math.max(...half.slots) > before.most, 'a side decided nothing during the cut');
        verdict.must(Math.max(...half.slots) - Math.min(...half.slots) <= 1, 'a side fell apart during the cut');
      }
      const wasTorn = one!.heads[0] !== other!.heads[0];
      const { most } = watch.heads();
      lab.cut(null);
      const whole = () => watch.onOneLog(all.length) && (wasTorn || watch.heads().least > most);
      const meets = () =>
        watch.latest.every(({ peers }) => peers.filter((peer) => peer.connected).length === all.length - 1);
      const meetMs = lab.until('everybody connected', 60_000, meets);
      const healMs = await lab.until('one log', HEAL_WITHIN_MS, whole);
      const healed = watch.heads().most;
      await lab.until('one track', UP_WITHIN_MS, () => watch.onOneTrack(all.length));
      await sleep(PLAYS_AFTER_HEAL_MS);
      await endsOnOneLog(lab);
      const torn = watch.splits().map(({ slot }) => slot);
      verdict.must(
        torn.every((slot) => slot > before.least),
        `torn before the cut: ${torn.join(', ')}`,
      );
      verdict.must(
        torn.every((slot) => slot <= healed),
        `torn after the heal: ${torn.join(', ')}`,
      );
      return {
        cut_s: init.cutSeconds,
        sides: `${side.length} | ${all.length - side.length}`,
        slots_in_cut: Math.max(...one!.slots, ...other!.slots) - before.most,
        meet_s: seconds(await meetMs),
        heal_s: seconds(healMs),
      };
    });
}

const attack: Scenario = (init) =>
  inLab('attack', init, async (lab, verdict) => {
    const { watch } = lab;
    const names = ['Amsel', 'Drossel', 'Fink', 'Star'];
    await lab.compose([...names, 'Kuckuck']);
    await lab.add('Amsel', { deploys: true });
    await Promise.all(names.slice(1).map((name) => lab.add(name)));
    const attacker = await lab.addAttacker('Kuckuck');
    await playing(lab);
    const all = lab.nodes.map((node) => lab.addressOf(node));
    attacker.order({ equivocate: null, releaseLateTo: all[1]!, flood: all });
    await lab.until('three late proposals', MEMBERS_WITHIN_MS, () => attacker.report.releasedLate.length >= 3);
    attacker.order({ equivocate: [all.slice(0, 2), all.slice(2)], releaseLateTo: null, flood: all });
    await lab.until('two tongues', MEMBERS_WITHIN_MS, () => attacker.report.equivocated.length > 0);
    const isOut = () => (attacker.report.excludedUntil ?? -1) > attacker.report.headSlot;
    const sameLog = () => watch.onOneLog(names.length) && watch.latest[0]?.station.head === attacker.report.head;
    await lab.until('it is out, by the log that everybody holds', 60_000, () => isOut() && sameLog());
    // Replays begin when gossip itself has forgotten what they repeat.
    await lab.until('replays are counted', FLOODS_FOR_MS, () => watch.counted('refusedReplayed') > 0);
    await endsOnOneLog(lab);
    mustAgree(lab, verdict);
    mustBeInTime(lab, verdict);
    const { flooded, releasedLate, equivocated, excludedUntil } = attacker.report;
    const causes = ['Malformed', 'Oversized', 'Foreign', 'Unsigned', 'Replayed', 'SyncRate'];
    const refused = Object.fromEntries(causes.map((cause) => [`refused${cause}`, watch.counted(`refused${cause}`)]));
    for (const [cause, times] of Object.entries(refused)) verdict.must(times > 0, `nothing was counted as ${cause}`);
    return {
      sent: Object.values(flooded).reduce((sum, times) => sum + times, 0),
      ...refused,
      abusivePeers: watch.counted('abusivePeers'),
      released_late: releasedLate.join(' '),
      equivocated: equivocated.join(' '),
      excluded_until: excludedUntil,
    };
  });

export const SCENARIOS: Record<string, Scenario> = {
  loss,
  latency,
  clock,
  halves: partition('halves', ['Amsel', 'Drossel', 'Fink', 'Star'], ['Amsel', 'Drossel']),
  majority: partition('majority', ['Amsel', 'Drossel', 'Fink', 'Meise', 'Star'], ['Amsel', 'Star']),
  attack,
};

function headsOf(lab: Lab, names: readonly string[]): { heads: (string | null)[]; slots: number[] } {
  const stations = lab.watch.latest.filter(({ node }) => names.includes(node.name)).map(({ station }) => station);
  return { heads: stations.map(({ head }) => head), slots: stations.map(({ head_slot }) => head_slot) };
}

/** Slots that a node won, of those that are still told. */
function winsOf(lab: Lab, name: string): number {
  const id = lab.watch.named(name)?.node.id;
  return lab.watch.latest[0]?.history.filter(({ node_id, fallback }) => node_id === id && !fallback).length ?? 0;
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
