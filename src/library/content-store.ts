import { randomBytes } from 'node:crypto';
import { type Dirent, promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { Blockstore, InputPair, Pair } from 'interface-blockstore';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { RAW, SHA2_256, sha256 } from './cid.ts';
import {
  BlockNotFoundError,
  BlockTooLargeError,
  StoreFullError,
  StoreWriteError,
  UnsupportedCidError,
} from './errors.ts';
import { FREE_CHECK_BYTES, MAX_BLOCK_BYTES, MIN_FREE_BYTES } from './limits.ts';

const HEX_NAME = /^[0-9a-f]{62}$/;
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

interface AbortOptions {
  signal?: AbortSignal;
}

/** Another place blocks can come from, such as the music files themselves. Digests are 64 hex digits. */
export interface BlockSource {
  has(digest: string): boolean | Promise<boolean>;
  /** The block, or null when it cannot be made (any more). */
  get(digest: string): Promise<Uint8Array | null>;
}

export interface ContentStoreInit {
  dir: string;
  /** Bytes that stay free on the file system. */
  minFreeBytes?: number;
}

/** Blocks by the hash of their content, for IPFS, the player and the library. */
export interface ContentStore extends Blockstore {
  /** The block whole, or null when it is not here. A damaged one is removed and counts as not here. */
  getBytes(cid: CID): Promise<Uint8Array | null>;
  /** Size on disk without reading it; null when it is not here. */
  size(cid: CID): Promise<number | null>;
  /** Asked, in turn, for blocks that the disk has not got. */
  addSource(source: BlockSource): void;
  /** Removes what a killed process left half written. Idempotent. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createContentStore(init: ContentStoreInit): ContentStore {
  return new FileContentStore(init);
}

/**
 * One file a block, named by its digest, in 256 folders. A block is written beside and then renamed, so that a killed
 * process leaves no part of one; every read is checked against the digest, so that a power cut, which may leave an
 * empty file under the right name, or a worn card never reaches a listener.
 */
export class FileContentStore implements ContentStore {
  readonly #init: ContentStoreInit;
  readonly #sources: BlockSource[] = [];
  readonly #parts: string;
  #started: Promise<void> | null = null;
  #sinceFreeCheck = Number.POSITIVE_INFINITY;
  #counter = 0;
  readonly #tag = randomBytes(4).toString('hex');

  constructor(init: ContentStoreInit) {
    this.#init = init;
    this.#parts = join(init.dir, 'parts');
  }

  start(): Promise<void> {
    this.#started ??= this.#prepare();
    return this.#started;
  }

  async stop(): Promise<void> {
    this.#started = null;
  }

  addSource(source: BlockSource): void {
    this.#sources.push(source);
  }

  /** @throws BlockTooLargeError, UnsupportedCidError, StoreFullError, StoreWriteError */
  async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options?: AbortOptions,
  ): Promise<CID> {
    const digest = digestOf(cid);
    const bytes = value instanceof Uint8Array ? value : await concatenate(value);
    if (bytes.length > MAX_BLOCK_BYTES) throw new BlockTooLargeError(bytes.length, MAX_BLOCK_BYTES);
    options?.signal?.throwIfAborted();
    const path = this.#path(digest);
    if ((await fileSize(path)) === bytes.length) return cid;
    await this.#checkRoom(bytes.length);
    await this.#write(path, bytes);
    return cid;
  }

  async *putMany(source: Iterable<InputPair> | AsyncIterable<InputPair>, options?: AbortOptions): AsyncGenerator<CID> {
    for await (const { cid, bytes } of source) yield await this.put(cid, bytes, options);
  }

  /** @throws BlockNotFoundError */
  async *get(cid: CID, options?: AbortOptions): AsyncGenerator<Uint8Array> {
    options?.signal?.throwIfAborted();
    const bytes = await this.getBytes(cid);
    if (bytes === null) throw new BlockNotFoundError(cid.toString());
    yield bytes;
  }

  async *getMany(source: Iterable<CID> | AsyncIterable<CID>, options?: AbortOptions): AsyncGenerator<Pair> {
    for await (const cid of source) yield { cid, bytes: this.get(cid, options) };
  }

  async getBytes(cid: CID): Promise<Uint8Array | null> {
    const digest = digestOf(cid);
    const stored = await this.#read(digest);
    if (stored !== null) return stored;
    for (const source of this.#sources) {
      const made = await source.get(digest);
      if (made !== null && sha256(made).toString('hex') === digest) return made;
    }
    return null;
  }

  async has(cid: CID, options?: AbortOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    const digest = digestOf(cid);
    if ((await fileSize(this.#path(digest))) !== null) return true;
    for (const source of this.#sources) if (await source.has(digest)) return true;
    return false;
  }

  async size(cid: CID): Promise<number | null> {
    return await fileSize(this.#path(digestOf(cid)));
  }

  /** What is not here is deleted already. */
  async delete(cid: CID, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    await fs.rm(this.#path(digestOf(cid)), { force: true });
  }

  async *deleteMany(source: Iterable<CID> | AsyncIterable<CID>, options?: AbortOptions): AsyncGenerator<CID> {
    for await (const cid of source) {
      await this.delete(cid, options);
      yield cid;
    }
  }

  /** Every block on disk. The codec is not kept, so the CIDs are raw ones. */
  async *getAll(options?: AbortOptions): AsyncGenerator<Pair> {
    for (const shard of await list(this.#init.dir)) {
      if (!shard.isDirectory() || shard.name.length !== 2) continue;
      for (const entry of await list(join(this.#init.dir, shard.name))) {
        options?.signal?.throwIfAborted();
        if (!HEX_NAME.test(entry.name)) continue;
        const digest = new Uint8Array(Buffer.from(shard.name + entry.name, 'hex'));
        const cid = CID.createV1(RAW, createDigest(SHA2_256, digest));
        if ((await fileSize(this.#path(shard.name + entry.name))) === null) continue;
        yield { cid, bytes: this.get(cid, options) };
      }
    }
  }

  async #prepare(): Promise<void> {
    await fs.mkdir(this.#parts, { recursive: true });
    for (const entry of await list(this.#parts)) await fs.rm(join(this.#parts, entry.name), { force: true });
  }

  async #read(digest: string): Promise<Uint8Array | null> {
    const path = this.#path(digest);
    let bytes: Buffer;
    try {
      bytes = await fs.readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    if (sha256(bytes).toString('hex') === digest) return bytes;
    await fs.rm(path, { force: true });
    return null;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    this.#counter += 1;
    const part = join(this.#parts, `${process.pid}-${this.#tag}-${this.#counter}`);
    try {
      await retryWithFolder(this.#parts, () => fs.writeFile(part, bytes));
      await retryWithFolder(join(path, '..'), () => fs.rename(part, path));
    } catch (error) {
      await fs.rm(part, { force: true }).catch(() => {});
      const { code } = error as NodeJS.ErrnoException;
      if (NO_ROOM.has(code ?? '')) throw new StoreFullError(this.#init.dir, error);
      throw new StoreWriteError(this.#init.dir, error);
    }
  }

  /** Asks the file system now and then only: it costs a system call, and a reserve is no exact figure. */
  async #checkRoom(bytes: number): Promise<void> {
    this.#sinceFreeCheck += bytes;
    if (this.#sinceFreeCheck < FREE_CHECK_BYTES) return;
    await fs.mkdir(this.#init.dir, { recursive: true }).catch(() => {});
    const room = await fs.statfs(this.#init.dir).catch(() => null);
    if (room !== null && room.bavail * room.bsize < (this.#init.minFreeBytes ?? MIN_FREE_BYTES)) {
      throw new StoreFullError(this.#init.dir);
    }
    this.#sinceFreeCheck = 0;
  }

  #path(digest: string): string {
    return join(this.#init.dir, digest.slice(0, 2), digest.slice(2));
  }
}

/** @throws UnsupportedCidError */
export function digestOf(cid: CID): string {
  const { code, digest } = cid.multihash;
  if (code !== SHA2_256 || digest.length !== 32) throw new UnsupportedCidError(cid.toString());
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('hex');
}

async function retryWithFolder<T>(folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await fs.mkdir(folder, { recursive: true });
    return await action();
  }
}

async function fileSize(path: string): Promise<number | null> {
  try {
    return (await fs.stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function list(directory: string): Promise<Dirent[]> {
  try {
    return await fs.readdir(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function concatenate(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  let length = 0;
  for await (const part of parts) {
    length += part.length;
    if (length > MAX_BLOCK_BYTES) throw new BlockTooLargeError(length, MAX_BLOCK_BYTES);
    all.push(part);
  }
  return all.length === 1 ? all[0]! : new Uint8Array(Buffer.concat(all));
}
