/**
 * Reads flattened device trees (Devicetree Specification 0.4, chapter 5), as far as it takes to see what hangs on what.
 *
 * @typedef {object} TreeNode
 * @property {string} path
 * @property {TreeNode | null} parent
 * @property {TreeNode[]} children
 * @property {Map<string, Buffer>} properties
 *
 * @typedef {object} Tree
 * @property {TreeNode[]} nodes the root first
 * @property {Map<number, TreeNode>} byPhandle
 */

const MAGIC = 0xd00dfeed;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const NOP = 4;
const END = 9;

/**
 * @param {Buffer} bytes
 * @returns {Tree}
 * @throws {Error} when it is not a device tree
 */
export function readDeviceTree(bytes) {
  if (bytes.length < 40 || bytes.readUInt32BE(0) !== MAGIC) throw new Error('this is not a flattened device tree');
  const names = bytes.readUInt32BE(12);
  /** @type {Tree} */
  const tree = { nodes: [], byPhandle: new Map() };
  /** @type {TreeNode | null} */
  let node = null;
  for (let at = bytes.readUInt32BE(8); ; ) {
    const token = bytes.readUInt32BE(at);
    at += 4;
    if (token === BEGIN_NODE) {
      const name = textAt(bytes, at);
      at = aligned(at + name.length + 1);
      node = begin(tree, node, name);
    } else if (token === END_NODE) node = node?.parent ?? null;
    else if (token === PROPERTY) {
      const length = bytes.readUInt32BE(at);
      const value = bytes.subarray(at + 8, at + 8 + length);
      const name = textAt(bytes, names + bytes.readUInt32BE(at + 4));
      at = aligned(at + 8 + length);
      node?.properties.set(name, value);
      if (name === 'phandle' && node !== null) tree.byPhandle.set(value.readUInt32BE(0), node);
    } else if (token === END) return tree;
    else if (token !== NOP) throw new Error(`the device tree holds an unknown token ${token} at byte ${at - 4}`);
  }
}

/**
 * @param {Tree} tree
 * @param {TreeNode | null} parent
 * @param {string} name
 * @returns {TreeNode}
 */
function begin(tree, parent, name) {
  const path = parent === null ? '/' : `${parent.path === '/' ? '' : parent.path}/${name}`;
  const node = { path, parent, children: [], properties: new Map() };
  parent?.children.push(node);
  tree.nodes.push(node);
  return node;
}

/** @param {Buffer} bytes @param {number} at */
function textAt(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}

/** @param {number} at */
function aligned(at) {
  return (at + 3) & ~3;
}

/** @param {TreeNode} node @param {string} name @returns {string[]} */
export function textsOf(node, name) {
  const value = node.properties.get(name);
  return value === undefined ? [] : value.toString('latin1').split('\0').slice(0, -1);
}

/** @param {TreeNode} node */
export function isEnabled(node) {
  const [status = 'okay'] = textsOf(node, 'status');
  return status === 'okay' || status === 'ok';
}

/** Properties that name others, and the property of these that tells how many cells follow each. */
const BY_NAME = new Map([
  ['clocks', '#clock-cells'],
  ['resets', '#reset-cells'],
  ['power-domains', '#power-domain-cells'],
  ['dmas', '#dma-cells'],
  ['mboxes', '#mbox-cells'],
  ['phys', '#phy-cells'],
  ['iommus', '#iommu-cells'],
  ['firmware', null],
  ['interrupt-parent', null],
]);

/** @param {string} name @returns {string | null | undefined} undefined: it names nobody */
function cellsOf(name) {
  if (/(^|-)gpios?$/.test(name)) return '#gpio-cells';
  if (/-supply$/.test(name) || /^pinctrl-\d+$/.test(name)) return null;
  return BY_NAME.get(name);
}

/**
 * What a device cannot work without: its buses, and whoever gives it power, clocks, lines and the like.
 *
 * @param {Tree} tree
 * @param {TreeNode} node
 * @returns {TreeNode[]}
 */
export function suppliersOf(tree, node) {
  const suppliers = node.parent === null ? [] : [node.parent];
  for (const [name, value] of node.properties) {
    const cells = cellsOf(name);
    if (cells === undefined) continue;
    for (let at = 0; at + 4 <= value.length; ) {
      const supplier = tree.byPhandle.get(value.readUInt32BE(at));
      at += 4;
      if (supplier === undefined) continue;
      suppliers.push(supplier);
      if (cells !== null) at += 4 * (supplier.properties.get(cells)?.readUInt32BE(0) ?? 0);
    }
  }
  return suppliers;
}
