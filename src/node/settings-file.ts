/**
 * The settings file `<data>/settings.json`: reading, migrating and writing it.
 *
 * One JSON object, `"version": 1` and the keys of settings-schema.ts. An older version is migrated when it is read, with
 * the file as it was kept beside it as `settings.json.v<old>.bak`. A newer version, on a box that went back after an update,
 * is kept as `settings.json.v<new>.bak`, and read as far as it is understood. It may hold the station key, so its mode is
 * 0600.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import { jsonErrorPlace } from './json-place.ts';
import { copyPath, olderCopy } from './older-copy.ts';
import { fileCause, MAX_LIST_ITEMS, SETTINGS, type SettingSpec } from './settings-schema.ts';

export const SETTINGS_VERSION = 1;
export const SETTINGS_FILE = 'settings.json';
/** All settings at their longest, with rules written out, take some 40 kB. */
export const MAX_SETTINGS_FILE_BYTES = 1 << 18;

export type SettingsJson = Record<string, unknown>;
/** Turns the object of one version into the next one's. */
export type Migration = (old: SettingsJson) => SettingsJson;

/**
 * `MIGRATIONS[n]` leads from version n to n + 1. Version 1 is the first. What means something else gets another key: an
 * older version that finds the newer file takes the keys that it knows as it knows them.
 */
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

/** @returns a whole number, which may be above `current` */
function versionOf(json: SettingsJson, current: number): number {
  const { version } = json;
  if (version === undefined) throw new SettingsFileError('has no "version"', `"version": ${current}`);
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    throw new SettingsFileError(`has the version ${JSON.stringify(version)}`, `"version": ${current}`);
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
  if (found > current) return goBack(dataDir, json, text, current, migrations);
  if (found === current) return json;
  json = migrated(json, found, current, migrations);
  writeFileAtomically(copyPath(path, found), text, 0o600);
  writeSettingsFile(dataDir, json);
  return json;
}

function migrated(
  old: SettingsJson,
  found: number,
  current: number,
  migrations: Readonly<Record<number, Migration>>,
): SettingsJson {
  let json = old;
  for (let version = found; version < current; version += 1) {
    const migrate = migrations[version];
    if (migrate === undefined)
      throw new SettingsFileError(`has version ${version}, which is no longer read`, `"version": ${current}`);
    json = { ...migrate(json), version: version + 1 };
  }
  return json;
}

/**
 * A newer version ran here, and this one runs again: what the newer file says under keys that are known here holds, and
 * for the rest what the file said before it was migrated. The newer file stays as a copy.
 */
function goBack(
  dataDir: string,
  newer: SettingsJson,
  text: string,
  current: number,
  migrations: Readonly<Record<number, Migration>>,
): SettingsJson {
  const path = join(dataDir, SETTINGS_FILE);
  const before = readCopy(path, current, migrations);
  const json = { ...understood(before, dataDir), ...understood(newer, dataDir), version: current };
  writeFileAtomically(copyPath(path, Number(newer.version)), text, 0o600);
  writeSettingsFile(dataDir, json);
  return json;
}

function readCopy(path: string, current: number, migrations: Readonly<Record<number, Migration>>): SettingsJson {
  const copy = olderCopy(path, current);
  if (copy === null) return {};
  try {
    const json = parseText(copy);
    return migrated(json, versionOf(json, current), current, migrations);
  } catch (error) {
    if (error instanceof SettingsFileError) return {};
    throw error;
  }
}

/** The keys that are known here, with values that would be accepted. */
function understood(json: SettingsJson, dataDir: string): SettingsJson {
  const paths = { baseDir: dataDir, homeDir: homedir(), mustExist: false };
  const isFit = (spec: SettingSpec, value: unknown) => {
    const type = Array.isArray(value) || value === null ? 'list' : typeof value;
    return spec.json.some((known) => known === type) && spec.check(value, paths).ok;
  };
  const known = SETTINGS.filter((spec) => {
    const value = json[spec.key];
    if (!spec.list) return isFit(spec, value);
    return Array.isArray(value) && value.length <= MAX_LIST_ITEMS && value.every((item) => isFit(spec, item));
  });
  return Object.fromEntries(known.map(({ key }) => [key, json[key]]));
}

/** Writes the whole settings file: old or new content after a power cut, never a part. Values must have been checked. */
export function writeSettingsFile(dataDir: string, json: SettingsJson): void {
  writeFileAtomically(join(dataDir, SETTINGS_FILE), `${JSON.stringify(json, null, 2)}\n`, 0o600);
}
