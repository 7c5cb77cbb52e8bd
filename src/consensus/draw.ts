/**
 * The two draws. Test vectors for both: test/fixtures/vectors/draw.json.
 */
import { bytesModulo, bytesToHex, concatBytes, hexToBytes, sha256, utf8ToBytes } from './hash.ts';

const TICKET_DOMAIN = 'starling/1/ticket';
const SLOT_BYTES = 8;

/**
 * Input of the verifiable random function for a slot's ticket: domain, station id (32 bytes), slot (8 bytes,
 * big-endian), beacon of record slot-2 (32 bytes). Everything in it was fixed before anybody could propose.
 *
 * @param stationId - 64 hex digits
 * @param beacon - 64 hex digits
 */
export function drawInput(stationId: string, slot: number, beacon: string): Uint8Array {
  const slotBytes = new Uint8Array(SLOT_BYTES);
  new DataView(slotBytes.buffer).setBigUint64(0, BigInt(slot));
  return concatBytes(utf8ToBytes(TICKET_DOMAIN), hexToBytes(stationId), slotBytes, hexToBytes(beacon));
}

/** The ticket: SHA-256 of the function's 64-byte output, 64 hex digits. The lowest wins. */
export function ticketOf(output: Uint8Array): string {
  return bytesToHex(sha256(output));
}

/**
 * The model's literal draw. The seed is the text `{slot_start_time}-{sorted_track_hashes}`: the slot's start in whole
 * milliseconds, a hyphen, and the track hashes as they stand in the proposals (`sha256:…`), sorted by code unit and
 * joined by commas. The winner's index is SHA-256 of the seed's UTF-8 bytes, the whole digest as a big-endian integer,
 * modulo the number of proposals.
 *
 * @param items - the settled proposals, with different track hashes; at least one
 */
export function hashModWinner<T>(slotStartMs: number, items: readonly T[], trackHashOf: (item: T) => string): T {
  const sorted = [...items].sort((a, b) => (trackHashOf(a) < trackHashOf(b) ? -1 : 1));
  const winner = sorted[hashModIndex(slotStartMs, sorted.map(trackHashOf))];
  if (winner === undefined) throw new RangeError('a draw needs at least one proposal');
  return winner;
}

/** Index of the winner in a sorted list of track hashes; see `hashModWinner`. NaN for an empty list. */
export function hashModIndex(slotStartMs: number, sortedTrackHashes: readonly string[]): number {
  return bytesModulo(sha256(utf8ToBytes(hashModSeed(slotStartMs, sortedTrackHashes))), sortedTrackHashes.length);
}

export function hashModSeed(slotStartMs: number, sortedTrackHashes: readonly string[]): string {
  return `${slotStartMs}-${sortedTrackHashes.join(',')}`;
}
