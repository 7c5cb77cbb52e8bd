/** An update file, read in place: what it is, whether it may be believed, and where its parts lie. */
import { createHash } from 'node:crypto';
import { BadHashError, NotAnUpdateError, TrailingDataError, TruncatedError } from './errors.ts';
import { CHUNK_BYTES, MAX_MANIFEST_BYTES } from './limits.ts';
import { type Manifest, type ManifestFile, parseManifest, type UpdateFileName } from './manifest.ts';
import { checkSignature, type ReleaseKey, SIGNATURE_FILE_BYTES } from './release-keys.ts';
import { BLOCK_BYTES, END_BYTES, readTarHeader, spanOf } from './tar.ts';

/** The bytes of a file, read where they are wanted. */
export interface RandomAccess {
  readonly bytes: number;
  /** Up to `length` bytes from `at` on; fewer at the end of the file alone. */
  read(at: number, length: number): Buffer;
}

export interface UpdatePart extends ManifestFile {
  /** Where its content begins. */
  at: number;
}

export interface Update {
  manifest: Manifest;
  parts: Readonly<Record<UpdateFileName, UpdatePart>>;
}

/** What the beginning of an update tells: enough to know what it is, and whether to believe it. */
export interface Envelope {
  manifest: Manifest;
  /** Where the first part begins, and how long the whole file must be. */
  begin: number;
  bytes: number;
}

/** All that `openEnvelope` reads lies before this. */
export const MAX_ENVELOPE_BYTES = spanOf(MAX_MANIFEST_BYTES) + spanOf(SIGNATURE_FILE_BYTES);

/**
 * Reads manifest and signature, and believes neither before the signature was checked.
 *
 * @throws {NotAnUpdateError | TruncatedError | TrailingDataError | UnknownKeyError | BadSignatureError | BadManifestError
 *   | FormatTooNewError | TooLargeError}
 */
export function openEnvelope(file: RandomAccess, keys: readonly ReleaseKey[]): Envelope {
  const manifestHeader = headerAt(file, 0, 'manifest.json');
  if (manifestHeader.bytes > MAX_MANIFEST_BYTES) throw new NotAnUpdateError('its manifest is too large');
  const manifestBytes = readAll(file, BLOCK_BYTES, manifestHeader.bytes);
  const signatureAt = spanOf(manifestHeader.bytes);
  if (headerAt(file, signatureAt, 'manifest.sig').bytes !== SIGNATURE_FILE_BYTES)
    throw new NotAnUpdateError('its signature has a wrong size');
  const signature = readAll(file, signatureAt + BLOCK_BYTES, SIGNATURE_FILE_BYTES);
  checkSignature(manifestBytes, signature, keys);
  const manifest = parseManifest(manifestBytes);
  const begin = signatureAt + spanOf(SIGNATURE_FILE_BYTES);
  const bytes = manifest.files.reduce((sum, part) => sum + spanOf(part.bytes), begin + END_BYTES);
  if (file.bytes < bytes) throw new TruncatedError(file.bytes, bytes);
  if (file.bytes > bytes) throw new TrailingDataError(file.bytes, bytes);
  return { manifest, begin, bytes };
}

/**
 * Reads what an update is and where its parts lie. Their content is hashed apart (`hashPart`), because that takes a while.
 * @throws as `openEnvelope`
 */
export function openUpdate(file: RandomAccess, keys: readonly ReleaseKey[]): Update {
  const { manifest, begin } = openEnvelope(file, keys);
  let at = begin;
  const parts = manifest.files.map((part): [string, UpdatePart] => {
    if (headerAt(file, at, part.name).bytes !== part.bytes)
      throw new NotAnUpdateError(`${part.name} in it is not as signed`);
    const found = { ...part, at: at + BLOCK_BYTES };
    at += spanOf(part.bytes);
    return [part.name, found];
  });
  if (readAll(file, at, END_BYTES).some((byte) => byte !== 0))
    throw new NotAnUpdateError('it does not end as it should');
  return { manifest, parts: Object.fromEntries(parts) as Update['parts'] };
}

function headerAt(file: RandomAccess, at: number, name: string): { bytes: number } {
  const header = readTarHeader(file.read(at, BLOCK_BYTES));
  if (header.name !== name) throw new NotAnUpdateError(`${JSON.stringify(header.name)} stands where ${name} belongs`);
  return header;
}

function readAll(file: RandomAccess, at: number, length: number): Buffer {
  const bytes = file.read(at, length);
  if (bytes.length < length) throw new TruncatedError(file.bytes, at + length);
  return bytes;
}

/**
 * Goes through a part from its beginning to its end and hashes it.
 * @param take gets each piece in its turn, before the hash is known
 * @throws {BadHashError} when it is not what was signed; {TruncatedError} when the file became shorter
 */
export function hashPart(file: RandomAccess, part: UpdatePart, take: (piece: Buffer, at: number) => void): void {
  const hash = createHash('sha256');
  for (let done = 0; done < part.bytes; ) {
    const piece = readAll(file, part.at + done, Math.min(CHUNK_BYTES, part.bytes - done));
    hash.update(piece);
    take(piece, done);
    done += piece.length;
  }
  if (hash.digest('hex') !== part.sha256) throw new BadHashError(part.name);
}
