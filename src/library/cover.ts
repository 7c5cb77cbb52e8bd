import type { CID } from 'multiformats/cid';
import { cidOf, RAW, sha256 } from './cid.ts';
import type { ContentStore } from './content-store.ts';
import { SkippedFileError } from './errors.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import { COVER_EDGE_PX, MAX_COVER_BYTES, MAX_COVER_PIXELS, MAX_REMEMBERED_COVERS } from './limits.ts';

/** ffmpeg's demuxer for each kind of picture that browsers show. */
type PictureKind = 'jpeg' | 'png' | 'gif' | 'webp';
const DEMUXERS: Record<PictureKind, string> = {
  jpeg: 'jpeg_pipe',
  png: 'png_pipe',
  gif: 'gif_pipe',
  webp: 'webp_pipe',
};
/** Quality steps of ffmpeg's JPEG encoder (2 is best), tried until the picture fits. */
const QUALITIES = [4, 8, 16];

/** What a picture is by its first bytes, null for anything that a page should not be given. */
export function pictureKind(bytes: Uint8Array): PictureKind | null {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(12, bytes.length)).toString('latin1');
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif';
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'webp';
  return null;
}

/** Keeps covers as blocks, each picture once, none larger than `MAX_COVER_BYTES`. */
export class CoverKeeper {
  readonly #components: { ffmpeg: Ffmpeg; store: ContentStore };
  readonly #known = new Map<string, CID | null>();

  constructor(components: { ffmpeg: Ffmpeg; store: ContentStore }) {
    this.#components = components;
  }

  /**
   * Null: no picture that could be shown.
   * @throws StoreFullError, StoreWriteError, FfmpegMissingError, or the signal's reason
   */
  async keep(picture: Uint8Array, signal: AbortSignal): Promise<CID | null> {
    const key = sha256(picture).toString('hex');
    const known = this.#known.get(key);
    if (known !== undefined && (known === null || (await this.#components.store.has(known)))) return known;
    const bytes = await this.#fit(picture, signal);
    const cid = bytes === null ? null : cidOf(RAW, bytes);
    if (cid !== null) await this.#components.store.put(cid, bytes!);
    if (this.#known.size >= MAX_REMEMBERED_COVERS) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, cid);
    return cid;
  }

  async #fit(picture: Uint8Array, signal: AbortSignal): Promise<Uint8Array | null> {
    const kind = pictureKind(picture);
    if (kind === null) return null;
    if (picture.length <= MAX_COVER_BYTES) return picture;
    for (const quality of QUALITIES) {
      const smaller = await this.#scale(picture, kind, quality, signal);
      if (smaller === null) return null;
      if (smaller.length <= MAX_COVER_BYTES) return smaller;
    }
    return null;
  }

  async #scale(picture: Uint8Array, kind: PictureKind, quality: number, signal: AbortSignal): Promise<Buffer | null> {
    const chunks: Buffer[] = [];
    const box = `scale=w='min(${COVER_EDGE_PX},iw)':h='min(${COVER_EDGE_PX},ih)':force_original_aspect_ratio=decrease`;
    try {
      const { ok } = await this.#components.ffmpeg.run({
        args: [
          ...['-max_pixels', String(MAX_COVER_PIXELS), '-f', DEMUXERS[kind], '-i', 'pipe:0', '-frames:v', '1'],
          ...['-vf', `${box},format=yuvj420p`, '-q:v', String(quality), '-map_metadata', '-1', '-fflags', '+bitexact'],
          ...['-flags:v', '+bitexact', '-f', 'mjpeg', 'pipe:1'],
        ],
        extra: [],
        signal,
        input: picture,
        output: (chunk) => void chunks.push(chunk),
      });
      return ok && chunks.length > 0 ? Buffer.concat(chunks) : null;
    } catch (error) {
      if (error instanceof SkippedFileError) return null;
      throw error;
    }
  }
}
