import type { TrackOffer } from '../consensus/events.ts';
import type { OwnTrack } from './ports.ts';

/** Small deterministic generator (xorshift32): the order of offers is local taste and no part of the protocol. */
export function shuffler(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * The tracks this box would like to propose next, at most `limit`: the ones that played longest ago (or never) first,
 * shuffled among equals, so that a large stick is heard through before anything repeats.
 *
 * @param lastSlot - last slot in which a track hash played, as far as this node knows
 * @param allowed - track lengths that the station's rules admit
 */
export function chooseOffers(
  tracks: readonly OwnTrack[],
  lastSlot: ReadonlyMap<string, number>,
  allowed: { minDurationMs: number; maxDurationMs: number },
  random: () => number,
  limit: number,
): TrackOffer[] {
  return tracks
    .filter((track) => track.durationMs >= allowed.minDurationMs && track.durationMs <= allowed.maxDurationMs)
    .map((track) => ({ track, playedAt: lastSlot.get(track.trackHash) ?? -1, lot: random() }))
    .sort((a, b) => a.playedAt - b.playedAt || a.lot - b.lot)
    .slice(0, limit)
    .map(({ track }) => toOffer(track));
}

function toOffer(track: OwnTrack): TrackOffer {
  return {
    track_hash: track.trackHash,
    track_name: track.name,
    duration_ms: track.durationMs,
    manifest: track.manifest,
    track_index: track.index,
    genre: track.genre,
    explicit: track.explicit,
  };
}
