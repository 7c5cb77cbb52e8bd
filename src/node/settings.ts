/**
 * Where a box's settings come from: command line over settings file over default, all checked before anything starts.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { didYouMean, helpText, type Problem, parseCommandLine, refusalText, shown } from './cli.ts';
import { projectRoot } from './project-root.ts';
import {
  readSettingsFile,
  SETTINGS_FILE,
  SETTINGS_VERSION,
  SettingsFileError,
  type SettingsJson,
  writeSettingsFile,
} from './settings-file.ts';
import {
  defaultValues,
  fileCause,
  MAX_LIST_ITEMS,
  type PathContext,
  SETTINGS,
  type SettingSpec,
  type SettingValues,
} from './settings-schema.ts';

export type { Problem } from './cli.ts';
export { LOG_LEVELS, type LogLevel, type SettingValues } from './settings-schema.ts';

export type SettingSource = 'command line' | 'settings file' | 'default';

export interface Settings extends SettingValues {
  /** Absolute; may not exist yet. */
  dataDir: string;
  /** Where each value came from: a default that does not fit (a taken port) may be bent, a wish may not. */
  source: Record<keyof SettingValues, SettingSource>;
}

export type LoadedSettings =
  | { kind: 'run'; settings: Settings }
  | { kind: 'help'; text: string }
  | { kind: 'version'; text: string }
  | { kind: 'refused'; problems: Problem[]; text: string };

/** A key of the file that is not ours is shown up to this length. */
const MAX_SHOWN_KEY_CHARS = 40;

type Environment = Record<string, string | undefined>;

/** Exit code of a start that was refused for its settings. */
export const EXIT_WRONG_SETTINGS = 2;

function homeOf(env: Environment): string {
  return env.HOME !== undefined && isAbsolute(env.HOME) ? env.HOME : homedir();
}

/** `--data`, else the XDG base directory (a relative XDG_DATA_HOME is to be ignored, says its specification). */
function dataDirOf(given: string | null, env: Environment, baseDir: string): string {
  if (given !== null)
    return resolve(
      baseDir,
      given.replace(/^~(?=\/|$)/, () => homeOf(env)),
    );
  const xdg = env.XDG_DATA_HOME;
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeOf(env), '.local', 'share');
  return join(base, 'starling');
}

/** Why the data directory cannot be used, or null. It is made later; here its nearest existing parent is asked. */
function dataDirProblem(dataDir: string): string | null {
  if (dataDir.includes('\0')) return 'holds a character that no path can have';
  for (let path = dataDir; ; path = dirname(path)) {
    try {
      if (!statSync(path).isDirectory()) return `${path === dataDir ? '' : `(its parent ${path}) `}is not a folder`;
      accessSync(path, constants.W_OK | constants.X_OK);
      return null;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EACCES' || code === 'EROFS') return 'may not be written by this user';
      if (code !== 'ENOENT' || path === dirname(path)) return fileCause(error);
    }
  }
}

/** The directory that relative paths on the command line start from: npm moves to the project's, and says where it was. */
function startDir(env: Environment): string {
  const initial = env.npm_lifecycle_event === undefined ? undefined : env.INIT_CWD;
  return initial !== undefined && isAbsolute(initial) ? initial : process.cwd();
}

interface Source {
  /** How a problem names a setting of this source. */
  where(spec: SettingSpec): string;
  paths: PathContext;
}

/** Checks one setting (a list item by item); problems are added, the value is null when there are any. */
function checkSetting(spec: SettingSpec, raw: unknown, source: Source, problems: Problem[]): { value: unknown } | null {
  const items = spec.list ? (raw as unknown[]) : [raw];
  const report = (value: unknown, cause: string, allowed = spec.allowed) =>
    problems.push({ where: source.where(spec), value: spec.secret ? null : shown(value), cause, allowed });
  const count = problems.length;
  if (items.length > MAX_LIST_ITEMS) report(items.length, 'is too long a list', `at most ${MAX_LIST_ITEMS} entries`);
  const values = items.slice(0, MAX_LIST_ITEMS).map((item) => {
    const checked = spec.check(item, source.paths);
    if (!checked.ok) report(item, checked.cause);
    return checked.ok ? checked.value : null;
  });
  if (problems.length > count) return null;
  return { value: spec.list ? [...new Set(values)] : values[0] };
}

function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'string' ? 'text' : typeof value;
}

/** Whether a JSON value has the shape that the table wants; says so in `problems` when not. */
function shapeFits(spec: SettingSpec, raw: unknown, where: string, problems: Problem[]): boolean {
  const types = spec.json.map((type) => (type === 'string' ? 'text' : type));
  const fits = (value: unknown) => types.includes(jsonTypeOf(value) as (typeof types)[number]);
  const value = spec.secret ? null : shown(raw);
  const wanted = types.join(' or ');
  if (!spec.list && !fits(raw)) {
    problems.push({ where, value, cause: `is a ${jsonTypeOf(raw)}, not ${wanted}`, allowed: spec.allowed });
    return false;
  }
  if (spec.list && !(Array.isArray(raw) && raw.every(fits))) {
    problems.push({ where, value, cause: `is not a list of ${wanted}`, allowed: `a list; each entry ${spec.allowed}` });
    return false;
  }
  return true;
}

type Chosen = Map<SettingSpec, { value: unknown; source: SettingSource }>;

/** Checks every key of the settings object and files the good values. */
function takeFile(json: SettingsJson, dataDir: string, homeDir: string, chosen: Chosen, problems: Problem[]): void {
  const file = join(dataDir, SETTINGS_FILE);
  const where = (key: string) => `${file}, key ${JSON.stringify(key)}`;
  const source: Source = {
    where: (spec) => where(spec.key),
    paths: { baseDir: dataDir, homeDir, mustExist: false },
  };
  for (const [key, raw] of Object.entries(json)) {
    if (key === 'version') continue;
    const spec = SETTINGS.find((known) => known.key === key);
    if (spec === undefined) {
      const keys = SETTINGS.map((known) => known.key);
      const guess = didYouMean(key, keys);
      const cause = `is no setting${guess === null ? '' : `; did you mean "${guess}"?`}`;
      problems.push({
        where: where(key.slice(0, MAX_SHOWN_KEY_CHARS)),
        value: null,
        cause,
        allowed: ['version', ...keys].join(', '),
      });
    } else if (shapeFits(spec, raw, where(key), problems)) {
      const checked = checkSetting(spec, raw, source, problems);
      if (checked !== null) chosen.set(spec, { value: checked.value, source: 'settings file' });
    }
  }
}

function takeSettingsFile(dataDir: string, homeDir: string, chosen: Chosen, problems: Problem[]): void {
  try {
    const json = readSettingsFile(dataDir);
    if (json !== null) takeFile(json, dataDir, homeDir, chosen, problems);
  } catch (error) {
    if (!(error instanceof SettingsFileError)) throw error;
    problems.push({ where: join(dataDir, SETTINGS_FILE), value: null, cause: error.message, allowed: error.allowed });
  }
}

function assemble(dataDir: string, chosen: Chosen, host: string): Settings {
  const values: Record<string, unknown> = { ...defaultValues(host) };
  const source: Record<string, SettingSource> = {};
  for (const spec of SETTINGS) {
    const choice = chosen.get(spec);
    source[spec.field] = choice?.source ?? 'default';
    if (choice !== undefined) values[spec.field] = choice.value;
  }
  return { ...(values as unknown as SettingValues), dataDir, source: source as Settings['source'] };
}

/** The version in package.json. */
export function packageVersion(): string {
  const json = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8')) as { version: string };
  return json.version;
}

/**
 * Everything the box needs to know before it starts.
 *
 * @param argv Arguments after the program's name.
 * @param host The machine's name, the default of `name`.
 * @returns `run` with the settings; `help` or `version` with the text to print; or `refused` with every problem there
 *   is, and the text that tells them all (exit code EXIT_WRONG_SETTINGS, nothing may start).
 */
export function loadSettings(argv: readonly string[], env: Environment, host = hostname()): LoadedSettings {
  const line = parseCommandLine(argv);
  if (line.help) return { kind: 'help', text: helpText() };
  if (line.version) return { kind: 'version', text: `${packageVersion()}\n` };
  const problems = [...line.problems];
  const chosen: Chosen = new Map();
  const baseDir = startDir(env);
  const homeDir = homeOf(env);
  const dataDir = dataDirOf(line.data, env, baseDir);
  const dataProblem = line.data === '' ? 'is empty' : dataDirProblem(dataDir);
  if (dataProblem === null) takeSettingsFile(dataDir, homeDir, chosen, problems);
  else
    problems.push({
      where: '--data',
      value: shown(dataDir),
      cause: dataProblem,
      allowed: 'a folder that this user can write, or make',
    });
  const source: Source = { where: (spec) => `--${spec.flag}`, paths: { baseDir, homeDir, mustExist: true } };
  for (const spec of SETTINGS) {
    const raw = line.values.get(spec.key);
    if (raw === undefined) continue;
    const checked = checkSetting(spec, raw, source, problems);
    if (checked !== null) chosen.set(spec, { value: checked.value, source: 'command line' });
  }
  if (problems.length > 0) return { kind: 'refused', problems, text: refusalText(problems) };
  return { kind: 'run', settings: assemble(dataDir, chosen, host) };
}

/**
 * Changes keys of the settings file, for the page and the buttons: checks the values as at a start, then writes the
 * whole file atomically. `null` removes a key, so that its default holds again. A changed setting is used at the next
 * start unless the caller applies it itself.
 *
 * @returns the problems; none of the changes was written if there are any.
 */
export function saveSettings(dataDir: string, changes: SettingsJson, env: Environment = process.env): Problem[] {
  const problems: Problem[] = [];
  const wanted = Object.fromEntries(
    Object.entries(changes).filter(([key, value]) => value !== null && key !== 'version'),
  );
  takeFile(wanted, dataDir, homeOf(env), new Map(), problems);
  if (problems.length > 0) return problems;
  try {
    const kept = Object.entries(readSettingsFile(dataDir) ?? {}).filter(([key]) => changes[key] === undefined);
    writeSettingsFile(dataDir, { ...Object.fromEntries(kept), ...wanted, version: SETTINGS_VERSION });
  } catch (error) {
    if (!(error instanceof SettingsFileError)) throw error;
    problems.push({ where: join(dataDir, SETTINGS_FILE), value: null, cause: error.message, allowed: error.allowed });
  }
  return problems;
}
