/** Updates that lie about: files `*.update` at the top of sticks, and the one that was uploaded. For the radio, which only looks. */
import { constants } from 'node:fs';
import { type FileHandle, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { UnreadableError, UpdateError } from './errors.ts';
import { MAX_FOLDER_NAMES, MAX_FOUND } from './limits.ts';
import { checkRecipient } from './manifest.ts';
import { loadReleaseKeys } from './release-keys.ts';
import { isStickName, isUpdateName, UPDATE_FOLDER, UPLOAD_FILE, type UpdateRequest } from './request.ts';
import { MAX_ENVELOPE_BYTES, openEnvelope } from './update-file.ts';
import { type Age, compareVersions } from './version.ts';

export interface FoundUpdate {
  /** Names it in a wish to install it: `upload`, or stick and file: `sda1/x.update`. */
  file: string;
  place: 'stick' | 'upload';
  /** Of the file, as whoever brought it called it. */
  name: string;
  /** Null when it cannot be believed. */
  version: string | null;
  /** When it was released, ISO 8601. */
  created: string | null;
  age: Age | null;
  /** Why it cannot be installed; null: it can. */
  refused: { code: string; text: string } | null;
}

export interface SearchPlaces {
  /** Public release keys. */
  keys: string;
  /** Sticks are mounted in it. */
  sticks: string;
  /** The radio's data directory. */
  data: string;
}

export interface Searcher {
  version: string;
  arch: string;
}

const UPLOAD = 'upload';

/** @param sticks where sticks are mounted now */
export async function findUpdates(
  sticks: readonly string[],
  places: SearchPlaces,
  searcher: Searcher,
): Promise<FoundUpdate[]> {
  const found: FoundUpdate[] = [];
  const upload = await lookAt(join(places.data, UPDATE_FOLDER, UPLOAD_FILE), places, searcher);
  if (upload !== null) found.push({ file: UPLOAD, place: 'upload', name: UPLOAD_FILE, ...upload });
  for (const path of sticks) {
    const stick = path.startsWith(`${places.sticks}/`) ? path.slice(places.sticks.length + 1) : '';
    if (!isStickName(stick)) continue;
    for (const name of await updateNames(path)) {
      if (found.length >= MAX_FOUND) return found;
      const looked = await lookAt(join(path, name), places, searcher);
      if (looked !== null) found.push({ file: `${stick}/${name}`, place: 'stick', name, ...looked });
    }
  }
  return found;
}

/** What a wish to install names, as the request to root; null for something else. */
export function placeOf(file: string): UpdateRequest['place'] | null {
  if (file === UPLOAD) return { kind: 'upload' };
  const at = file.indexOf('/');
  const [stick, name] = [file.slice(0, at), file.slice(at + 1)];
  return at > 0 && isStickName(stick) && isUpdateName(name) ? { kind: 'stick', stick, name } : null;
}

async function updateNames(folder: string): Promise<string[]> {
  const names: string[] = [];
  let seen = 0;
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.isFile() && isUpdateName(entry.name)) names.push(entry.name);
      seen += 1;
      if (seen >= MAX_FOLDER_NAMES || names.length >= MAX_FOUND) break;
    }
  } catch {
    // Pulled out meanwhile.
  }
  return names.sort();
}

type Looked = Pick<FoundUpdate, 'version' | 'created' | 'age' | 'refused'>;

/** Reads the beginning of a file, off the main thread: sticks can be slow. @returns null when there is none */
async function lookAt(path: string, { keys }: SearchPlaces, { version, arch }: Searcher): Promise<Looked | null> {
  let handle: FileHandle | null = null;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = await handle.stat();
    const front = Buffer.alloc(Math.min(size, MAX_ENVELOPE_BYTES));
    const { bytesRead } = await handle.read(front, 0, front.length, 0);
    const read = (at: number, length: number) => front.subarray(0, bytesRead).subarray(at, at + length);
    const { manifest } = openEnvelope({ bytes: size, read }, loadReleaseKeys(keys));
    checkRecipient(manifest, { arch, version, anyVersion: true });
    const { version: found, created } = manifest;
    return { version: found, created, age: compareVersions(found, version), refused: null };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    const { code, message: text } =
      error instanceof UpdateError ? error : new UnreadableError((error as Error).message);
    return { version: null, created: null, age: null, refused: { code, text } };
  } finally {
    await handle?.close();
  }
}
