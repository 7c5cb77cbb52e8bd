import { createHash } from 'node:crypto';
import type { FileReader } from './file-reader.ts';

/** Both ends, where tags are. */
const END_BYTES = 64 << 10;
/** Places in between, spread evenly. */
const PROBES = 14;
const PROBE_BYTES = 4 << 10;

/**
 * 16 bytes that tell files apart without reading them whole: their length, both ends and some places between. A stick
 * that comes back, at whatever place it is mounted, is recognised by it.
 */
export async function fingerprint(file: FileReader): Promise<Buffer> {
  const hash = createHash('sha256').update(`${file.size}:`);
  hash.update(await file.read(0, END_BYTES));
  for (let i = 1; i <= PROBES && file.size > 2 * END_BYTES; i++) {
    hash.update(await file.read(Math.floor((file.size * i) / (PROBES + 1)), PROBE_BYTES));
  }
  hash.update(await file.read(Math.max(0, file.size - END_BYTES), END_BYTES));
  return hash.digest().subarray(0, 16);
}
