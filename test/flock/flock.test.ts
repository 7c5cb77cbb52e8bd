import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { FlockObserver } from '../demo/observer.ts';
import { Flock, type FlockNode, sleep } from './flock.ts';

const SAMPLE_EVERY_MS = 250;

/** Real processes, one story: the flock plays on through a death, a return, a newcomer and a winner that is gone. */
describe('a flock of real processes', () => {
  let flock: Flock;
  const observer = new FlockObserver();
  let watching = true;
  let watcher: Promise<void>;

  const addNode = async (name: string, seed: number): Promise<FlockNode> => {
    const music = join(flock.directory, `music-${name}`);
    mkdirSync(music, { recursive: true });
    await makeDemoLibrary(music, { seed, count: 8, minSeconds: 8, maxSeconds: 11 });
    return await flock.add({ name, music });
  };

  beforeAll(async () => {
    flock = await Flock.create({ prefix: 'starling-flock-' });
    await addNode('Amsel', 1);
    await addNode('Drossel', 2);
    await addNode('Fink', 3);
    await addNode('Star', 4);
    watcher = (async () => {
      while (watching) {
        observer.add(await flock.statuses());
        await sleep(SAMPLE_EVERY_MS);
      }
    })();
  }, 120_000);

  afterAll(async () => {
    watching = false;
    await watcher;
    await flock?.stop();
  }, 60_000);

  it('finds itself and plays one programme', async () => {
    const statuses = await flock.until(
      'four nodes on one slot',
      60_000,
      (all) => all.length === 4 && onOneProgramme(all),
    );
    expect(new Set(statuses.map((status) => status.station.genesis)).size).toBe(1);
    expect(statuses.every((status) => status.peers.length === 3)).toBe(true);
  }, 90_000);

  it('takes everybody into the draw', async () => {
    await flock.until('final slots that different nodes won', 150_000, (all) => {
      const drawn = all.flatMap((status) => status.queue.filter((entry) => entry.final && entry.ticket !== null));
      return new Set(drawn.map((entry) => entry.node_id)).size >= 2;
    });
  }, 170_000);

  it('plays on while one of four is killed, which rejoins with its data after its return', async () => {
    const victim = flock.nodes[1]!;
    const before = victim.id;
    await victim.kill();
    await sleep(6_000);
    const meanwhile = await flock.statuses();
    expect(meanwhile).toHaveLength(3);
    expect(onOneProgramme(meanwhile)).toBe(true);
    await flock.restart(victim);
    expect(victim.id).toBe(before);
    await flock.until('the returned node plays along', 30_000, (all) => all.length === 4 && onOneProgramme(all));
  }, 90_000);

  it('lets a fifth join in the middle of a track', async () => {
    await flock.until('well inside a track', 30_000, (all) => {
      const now = all[0]?.now;
      return now?.position_ms != null && now.position_ms > 3_000 && now.duration_ms - now.position_ms > 5_000;
    });
    await addNode('Meise', 5);
    await flock.until('five nodes on one slot', 30_000, (all) => all.length === 5 && onOneProgramme(all));
  }, 90_000);

  it('does not fall silent when the proposer of the next track dies after it won', async () => {
    const isDoomed = (id: string | null | undefined) =>
      flock.nodes.findIndex((node) => node.id === id && node.running) > 0;
    const statuses = await flock.until('a next track that another node won', 120_000, (all) => {
      const next = all[0]?.queue.find((entry) => entry.slot === all[0]!.station.slot + 1);
      return next?.final === true && next.ticket !== null && isDoomed(next.node_id);
    });
    const next = statuses[0]!.queue.find((entry) => entry.slot === statuses[0]!.station.slot + 1)!;
    const winner = flock.nodes.find((node) => node.id === next.node_id)!;
    await winner.kill();
    const rest = await flock.until(
      'the dead node’s track sounds everywhere',
      60_000,
      (all) =>
        all.length === 4 && all.every((status) => status.now?.slot === next.slot && status.now.source === 'flock'),
    );
    expect(rest.every((status) => status.now?.track?.hash === next.track?.hash)).toBe(true);
  }, 200_000);

  it('never decided a slot in two ways', () => {
    const result = observer.result(5);
    console.log(`flock: ${JSON.stringify(result)}`);
    expect(result.conflicts).toEqual([]);
    expect(result.silences).toEqual([]);
    expect(result.slots).toBeGreaterThanOrEqual(4);
    expect(result.nodes_that_played_foreign).toBeGreaterThanOrEqual(4);
  });
});

function onOneProgramme(statuses: readonly StatusSnapshot[]): boolean {
  const [first, ...others] = statuses;
  if (first?.now == null || first.now.source !== 'flock') return false;
  return others.every(
    (status) =>
      status.now?.slot === first.now?.slot &&
      status.now?.source === 'flock' &&
      status.now.track?.hash === first.now?.track?.hash,
  );
}
