/** Each way to make an update that is none, and what answers. Nothing of a card changes before an update was believed. */
import { createPrivateKey, sign } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UpdateError } from '../../../../src/system/update/errors.ts';
import { installUpdate } from '../../../../src/system/update/install.ts';
import { parseManifest } from '../../../../src/system/update/manifest.ts';
import { loadReleaseKeys, SIGNATURE_CONTEXT } from '../../../../src/system/update/release-keys.ts';
import { type Content, FileCard, openBytes, SLOT_BYTES, someContent, Workshop } from './card-of-files.ts';

let shop: Workshop;
let good: Buffer;
let fresh: Content;
let card: FileCard;
const old = someContent(60_000);
beforeAll(() => {
  shop = new Workshop();
  fresh = someContent();
  good = readFileSync(shop.makeUpdate(fresh));
});
afterAll(() => shop.end());
beforeEach(() => {
  rmSync(join(shop.dir, 'card'), { recursive: true, force: true });
  card = new FileCard(join(shop.dir, 'card'), old);
});

interface Options {
  version?: string;
  anyVersion?: boolean;
  onTrial?: boolean;
  keys?: string;
}

function install(
  path: string,
  { version = '1.1.0', anyVersion = false, onTrial = false, keys = shop.keys }: Options = {},
): string {
  try {
    const { manifest, slot } = installUpdate(
      openBytes(path),
      { card: card.open(), begun() {}, progress() {}, ready() {} },
      {
        started: { slot: 'a', onTrial },
        keys: loadReleaseKeys(keys),
        recipient: { arch: 'arm64', version, anyVersion },
      },
    );
    return `version ${manifest.version} in ${slot}`;
  } catch (error) {
    if (!(error instanceof UpdateError)) throw error;
    expect(error.message).toMatch(/^[A-Z][\s\S]{30,}\.$|\?$/);
    return error.code;
  }
}

const snapshotOf = () => [card.state(), card.content('a', SLOT_BYTES), card.content('b', SLOT_BYTES)];

function given(bytes: Buffer): string {
  const path = join(shop.dir, 'given.update');
  writeFileSync(path, bytes);
  return path;
}

/** Replaces bytes at the first place where some text stands. */
function patched(text: string, by: string | Buffer, base = good): Buffer {
  const bytes = Buffer.from(base);
  const at = bytes.indexOf(text);
  if (at < 0) throw new Error(`no ${text}`);
  Buffer.from(by as string).copy(bytes, at);
  return bytes;
}

/** Changes a header and makes its checksum right again. */
function headerChanged(index: number, change: (header: Buffer) => void): Buffer {
  const bytes = Buffer.from(good);
  const starts = ['manifest.json', 'manifest.sig', 'slot.img', 'vmlinuz', 'initrd.img'].map((name) => {
    for (let at = 0; at < bytes.length; at += 512)
      if (bytes.toString('latin1', at, at + name.length + 1) === `${name}\0`) return at;
    throw new Error(name);
  });
  const header = bytes.subarray(starts[index], (starts[index] ?? 0) + 512);
  change(header);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

/** Signed by the right key, with a manifest of its own. */
function withManifest(change: (manifest: Record<string, unknown>) => unknown): Buffer {
  const bytes = Number.parseInt(good.toString('latin1', 124, 135), 8);
  const changed = change(JSON.parse(good.toString('utf8', 512, 512 + bytes)));
  const manifest = Buffer.from(typeof changed === 'string' ? changed : JSON.stringify(changed));
  const key = createPrivateKey(readFileSync(shop.privateKey));
  const id = good.subarray(good.indexOf('manifest.sig') + 512).subarray(0, 8);
  const signature = sign(null, Buffer.concat([Buffer.from(SIGNATURE_CONTEXT, 'latin1'), manifest]), key);
  const header = headerChanged(0, (block) => block.write(manifest.length.toString(8).padStart(11, '0'), 124)).subarray(
    0,
    512,
  );
  const padding = Buffer.alloc((512 - (manifest.length % 512)) % 512);
  const rest = good.subarray(good.indexOf('manifest.sig'));
  return Buffer.concat([header, manifest, padding, rest.subarray(0, 512), id, signature, rest.subarray(512 + 72)]);
}

describe('an update as it was made', () => {
  it('goes into the other slot, whole, and is tried once', () => {
    expect(install(given(good))).toBe('version 1.2.0 in b');
    expect(card.content('b', fresh.slot.length)).toEqual(fresh);
    expect(card.content('a', old.slot.length)).toEqual(old);
    expect(card.start()).toEqual({ slot: 'b', onTrial: true });
    expect(card.start()).toEqual({ slot: 'a', onTrial: false });
  });

  it('is the same bytes whoever makes it when', () => {
    expect(readFileSync(shop.makeUpdate(fresh, { name: 'again.update' })).equals(good)).toBe(true);
  });

  it('is taken by any of several keys, and by the new one alone after a change of keys', () => {
    const keys = join(shop.dir, 'two-keys');
    mkdirSync(keys);
    const next = join(shop.dir, 'next.pem');
    shop.makeKey(next, join(keys, 'next.pub.pem'));
    const update = shop.makeUpdate(fresh, { key: next, name: 'next.update' });
    expect(install(update)).toBe('unknown_key');
    expect(install(update, { keys })).toBe('version 1.2.0 in b');
    writeFileSync(join(keys, 'a-first.pub.pem'), readFileSync(join(shop.keys, 'release.pub.pem')));
    writeFileSync(join(keys, 'broken.pem'), 'no key');
    expect(install(given(good), { keys })).toBe('version 1.2.0 in b');
  });
});

describe('an update that is none', () => {
  const cases: [string, string, () => string | Buffer, Options?][] = [
    ['nothing', 'not_an_update', () => Buffer.alloc(0)],
    ['zeros', 'not_an_update', () => Buffer.alloc(100_000)],
    ['music', 'not_an_update', () => someContent().slot],
    ['a cut off header', 'not_an_update', () => good.subarray(0, 300)],
    ['cut off in the manifest', 'truncated', () => good.subarray(0, 700)],
    ['cut off after the signature', 'truncated', () => good.subarray(0, 2_048)],
    ['cut off in the system', 'truncated', () => good.subarray(0, 40_000)],
    ['its last byte missing', 'truncated', () => good.subarray(0, -1)],
    ['one byte too many', 'trailing_data', () => Buffer.concat([good, Buffer.from([0])])],
    ['another archive behind it', 'trailing_data', () => Buffer.concat([good, good])],
    ['a byte of the signature changed', 'bad_signature', () => patchedAfter('manifest.sig', 512 + 20)],
    ['a byte of the key’s name changed', 'unknown_key', () => patchedAfter('manifest.sig', 512)],
    ['a byte of the manifest changed', 'bad_signature', () => patched('"version": "1.2.0"', '"version": "9.2.0"')],
    ['signed by a stranger', 'unknown_key', () => strangers()],
    ['signed by a stranger who says to be us', 'bad_signature', () => strangersAsUs()],
    ['signed without the context', 'bad_signature', () => signedAs('')],
    ['signed in another context', 'bad_signature', () => signedAs('starling release v1\0')],
    ['a byte of the system changed', 'bad_hash', () => patchedAfter('slot.img', 512 + 40_000)],
    ['a byte of the kernel changed', 'bad_hash', () => patchedAfter('vmlinuz\0', 512 + 10)],
    ['a byte of the initramfs changed', 'bad_hash', () => patchedAfter('initrd.img\0', 512 + 511)],
    ['a header damaged', 'not_an_update', () => patched('slot.img\0', 'slot.imG')],
    ['a file under another name', 'not_an_update', () => headerChanged(2, (header) => header.write('../../x\0', 0))],
    ['an absolute name', 'not_an_update', () => headerChanged(3, (header) => header.write('/vmlinuz\0', 0))],
    ['a prefix before a name', 'not_an_update', () => headerChanged(2, (header) => header.write('etc\0', 345))],
    [
      'a link in place of a file',
      'not_an_update',
      () => headerChanged(3, (header) => header.write('2/etc/shadow\0', 156)),
    ],
    ['a folder in place of a file', 'not_an_update', () => headerChanged(4, (header) => header.write('5', 156))],
    [
      'a size that is not the signed one',
      'not_an_update',
      () => headerChanged(3, (header) => header.write('00000000001', 124)),
    ],
    ['a size in GNU’s way', 'not_an_update', () => headerChanged(0, (header) => header.writeUInt8(0x80, 124))],
    ['a manifest of a gigabyte', 'not_an_update', () => headerChanged(0, (header) => header.write('10000000000', 124))],
    [
      'a signature of another size',
      'not_an_update',
      () => headerChanged(1, (header) => header.write('00000000200', 124)),
    ],
    ['no zeros at its end', 'not_an_update', () => endChanged()],
    ['for another machine', 'wrong_machine', () => shop.makeUpdate(fresh, { arch: 'amd64', name: 'b.update' })],
    ['the version that runs', 'not_newer', () => good, { version: '1.2.0' }],
    ['an older version', 'not_newer', () => good, { version: '1.3.0' }],
    [
      'an older version, as a preview of what runs',
      'not_newer',
      () => shop.makeUpdate(fresh, { version: '1.2.0-rc.1', name: 'c.update' }),
      { version: '1.2.0' },
    ],
    ['too large for a slot', 'too_large', () => shop.makeUpdate(someContent(SLOT_BYTES + 1), { name: 'd.update' })],
    ['while the last update is on trial', 'on_trial', () => good, { onTrial: true, version: '1.1.0' }],
  ];
  it.each(cases)('%s: %s', (_, answer, make, options = {}) => {
    if (options.onTrial) card.setState({ slot: 'b', try: null });
    const before = snapshotOf();
    const made = make();
    expect(install(typeof made === 'string' ? made : given(made), options)).toBe(answer);
    expect(snapshotOf()).toEqual(before);
  });

  it('is refused for lack of a key: none in the folder, no folder, and keys of other kinds', () => {
    const empty = join(shop.dir, 'no-keys');
    expect(() => loadReleaseKeys(empty)).toThrow(/takes no updates/);
    mkdirSync(empty);
    writeFileSync(join(empty, 'private.pem'), 'x');
    expect(() => loadReleaseKeys(empty)).toThrow(/trusts no release key/);
  });

  it('may go back to an older version, or the same again, when that is asked for', () => {
    expect(install(given(good), { version: '1.3.0', anyVersion: true })).toBe('version 1.2.0 in b');
    expect(install(given(good), { version: '1.2.0', anyVersion: true })).toBe('version 1.2.0 in b');
  });

  function patchedAfter(text: string, offset: number): Buffer {
    const bytes = Buffer.from(good);
    let at = -1;
    for (let block = 0; block < bytes.length; block += 512) if (bytes.subarray(block).indexOf(text) === 0) at = block;
    bytes[at + offset] = (bytes[at + offset] ?? 0) ^ 1;
    return bytes;
  }
  function strangers(): string {
    const key = join(shop.dir, 'stranger.pem');
    shop.makeKey(key, join(shop.dir, 'stranger.pub.pem'));
    return shop.makeUpdate(fresh, { key, name: 'stranger.update' });
  }
  function strangersAsUs(): Buffer {
    const bytes = readFileSync(strangers());
    const at = bytes.indexOf('manifest.sig') + 512;
    good.copy(bytes, at, good.indexOf('manifest.sig') + 512, good.indexOf('manifest.sig') + 520);
    return bytes;
  }
  function signedAs(context: string): Buffer {
    const size = Number.parseInt(good.toString('latin1', 124, 135), 8);
    const key = createPrivateKey(readFileSync(shop.privateKey));
    const bytes = Buffer.from(good);
    const manifest = bytes.subarray(512, 512 + size);
    sign(null, Buffer.concat([Buffer.from(context, 'latin1'), manifest]), key).copy(
      bytes,
      bytes.indexOf('manifest.sig') + 520,
    );
    return bytes;
  }
  function endChanged(): Buffer {
    const bytes = Buffer.from(good);
    bytes[bytes.length - 700] = 1;
    return bytes;
  }
});

describe('a manifest that is signed and wrong', () => {
  const withFile = (part: object) => (manifest: Record<string, unknown>) => {
    const [first, ...others] = manifest.files as object[];
    return { ...manifest, files: [{ ...first, ...part }, ...others] };
  };
  const cases: [string, string, (manifest: Record<string, unknown>) => unknown][] = [
    ['is no JSON', 'bad_manifest', () => '{'],
    ['is null', 'bad_manifest', () => 'null'],
    ['has no format', 'bad_manifest', ({ format, ...rest }) => rest],
    [
      'needs a newer reader',
      'format_too_new',
      (manifest) => ({ ...manifest, format: 3, min_format: 2, files: 'other' }),
    ],
    ['has a least format above its own', 'bad_manifest', (manifest) => ({ ...manifest, min_format: 2 })],
    ['has a version with a path in it', 'bad_manifest', (manifest) => ({ ...manifest, version: '../1.2.0' })],
    ['has an architecture that is a list', 'bad_manifest', (manifest) => ({ ...manifest, arch: ['arm64'] })],
    ['was released at no time', 'bad_manifest', (manifest) => ({ ...manifest, created: '2026-13-45T00:00:00Z' })],
    ['names other files', 'bad_manifest', withFile({ name: 'slot.img/../x' })],
    ['names a negative size', 'bad_manifest', withFile({ bytes: -1 })],
    ['names a size with a fraction', 'bad_manifest', withFile({ bytes: 1.5 })],
    ['names a system of a terabyte', 'too_large', withFile({ bytes: 2 ** 40 })],
    ['names another size than there is', 'truncated', withFile({ bytes: 500_000 })],
    ['names no hash', 'bad_manifest', withFile({ sha256: 'G'.repeat(64) })],
    ['lists a file twice', 'bad_manifest', ({ files, ...rest }) => ({ ...rest, files: [...(files as object[]), {}] })],
  ];
  it.each(cases)('%s: %s', (_, answer, change) => {
    const before = snapshotOf();
    expect(install(given(withManifest(change)))).toBe(answer);
    expect(snapshotOf()).toEqual(before);
  });

  it('may say more than this version understands, as long as it says so', () => {
    expect(install(given(withManifest((manifest) => ({ ...manifest, format: 2, note: 'x' }))))).toBe(
      'version 1.2.0 in b',
    );
  });

  it('is never read before its signature was checked', () => {
    expect(() => parseManifest(Buffer.from('{'))).toThrow(/no JSON/);
    expect(install(given(patched('{', '[')))).toBe('bad_signature');
  });
});
