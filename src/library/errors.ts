/** One class for each cause; `code` never changes, the text may. */

/** A block is larger than the store takes. */
export class BlockTooLargeError extends Error {
  override readonly name = 'BlockTooLargeError';
  readonly code = 'ERR_BLOCK_TOO_LARGE';
  constructor(bytes: number, allowed: number) {
    super(`a block of ${bytes} bytes is refused; allowed: up to ${allowed}`);
  }
}

/** The CID is not one that this store keeps. */
export class UnsupportedCidError extends Error {
  override readonly name = 'UnsupportedCidError';
  readonly code = 'ERR_UNSUPPORTED_CID';
  constructor(cid: string) {
    super(`${cid.slice(0, 80)} is not kept here; allowed: hashes of 32 bytes made with sha2-256`);
  }
}

/** The block is not here. */
export class BlockNotFoundError extends Error {
  override readonly name = 'NotFoundError';
  readonly code = 'ERR_NOT_FOUND';
  constructor(cid: string) {
    super(`block ${cid} is not here`);
  }
}

/** The card or disk has no room left. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
  readonly code = 'ERR_STORE_FULL';
  constructor(directory: string, cause?: unknown) {
    super(`no room left for blocks in ${directory}: delete files there, or use a larger card`, { cause });
  }
}

/** The store's directory cannot be written for another reason than space. */
export class StoreWriteError extends Error {
  override readonly name = 'StoreWriteError';
  readonly code = 'ERR_STORE_WRITE';
  constructor(directory: string, cause: unknown) {
    super(`a block could not be written to ${directory}: ${(cause as Error).message}`, { cause });
  }
}

/** Bytes that are no manifest of this version. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code = 'ERR_MANIFEST';
}

/** Why a file is not offered; the code is for programs, `SKIP_TEXTS` for people. */
export type SkipReason =
  | 'empty'
  | 'not-audio'
  | 'no-audio'
  | 'unsupported'
  | 'protected'
  | 'corrupt'
  | 'too-short'
  | 'too-long'
  | 'unreadable'
  | 'timeout'
  | 'too-many';

/** User-facing words for each reason, followed by the details where there are some. */
export const SKIP_TEXTS: Record<SkipReason, string> = {
  empty: 'The file is empty.',
  'not-audio': 'The file only has the name of music; what is inside is something else.',
  'no-audio': 'There is no sound in this file.',
  unsupported: 'This kind of audio is not supported. Supported: MP3, AAC, ALAC, FLAC, Ogg Vorbis, Opus, WAV, AIFF.',
  protected: 'The file is copy-protected and cannot be played here.',
  corrupt: 'The file is damaged.',
  'too-short': 'The track is shorter than a second.',
  'too-long': 'The track is longer than two hours.',
  unreadable: 'The file could not be read.',
  timeout: 'Reading the file took too long.',
  'too-many': 'There are more files here than can be kept in the library.',
};

/** A file cannot become a track. */
export class SkippedFileError extends Error {
  override readonly name = 'SkippedFileError';
  readonly code = 'ERR_SKIPPED_FILE';
  readonly reason: SkipReason;
  constructor(reason: SkipReason, detail = '') {
    const tidy = detail.replace(/\s+/g, ' ').trim();
    super(tidy === '' ? SKIP_TEXTS[reason] : `${SKIP_TEXTS[reason]} (${tidy})`);
    this.reason = reason;
  }
}

/** ffmpeg is not installed. */
export class FfmpegMissingError extends Error {
  override readonly name = 'FfmpegMissingError';
  readonly code = 'ERR_FFMPEG_MISSING';
  constructor(program: string) {
    super(`${program} was not found: install it with "apt-get install ffmpeg"`);
  }
}
