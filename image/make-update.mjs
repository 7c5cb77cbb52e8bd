/**
 * Packs and signs an update:
 *
 *     node image/make-update.mjs --slot FILE --kernel FILE --initrd FILE --version V --key FILE --out FILE
 *       [--arch arm64] [--created 2026-11-25T00:00:00Z]
 *
 * A tar archive (ustar): manifest.json, manifest.sig, slot.img, vmlinuz, initrd.img. The signature is Ed25519 over a
 * context and the bytes of the manifest; the manifest holds the hashes of the files. src/system/update reads it. The same
 * input makes the same bytes: the time is SOURCE_DATE_EPOCH, or that of the last commit.
 *
 * Plain JavaScript on Node alone, as all that builds an image.
 */
import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const FORMAT = 1;
/** As in src/system/update/release-keys.ts. */
const CONTEXT = 'starling update manifest v1\0';
const KEY_ID_BYTES = 8;
const BLOCK = 512;
const CHUNK = 1 << 20;
const VERSION = /^\d{1,6}\.\d{1,6}\.\d{1,6}(-[0-9A-Za-z.-]{1,40})?$/;
const REQUIRED = ['slot', 'kernel', 'initrd', 'version', 'key', 'out'];

/** What is wrong with the command line or the files, for people. */
class Refusal extends Error {}

function options(argv) {
  const text = { type: 'string' };
  const names = [...REQUIRED, 'arch', 'created'];
  let values;
  try {
    ({ values } = parseArgs({ args: argv, options: Object.fromEntries(names.map((name) => [name, text])) }));
  } catch (error) {
    throw new Refusal(error.message);
  }
  const missing = REQUIRED.filter((name) => !values[name]);
  if (missing.length > 0) throw new Refusal(`missing: ${missing.map((name) => `--${name}`).join(', ')}`);
  if (!VERSION.test(values.version))
    throw new Refusal(`--version ${values.version}: allowed are versions such as 1.2.3`);
  return { arch: 'arm64', created: releaseTime(), ...values };
}

/** ISO 8601, UTC, whole seconds. */
function releaseTime() {
  let seconds = process.env.SOURCE_DATE_EPOCH;
  if (!seconds) {
    const root = dirname(dirname(fileURLToPath(import.meta.url)));
    try {
      seconds = execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], { encoding: 'utf8', stdio: 'pipe' });
    } catch {
      throw new Refusal('no git here to tell the time of the release: give --created, or SOURCE_DATE_EPOCH');
    }
  }
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
}

/** Calls back with each piece of a file. @returns its size */
function readPieces(path, take) {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(CHUNK);
    let total = 0;
    for (let count = readSync(file, buffer); count > 0; count = readSync(file, buffer)) {
      take(buffer.subarray(0, count));
      total += count;
    }
    return total;
  } finally {
    closeSync(file);
  }
}

function entry(name, path) {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new Refusal(`${path}: there is no such file`);
  const hash = createHash('sha256');
  const bytes = readPieces(path, (piece) => hash.update(piece));
  if (bytes === 0) throw new Refusal(`${path}: is empty`);
  return { name, bytes, sha256: hash.digest('hex') };
}

function readKey(path) {
  let key;
  try {
    key = createPrivateKey(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Refusal(
      `${path}: no private key can be read there (${error.code ?? 'no PEM'}); image/make-keys.sh makes one`,
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new Refusal(`${path}: is no Ed25519 key`);
  return key;
}

/** Which key signed: the beginning of the hash of its public half. */
function keyId(key) {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return createHash('sha256').update(Buffer.from(x, 'base64url')).digest().subarray(0, KEY_ID_BYTES);
}

function header(name, bytes, seconds) {
  const block = Buffer.alloc(BLOCK);
  const octal = (value, digits) => value.toString(8).padStart(digits, '0');
  block.write(name, 0, 100, 'latin1');
  block.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100, 'latin1');
  block.write(`${octal(bytes, 11)}\0${octal(seconds, 11)}\0        0`, 124, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return block;
}

function main(argv) {
  const { slot, kernel, initrd, version, key: keyPath, out, arch, created } = options(argv);
  const key = readKey(keyPath);
  const paths = { 'slot.img': slot, vmlinuz: kernel, 'initrd.img': initrd };
  const files = Object.entries(paths).map(([name, path]) => entry(name, path));
  const manifest = Buffer.from(
    `${JSON.stringify({ format: FORMAT, min_format: FORMAT, version, arch, created, files }, null, 2)}\n`,
  );
  const signature = Buffer.concat([
    keyId(key),
    sign(null, Buffer.concat([Buffer.from(CONTEXT, 'latin1'), manifest]), key),
  ]);

  const seconds = Math.floor(Date.parse(created) / 1000);
  if (!Number.isFinite(seconds))
    throw new Refusal(`--created ${created}: allowed are times such as 2026-11-25T00:00:00Z`);
  const part = `${out}.${process.pid}.part`;
  const archive = openSync(part, 'w', 0o644);
  try {
    const pad = (bytes) => writeSync(archive, Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK));
    for (const [name, content] of [
      ['manifest.json', manifest],
      ['manifest.sig', signature],
    ]) {
      writeSync(archive, header(name, content.length, seconds));
      writeSync(archive, content);
      pad(content.length);
    }
    for (const { name, bytes } of files) {
      writeSync(archive, header(name, bytes, seconds));
      if (readPieces(paths[name], (piece) => writeSync(archive, piece)) !== bytes)
        throw new Refusal(`${paths[name]}: changed while it was packed`);
      pad(bytes);
    }
    writeSync(archive, Buffer.alloc(2 * BLOCK));
    fsyncSync(archive);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(archive);
  }
  renameSync(part, out);
  console.log(`${resolve(out)}: version ${version} for ${arch}, signed with ${keyId(key).toString('hex')}`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(`make-update: ${error.message}`);
  process.exitCode = 1;
}
