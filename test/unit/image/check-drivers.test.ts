import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { filesOf, whatIsLacking } from '../../../image/check-drivers.mjs';
import { readDeviceTree, suppliersOf } from '../../../image/device-tree.mjs';

type Value = string[] | number[];
interface Node {
  [property: string]: Value | Node;
}

const isValue = (value: Value | Node): value is Value => Array.isArray(value);
const cells = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
};
const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

/** A device tree as dtc makes it. */
function treeOf(root: Node): Buffer {
  const names: string[] = [];
  const property = (name: string, value: Value): Buffer => {
    const bytes =
      typeof value[0] === 'string' ? Buffer.from(`${value.join('\0')}\0`) : cells(...(value as readonly number[]));
    names.push(name);
    const at = names.slice(0, -1).join('\0').length + (names.length > 1 ? 1 : 0);
    return padded(Buffer.concat([cells(3, bytes.length, at), bytes]));
  };
  const node = (name: string, content: Node): Buffer => {
    const parts = Object.entries(content).map(([key, value]) =>
      isValue(value) ? property(key, value) : node(key, value),
    );
    return Buffer.concat([cells(1), padded(Buffer.from(`${name}\0`)), cells(4), ...parts, cells(2)]);
  };
  const structure = Buffer.concat([node('', root), cells(9)]);
  const strings = Buffer.from(`${names.join('\0')}\0`);
  const header = cells(0xd00dfeed, 40 + structure.length + strings.length, 40, 40 + structure.length, 40, 17, 16, 0);
  return Buffer.concat([header, cells(strings.length, structure.length), structure, strings]);
}

/** As on a Pi 4: the card's power is a switch on a line of the firmware. */
const BOARD = {
  soc: {
    compatible: ['simple-bus'],
    clock: { compatible: ['board,clock'], phandle: [1], '#clock-cells': [1] },
    lines: { compatible: ['board,lines'], phandle: [2], '#gpio-cells': [2] },
    supply: { compatible: ['switched'], phandle: [3], gpios: [2, 4, 0] },
    'mmc@1': { compatible: ['board,newer', 'board,card'], 'vmmc-supply': [3], clocks: [1, 4] },
    'mmc@2': { compatible: ['board,card'], status: ['disabled'], 'vmmc-supply': [5] },
    'mmc@3': { compatible: ['board,card'], 'vmmc-supply': [5], wifi: { compatible: ['board,wifi'] } },
    other: { compatible: ['stranger'], phandle: [4] },
    odd: { compatible: ['odd'], phandle: [5] },
  },
};
const DRIVERS = new Map([
  ['board,card', ['card']],
  ['board,lines', ['lines']],
  ['switched', ['switch', 'switch_too']],
  ['stranger', ['stranger']],
  ['odd', ['odd']],
]);
const lackingWith = (...present: string[]) =>
  whatIsLacking(readDeviceTree(treeOf(BOARD)), DRIVERS, new Set(present), (module) => module === 'card');

describe('drivers that a board’s card hangs on', () => {
  it('are found through all that gives it power, clock and lines', () => {
    expect(lackingWith('card')).toEqual({
      cards: ['/soc/mmc@1'],
      lacking: ['switch or switch_too for /soc/supply', 'lines for /soc/lines'],
    });
  });

  it('are enough where one of several is there', () => {
    expect(lackingWith('card', 'switch_too', 'lines').lacking).toEqual([]);
    expect(lackingWith('switch', 'lines').lacking).toEqual(['card for /soc/mmc@1']);
  });

  it('are not guessed from numbers that only look like names', () => {
    const tree = readDeviceTree(treeOf(BOARD));
    const card = tree.nodes.find(({ path }) => path === '/soc/mmc@1')!;
    expect(suppliersOf(tree, card).map(({ path }) => path)).toEqual(['/soc', '/soc/supply', '/soc/clock']);
  });

  it('cannot be told from something else', () => {
    expect(() => readDeviceTree(Buffer.from('no tree at all, but long enough for a header'))).toThrow(
      'not a flattened',
    );
  });
});

describe('an initramfs', () => {
  const archive = (...names: string[]) =>
    Buffer.concat(
      [...names, 'TRAILER!!!'].map((name) => {
        const field = (value: number) => value.toString(16).padStart(8, '0');
        const fields = Array.from({ length: 13 }, (_, index) =>
          field(index === 6 ? 5 : index === 11 ? name.length + 1 : 0),
        );
        return Buffer.concat([padded(Buffer.from(`070701${fields.join('')}${name}\0`)), padded(Buffer.from('bytes'))]);
      }),
    );

  it('is read to its end, its packed part too', () => {
    const bytes = Buffer.concat([
      archive('a/one.ko.xz'),
      Buffer.alloc(512),
      zstdCompressSync(archive('b', 'c/two.ko')),
    ]);
    expect(filesOf(bytes)).toEqual(['a/one.ko.xz', 'b', 'c/two.ko']);
  });
});
