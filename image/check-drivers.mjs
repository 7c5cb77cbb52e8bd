/**
 * node image/check-drivers.mjs MODULES INITRD DTB...: whether the initramfs can reach the card of each board. A driver waits
 * for ever for a regulator or a clock whose own driver is not there, and no emulator has the boards' own.
 *
 * MODULES is the kernel's folder below /usr/lib/modules, INITRD packed with zstd.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { zstdDecompressSync } from 'node:zlib';
import { isEnabled, readDeviceTree, suppliersOf, textsOf } from './device-tree.mjs';

/** @import { Tree, TreeNode } from './device-tree.mjs' */

/**
 * Modules by what they take, in the words of device trees. What the kernel itself takes is not among them.
 * @typedef {Map<string, string[]>} Drivers
 */

/** Where drivers of cards stand. */
const CARD_FOLDER = /\/drivers\/mmc\/host\//;
/** An entry of a module's aliases that is about device trees: "of:N*T*Cbrcm,bcm2711-emmc2". */
const ALIAS = /of:N\*T\*C([^*\s]+?)(?:C\*)?(?:\s|$)/;

const ZSTD_MAGIC = 0xfd2fb528;

/** A module's name: the kernel takes dashes and underscores for the same. @param {string} path */
function moduleName(path) {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}

/** @param {string} folder @returns {Drivers} */
export function readDrivers(folder) {
  /** @type {Drivers} */
  const drivers = new Map();
  for (const line of readFileSync(join(folder, 'modules.alias'), 'latin1').split('\n')) {
    const name = ALIAS.exec(line)?.[1];
    const module = line.trim().split(' ').at(-1)?.replaceAll('-', '_');
    if (name === undefined || module === undefined) continue;
    const others = drivers.get(name) ?? [];
    if (!others.includes(module)) drivers.set(name, [...others, module]);
  }
  return drivers;
}

/**
 * Names of the files in an initramfs: archives of cpio's "new ASCII" kind one behind the other, the last one packed
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * @param {Buffer} bytes
 * @returns {string[]}
 */
export function filesOf(bytes) {
  const names = [];
  let at = 0;
  while (bytes.toString('latin1', at, at + 6) === '070701') {
    const field = (/** @type {number} */ index) => {
      const start = at + 6 + 8 * index;
      return Number.parseInt(bytes.toString('latin1', start, start + 8), 16);
    };
    const nameEnd = at + 110 + field(11);
    const name = bytes.toString('utf8', at + 110, nameEnd - 1);
    at = aligned(aligned(nameEnd) + field(6));
    if (name !== 'TRAILER!!!') names.push(name);
    else while (at < bytes.length && bytes[at] === 0) at += 1;
  }
  return at < bytes.length && at + 4 <= bytes.length && bytes.readUInt32LE(at) === ZSTD_MAGIC
    ? [...names, ...filesOf(zstdDecompressSync(bytes.subarray(at)))]
    : names;
}

/** @param {number} at */
function aligned(at) {
  return (at + 3) & ~3;
}

/**
 * What the cards of a board lack.
 *
 * @param {Tree} tree
 * @param {Drivers} drivers
 * @param {Set<string>} present modules of the initramfs
 * @param {(module: string) => boolean} isCardDriver
 * @returns {{ cards: string[], lacking: string[] }}
 */
export function whatIsLacking(tree, drivers, present, isCardDriver) {
  const modulesOf = (/** @type {TreeNode} */ node) =>
    textsOf(node, 'compatible').flatMap((kind) => drivers.get(kind) ?? []);
  // A radio that hangs on a card's bus stands below it as a device of its own; of a card nothing is written down.
  const cards = tree.nodes.filter(
    (node) => isEnabled(node) && node.children.length === 0 && modulesOf(node).some(isCardDriver),
  );
  const lacking = new Set();
  const seen = new Set(cards);
  for (const node of seen) {
    const modules = modulesOf(node);
    if (modules.length > 0 && !modules.some((module) => present.has(module)))
      lacking.add(`${modules.join(' or ')} for ${node.path}`);
    for (const supplier of suppliersOf(tree, node)) seen.add(supplier);
  }
  return { cards: cards.map(({ path }) => path), lacking: [...lacking] };
}

/** @param {string[]} words */
function main([folder, initrd, ...boards]) {
  if (folder === undefined || initrd === undefined || boards.length === 0)
    throw new Error('usage: node check-drivers.mjs MODULES INITRD DTB...');
  const drivers = readDrivers(folder);
  const present = new Set(
    filesOf(readFileSync(initrd))
      .filter((name) => /\.ko(\.\w+)?$/.test(name))
      .map(moduleName),
  );
  const cardDrivers = new Set(
    readFileSync(join(folder, 'modules.dep'), 'latin1')
      .split('\n')
      .map((line) => line.split(':')[0] ?? '')
      .filter((path) => CARD_FOLDER.test(path))
      .map(moduleName),
  );
  for (const board of boards) {
    const { cards, lacking } = whatIsLacking(readDeviceTree(readFileSync(board)), drivers, present, (module) =>
      cardDrivers.has(module),
    );
    if (cards.length === 0) throw new Error(`${basename(board)}: no card that a driver takes`);
    if (lacking.length > 0) throw new Error(`${basename(board)}: the initramfs lacks ${lacking.join(', ')}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(`image: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
