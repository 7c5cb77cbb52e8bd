import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DbusFormatError,
  decodeMessage,
  encodeMessage,
  METHOD_CALL,
  type Message,
  messageLength,
  typesOf,
  variant,
} from '../../../src/system/wifi/dbus/codec.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/system/wifi/limits.ts';

function message(signature: string, body: unknown[]): Message {
  const call = { path: '/a/b', interface: 'a.b', member: 'C', destination: 'd.e' };
  return { type: METHOD_CALL, serial: 7, ...call, signature, body };
}

function thereAndBack(signature: string, value: unknown): unknown {
  return decodeMessage(encodeMessage(message(signature, [value]))).body[0];
}

/** Hello, recorded from gdbus (GLib) and dbus-send (the reference library): they order the fields differently. */
const HELLOS = [
  '6c01000100000000010000006e00000001016f00150000002f6f72672f667265656465736b746f702f4442757300000002017300140000006f' +
    '72672e667265656465736b746f702e444275730000000006017300140000006f72672e667265656465736b746f702e4442757300000000' +
    '030173000500000048656c6c6f000000',
  '6c01000100000000010000006e00000001016f00150000002f6f72672f667265656465736b746f702f4442757300000006017300140000006f' +
    '72672e667265656465736b746f702e444275730000000002017300140000006f72672e667265656465736b746f702e4442757300000000' +
    '030173000500000048656c6c6f000000',
];

describe('messages of D-Bus', () => {
  it.each(HELLOS)('are read as other libraries write them', (hex) => {
    const bus = 'org.freedesktop.DBus';
    const hello = { path: '/org/freedesktop/DBus', interface: bus, member: 'Hello', destination: bus };
    const recorded = Buffer.from(hex, 'hex');
    expect(messageLength(recorded)).toBe(recorded.length);
    expect(decodeMessage(recorded)).toEqual({ type: METHOD_CALL, serial: 1, ...hello, signature: '', body: [] });
    const written = encodeMessage({ type: METHOD_CALL, serial: 1, ...hello, signature: '', body: [] });
    expect(decodeMessage(written)).toEqual(decodeMessage(recorded));
    // All but the length of the fields, whose padding depends on their order.
    expect(Buffer.from(written).toString('hex').slice(0, 24)).toBe(hex.slice(0, 24));
  });

  it.each([
    ['y', 255],
    ['b', true],
    ['n', -32_768],
    ['q', 65_535],
    ['i', -2_147_483_648],
    ['u', 4_294_967_295],
    ['x', -(2n ** 63n)],
    ['t', 2n ** 64n - 1n],
    ['d', 0.1],
    ['s', 'Straße ✓'],
    ['o', '/org/x'],
    ['g', 'a{sv}'],
    ['as', ['', 'a', 'bc']],
    ['(yu)', [1, 2]],
    ['a(yv)', []],
    ['aay', [Uint8Array.of(1), Uint8Array.of()]],
    ['a{uy}', [[1, 2]]],
  ])('carry %s', (signature, value) => expect(thereAndBack(signature, value)).toEqual(value));

  it('carry nested profiles, and read variants as what is in them', () => {
    const profile = {
      connection: { id: variant('s', 'x'), n: variant('ai', [1, 2]) },
      wifi: { ssid: variant('ay', Uint8Array.of(255, 0)) },
    };
    expect(thereAndBack('a{sa{sv}}', profile)).toEqual({
      connection: { id: 'x', n: [1, 2] },
      wifi: { ssid: Uint8Array.of(255, 0) },
    });
  });

  it('read keys that name a prototype as nothing special', () => {
    const read = thereAndBack('a{ss}', JSON.parse('{"__proto__": "x", "constructor": "y"}')) as Record<string, string>;
    expect(Object.getPrototypeOf(read)).toBeNull();
    expect(Object.keys(read)).toContain('constructor');
    expect(({} as Record<string, string>).x).toBeUndefined();
  });

  it('carry texts and bytes of any length and neighbourhood', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 0, max: 255 }),
            fc.string({ unit: 'grapheme' }),
            fc.uint8Array({ maxLength: 2_000 }),
          ),
        ),
        (rows) => {
          const clean = rows.map(([a, b, c]) => [a, b.replaceAll('\0', ''), c]);
          expect(thereAndBack('a(ysay)', clean)).toEqual(clean);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('tell how long they are from their beginning', () => {
    const bytes = encodeMessage(message('s', ['hello']));
    expect(messageLength(bytes)).toBe(bytes.length);
    expect(messageLength(bytes.subarray(0, 15))).toBeNull();
  });
});

describe('what is no message', () => {
  it('is refused, and never read beyond its end or for ever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 300 }), fc.boolean(), (bytes, marked) => {
        if (marked) bytes[0] = 0x6c;
        try {
          messageLength(bytes);
          decodeMessage(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DbusFormatError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('with damaged bytes is refused or read, nothing else', () => {
    const good = encodeMessage(message('a{sa{sv}}', [{ a: { b: variant('av', [variant('s', 'x')]) } }]));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = byte;
        try {
          decodeMessage(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DbusFormatError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is too long when it says so', () => {
    const bytes = encodeMessage(message('s', ['hello']));
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, MAX_MESSAGE_BYTES, true);
    expect(() => messageLength(bytes)).toThrow(DbusFormatError);
    expect(() => encodeMessage(message('ay', [new Uint8Array(MAX_MESSAGE_BYTES)]))).toThrow(DbusFormatError);
  });

  it.each(['z', 'a', '()', 'a()', 'a{}', '(', '(s', 'a{', '{s}}', ')', 'a'.repeat(200)])(
    'has the signature %s',
    (signature) => {
      expect(() => typesOf(signature)).toThrow(DbusFormatError);
    },
  );

  it.each([
    ['s', 1],
    ['s', 'a\0b'],
    ['as', 'x'],
    ['(ss)', ['x']],
    ['a{sv}', null],
  ])('has a body that does not fit %s', (signature, value) => {
    expect(() => encodeMessage(message(signature, [value]))).toThrow(DbusFormatError);
  });
});
