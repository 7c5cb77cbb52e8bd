/** Length of a value's DAG-CBOR encoding, without encoding it: the simulation counts bytes of millions of messages. */

const head = (argument: number): number =>
  argument < 24 ? 1 : argument < 256 ? 2 : argument < 65_536 ? 3 : argument < 4_294_967_296 ? 5 : 9;

function mapBytes(map: object): number {
  let bytes = 0;
  let entries = 0;
  for (const key in map) {
    const value = (map as Record<string, unknown>)[key];
    if (value === undefined) continue;
    entries++;
    bytes += head(key.length) + key.length + cborBytes(value);
  }
  return head(entries) + bytes;
}

/** Bytes of a value's DAG-CBOR form. Members that are undefined count as absent. */
export function cborBytes(value: unknown): number {
  if (typeof value === 'string') {
    const bytes = Buffer.byteLength(value);
    return head(bytes) + bytes;
  }
  if (typeof value === 'number') return Number.isInteger(value) ? head(value < 0 ? -1 - value : value) : 9;
  if (value === null || typeof value === 'boolean') return 1;
  if (value instanceof Uint8Array) return head(value.length) + value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + cborBytes(item), head(value.length));
  return mapBytes(value as object);
}
