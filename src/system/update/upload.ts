/** An update that a phone sends: room is made for it, it is written piece by piece, and it lies under one name. */
import { mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FREE_BESIDE_UPLOAD_BYTES, MAX_MADE_ROOM, MAX_UPDATE_BYTES } from './limits.ts';
import { UPDATE_FOLDER, UPLOAD_FILE } from './request.ts';

/** Why a file is not taken. */
export interface UploadRefusal {
  code: 'too_large' | 'no_room' | 'cut_off' | 'not_written';
  text: string;
}

export interface UploadComponents {
  /** Drops something that can be had again; false when there is nothing. */
  makeRoom(): Promise<boolean>;
  /** Of the file system with this folder; absent: as the system tells. */
  freeBytes?(folder: string): Promise<number>;
}

const PART_FILE = 'upload.part';

export class Upload {
  readonly #folder: string;
  readonly #components: UploadComponents;

  constructor(components: UploadComponents, dataDir: string) {
    this.#components = components;
    this.#folder = join(dataDir, UPDATE_FOLDER);
  }

  /** Takes away what an earlier one left. */
  async clear(): Promise<void> {
    for (const name of [PART_FILE, UPLOAD_FILE]) await rm(join(this.#folder, name), { force: true });
  }

  /** Makes room for so many bytes, beside what the box itself needs. @returns null when there is room now */
  async prepare(bytes: number): Promise<UploadRefusal | null> {
    if (bytes > MAX_UPDATE_BYTES)
      return { code: 'too_large', text: `The file has ${bytes} bytes; no update has more than ${MAX_UPDATE_BYTES}.` };
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.clear();
    const { freeBytes = freeBytesOf } = this.#components;
    const needed = bytes + FREE_BESIDE_UPLOAD_BYTES;
    for (let made = 0; (await freeBytes(this.#folder)) < needed; made++) {
      if (made < MAX_MADE_ROOM && (await this.#components.makeRoom())) continue;
      const text = `The card has no room for ${bytes} bytes more. Put the update on a stick instead.`;
      return { code: 'no_room', text };
    }
    return null;
  }

  /**
   * Writes what comes, which must be exactly so many bytes.
   * @returns null when it is on the card, whole
   */
  async receive(
    bytes: number,
    body: AsyncIterable<Uint8Array>,
    progress: (done: number) => void,
  ): Promise<UploadRefusal | null> {
    const refusal = (await this.prepare(bytes)) ?? (await this.#write(bytes, body, progress));
    if (refusal !== null) await rm(join(this.#folder, PART_FILE), { force: true });
    else await rename(join(this.#folder, PART_FILE), join(this.#folder, UPLOAD_FILE));
    return refusal;
  }

  async #write(bytes: number, body: AsyncIterable<Uint8Array>, progress: (done: number) => void) {
    const cutOff: UploadRefusal = { code: 'cut_off', text: 'The file did not arrive whole. Send it again.' };
    const file = await open(join(this.#folder, PART_FILE), 'wx', 0o600);
    let isSender = true;
    try {
      let done = 0;
      for await (const piece of body) {
        isSender = false;
        done += piece.length;
        if (done > bytes) return cutOff;
        await file.writeFile(piece);
        progress(done);
        isSender = true;
      }
      isSender = false;
      await file.sync();
      return done === bytes ? null : cutOff;
    } catch (error) {
      if (isSender) return cutOff;
      return { code: 'not_written' as const, text: `The card cannot be written (${(error as Error).message}).` };
    } finally {
      await file.close();
    }
  }
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
