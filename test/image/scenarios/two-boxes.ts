import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusSnapshot } from '../../../src/web/snapshot.ts';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

/** Two boxes meet after each has found itself alone: the log of one is joined, and its five slots lie ahead. */
const TOGETHER_MS = 900_000;
const SAME_SLOTS = 3;

/** Two boxes, each with half of the music, joined by nothing but a cable. */
export async function twoBoxes(lab: Lab): Promise<void> {
  const { report, music, work } = lab;
  const port = await lab.freePort();
  const [left, right] = [
    await lab.box('left', { cable: { listen: port }, cableEnd: 1 }),
    await lab.box('right', { cable: { connect: port }, cableEnd: 2 }),
  ];
  const files = readdirSync(music).sort();
  const sticks = [left, right].map((_, half) => {
    const folder = join(work, `music-${half}`);
    mkdirSync(folder);
    for (const [index, name] of files.entries()) if (index % 2 === half) cpSync(join(music, name), join(folder, name));
    return makeStick(join(work, `stick-${half}.img`), folder);
  });
  await left.start();
  await right.start();
  const booted = await report.check('both boot, each with a stick of its own', async () => {
    const found = await Promise.all(
      [left, right].map(async (box, index) => {
        await box.plug('stick', sticks[index]!);
        return await box.until('no track is ready', BOOT_MS + MUSIC_MS, ({ library }) => library.ready > 0);
      }),
    );
    return found.map(({ node, library }) => `${node.name}: ${library.ready} tracks`).join(', ');
  });
  if (!booted) return;
  await report.check('an address on a cable that nobody gives addresses on', async () => {
    const [one, other] = await Promise.all([left, right].map((box) => ownAddress(box)));
    return `${one}, ${other}`;
  });
  const together = await report.check('they find each other', async () => {
    const startMs = performance.now();
    const [here] = await both(left, right, TOGETHER_MS, 'they did not meet', (one, other) =>
      one.peers.some(({ node_id, connected }) => node_id === other.node.id && connected),
    );
    return {
      detail: `by mDNS over the cable, ${here.station.phase}`,
      figures: { found_s: Math.round((performance.now() - startMs) / 1_000) },
    };
  });
  if (!together) return;
  await report.check('one programme: the same record, slot and track', async () => {
    const [one] = await both(left, right, TOGETHER_MS, 'they do not play the same', samePlace);
    return `slot ${one.station.slot}, ${one.now?.track?.name}`;
  });
  await report.check(`still the same ${SAME_SLOTS} slots later, with a track that the other brought`, async () => {
    const from = (await left.page()).station.slot;
    const [one, other] = await both(left, right, TOGETHER_MS, 'not together any more', (a, b) => {
      const enough = a.station.slot >= from + SAME_SLOTS && samePlace(a, b);
      return enough && a.history.some(({ node_id }) => node_id === b.node.id);
    });
    const agreed = one.history.filter(({ slot, hash }) =>
      other.history.some((h) => h.slot === slot && h.hash === hash),
    );
    return { detail: `slot ${one.station.slot}`, figures: { agreed_slots: agreed.length } };
  });
}

function samePlace(one: StatusSnapshot, other: StatusSnapshot): boolean {
  return (
    one.station.roster === 2 &&
    one.station.head === other.station.head &&
    one.station.slot === other.station.slot &&
    one.now?.source === 'flock' &&
    other.now?.source === 'flock' &&
    one.now.track?.hash === other.now.track?.hash
  );
}

/** Looks at both until it holds. @throws `complaint` with where both are */
async function both(
  left: Box,
  right: Box,
  withinMs: number,
  complaint: string,
  holds: (one: StatusSnapshot, other: StatusSnapshot) => boolean,
): Promise<[StatusSnapshot, StatusSnapshot]> {
  let pair: [StatusSnapshot, StatusSnapshot] | null = null;
  const seen = await left
    .until(
      complaint,
      withinMs,
      (one) => pair !== null && holds(one, pair[1]),
      async () => {
        const [one, other] = await Promise.all([left.status(), right.status()]);
        if (one !== null && other !== null) pair = [one, other];
        return pair?.[0] ?? null;
      },
    )
    .catch((error: Error) => {
      const where = pair?.map(
        ({ station }) => `${station.phase} slot ${station.slot} head ${station.head?.slice(0, 8)}`,
      );
      throw new Error(`${error.message}; ${where?.join(' / ') ?? 'no answer'}`);
    });
  return [seen, pair![1]];
}

async function ownAddress(box: Box): Promise<string> {
  const wait =
    "for i in $(seq 120); do ip -4 -o addr show | grep -o 'inet 169.254[^ ]*' && exit 0; sleep 1; done; exit 1";
  return (await box.agent.must(wait, 180_000)).replace('inet ', '');
}
