import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { describe, expect, it } from 'vitest';
import { hexToBytes } from '../../../src/consensus/hash.ts';
import { privateKeyFromSeed } from '../../../src/network/identity.ts';
import { createCrypto, NodeIdError, nodeIdOf, publicKeyOf, SeedLengthError } from '../../../src/node/crypto.ts';
import { simulatedCrypto, simulatedNodeId } from '../../simulation/crypto.ts';
import { cryptoContract } from '../consensus/crypto-contract.ts';

const seeds = (node: number) => ({
  signingSeed: new Uint8Array(32).fill(node),
  vrfSeed: new Uint8Array(32).fill(100 + node),
});

cryptoContract('the node’s keys', (node) => createCrypto(seeds(node)));
cryptoContract('the simulation’s', (node) => simulatedCrypto(simulatedNodeId(1, node)));

describe('the node’s keys', () => {
  it('have the peer id that libp2p gives the same seed', () => {
    for (const node of [1, 2, 3]) {
      const { signingSeed } = seeds(node);
      expect(createCrypto(seeds(node)).nodeId).toBe(peerIdFromPrivateKey(privateKeyFromSeed(signingSeed)).toString());
    }
  });

  it('sign as RFC 8032 does (section 7.1, test 2)', () => {
    const signingSeed = hexToBytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
    const sig = createCrypto({ ...seeds(1), signingSeed }).sign(Uint8Array.of(0x72));
    expect(Buffer.from(sig).toString('hex')).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
  });

  it('refuse S + L, another text of the same signature', () => {
    const crypto = createCrypto(seeds(1));
    const sig = crypto.sign(Uint8Array.of(1));
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    let s = 0n;
    for (let i = 31; i >= 0; i--) s = (s << 8n) | BigInt(sig[32 + i]!);
    const other = sig.slice();
    for (let i = 0; i < 32; i++) other[32 + i] = Number(((s + order) >> BigInt(8 * i)) & 255n);
    expect(crypto.verify(crypto.nodeId, Uint8Array.of(1), sig)).toBe(true);
    expect(crypto.verify(crypto.nodeId, Uint8Array.of(1), other)).toBe(false);
  });

  it('take no key of small order, under which one signature holds for every text', () => {
    const crypto = createCrypto(seeds(1));
    const identity = new Uint8Array(32);
    identity[0] = 1;
    // R the identity, S zero: holds for the identity as key wherever keys are not looked at.
    const sig = new Uint8Array(64);
    sig[0] = 1;
    for (const text of ['a', 'b']) {
      expect(crypto.verify(nodeIdOf(identity), new TextEncoder().encode(text), sig)).toBe(false);
    }
  });

  it('must be given 32 bytes each', () => {
    expect(() => createCrypto({ ...seeds(1), signingSeed: new Uint8Array(31) })).toThrow(SeedLengthError);
    expect(() => createCrypto({ ...seeds(1), vrfSeed: new Uint8Array(33) })).toThrow(SeedLengthError);
  });
});

describe('peer ids', () => {
  it('hold the public key', () => {
    const key = new Uint8Array(32).map((_, i) => i);
    expect(publicKeyOf(nodeIdOf(key))).toEqual(key);
  });

  it.each([
    '',
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '12D3KooW',
    `12D3KooW${'0'.repeat(44)}`,
    `1${'z'.repeat(51)}`,
  ])('refuses %j', (text) => {
    expect(() => publicKeyOf(text)).toThrow(NodeIdError);
  });
});
