import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stationId } from '../../../src/consensus/canonical.ts';
import { drawInput, hashModIndex, hashModSeed, hashModWinner, ticketOf } from '../../../src/consensus/draw.ts';
import { bytesToHex, hexToBytes } from '../../../src/consensus/hash.ts';
import { nextBeacon } from '../../../src/consensus/log.ts';
import { vrfProve, vrfVerify } from '../../../src/consensus/vrf.ts';

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/vectors/draw.json', import.meta.url), 'utf8'));

describe('ticket draw', () => {
  const { ticket } = vectors;

  it('makes the input of the vectors', () => {
    expect(bytesToHex(drawInput(ticket.station, ticket.slot, ticket.beacon_two_slots_before))).toBe(ticket.vrf_input);
  });

  it.each(ticket.proposers as { name: string }[])('gives $name the ticket of the vectors', (row) => {
    const p = row as unknown as Record<string, string>;
    const input = hexToBytes(ticket.vrf_input);
    expect(bytesToHex(vrfProve(hexToBytes(p.vrf_secret!), input))).toBe(p.vrf_proof);
    const output = vrfVerify(hexToBytes(p.vrf_key!), input, hexToBytes(p.vrf_proof!))!;
    expect(ticketOf(output)).toBe(p.ticket);
  });

  it('moves the beacon as the vectors do', () => {
    const { beacon_before: before, with_winner, without_winner } = ticket.next_beacon;
    const winner = ticket.proposers.find((p: { name: string }) => p.name === ticket.winner);
    expect(nextBeacon(before, hexToBytes(winner.vrf_output))).toBe(with_winner);
    expect(nextBeacon(before, null)).toBe(without_winner);
  });

  it('draws anew for every slot, station and beacon', () => {
    const { station, slot, beacon_two_slots_before: beacon } = ticket;
    const others = [
      drawInput(station, slot + 1, beacon),
      drawInput('00'.repeat(32), slot, beacon),
      drawInput(station, slot, '00'.repeat(32)),
    ];
    for (const other of others) expect(bytesToHex(other)).not.toBe(ticket.vrf_input);
  });
});

describe('hash-mod draw', () => {
  it.each(vectors.hash_mod as { slot_start_ms: number; track_hashes: string[] }[])(
    'agrees with the vector at $slot_start_ms',
    (row) => {
      const vector = row as unknown as Record<string, string & number>;
      const sorted = [...row.track_hashes].sort();
      const seed = hashModSeed(row.slot_start_ms, sorted);
      expect(seed.startsWith(vector.seed_begins!)).toBe(true);
      expect(createHash('sha256').update(seed).digest('hex')).toBe(vector.digest);
      expect(hashModIndex(row.slot_start_ms, sorted)).toBe(vector.winner_index);
      // The model's own words: the whole digest as an integer, modulo the number of proposals.
      expect(Number(BigInt(`0x${vector.digest}`) % BigInt(sorted.length))).toBe(vector.winner_index);
    },
  );

  it('does not depend on the order in which proposals came', () => {
    const hashes = (vectors.hash_mod[3].track_hashes as string[]).slice();
    const straight = hashModWinner(5, hashes, (h) => h);
    expect(hashModWinner(5, hashes.reverse(), (h) => h)).toBe(straight);
  });

  it('refuses to draw from nothing', () => {
    expect(() => hashModWinner(5, [], () => '')).toThrow(RangeError);
  });
});

describe('station id', () => {
  it.each(vectors.stations as { name: string; key: string | null; station: string }[])(
    'of $name',
    ({ name, key, station }) => {
      expect(stationId(name, key === null ? null : hexToBytes(key))).toBe(station);
    },
  );

  it('is the same for the composed and the decomposed form of a name, another with a key', () => {
    const [open, closed, composed, decomposed] = vectors.stations.map((row: { station: string }) => row.station);
    expect(composed).toBe(decomposed);
    expect(open).not.toBe(closed);
  });
});
