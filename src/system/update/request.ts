/** The radio's request for an update, a file that it writes and root reads: which file, and whether any version will do. */
import { BadRequestError } from './errors.ts';
import { MAX_FILE_NAME_BYTES } from './limits.ts';

/** All of it below the radio's data directory. */
export const UPDATE_FOLDER = 'update';
export const REQUEST_FILE = 'request.json';
/** The one name under which an upload is kept, whatever its own was. */
export const UPLOAD_FILE = 'upload.update';
export const UPDATE_SUFFIX = '.update';

export interface UpdateRequest {
  /** An upload, or a file at the top of the stick that is mounted under this name. */
  place: { kind: 'upload' } | { kind: 'stick'; stick: string; name: string };
  /** Also one that is as old as what runs, or older. */
  anyVersion: boolean;
}

export function encodeRequest({ place, anyVersion }: UpdateRequest): string {
  return `${JSON.stringify({ version: 1, place, any_version: anyVersion })}\n`;
}

/** @throws {BadRequestError} */
export function parseRequest(text: string): UpdateRequest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new BadRequestError('it is no JSON');
  }
  const { version, place, any_version } = (json ?? {}) as Record<string, unknown>;
  if (version !== 1) throw new BadRequestError('its version is not 1');
  if (typeof any_version !== 'boolean') throw new BadRequestError('"any_version" is not true or false');
  const { kind, stick, name } = (place ?? {}) as Record<string, unknown>;
  if (kind === 'upload') return { place: { kind }, anyVersion: any_version };
  if (kind !== 'stick') throw new BadRequestError('"place" is neither an upload nor a stick');
  if (!isStickName(stick)) throw new BadRequestError('"stick" is no name of a mounted stick');
  if (!isUpdateName(name)) throw new BadRequestError(`"name" is no name of a file *${UPDATE_SUFFIX}`);
  return { place: { kind, stick, name }, anyVersion: any_version };
}

/** As the kernel names a partition: "sda1". */
export function isStickName(text: unknown): text is string {
  return typeof text === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(text);
}

/** A plain name in one folder, that ends as updates do. */
export function isUpdateName(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    text.endsWith(UPDATE_SUFFIX) &&
    !text.startsWith('.') &&
    !/[/\p{Cc}]/u.test(text) &&
    text.isWellFormed() &&
    Buffer.byteLength(text) <= MAX_FILE_NAME_BYTES
  );
}
