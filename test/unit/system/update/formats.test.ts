import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOOT_STATE_BYTES, decodeBootState, encodeBootState } from '../../../../src/system/update/boot-state.ts';
import { parseKernelLine } from '../../../../src/system/update/kernel-line.ts';
import { compareVersions } from '../../../../src/system/update/version.ts';

describe('the boot state', () => {
  it('is a sector in the format of U-Boot’s environment', () => {
    const sector = encodeBootState({ slot: 'b', try: 'a' });
    expect(sector).toHaveLength(BOOT_STATE_BYTES);
    expect(sector.subarray(4, 20).toString('latin1')).toBe('slot=b\0try=a\0\0\0\0');
    expect(sector.readUInt32LE(0)).toBe(crc32(sector.subarray(4)));
    expect(sector.subarray(20).every((byte) => byte === 0)).toBe(true);
  });

  it('comes back as it was written', () => {
    for (const slot of ['a', 'b'] as const)
      for (const tried of ['a', 'b', null] as const)
        expect(decodeBootState(encodeBootState({ slot, try: tried }))).toEqual({ slot, try: tried });
  });

  it('is nothing when a single bit of it is wrong, when it is empty, or of another size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: BOOT_STATE_BYTES * 8 - 1 }), (bit) => {
        const sector = encodeBootState({ slot: 'b', try: null });
        sector[bit >> 3] = (sector[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(decodeBootState(sector)).toBeNull();
      }),
    );
    expect(decodeBootState(Buffer.alloc(BOOT_STATE_BYTES))).toBeNull();
    expect(decodeBootState(encodeBootState({ slot: 'a', try: null }).subarray(1))).toBeNull();
  });

  it('reads what U-Boot writes: other keys, another order, an empty try; not a slot that does not exist', () => {
    const made = (text: string) => {
      const sector = Buffer.alloc(BOOT_STATE_BYTES);
      sector.write(text, 4, 'latin1');
      sector.writeUInt32LE(crc32(sector.subarray(4)), 0);
      return decodeBootState(sector);
    };
    expect(made('arch=arm\0slot=b\0try=\0\0')).toEqual({ slot: 'b', try: null });
    expect(made('try=b\0slot=a\0\0')).toEqual({ slot: 'a', try: 'b' });
    for (const text of ['slot=c\0\0', 'slot=\0\0', 'try=b\0\0', '\0\0', 'x'.repeat(508)]) expect(made(text)).toBeNull();
  });

  it('has the checksum that zlib computes elsewhere', () => {
    expect(encodeBootState({ slot: 'a', try: 'b' }).readUInt32LE(0)).toBe(0x125afb45);
  });
});

describe('the kernel’s command line', () => {
  it.each([
    ['root=PARTUUID=1 starling.slot=b starling.trial=1 quiet\n', { slot: 'b', onTrial: true }],
    ['starling.slot=a starling.trial=0', { slot: 'a', onTrial: false }],
    ['starling.slot=a', { slot: 'a', onTrial: false }],
    ['starling.slot=a starling.slot=b', { slot: 'b', onTrial: false }],
    ['starling.slot=c', null],
    ['xstarling.slot=a', null],
    ['', null],
  ])('%j', (line, started) => expect(parseKernelLine(line)).toEqual(started));
});

describe('versions', () => {
  const ORDER = [
    '0.1.0',
    '0.2.0-rc.1',
    '0.2.0-rc.2',
    '0.2.0-rc.10',
    '0.2.0',
    '0.10.0',
    '1.0.0-1',
    '1.0.0-a',
    '1.0.0-a.1',
  ];
  it('are ordered by number, previews before their release', () => {
    for (const [at, version] of ORDER.entries())
      for (const [other, than] of ORDER.entries())
        expect([version, than, compareVersions(version, than)]).toEqual([
          version,
          than,
          at === other ? 'same' : at > other ? 'newer' : 'older',
        ]);
  });
  it('that cannot be read are the oldest', () => {
    expect(compareVersions('0.1.0', 'unknown')).toBe('newer');
    expect(compareVersions('unknown', '0.1.0')).toBe('older');
  });
});
