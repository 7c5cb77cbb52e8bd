import { decode, encode } from '@ipld/dag-cbor';
import { CID } from 'multiformats/cid';
import { DAG_CBOR, RAW, SHA2_256 } from './cid.ts';
import { ManifestError } from './errors.ts';
import {
  MAX_BLOCK_BYTES,
  MAX_GENRE_BYTES,
  MAX_MANIFEST_BYTES,
  MAX_NAME_BYTES,
  MAX_SEGMENTS,
  MAX_TRACK_MS,
} from './limits.ts';
import type { ManifestSegment, TrackManifest } from './types.ts';

const TRACK_HASH = /^sha256:[0-9a-f]{64}$/;
const WORD = /^[a-z0-9]{1,16}$/;
/** More than any encoder's delay; a manifest that drops a minute at its start is not one of ours. */
const MAX_SKIP_SAMPLES = 768_000;

/** @throws ManifestError when it would be too large to be fetched */
export function encodeManifest(manifest: TrackManifest): Uint8Array {
  const bytes = encode(manifest);
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new ManifestError(`the manifest has ${bytes.length} bytes; allowed: up to ${MAX_MANIFEST_BYTES}`);
  }
  return bytes;
}

/**
 * Reads a manifest that anybody may have made: every field is checked for its kind and its bounds.
 * @throws ManifestError naming the field, what it holds and what is allowed
 */
export function decodeManifest(bytes: Uint8Array): TrackManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new ManifestError(`the manifest has ${bytes.length} bytes; allowed: up to ${MAX_MANIFEST_BYTES}`);
  }
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (error) {
    throw new ManifestError(`the manifest is not DAG-CBOR: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse('manifest', value, 'a map');
  return check(value as Record<string, unknown>);
}

/** Exact length of a track, rounded up: a slot lasts whole milliseconds. */
export function durationMs(track: { samples: number; sample_rate: number }): number {
  return Math.ceil((track.samples * 1_000) / track.sample_rate);
}

function check(map: Record<string, unknown>): TrackManifest {
  if (map.v !== 1) refuse('v', map.v, '1');
  if (map.kind !== 'starling-track') refuse('kind', map.kind, 'starling-track');
  const rate = whole(map, 'sample_rate', 8_000, 768_000);
  const segments = checkSegments(map.segments);
  const manifest: TrackManifest = {
    v: 1,
    kind: 'starling-track',
    track_hash: matching(map, 'track_hash', TRACK_HASH, 'sha256: and 64 hex digits'),
    name: text(map, 'name', MAX_NAME_BYTES),
    artist: text(map, 'artist', MAX_NAME_BYTES),
    title: text(map, 'title', MAX_NAME_BYTES),
    album: text(map, 'album', MAX_NAME_BYTES),
    year: map.year === null ? null : whole(map, 'year', 0, 9_999),
    genre: text(map, 'genre', MAX_GENRE_BYTES),
    explicit: bool(map, 'explicit'),
    cover: map.cover === null ? null : link('cover', map.cover),
    codec: matching(map, 'codec', WORD, 'a short word'),
    container: matching(map, 'container', WORD, 'a short word'),
    sample_rate: rate,
    channels: whole(map, 'channels', 1, 8),
    samples: whole(map, 'samples', 1, (MAX_TRACK_MS / 1_000 + 1) * rate),
    skip_samples: whole(map, 'skip_samples', 0, MAX_SKIP_SAMPLES),
    init: map.init === null ? null : link('init', map.init),
    segments,
    loudness_mlufs: map.loudness_mlufs === null ? null : whole(map, 'loudness_mlufs', -100_000, 20_000),
  };
  const decoded = segments.reduce((sum, segment) => sum + segment.samples, 0);
  if (manifest.skip_samples + manifest.samples > decoded) {
    refuse('samples', manifest.samples, `at most the ${decoded - manifest.skip_samples} that the segments hold`);
  }
  return manifest;
}

function checkSegments(value: unknown): ManifestSegment[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_SEGMENTS) {
    return refuse('segments', Array.isArray(value) ? value.length : value, `a list of 1 to ${MAX_SEGMENTS}`);
  }
  return value.map((entry: unknown, at) => {
    if (typeof entry !== 'object' || entry === null) return refuse(`segments[${at}]`, entry, 'a map');
    const map = entry as Record<string, unknown>;
    return {
      cid: link(`segments[${at}].cid`, map.cid),
      samples: whole(map, 'samples', 0, 768_000 * 60, `segments[${at}].samples`),
      bytes: whole(map, 'bytes', 1, MAX_BLOCK_BYTES, `segments[${at}].bytes`),
    };
  });
}

function whole(map: Record<string, unknown>, field: string, min: number, max: number, shown = field): number {
  const value = map[field];
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    return refuse(shown, value, `a whole number from ${min} to ${max}`);
  }
  return value as number;
}

function text(map: Record<string, unknown>, field: string, maxBytes: number): string {
  const value = map[field];
  if (typeof value !== 'string' || Buffer.byteLength(value) > maxBytes) {
    return refuse(field, value, `text of up to ${maxBytes} bytes`);
  }
  return value;
}

function matching(map: Record<string, unknown>, field: string, pattern: RegExp, allowed: string): string {
  const value = map[field];
  if (typeof value !== 'string' || !pattern.test(value)) return refuse(field, value, allowed);
  return value;
}

function bool(map: Record<string, unknown>, field: string): boolean {
  const value = map[field];
  if (typeof value !== 'boolean') return refuse(field, value, 'true or false');
  return value;
}

function link(field: string, value: unknown): CID {
  const cid = CID.asCID(value);
  const known = cid !== null && (cid.code === RAW || cid.code === DAG_CBOR);
  if (!known || cid.multihash.code !== SHA2_256 || cid.multihash.digest.length !== 32) {
    return refuse(field, value, 'a link with sha2-256');
  }
  return cid;
}

function refuse(field: string, value: unknown, allowed: string): never {
  // an object may bring a toString of its own
  const shown = typeof value === 'object' && value !== null ? 'a list or map' : String(value).slice(0, 80);
  throw new ManifestError(`${field} is ${shown}; allowed: ${allowed}`);
}
