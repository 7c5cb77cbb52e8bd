import type { FileHandle } from 'node:fs/promises';

/** Read at a time when a file is checked. */
const CHECK_BYTES = 1 << 20;

/** Reads places of an open file; short at its end. */
export class FileReader {
  readonly #handle: FileHandle;
  readonly size: number;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  async read(at: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.size - at));
    const bytes = Buffer.alloc(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#handle.read(bytes, filled, wanted - filled, at + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled === wanted ? bytes : bytes.subarray(0, filled);
  }

  /** Whether the whole file can be read: a stick that was pulled answers with an error somewhere. */
  async isReadable(): Promise<boolean> {
    try {
      for (let at = 0; at < this.size; at += CHECK_BYTES) {
        const wanted = Math.min(CHECK_BYTES, this.size - at);
        if ((await this.read(at, wanted)).length < wanted) return false;
      }
      return true;
    } catch {
      return false;
    }
  }
}
