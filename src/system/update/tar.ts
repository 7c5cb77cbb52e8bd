/**
 * Headers of the tar archive (POSIX ustar) that an update is. Pure.
 *
 * An own reader instead of GNU tar: the file is hostile until its signature is checked, and of all that tar can do (links,
 * devices, long names, sparse files, paths) an update has nothing but five plain files of known names in a known order.
 * So there is nothing to unpack to: each file is read in place.
 */
import { NotAnUpdateError } from './errors.ts';

export const BLOCK_BYTES = 512;
/** Two blocks of zeros. */
export const END_BYTES = 2 * BLOCK_BYTES;

export interface TarHeader {
  name: string;
  bytes: number;
}

/** Bytes that a file of this size takes, its header and its padding included. */
export function spanOf(bytes: number): number {
  return BLOCK_BYTES + Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** @throws {NotAnUpdateError} for anything that is not the header of a plain file with a short name */
export function readTarHeader(block: Uint8Array): TarHeader {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  if (bytes.length !== BLOCK_BYTES) throw new NotAnUpdateError('it is too short');
  if (bytes.toString('latin1', 257, 265) !== 'ustar\x0000') throw new NotAnUpdateError('it is no tar archive (ustar)');
  if (octal(bytes, 148, 8) !== checksum(bytes)) throw new NotAnUpdateError('a header in it is damaged');
  const name = text(bytes, 0, 100);
  if (bytes[156] !== 0x30 || text(bytes, 345, 155) !== '' || text(bytes, 157, 100) !== '')
    throw new NotAnUpdateError(`${JSON.stringify(name)} in it is no plain file`);
  return { name, bytes: octal(bytes, 124, 12) };
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? length : end);
}

/** Digits, ended by NUL or blank. */
function octal(block: Buffer, at: number, length: number): number {
  const match = /^([0-7]+)[\0 ]+$/.exec(block.toString('latin1', at, at + length));
  if (match === null) throw new NotAnUpdateError('a number in it is damaged');
  return Number.parseInt(match[1] ?? '', 8);
}

/** Sum of the bytes, with the sum's own field read as blanks. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}
