/** What the consensus room relies on: the real signing and drawing and the simulation's pass the same tests. */
import { describe, expect, it } from 'vitest';
import type { ConsensusCrypto } from '../../../src/consensus/events.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** @param make - the crypto of a node; equal numbers, equal keys */
export function cryptoContract(name: string, make: (node: number) => ConsensusCrypto): void {
  describe(`${name}: the contract of ConsensusCrypto`, () => {
    const [a, b] = [make(1), make(2)];

    it('has a peer id, a 32-byte key and 64-byte signatures, the same for the same node', () => {
      expect(a.nodeId).toMatch(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/);
      expect(a.vrfKey.length).toBe(32);
      expect(a.sign(bytes('x')).length).toBe(64);
      expect(make(1).nodeId).toBe(a.nodeId);
      expect(make(1).vrfKey).toEqual(a.vrfKey);
      expect(b.nodeId).not.toBe(a.nodeId);
      expect(b.vrfKey).not.toEqual(a.vrfKey);
    });

    it('knows a signature by its author and text', () => {
      const sig = a.sign(bytes('text'));
      expect(b.verify(a.nodeId, bytes('text'), sig)).toBe(true);
      expect(b.verify(a.nodeId, bytes('texT'), sig)).toBe(false);
      expect(b.verify(b.nodeId, bytes('text'), sig)).toBe(false);
      for (const at of [0, 31, 32, 63]) {
        const bent = sig.slice();
        bent[at]! ^= 1;
        expect(b.verify(a.nodeId, bytes('text'), bent)).toBe(false);
      }
    });

    it('answers false, never an error, to signatures and ids that are none', () => {
      expect(a.verify(a.nodeId, bytes('x'), new Uint8Array(0))).toBe(false);
      expect(a.verify(a.nodeId, bytes('x'), new Uint8Array(64))).toBe(false);
      expect(a.verify('nobody', bytes('x'), new Uint8Array(64))).toBe(false);
      expect(a.verify('', bytes('x'), new Uint8Array(64))).toBe(false);
    });

    it('draws one 64-byte output a key and input, which everybody can check', () => {
      const proof = a.vrfProve(bytes('slot 7'));
      expect(proof.length).toBe(80);
      const output = b.vrfVerify(a.vrfKey, bytes('slot 7'), proof);
      expect(output?.length).toBe(64);
      expect(a.vrfVerify(a.vrfKey, bytes('slot 7'), a.vrfProve(bytes('slot 7')))).toEqual(output);
      const other = a.vrfVerify(a.vrfKey, bytes('slot 8'), a.vrfProve(bytes('slot 8')));
      expect(other).not.toEqual(output);
      expect(b.vrfVerify(b.vrfKey, bytes('slot 7'), b.vrfProve(bytes('slot 7')))).not.toEqual(output);
    });

    it('refuses a proof for another input, under another key, or bent', () => {
      const proof = a.vrfProve(bytes('slot 7'));
      expect(b.vrfVerify(a.vrfKey, bytes('slot 8'), proof)).toBeNull();
      expect(b.vrfVerify(b.vrfKey, bytes('slot 7'), proof)).toBeNull();
      expect(b.vrfVerify(a.vrfKey, bytes('slot 7'), proof.slice(1))).toBeNull();
      for (const at of [0, 32, 48, 79]) {
        const bent = proof.slice();
        bent[at]! ^= 1;
        expect(b.vrfVerify(a.vrfKey, bytes('slot 7'), bent)).toBeNull();
      }
    });
  });
}
