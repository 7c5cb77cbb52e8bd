import { type IAudioMetadata, parseFile, selectCover } from 'music-metadata';
import { MAX_COVER_SOURCE_BYTES, MAX_GENRE_BYTES, MAX_NAME_BYTES, TAGS_TIMEOUT_MS } from './limits.ts';
import { tidyText } from './text.ts';
import type { TrackTags } from './types.ts';

export interface FileTags extends TrackTags {
  /** The picture inside the file, as it is. */
  picture: Uint8Array | null;
}

/** ReplayGain 2.0 brings a track to -18 LUFS, R128_TRACK_GAIN (RFC 7845) to -23. */
const REPLAYGAIN_TARGET_LUFS = -18;
const R128_TARGET_LUFS = -23;
/** Apple's values of the advisory tag for explicit content. */
const EXPLICIT_VALUES = new Set(['1', '4']);
const ADVISORY_TAG = /(^|:)(rtng|itunesadvisory)$/i;

const NO_TAGS: FileTags = {
  artist: '',
  title: '',
  album: '',
  year: null,
  genre: '',
  explicit: false,
  loudnessMlufs: null,
  picture: null,
};

/** Tags of an open file. Damaged tags are no reason to leave a track out: they count as none. */
export async function readTags(fd: number): Promise<FileTags> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('reading the tags took too long')), TAGS_TIMEOUT_MS);
  try {
    const options = { duration: false, includeChapters: false, skipPostHeaders: false };
    return toTags(await Promise.race([parseFile(`/proc/self/fd/${fd}`, options), late]));
  } catch {
    return NO_TAGS;
  } finally {
    clearTimeout(timer);
  }
}

/** From music-metadata's words to ours. */
export function toTags(metadata: IAudioMetadata): FileTags {
  const { common } = metadata;
  const picture = selectCover(common.picture)?.data ?? null;
  const year = common.year ?? Number.parseInt(common.date?.slice(0, 4) ?? '', 10);
  return {
    artist: tidyText(common.artist ?? common.albumartist, MAX_NAME_BYTES),
    title: tidyText(common.title, MAX_NAME_BYTES),
    album: tidyText(common.album, MAX_NAME_BYTES),
    year: Number.isInteger(year) && year > 0 && year <= 9_999 ? year : null,
    genre: tidyText(common.genre?.[0], MAX_GENRE_BYTES),
    explicit: isExplicit(metadata),
    loudnessMlufs: readLoudness(metadata),
    picture: picture !== null && picture.length > 0 && picture.length <= MAX_COVER_SOURCE_BYTES ? picture : null,
  };
}

function isExplicit(metadata: IAudioMetadata): boolean {
  return Object.values(metadata.native).some((tags) =>
    tags.some(({ id, value }) => ADVISORY_TAG.test(id) && EXPLICIT_VALUES.has(String(value).trim())),
  );
}

function readLoudness(metadata: IAudioMetadata): number | null {
  const gainDb = metadata.common.replaygain_track_gain?.dB;
  if (typeof gainDb === 'number' && Math.abs(gainDb) < 60) return Math.round((REPLAYGAIN_TARGET_LUFS - gainDb) * 1_000);
  for (const tags of Object.values(metadata.native)) {
    const gain = Number(tags.find(({ id }) => id.toUpperCase() === 'R128_TRACK_GAIN')?.value ?? Number.NaN);
    // in 256ths of a decibel
    if (Number.isInteger(gain) && Math.abs(gain) < 60 * 256) return Math.round((R128_TARGET_LUFS - gain / 256) * 1_000);
  }
  return null;
}
