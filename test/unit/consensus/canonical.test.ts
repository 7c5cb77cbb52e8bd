import { readFileSync } from 'node:fs';
import { encode } from '@ipld/dag-cbor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clipText,
  contentHash,
  decodeMessage,
  decodeSync,
  encodeMessage,
  encodeSync,
  MalformedMessageError,
  signingBytes,
  signMessage,
  verifyMessage,
} from '../../../src/consensus/canonical.ts';
import { encodeCbor, NotEncodableError } from '../../../src/consensus/cbor.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../../src/consensus/hash.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/consensus/limits.ts';
import type { Signed, SignedMessage, Topic } from '../../../src/consensus/messages.ts';
import { createCrypto } from '../../../src/node/crypto.ts';

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/vectors/messages.json', import.meta.url), 'utf8'));
const rows: { message: SignedMessage; bytes: string; signing_bytes: string }[] = vectors.rows.map(
  (row: { message: unknown }) => ({ ...row, message: revive(row.message) }),
);
const crypto = createCrypto({ signingSeed: hexToBytes(vectors.signing_seed), vrfSeed: new Uint8Array(32).fill(1) });

function revive(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, v) =>
    v !== null && typeof v === 'object' && 'hex' in v ? hexToBytes(v.hex) : v,
  );
}

function topicOfRow(row: { message: SignedMessage }): Topic {
  const { type } = row.message.body;
  return type === 'PROPOSAL' ? 'proposal' : type === 'STATE' ? 'state' : 'op';
}

const byType = (type: string) => rows.find((row) => row.message.body.type === type)!;

function causeOf(topic: Topic, bytes: Uint8Array): string {
  try {
    decodeMessage(topic, bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return error.code;
    throw error;
  }
  return 'taken';
}

/** A message with one field of its body replaced, canonically encoded. */
function bent(type: string, change: (body: Record<string, unknown>) => void): Uint8Array {
  const message = structuredClone(byType(type).message) as unknown as {
    body: Record<string, unknown>;
    sig: Uint8Array;
  };
  change(message.body);
  return encodeCbor(message);
}

describe('messages as bytes', () => {
  it.each(rows)('encodes the $message.body.type of the vectors and reads it back', (row) => {
    const bytes = encodeMessage(row.message);
    expect(bytesToHex(bytes)).toBe(row.bytes);
    expect(decodeMessage(topicOfRow(row), bytes)).toEqual(row.message);
    expect(bytesToHex(signingBytes(vectors.station, row.message.body))).toBe(row.signing_bytes);
    expect(bytesToHex(signMessage(crypto, row.message.body).sig)).toBe(bytesToHex(row.message.sig));
    expect(verifyMessage(crypto.verify, vectors.station, row.message)).toBeNull();
  });

  it('refuses a signature for another station, another type, another body', () => {
    const { message } = byType('LIKE');
    expect(verifyMessage(crypto.verify, '00'.repeat(32), message)).toBe('foreignStation');
    const older = { ...message, body: { ...message.body, timestamp: 1 } } as SignedMessage;
    expect(verifyMessage(crypto.verify, vectors.station, older)).toBe('badSignature');
    const leave = { ...message, body: { ...message.body, type: 'LEAVE' } } as SignedMessage;
    expect(verifyMessage(crypto.verify, vectors.station, leave)).toBe('badSignature');
  });

  it('names the content alike with and without endorsements', () => {
    const message = byType('PROPOSAL').message as Signed<never>;
    const endorsed = { ...message, endorsements: [{ node_id: crypto.nodeId, sig: new Uint8Array(64) }] };
    expect(contentHash(endorsed)).toBe(contentHash(message));
    expect(decodeMessage('proposal', encodeMessage(endorsed))).toEqual(endorsed);
  });

  it.each([
    ['a missing field', 'STATE', (b: Record<string, unknown>) => delete b.epoch, 'missingField'],
    ['an unknown field', 'STATE', (b: Record<string, unknown>) => (b.extra = 1), 'unknownField'],
    ['a text for a number', 'STATE', (b: Record<string, unknown>) => (b.epoch = '7'), 'badField'],
    ['a negative time', 'STATE', (b: Record<string, unknown>) => (b.timestamp = -1), 'badField'],
    [
      'six tracks in the queue',
      'STATE',
      (b: Record<string, unknown>) => (b.queue = Array(6).fill((b.queue as string[])[0])),
      'badField',
    ],
    ['upper-case hex', 'STATE', (b: Record<string, unknown>) => (b.head = 'A'.repeat(64)), 'badField'],
    ['a node id that is none', 'STATE', (b: Record<string, unknown>) => (b.node_id = 'me'), 'badField'],
    ['a short proof', 'PROPOSAL', (b: Record<string, unknown>) => (b.vrf_proof = new Uint8Array(79)), 'badField'],
    ['two manifests', 'PROPOSAL', (b: Record<string, unknown>) => (b.segments as string[]).push('bafy'), 'badField'],
    ['a duration of nothing', 'PROPOSAL', (b: Record<string, unknown>) => (b.duration = 0), 'badField'],
    ['a long name', 'PROPOSAL', (b: Record<string, unknown>) => (b.track_name = 'é'.repeat(129)), 'badField'],
    [
      'an operation that is none',
      'PROPOSAL',
      (b: Record<string, unknown>) => (b.ops = [{ body: { type: 'RUN' }, sig: new Uint8Array(64) }]),
      'badField',
    ],
    ['another wire version', 'PROPOSAL', (b: Record<string, unknown>) => (b.v = 2), 'badField'],
  ])('refuses %s', (_, type, change, cause) => {
    expect(causeOf(type === 'STATE' ? 'state' : 'proposal', bent(type, change))).toBe(cause);
  });

  it('refuses a message on the topic of another', () => {
    expect(causeOf('state', hexToBytes(byType('PROPOSAL').bytes))).toBe('wrongType');
    expect(causeOf('op', hexToBytes(byType('STATE').bytes))).toBe('wrongType');
  });

  it('refuses endorsements on anything but a proposal, an empty list of them, and one node twice', () => {
    const word = { node_id: crypto.nodeId, sig: new Uint8Array(64) };
    const state = { ...byType('STATE').message, endorsements: [word] };
    expect(causeOf('state', encodeCbor(state))).toBe('unknownField');
    const proposal = byType('PROPOSAL').message;
    expect(causeOf('proposal', encodeCbor({ ...proposal, endorsements: [] }))).toBe('badField');
    expect(causeOf('proposal', encodeCbor({ ...proposal, endorsements: [word, word] }))).toBe('badField');
  });

  it('refuses every other encoding of the same value', () => {
    const bytes = hexToBytes(byType('LIKE').bytes);
    expect(causeOf('op', concatBytes(bytes, Uint8Array.of(0)))).toBe('notCanonical');
    // {body, sig} with its keys the other way round: "sig" is the shorter one and comes first.
    expect(bytes[0]).toBe(0xa2);
    expect(bytesToHex(bytes.slice(1, 5))).toBe('63736967');
    const sig = bytes.slice(1, 1 + 4 + 2 + 64);
    const body = bytes.slice(1 + sig.length);
    expect(causeOf('op', concatBytes(Uint8Array.of(0xa2), body, sig))).toBe('notCanonical');
    // A map of indefinite length.
    expect(causeOf('op', concatBytes(Uint8Array.of(0xbf), bytes.slice(1), Uint8Array.of(0xff)))).toBe('notCanonical');
    // The same length in a longer head: 0x78 0x03 for 0x63.
    expect(causeOf('op', concatBytes(bytes.slice(0, 1), Uint8Array.of(0x78, 0x03), bytes.slice(2)))).toBe(
      'notCanonical',
    );
  });

  it('refuses what is too long before it looks inside', () => {
    for (const topic of ['proposal', 'state', 'op'] as const) {
      expect(causeOf(topic, new Uint8Array(MAX_MESSAGE_BYTES[topic] + 1))).toBe('oversized');
    }
  });

  it('answers any bytes with a cause and never with another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(causeOf('op', bytes)).not.toBe('taken');
      }),
    );
    const whole = hexToBytes(byType('STATE').bytes);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = whole.slice();
        changed[at]! ^= change;
        // What is still a message is a message with another content, in its own canonical form.
        if (causeOf('state', changed) === 'taken') {
          expect(encodeMessage(decodeMessage('state', changed))).toEqual(changed);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('ends on deeply nested garbage', () => {
    expect(causeOf('op', new Uint8Array(60_000).fill(0x81))).toBe('notCanonical');
  });
});

describe('the catch-up stream as bytes', () => {
  it('carries questions and answers', () => {
    const question = { kind: 'settled', slot: -1, want: ['ab'.repeat(32)] } as const;
    expect(decodeSync('request', encodeSync({ ...question, want: [...question.want] }))).toEqual(question);
    const answer = { kind: 'status', head: null, roster: [[1, 'a', Uint8Array.of(1)]] } as const;
    expect(decodeSync('response', encodeSync(answer as never))).toEqual(answer);
  });

  it.each([
    [{ kind: 'everything' }],
    [{ kind: 'records', from_slot: -1, count: 1 }],
    [{ kind: 'records', from_slot: 0, count: 1_000 }],
    [{ kind: 'settled', slot: 0, want: Array(300).fill('ab'.repeat(32)) }],
    [{ kind: 'status', more: 1 }],
    [[]],
    [null],
  ])('refuses the question %j', (value) => {
    expect(() => decodeSync('request', encodeCbor(value))).toThrow(MalformedMessageError);
  });
});

describe('canonical DAG-CBOR', () => {
  const key = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
    minLength: 1,
    maxLength: 12,
  });
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      fc.array(tie('value')),
      fc.dictionary(
        key.filter((k) => k !== '__proto__' && k !== '/' && k !== 'asCID'),
        tie('value'),
        { noNullPrototype: true },
      ),
    ),
  }));

  it('equals the reference encoder’s bytes', () => {
    fc.assert(
      fc.property(value, (v) => {
        expect(bytesToHex(encodeCbor(v))).toBe(bytesToHex(encode(v)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('has no form for floats, undefined, other objects, keys beyond ASCII and loops', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    for (const v of [
      1.5,
      Number.NaN,
      2 ** 53,
      undefined,
      { a: undefined },
      new Map(),
      new Date(0),
      { ä: 1 },
      loop,
      1n,
    ]) {
      expect(() => encodeCbor(v)).toThrow(NotEncodableError);
    }
    // A failed call leaves nothing behind.
    expect(bytesToHex(encodeCbor([1]))).toBe('8101');
  });
});

describe('clipped text', () => {
  it('fits, is well-formed, and is a beginning of what was given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, most) => {
        const clipped = clipText(text, most);
        expect(new TextEncoder().encode(clipped).length).toBeLessThanOrEqual(most);
        expect(clipped.isWellFormed()).toBe(true);
        expect(text.toWellFormed().startsWith(clipped)).toBe(true);
      }),
    );
  });
});
