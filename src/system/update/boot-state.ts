/**
 * The boot state: one sector of the card, before the first partition, that tells the boot loader which slot to start. In
 * the format of U-Boot's environment: CRC-32 (4 bytes, little-endian) of the rest, then `key=value`, each ended by NUL, one
 * more NUL at the end. Pure.
 *
 * `image/u-boot/boot.cmd` reads it: with `try` it takes `try` away, writes the sector, and starts that slot once
 * (`starling.trial=1`); otherwise it starts `slot`. A sector that is damaged gives way to its copy; both damaged mean slot a.
 */
import { crc32 } from 'node:zlib';

export type Slot = 'a' | 'b';

export interface BootState {
  /** The slot that is known to work. */
  slot: Slot;
  /** A slot to start exactly once. */
  try: Slot | null;
}

export const BOOT_STATE_BYTES = 512;
/**
 * Sectors 4096 and 6144 of the card; the first partition begins at 8192. The second is a copy, written first: a card that
 * loses power may leave a sector half written, and slot a by guess could be one that never ran.
 */
export const BOOT_STATE_OFFSET = 4_096 * 512;
export const BOOT_STATE_COPY_OFFSET = 6_144 * 512;
const CRC_BYTES = 4;

export function otherSlot(slot: Slot): Slot {
  return slot === 'a' ? 'b' : 'a';
}

export function isSlot(text: unknown): text is Slot {
  return text === 'a' || text === 'b';
}

/** @returns null for a sector that is damaged or was never written */
export function decodeBootState(sector: Uint8Array): BootState | null {
  if (sector.length !== BOOT_STATE_BYTES) return null;
  const bytes = Buffer.from(sector.buffer, sector.byteOffset, sector.byteLength);
  const data = bytes.subarray(CRC_BYTES);
  if (bytes.readUInt32LE(0) !== crc32(data)) return null;
  const values = new Map<string, string>();
  for (const entry of data
    .subarray(0, Math.max(0, data.indexOf('\0\0')))
    .toString('latin1')
    .split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) values.set(entry.slice(0, at), entry.slice(at + 1));
  }
  const slot = values.get('slot');
  if (!isSlot(slot)) return null;
  const tried = values.get('try');
  return { slot, try: isSlot(tried) ? tried : null };
}

/** @returns the whole sector */
export function encodeBootState(state: BootState): Buffer {
  const sector = Buffer.alloc(BOOT_STATE_BYTES);
  const entries = [`slot=${state.slot}`, ...(state.try === null ? [] : [`try=${state.try}`])];
  sector.write(`${entries.join('\0')}\0\0`, CRC_BYTES, 'latin1');
  sector.writeUInt32LE(crc32(sector.subarray(CRC_BYTES)), 0);
  return sector;
}
