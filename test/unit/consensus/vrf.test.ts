import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../../src/consensus/hash.ts';
import { vrfOutput, vrfProve, vrfPublicKey, vrfVerify } from '../../../src/consensus/vrf.ts';

/** RFC 9381, appendix B.3, examples 16 to 18 (ECVRF-EDWARDS25519-SHA512-TAI). */
const EXAMPLES = [
  {
    secret: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    input: '',
    proof:
      '8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805',
    output:
      '90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae',
  },
  {
    secret: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    input: '72',
    proof:
      'f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02',
    output:
      'eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031',
  },
  {
    secret: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    input: 'af82',
    proof:
      '9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e',
    output:
      '645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f',
  },
].map((example) => ({
  secret: hexToBytes(example.secret),
  publicKey: hexToBytes(example.publicKey),
  input: hexToBytes(example.input),
  proof: example.proof,
  output: example.output,
}));

/** Encodings of the points of small order (orders 1, 2, 4 and 8), and of y = p. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

describe('ECVRF-EDWARDS25519-SHA512-TAI', () => {
  it.each(EXAMPLES)(
    'agrees with the RFC’s example of public key $publicKey',
    ({ secret, publicKey, input, proof, output }) => {
      expect(vrfPublicKey(secret)).toEqual(publicKey);
      expect(bytesToHex(vrfProve(secret, input))).toBe(proof);
      expect(bytesToHex(vrfVerify(publicKey, input, hexToBytes(proof))!)).toBe(output);
      expect(bytesToHex(vrfOutput(hexToBytes(proof))!)).toBe(output);
    },
  );

  it('refuses a proof with any byte changed, for another input, or under another key', () => {
    const [first, second] = EXAMPLES;
    const proof = hexToBytes(first!.proof);
    for (let i = 0; i < proof.length; i++) {
      const bent = Uint8Array.from(proof);
      bent[i]! ^= 1;
      expect(vrfVerify(first!.publicKey, first!.input, bent)).toBeNull();
    }
    expect(vrfVerify(first!.publicKey, Uint8Array.of(1), proof)).toBeNull();
    expect(vrfVerify(second!.publicKey, first!.input, proof)).toBeNull();
    expect(vrfVerify(first!.publicKey, first!.input, proof.slice(1))).toBeNull();
  });

  it('refuses s + order, a second encoding of the same proof', () => {
    const [first] = EXAMPLES;
    const proof = hexToBytes(first!.proof);
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    let s = 0n;
    for (let i = 31; i >= 0; i--) s = (s << 8n) | BigInt(proof[48 + i]!);
    for (let i = 0; i < 32; i++) proof[48 + i] = Number(((s + order) >> BigInt(8 * i)) & 255n);
    expect(vrfVerify(first!.publicKey, first!.input, proof)).toBeNull();
  });

  it.each(SMALL_ORDER)('refuses the key of small order %s', (key) => {
    const [first] = EXAMPLES;
    expect(vrfVerify(hexToBytes(key), first!.input, hexToBytes(first!.proof))).toBeNull();
  });
});
