import { MAX_LOG_LINES } from './bounds.ts';
import type { Logger } from './ports.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger that also keeps its last lines, for the diagnostics. */
export interface LineLogger extends Logger {
  recent(): readonly string[];
}

/**
 * One line an event: `warn  message  field=value`. systemd's journal adds the time, a terminal needs none.
 *
 * @param write - where a finished line goes
 */
export function createLogger(level: LogLevel, write: (line: string) => void): LineLogger {
  const threshold = LOG_LEVELS.indexOf(level);
  const kept: string[] = [];
  const at = (name: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if (LOG_LEVELS.indexOf(name) < threshold) return;
    const line = format(name, message, fields);
    kept.push(line);
    if (kept.length > MAX_LOG_LINES) kept.shift();
    write(line);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), recent: () => kept };
}

function format(level: LogLevel, message: string, fields: Record<string, unknown> = {}): string {
  const tail = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `  ${key}=${printable(value)}`)
    .join('');
  return `${level.padEnd(5)} ${message}${tail}`;
}

/** Names and tags come from strangers: control characters must not reach a terminal. */
function printable(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return [...String(text)].map((character) => (isControl(character) ? escaped(character) : character)).join('');
}

/** C0 and C1 control characters, delete among them. */
function isControl(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
