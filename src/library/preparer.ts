import { constants, promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { CID } from 'multiformats/cid';
import { cidOf, DAG_CBOR } from './cid.ts';
import type { ContentStore } from './content-store.ts';
import { CoverKeeper } from './cover.ts';
import { SkippedFileError } from './errors.ts';
import { examine } from './examine.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import { FileReader } from './file-reader.ts';
import { fingerprint } from './fingerprint.ts';
import { MAX_COVER_SOURCE_BYTES, MAX_NAME_BYTES } from './limits.ts';
import { durationMs, encodeManifest } from './manifest.ts';
import { Segmenter } from './segmenter.ts';
import { type FileTags, readTags } from './tags.ts';
import { displayName, showPath } from './text.ts';
import type { IndexedTrack } from './track-index.ts';
import type { TrackManifest } from './types.ts';

/** An open music file, and how it looked when it was opened. */
export interface OpenedFile {
  reader: FileReader;
  mtimeUs: number;
  print: Buffer;
  close(): Promise<void>;
}

/** Opens a file for reading it once. @throws SkippedFileError('unreadable' | 'empty' | 'not-audio') */
export async function openFile(path: Buffer): Promise<OpenedFile> {
  let handle: FileHandle | null = null;
  try {
    // a pipe under the name of a song must not block
    handle = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw new SkippedFileError('not-audio');
    const reader = new FileReader(handle, Number(stats.size));
    const opened = handle;
    return {
      reader,
      mtimeUs: Number(stats.mtimeNs / 1_000n),
      print: await fingerprint(reader),
      close: async () => await opened.close(),
    };
  } catch (error) {
    await handle?.close().catch(() => {});
    if (error instanceof SkippedFileError) throw error;
    throw new SkippedFileError('unreadable', (error as NodeJS.ErrnoException).code ?? (error as Error).message);
  }
}

/** From a file to a track: segments, tags, cover and manifest, all in the store. */
export class Preparer {
  readonly #store: ContentStore;
  readonly #segmenter: Segmenter;
  readonly #covers: CoverKeeper;

  constructor(components: { ffmpeg: Ffmpeg; store: ContentStore }) {
    this.#store = components.store;
    this.#segmenter = new Segmenter(components);
    this.#covers = new CoverKeeper(components);
  }

  /**
   * @param path - for the name, where the tags are silent
   * @param folderCover - a picture beside the file, used when there is none inside
   * @throws SkippedFileError, StoreFullError, StoreWriteError, FfmpegMissingError, or the signal's reason
   */
  async prepare(
    file: OpenedFile,
    path: Buffer,
    folderCover: Buffer | null,
    signal: AbortSignal,
  ): Promise<{ track: IndexedTrack; seconds: number }> {
    const { reader } = file;
    const plan = await readingOf(() => examine(reader));
    // both read the open file, so both have to end before it is closed
    const [segmented, tagged] = await Promise.allSettled([
      this.#segmenter.segment(reader, plan, signal),
      readTags(reader.fd),
    ]);
    if (segmented.status === 'rejected') throw segmented.reason;
    if (tagged.status === 'rejected') throw tagged.reason;
    const [audio, tags] = [segmented.value, tagged.value];
    const cover = await this.#cover(tags, folderCover, signal);
    const manifest: TrackManifest = {
      v: 1,
      kind: 'starling-track',
      track_hash: audio.trackHash,
      name: displayName(tags.artist, tags.title, showPath(path).split('/').at(-1)!, MAX_NAME_BYTES),
      artist: tags.artist,
      title: tags.title,
      album: tags.album,
      year: tags.year,
      genre: tags.genre,
      explicit: tags.explicit,
      cover,
      codec: audio.codec,
      container: audio.container,
      sample_rate: audio.sampleRate,
      channels: audio.channels,
      samples: audio.samples,
      skip_samples: audio.skipSamples,
      init: audio.init,
      segments: audio.segments,
      loudness_mlufs: tags.loudnessMlufs,
    };
    const bytes = encodeManifest(manifest);
    const cid = cidOf(DAG_CBOR, bytes);
    await this.#store.put(cid, bytes);
    return { track: toIndexed(manifest, cid), seconds: audio.samples / audio.sampleRate };
  }

  async #cover(tags: FileTags, folderCover: Buffer | null, signal: AbortSignal): Promise<CID | null> {
    const inside = tags.picture === null ? null : await this.#covers.keep(tags.picture, signal);
    if (inside !== null || folderCover === null) return inside;
    try {
      const { size } = await fs.stat(folderCover);
      if (size > MAX_COVER_SOURCE_BYTES) return null;
      return await this.#covers.keep(await fs.readFile(folderCover), signal);
    } catch (error) {
      // a picture beside the music is no reason to leave the music out
      if ((error as NodeJS.ErrnoException).syscall !== undefined) return null;
      throw error;
    }
  }
}

function toIndexed(manifest: TrackManifest, cid: CID): IndexedTrack {
  return {
    trackHash: manifest.track_hash,
    name: manifest.name,
    artist: manifest.artist,
    title: manifest.title,
    album: manifest.album,
    year: manifest.year,
    genre: manifest.genre,
    explicit: manifest.explicit,
    durationMs: durationMs(manifest),
    manifest: cid.toString(),
    cover: manifest.cover?.toString() ?? null,
  };
}

async function readingOf<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof SkippedFileError) throw error;
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall !== undefined) throw new SkippedFileError('unreadable', code ?? '');
    // lengths in the file that lead outside of it
    throw new SkippedFileError('corrupt', (error as Error).message);
  }
}
