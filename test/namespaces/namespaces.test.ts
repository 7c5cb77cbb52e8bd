import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { FLOCK_RULES, sleep } from '../flock/flock.ts';
import type { Attacker } from './attacker-handle.ts';
import { Lab } from './lab.ts';
import { NamespacesError } from './namespaces.ts';

/** Six seconds a track: a station takes everybody into its draw, is cut and heals within a minute. */
const RULES = { ...FLOCK_RULES, min_track_ms: 6_000 };
const LOSS_PERCENT = 5;
const DELAY_MS = 300;
const CLOCK_OFF_MS = 2_000;
const CUT_MS = 12_000;
/** An even split heals within this. */
const HEAL_WITHIN_MS = 45_000;
const HONEST = ['Amsel', 'Drossel', 'Fink', 'Lerche'];
/** Sound may be as far apart as the clocks, and as a sound that is not worth a correction. */
const SOUND_APART_MS = 20;
const QUEUE = 5;

/**
 * Real nodes in network namespaces, all troubles at once: every link loses frames, one node is 300 ms away, one has a
 * wall clock that is wrong, one is an attacker; then the switch is cut in two and made whole again.
 */
describe('a flock in network namespaces', () => {
  const lab = new Lab({ rules: RULES, trackSeconds: [6, 7] });
  const { watch } = lab;
  let refusal: string | null = null;
  let attacker: Attacker;
  /** Newest slot decided before the cut, and newest that could be proposed for during it. */
  let cutSlots = { after: Number.MAX_SAFE_INTEGER, upTo: -1 };

  const needsNamespaces = (context: TestContext) => {
    if (refusal !== null) context.skip(refusal);
  };

  beforeAll(async () => {
    try {
      await lab.start();
    } catch (error) {
      if (!(error instanceof NamespacesError)) throw error;
      refusal = error.message;
      return;
    }
    lab.lose(LOSS_PERCENT);
    await lab.compose([...HONEST, 'Kuckuck']);
    const hostile = lab.addAttacker('Kuckuck');
    const others = [lab.add('Drossel', { clockOffMs: CLOCK_OFF_MS }), lab.add('Fink')];
    await Promise.all([lab.add('Amsel', { deploys: true }), ...others]);
    await lab.add('Lerche', { delayMs: DELAY_MS });
    attacker = await hostile;
  }, 60_000);

  afterAll(async () => {
    await lab.stop();
  }, 30_000);

  it('finds itself through loss, delay and a wrong clock, and plays one programme', async (context) => {
    needsNamespaces(context);
    await lab.until('four nodes on one track', 40_000, () => watch.onOneLog(4) && watch.onOneTrack(4));
    watch.plays();
    const near = watch.named('Lerche')?.peers.filter((peer) => peer.connected && (peer.rtt_ms ?? 0) < 2 * DELAY_MS);
    expect(near).toEqual([]);
    expect(Math.abs((watch.of('Drossel').clockOffMs ?? 0) - CLOCK_OFF_MS)).toBeLessThan(SOUND_APART_MS);
  }, 60_000);

  it('hears an attacker that sends garbage and speaks with two tongues', async (context) => {
    needsNamespaces(context);
    const [amsel = '', ...rest] = lab.nodes.slice(0, 3).map((node) => lab.addressOf(node));
    attacker.order({ equivocate: [[amsel], rest], releaseLateTo: null, flood: [amsel, ...rest] });
    await lab.until('two tongues', 50_000, () => attacker.report.equivocated.length > 0);
    await sleep(2_000);
    const refused = ['refusedMalformed', 'refusedOversized', 'refusedForeign', 'refusedUnsigned', 'equivocations'];
    expect(refused.filter((cause) => watch.counted(cause) === 0)).toEqual([]);
  }, 60_000);

  it('plays on in two halves, and is one again after the cut', async (context) => {
    needsNamespaces(context);
    const before = watch.heads();
    lab.cut(['Amsel', 'Lerche']);
    await sleep(CUT_MS);
    expect(watch.latest.map(({ now }) => now?.source)).toEqual(['flock', 'flock', 'flock', 'flock']);
    const after = watch.heads();
    expect(after.least).toBeGreaterThan(before.least);
    cutSlots = { after: before.least, upTo: Math.max(...watch.latest.map(({ station }) => station.slot)) + QUEUE };
    lab.cut(null);
    const whole = () => watch.onOneLog(4) && watch.heads().least > after.most;
    const healMs = await lab.until('one log', HEAL_WITHIN_MS, whole);
    const torn = watch.splits().map(({ slot }) => slot);
    console.log(`namespaces: ${healMs.toFixed(0)} ms from the end of the cut to one log; decided in two ways: ${torn}`);
    await lab.until('one track', 15_000, () => watch.onOneTrack(4));
  }, 90_000);

  it('has shut the attacker out, by the log that everybody holds', async (context) => {
    needsNamespaces(context);
    const isOut = () => (attacker.report.excludedUntil ?? -1) > attacker.report.headSlot;
    const sameLog = () => watch.latest.every(({ station }) => station.head === attacker.report.head);
    await lab.until('it is out', 20_000, () => isOut() && sameLog());
  }, 30_000);

  it('decided nothing in two ways but in the cut, never fell silent, and was as close as the clocks can tell', (context) => {
    needsNamespaces(context);
    const { slots, silences } = watch.result();
    const apart = Object.fromEntries(HONEST.map((name) => [name, watch.of(name)]));
    console.log(`namespaces: ${JSON.stringify({ slots, spreadMs: watch.spread(), apart })}`);
    expect(watch.splits().filter(({ slot }) => slot <= cutSlots.after || slot > cutSlots.upTo)).toEqual([]);
    expect(silences).toEqual([]);
    for (const { apartMs, clockErrorMs } of Object.values(apart)) {
      expect(apartMs.p95).toBeLessThan((clockErrorMs ?? 0) + SOUND_APART_MS);
    }
  });
});
