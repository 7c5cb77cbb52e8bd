/** What an update says about itself: `manifest.json`, the part of it that is signed. Pure. */
import { BadManifestError, FormatTooNewError, NotNewerError, TooLargeError, WrongMachineError } from './errors.ts';
import { MAX_BOOT_FILE_BYTES, MAX_SLOT_BYTES } from './limits.ts';
import { compareVersions, isVersion } from './version.ts';

/** The format that this version reads. */
export const UPDATE_FORMAT = 1;
/** The files of an update after manifest and signature, in their order. */
export const UPDATE_FILES = ['slot.img', 'vmlinuz', 'initrd.img'] as const;
export type UpdateFileName = (typeof UPDATE_FILES)[number];

export interface ManifestFile {
  name: UpdateFileName;
  bytes: number;
  /** 64 hex digits. */
  sha256: string;
}

export interface Manifest {
  /** What it was written as. */
  format: number;
  /** The oldest reader that understands it. */
  min_format: number;
  version: string;
  /** Debian's name of the architecture. */
  arch: string;
  /** When it was released: ISO 8601, UTC, whole seconds. */
  created: string;
  files: ManifestFile[];
}

/**
 * Reads a manifest whose signature was checked.
 * @throws {BadManifestError | FormatTooNewError}
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new BadManifestError('it is no JSON');
  }
  const { format, min_format, version, arch, created, files } = (json ?? {}) as Record<string, unknown>;
  if (!isWhole(format, 1, 1_000_000)) throw new BadManifestError('"format" is no number');
  // First of all: what a later format means by the rest is unknown here.
  if (!isWhole(min_format, 1, format)) throw new BadManifestError('"min_format" is no number up to "format"');
  if (min_format > UPDATE_FORMAT) throw new FormatTooNewError(min_format, UPDATE_FORMAT);
  if (!isVersion(version)) throw new BadManifestError('"version" is none');
  if (typeof arch !== 'string' || !/^[a-z0-9-]{1,32}$/.test(arch)) throw new BadManifestError('"arch" is none');
  if (typeof created !== 'string' || !isInstant(created)) throw new BadManifestError('"created" is no time');
  if (!Array.isArray(files) || files.length !== UPDATE_FILES.length)
    throw new BadManifestError(`"files" is no list of ${UPDATE_FILES.join(', ')}`);
  return { format, min_format, version, arch, created, files: files.map(parseFile) };
}

function parseFile(json: unknown, at: number): ManifestFile {
  const { name, bytes, sha256 } = (json ?? {}) as Record<string, unknown>;
  const expected = UPDATE_FILES[at] as UpdateFileName;
  if (name !== expected) throw new BadManifestError(`file ${at + 1} is not ${expected}`);
  if (!isWhole(bytes, 1, Number.MAX_SAFE_INTEGER)) throw new BadManifestError(`${expected} has no size`);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    throw new BadManifestError(`${expected} has no SHA-256`);
  const most = expected === 'slot.img' ? MAX_SLOT_BYTES : MAX_BOOT_FILE_BYTES;
  if (bytes > most) throw new TooLargeError(bytes, most);
  return { name: expected, bytes, sha256 };
}

/** What a box must be for an update to be meant for it. */
export interface Recipient {
  arch: string;
  /** The version that runs. */
  version: string;
  /** Also a version that is as old as the running one, or older. */
  anyVersion: boolean;
}

/**
 * Whether an update is for this box. An older one is let in when somebody asks for it as such: it is signed like any
 * other, and a person must be able to leave a version that is worse for them than the one before.
 * @throws {WrongMachineError | NotNewerError}
 */
export function checkRecipient(manifest: Manifest, box: Recipient): void {
  if (manifest.arch !== box.arch) throw new WrongMachineError(manifest.arch, box.arch);
  if (!box.anyVersion && compareVersions(manifest.version, box.version) !== 'newer')
    throw new NotNewerError(manifest.version, box.version);
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isInstant(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) && !Number.isNaN(Date.parse(text));
}
