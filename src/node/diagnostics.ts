import { readdirSync, statfsSync, statSync } from 'node:fs';
import { release, totalmem, uptime } from 'node:os';
import { join } from 'node:path';
import type { Identity } from './identity.ts';
import type { SettingSource, Settings } from './settings.ts';
import { SETTINGS } from './settings-schema.ts';

export interface DiagnosticsSources {
  version: string;
  settings: Settings;
  /** The status as the page has it. */
  status(): unknown;
  logLines(): readonly string[];
  /** What must not leave this box, wherever it may have slipped into: keys, names of networks. */
  secrets(): string[];
  wallMs(): number;
}

/** Files of the data directory that are listed. */
const MAX_FILES = 64;
/** Shorter texts stand in too many harmless places to be taken out, and tell nothing. */
const MIN_SECRET_CHARS = 2;
const REDACTED = '[redacted]';

/** One text with all that helps to find a fault, for whoever runs the box to read before passing it on. */
export function diagnosticsText(sources: DiagnosticsSources): string {
  const { version, settings, wallMs } = sources;
  const parts: [string, () => string][] = [
    ['Starling', () => `${version}, ${new Date(wallMs()).toISOString()}`],
    ['Machine', machineText],
    ['Disk', () => diskText(settings.dataDir)],
    ['Memory', memoryText],
    ['Settings', () => settingsText(settings)],
    ['Status', () => JSON.stringify(sources.status(), null, 1)],
    ['Log, the newest line last', () => sources.logLines().join('\n')],
  ];
  const text = parts.map(([title, make]) => `== ${title}\n${attempt(make)}\n`).join('\n');
  return redact(text, sources.secrets());
}

/** Every form in which a key could stand in a log or a file. */
export function secretsOf(identity: Identity, stationKey: Uint8Array | null): string[] {
  const keys = [identity.signingSeed, identity.vrfSeed, ...(stationKey === null ? [] : [stationKey])];
  return keys.flatMap((key) => {
    const bytes = Buffer.from(key);
    const hex = bytes.toString('hex');
    return [hex, hex.toUpperCase(), bytes.toString('base64url'), bytes.toString('base64')];
  });
}

/** Takes secrets out, also where JSON escaped them; the longest first, so that no rest of one is left. */
export function redact(text: string, secrets: readonly string[]): string {
  const escaped = (form: string) => JSON.stringify(form).slice(1, -1);
  // A log line may hold JSON, and the status a log line.
  const forms = secrets.flatMap((secret) => [secret, escaped(secret), escaped(escaped(secret))]);
  const wanted = [...new Set(forms)].filter((form) => form.length >= MIN_SECRET_CHARS);
  wanted.sort((a, b) => b.length - a.length);
  return wanted.reduce((rest, form) => rest.replaceAll(form, REDACTED), text);
}

/** A part that cannot be made must not take the others with it. */
function attempt(make: () => string): string {
  try {
    return make();
  } catch (error) {
    return `cannot be told: ${(error as Error).message}`;
  }
}

function machineText(): string {
  const { node, v8, uv, openssl } = process.versions;
  const hours = (uptime() / 3_600).toFixed(1);
  return `${process.platform} ${process.arch} ${release()}, up ${hours} h; node ${node}, v8 ${v8}, uv ${uv}, openssl ${openssl}`;
}

function diskText(dataDir: string): string {
  const { blocks, bfree, bavail, bsize } = statfsSync(dataDir);
  const mib = (count: number) => `${Math.round((count * bsize) / 2 ** 20)} MiB`;
  const names = readdirSync(dataDir).sort().slice(0, MAX_FILES);
  const files = names.map((name) => {
    const { size, mode } = statSync(join(dataDir, name));
    return `${(mode & 0o777).toString(8)} ${size} ${name}`;
  });
  return [`${mib(blocks)}, free ${mib(bfree)}, for this user ${mib(bavail)}`, ...files].join('\n');
}

function memoryText(): string {
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return `${mib(totalmem())} in all; rss ${mib(rss)}, heap ${mib(heapUsed)} of ${mib(heapTotal)}, external ${mib(external)}`;
}

function settingsText(settings: Settings): string {
  const lines = SETTINGS.map((spec) => {
    const value: unknown = settings[spec.field];
    const shown = spec.secret ? (value === null ? 'none' : REDACTED) : JSON.stringify(value);
    const source: SettingSource = settings.source[spec.field];
    return `${spec.key}: ${shown} (${source})`;
  });
  return lines.join('\n');
}
