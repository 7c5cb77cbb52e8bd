/**
 * The settings file `<data>/settings.json`: reading, migrating and writing it.
 *
 * One JSON object, `"version": 1` and the keys of settings-schema.ts. An older version is migrated when it is read, with
 * the file as it was kept beside it as `settings.json.v<old>.bak`. It may hold the station key, so its mode is 0600.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import { jsonErrorPlace } from './json-place.ts';
import { fileCause } from './settings-schema.ts';

export const SETTINGS_VERSION = 1;
export const SETTINGS_FILE = 'settings.json';
/** All settings at their longest, with rules written out, take some 40 kB. */
export const MAX_SETTINGS_FILE_BYTES = 1 << 18;

export type SettingsJson = Record<string, unknown>;
/** Turns the object of one version into the next one's. */
export type Migration = (old: SettingsJson) => SettingsJson;

/** `MIGRATIONS[n]` leads from version n to n + 1. Version 1 is the first. */
export const MIGRATIONS: Readonly<Record<number, Migration>> = {};

/** The settings file cannot be read as settings at all. The message names the cause, `allowed` what would do. */
export class SettingsFileError extends Error {
  readonly allowed: string;
  constructor(cause: string, allowed: string) {
    super(cause);
    this.name = 'SettingsFileError';
    this.allowed = allowed;
  }
}

function readText(path: string): string | null {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new SettingsFileError('is not a file', 'a JSON file');
    if (stat.size > MAX_SETTINGS_FILE_BYTES)
      throw new SettingsFileError(`is ${stat.size} bytes long`, `at most ${MAX_SETTINGS_FILE_BYTES} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof SettingsFileError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new SettingsFileError(fileCause(error), 'a JSON file that this user can read');
  }
}

function parseText(text: string): SettingsJson {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    throw new SettingsFileError(
      `is not JSON: wrong at ${jsonErrorPlace(text.replace(/^\ufeff/, ''))}`,
      'one JSON object',
    );
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new SettingsFileError('does not hold an object', `one JSON object with "version": ${SETTINGS_VERSION}`);
  return json as SettingsJson;
}

function versionOf(json: SettingsJson, current: number): number {
  const version = json.version;
  if (version === undefined) throw new SettingsFileError('has no "version"', `"version": ${current}`);
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    throw new SettingsFileError(`has the version ${JSON.stringify(version)}`, `"version": ${current}`);
  if (version > current)
    throw new SettingsFileError(`has version ${version}, made by a newer Starling`, `versions up to ${current}`);
  return version;
}

/**
 * Reads the settings file, migrated to the current version; null when there is none.
 * @throws SettingsFileError when it is not readable as settings. Values are not checked here.
 */
export function readSettingsFile(
  dataDir: string,
  current = SETTINGS_VERSION,
  migrations = MIGRATIONS,
): SettingsJson | null {
  const path = join(dataDir, SETTINGS_FILE);
  const text = readText(path);
  if (text === null) return null;
  let json = parseText(text);
  const found = versionOf(json, current);
  if (found === current) return json;
  for (let version = found; version < current; version += 1) {
    const migrate = migrations[version];
    if (migrate === undefined)
      throw new SettingsFileError(`has version ${version}, which is no longer read`, `"version": ${current}`);
    json = { ...migrate(json), version: version + 1 };
  }
  writeFileAtomically(`${path}.v${found}.bak`, text, 0o600);
  writeSettingsFile(dataDir, json);
  return json;
}

/** Writes the whole settings file: old or new content after a power cut, never a part. Values must have been checked. */
export function writeSettingsFile(dataDir: string, json: SettingsJson): void {
  writeFileAtomically(join(dataDir, SETTINGS_FILE), `${JSON.stringify(json, null, 2)}\n`, 0o600);
}
