import { MAX_BLOCK_BYTES } from './bounds.ts';
import type { TrackPlan } from './ports.ts';

/** The manifest as the library decodes it: the fields the node passes on (src/library/README.md explains them). */
export interface DecodedManifest {
  track_hash: string;
  name: string;
  artist: string;
  title: string;
  album: string;
  year: number | null;
  genre: string;
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
      cover,
    },
    durationMs: Math.ceil((manifest.samples * 1_000) / manifest.sample_rate),
    blocks: [...beside(init), ...segments, ...beside(cover)],
  };
}
