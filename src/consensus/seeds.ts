/** Cross-seeding: which popular tracks a node keeps beyond its own need, so that many can serve them. */

import type { ScheduledTrack } from './events.ts';
import { smallHash } from './hash.ts';
import type { LogState } from './link.ts';
import type { NodeId } from './messages.ts';

/** Tracks that count as popular: by likes, then by how lately they played. */
const MAX_POPULAR = 64;

/**
 * The tracks that a node keeps: of the popular ones those whose lot with this node is lowest, `cross_seed` of them. All
 * nodes compute each other's share alike, and together they spread evenly over what is popular.
 */
export function seedsFor(log: LogState, nodeId: NodeId): ScheduledTrack[] {
  const { cross_seed: most } = log.rules;
  if (most === 0) return [];
  const likes = (hash: string): number => log.likes.get(hash)?.nodes.length ?? 0;
  const popular = [...log.history]
    .sort((a, b) => likes(b.track.track_hash) - likes(a.track.track_hash) || b.slot - a.slot)
    .slice(0, MAX_POPULAR);
  const lots = popular.map(({ track }) => ({ track, lot: smallHash(`${nodeId}*${track.track_hash}`) }));
  return lots
    .sort((a, b) => a.lot - b.lot)
    .slice(0, most)
    .map(({ track }) => track);
}
