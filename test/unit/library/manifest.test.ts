import { encode } from '@ipld/dag-cbor';
import { describe, expect, it } from 'vitest';
import { cidOf, DAG_CBOR, RAW } from '../../../src/library/cid.ts';
import { ManifestError } from '../../../src/library/errors.ts';
import { decodeManifest, durationMs, encodeManifest } from '../../../src/library/manifest.ts';
import type { TrackManifest } from '../../../src/library/types.ts';

const cid = cidOf(RAW, Buffer.from('a segment'));

function manifest(changes: Record<string, unknown> = {}): TrackManifest {
  return {
    v: 1,
    kind: 'starling-track',
    track_hash: `sha256:${'ab'.repeat(32)}`,
    name: 'Tern – Quiet Wings',
    artist: 'Tern',
    title: 'Quiet Wings',
    album: '',
    year: 2024,
    genre: 'Folk',
    explicit: false,
    cover: null,
    codec: 'mp3',
    container: 'fmp4',
    sample_rate: 44_100,
    channels: 2,
    samples: 100_000,
    skip_samples: 1_105,
    init: cid,
    segments: [{ cid, samples: 110_592, bytes: 40_000 }],
    loudness_mlufs: -14_250,
    ...changes,
  } as TrackManifest;
}

describe('manifest', () => {
  it('comes back as it was written, and is the same block every time', () => {
    const bytes = encodeManifest(manifest());
    const read = decodeManifest(bytes);
    expect(read).toEqual(manifest());
    expect(cidOf(DAG_CBOR, encodeManifest(read)).toString()).toBe(cidOf(DAG_CBOR, bytes).toString());
  });

  it('rounds the length up to whole milliseconds', () => {
    expect(durationMs({ samples: 44_100, sample_rate: 44_100 })).toBe(1_000);
    expect(durationMs({ samples: 44_101, sample_rate: 44_100 })).toBe(1_001);
  });

  it.each([
    ['v', 2],
    ['kind', 'something'],
    ['track_hash', 'sha256:zz'],
    ['name', 'x'.repeat(257)],
    ['genre', 7],
    ['year', -1],
    ['explicit', 1],
    ['cover', 'bafy'],
    ['codec', 'MP3 --evil'],
    ['sample_rate', 44_100.5],
    ['channels', 0],
    ['samples', 200_000],
    ['samples', 0],
    ['skip_samples', -1],
    ['init', { '/': 'x' }],
    ['segments', []],
    ['segments', [{ cid, samples: 110_592, bytes: 3 << 20 }]],
    ['segments', [{ cid: 'x', samples: 110_592, bytes: 1 }]],
    ['segments', Array.from({ length: 3_601 }, () => ({ cid, samples: 1_000, bytes: 1 }))],
    ['loudness_mlufs', 99_999],
  ])('refuses a wrong %s and names the field (%#)', (field, value) => {
    const bytes = encode({ ...manifest(), [field]: value });
    expect(() => decodeManifest(bytes)).toThrow(ManifestError);
    expect(() => decodeManifest(bytes)).toThrow(new RegExp(field));
  });

  it('refuses bytes that are no manifest at all', () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('hello'),
      encode([1]),
      encode(null),
      encode({}),
      Buffer.alloc(300_000),
    ]) {
      expect(() => decodeManifest(bytes)).toThrow(ManifestError);
    }
    // an object with a toString of its own
    expect(() => decodeManifest(encode({ ...manifest(), name: { toString: 1, valueOf: 1 } }))).toThrow(ManifestError);
  });

  it('is never written larger than it may be fetched', () => {
    const segments = Array.from({ length: 5_000 }, () => ({ cid, samples: 1_000, bytes: 1_000 }));
    expect(() => encodeManifest(manifest({ segments }))).toThrow(/allowed: up to/);
  });
});
