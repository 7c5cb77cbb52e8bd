import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../../..');

/** Made, not written; for a copy of the project that came without git. */
const MADE_DIRS = new Set(['node_modules', 'dist', '.git', 'image/out', 'image/cache']);

function walk(dir: string): string[] {
  return readdirSync(join(ROOT, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
    if (MADE_DIRS.has(path)) return [];
    return entry.isDirectory() ? walk(path) : [path];
  });
}

/** Every file of the project, relative to its root: what git tracks or would, else what lies there. */
export function projectFiles(): string[] {
  try {
    const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 26,
    });
    const files = list.split('\0').filter((path) => path !== '' && isFile(path));
    if (files.length > 0) return files;
  } catch {
    // No git, or no repository.
  }
  return walk('');
}

/** A file that was deleted but not yet committed is still listed. */
function isFile(path: string): boolean {
  return statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile() === true;
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

const TOKENS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

/** Source with each comment and text literal passed through `replace`, line breaks kept. */
function mapTokens(source: string, replace: (token: string) => string): string {
  return source.replace(TOKENS, (token) => replace(token) + '\n'.repeat(token.split('\n').length - 1));
}

/** TypeScript without comments and texts (but for templates, which may hold code): what is said about code is not code. */
export function codeOf(source: string): string {
  return mapTokens(source, (token) => {
    if (token.startsWith('/')) return '';
    return token.startsWith('`') ? token.replaceAll('\n', ' ') : "''";
  });
}

export interface Import {
  target: string;
  typeOnly: boolean;
}

/** What a source file imports, as written. */
export function importsOf(source: string): Import[] {
  const code = mapTokens(source, (token) => (/^['"]/.test(token) ? token : ''));
  const forms =
    /(?:\b(?:import|export)\s+(type\s)?[\w\s{},*$]*?\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\brequire\s*\(\s*)(['"])([^'"\n]+)\2/g;
  return [...code.matchAll(forms)].map((match) => ({ target: match[3] ?? '', typeOnly: match[1] !== undefined }));
}
