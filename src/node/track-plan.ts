import { MAX_BLOCK_BYTES } from './bounds.ts';
import type { ReadManifest, TrackPlan } from './ports.ts';

/** The manifest is here and says that this cannot be played: asking again would bring the same bytes. */
export class UnplayableTrackError extends Error {
  constructor(cause: string) {
    super(cause);
    this.name = 'UnplayableTrackError';
  }
}

/**
 * Reads the manifest of a track that the log names. It must be of that track and of that length: whoever lied would
 * else make those who hold the manifest play something else than those who do not.
 *
 * @throws UnplayableTrackError
 */
export function planOfTrack(
  track: { track_hash: string; duration_ms: number },
  bytes: Uint8Array,
  readManifest: ReadManifest,
): TrackPlan {
  let plan: TrackPlan;
  try {
    plan = readManifest(bytes);
  } catch (error) {
    throw new UnplayableTrackError((error as Error).message);
  }
  if (plan.track.trackHash !== track.track_hash) throw new UnplayableTrackError('the manifest is of another track');
  if (plan.durationMs !== track.duration_ms) {
    throw new UnplayableTrackError(`the manifest has ${plan.durationMs} ms, the proposal said ${track.duration_ms}`);
  }
  return plan;
}

/** The manifest as the library decodes it: the fields the node passes on (src/library/README.md explains them). */
export interface DecodedManifest {
  track_hash: string;
  name: string;
  artist: string;
  title: string;
  album: string;
  year: number | null;
  genre: string;
  explicit: boolean;
  cover: { toString(): string } | null;
  codec: string;
  container: string;
  sample_rate: number;
  channels: number;
  samples: number;
  skip_samples: number;
  init: { toString(): string } | null;
  segments: { cid: { toString(): string }; samples: number; bytes: number }[];
}

/** From the library's manifest to what the node plays and fetches. */
export function toTrackPlan(manifest: DecodedManifest): TrackPlan {
  const init = manifest.init?.toString() ?? null;
  const cover = manifest.cover?.toString() ?? null;
  const segments = manifest.segments.map((segment) => ({ cid: segment.cid.toString(), bytes: segment.bytes }));
  const beside = (cid: string | null) => (cid === null ? [] : [{ cid, bytes: MAX_BLOCK_BYTES }]);
  return {
    track: {
      trackHash: manifest.track_hash,
      name: manifest.name,
      codec: manifest.codec,
      container: manifest.container,
      sampleRate: manifest.sample_rate,
      channels: manifest.channels,
      samples: manifest.samples,
      skipSamples: manifest.skip_samples,
      init,
      segments: manifest.segments.map((segment) => ({ cid: segment.cid.toString(), samples: segment.samples })),
    },
    meta: {
      artist: manifest.artist,
      title: manifest.title,
      album: manifest.album,
      year: manifest.year,
      genre: manifest.genre,
      explicit: manifest.explicit,
      cover,
    },
    durationMs: Math.ceil((manifest.samples * 1_000) / manifest.sample_rate),
    blocks: [...beside(init), ...segments, ...beside(cover)],
  };
}
