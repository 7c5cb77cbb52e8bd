import { createHash } from 'node:crypto';
import type { CID } from 'multiformats/cid';
import { cidOf, RAW } from './cid.ts';
import type { ContentStore } from './content-store.ts';
import { SkippedFileError } from './errors.ts';
import { type Heard, readStreamInfo, type SourcePlan } from './examine.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import type { FileReader } from './file-reader.ts';
import { type Fragment, FragmentError, FragmentReader, replaceEsdsConfig, type TrackHeader } from './fmp4.ts';
import { MAX_SEGMENT_BYTES, MAX_SEGMENTS, MAX_TRACK_MS, MIN_TRACK_MS, SEGMENT_LENGTHS_MS } from './limits.ts';
import { createCounter, type PacketCounter, UncountableError } from './packets.ts';
import type { HashText, ManifestSegment, SegmentCodec } from './types.ts';
import { VorbisSetupError, withoutComments } from './vorbis.ts';

/** A file's audio as blocks in the store. */
export interface SegmentedAudio extends Heard {
  trackHash: HashText;
  codec: SegmentCodec;
  container: 'fmp4';
  sampleRate: number;
  channels: number;
  init: CID;
  segments: ManifestSegment[];
}

/** A segment is larger than a block may be: shorter ones are needed. */
class SegmentTooLargeError extends Error {}

/** What a listener's ffmpeg opens the file by: the name itself may be anything, even no text. */
const FILE = 'file:/dev/fd/3';
/** Sample formats and rates that FLAC keeps exactly, up to 24 bits; others are brought to the nearest. */
const FLAC_FORMAT =
  'aformat=sample_fmts=s16|s32:sample_rates=8000|11025|12000|16000|22050|24000|32000|44100|48000|64000|88200|96000|176400|192000';
const READ_FAILED = /Input\/output error|No such device|Stale file handle|Transport endpoint/;
const NO_STREAM = /matches no streams|does not contain any stream/;

/**
 * Makes blocks of one file, in a single run of ffmpeg. Its packets are copied wherever their count is exact, else they
 * are decoded and kept as FLAC. Output is fragmented MP4, which HLS takes as it is (RFC 8216, section 3.3).
 */
export class Segmenter {
  readonly #components: { ffmpeg: Ffmpeg; store: ContentStore };

  constructor(components: { ffmpeg: Ffmpeg; store: ContentStore }) {
    this.#components = components;
  }

  /**
   * @throws SkippedFileError, StoreFullError, StoreWriteError, FfmpegMissingError, or the signal's reason
   */
  async segment(file: FileReader, plan: SourcePlan, signal: AbortSignal): Promise<SegmentedAudio> {
    let copy = plan.copy;
    let length = firstLength(plan.bytesPerSecond);
    while (true) {
      const run = new SegmentRun(this.#components, plan, copy, length);
      try {
        return await run.execute(file, signal);
      } catch (error) {
        await run.discard();
        if (error instanceof SegmentTooLargeError && length + 1 < SEGMENT_LENGTHS_MS.length) length += 1;
        else if (copy !== null && isUncopyable(error)) copy = null;
        else if (isUncopyable(error) && !(error instanceof SkippedFileError)) {
          throw new SkippedFileError('corrupt', error.message);
        } else throw error;
      }
    }
  }
}

function isUncopyable(error: unknown): error is Error {
  const kinds = [UncountableError, VorbisSetupError, FragmentError, SegmentTooLargeError];
  // a muxer is stricter than a decoder
  const refused = error instanceof SkippedFileError && error.reason === 'corrupt';
  return refused || kinds.some((kind) => error instanceof kind);
}

/** Index of the longest segment that most likely fits. */
function firstLength(bytesPerSecond: number): number {
  const fits = SEGMENT_LENGTHS_MS.findIndex((ms) => (ms / 1_000) * bytesPerSecond * 1.15 <= MAX_SEGMENT_BYTES);
  return fits < 0 ? SEGMENT_LENGTHS_MS.length - 1 : fits;
}

/** One attempt. */
class SegmentRun {
  readonly #components: { ffmpeg: Ffmpeg; store: ContentStore };
  readonly #plan: SourcePlan;
  readonly #copy: SegmentCodec | null;
  readonly #length: number;
  readonly #hash = createHash('sha256');
  readonly #segments: ManifestSegment[] = [];
  readonly #fresh: CID[] = [];
  #init: CID | null = null;
  #initBytes: Buffer | null = null;
  #header: TrackHeader | null = null;
  #counter: PacketCounter | null = null;

  constructor(
    components: { ffmpeg: Ffmpeg; store: ContentStore },
    plan: SourcePlan,
    copy: SegmentCodec | null,
    length: number,
  ) {
    this.#components = components;
    this.#plan = plan;
    this.#copy = copy;
    this.#length = length;
  }

  async execute(file: FileReader, signal: AbortSignal): Promise<SegmentedAudio> {
    const reader = new FragmentReader({
      header: (init, header) => this.#begin(init, header),
      fragment: (fragment) => this.#add(fragment),
    });
    const { ok, complaint } = await this.#components.ffmpeg.run({
      args: this.#arguments(),
      extra: this.#copy === null ? [file.fd, 'out'] : [file.fd],
      signal,
      output: (chunk) => reader.write(chunk),
      second: (chunk) => this.#hash.update(chunk),
    });
    // ffmpeg says so of damaged files too, so the file itself is asked
    if (READ_FAILED.test(complaint) && !(await file.isReadable())) throw new SkippedFileError('unreadable', complaint);
    if (this.#segments.length === 0) throw this.#nothing(complaint);
    if (!ok) throw new SkippedFileError('corrupt', complaint);
    reader.end();
    return await this.#finish();
  }

  /** Blocks of an attempt that failed are of no use, unless they were there before it. */
  async discard(): Promise<void> {
    for (const cid of this.#fresh) await Promise.resolve(this.#components.store.delete(cid)).catch(() => {});
  }

  #arguments(): string[] {
    const { demuxer, copyOptions, copyFilter } = this.#plan;
    const tidy = ['-map_metadata', '-1', '-map_chapters', '-1', '-fflags', '+bitexact', '-flags:a', '+bitexact'];
    const copy = ['-c:a', 'copy', ...(copyFilter === undefined ? [] : ['-bsf:a', copyFilter])];
    const encode = this.#copy === null ? ['-c:a', 'flac', '-af', FLAC_FORMAT] : copy;
    const packets = ['-map', '0:a:0', '-c:a', 'copy', '-f', 'data', 'pipe:4'];
    return [
      ...(this.#copy === null ? [] : copyOptions),
      ...['-f', demuxer, '-i', FILE, '-map', '0:a:0', ...encode, ...tidy, '-strict', '-2'],
      // no edit list: what to skip stands in the manifest, in samples
      ...['-f', 'mp4', '-use_editlist', '0', '-movflags', '+empty_moov+delay_moov+default_base_moof+skip_trailer'],
      ...['-frag_duration', String(SEGMENT_LENGTHS_MS[this.#length]! * 1_000), 'pipe:1'],
      ...(this.#copy === null ? packets : []),
    ];
  }

  #begin(init: Buffer, header: TrackHeader): void {
    this.#header = header;
    this.#initBytes = this.#copy === 'vorbis' ? replaceEsdsConfig(init, withoutComments(header.config)) : init;
    this.#counter = createCounter(this.#copy ?? 'flac', header);
  }

  async #add(fragment: Fragment): Promise<void> {
    const counter = this.#counter!;
    if (fragment.bytes.length > MAX_SEGMENT_BYTES) throw new SegmentTooLargeError('a segment is larger than a block');
    if (this.#segments.length >= MAX_SEGMENTS) throw new SkippedFileError('too-long');
    let samples = 0;
    for (const [i, packet] of fragment.packets.entries()) {
      const decoded = counter.count(packet, fragment.durations[i]!);
      const before = this.#segments.at(-1);
      if (counter.late && i === 0 && before !== undefined) before.samples += decoded;
      else samples += decoded;
      if (this.#copy !== null) this.#hash.update(packet);
    }
    const cid = await this.#keep(fragment.bytes);
    this.#segments.push({ cid, samples, bytes: fragment.bytes.length });
  }

  async #keep(bytes: Buffer): Promise<CID> {
    const { store } = this.#components;
    const cid = cidOf(RAW, bytes);
    if ((await store.size(cid)) === bytes.length) return cid;
    await store.put(cid, bytes);
    this.#fresh.push(cid);
    return cid;
  }

  async #finish(): Promise<SegmentedAudio> {
    const header = this.#header!;
    const decoded = this.#segments.reduce((sum, segment) => sum + segment.samples, 0);
    if (decoded === 0) throw new SkippedFileError('no-audio');
    // dfLa: version and flags, then the block with its header
    if (this.#copy === 'flac') this.#checkFlacLength(readStreamInfo(header.config.subarray(8)).samples, decoded);
    const heard =
      this.#copy === this.#plan.copy ? this.#plan.heard(decoded, header) : { skipSamples: 0, samples: decoded };
    if (heard.samples * 1_000 < MIN_TRACK_MS * header.timescale) throw new SkippedFileError('too-short');
    if (heard.samples * 1_000 > MAX_TRACK_MS * header.timescale) throw new SkippedFileError('too-long');
    if (this.#initBytes!.length > MAX_SEGMENT_BYTES)
      throw new SkippedFileError('corrupt', 'its set-up data is too large');
    this.#init = await this.#keep(this.#initBytes!);
    return {
      ...heard,
      trackHash: `sha256:${this.#hash.digest('hex')}`,
      codec: this.#copy ?? 'flac',
      container: 'fmp4',
      sampleRate: header.timescale,
      channels: this.#counter!.channels,
      init: this.#init,
      segments: this.#segments,
    };
  }

  /** A frame that was cut off is counted and not decoded. Ogg passes whole packets only, and may not know the length. */
  #checkFlacLength(told: number, decoded: number): void {
    if (told === decoded || (told === 0 && this.#plan.demuxer === 'ogg')) return;
    throw new UncountableError('the file is not as long as it says');
  }

  #nothing(complaint: string): SkippedFileError {
    return NO_STREAM.test(complaint) ? new SkippedFileError('no-audio') : new SkippedFileError('corrupt', complaint);
  }
}
