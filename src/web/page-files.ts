/**
 * The page's files, read once into memory. What is not in this map does not exist: no request ever reaches the disk,
 * so no path can leave the folder.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { WebRootError } from './errors.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_DEPTH, MAX_PAGE_FILES } from './limits.ts';
import type { Texts } from './plain-text.ts';

export interface PageFile {
  type: string;
  bytes: Buffer;
  /** Null where it would not be smaller. */
  gzipped: Buffer | null;
  etag: string;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
};

/** Pictures for the README are no part of the page. */
const LEFT_OUT = new Set(['screenshots']);

/**
 * Reads every file of a known type under `webRoot`, by URL path ("/css/page.css").
 * @throws {WebRootError} when the folder is missing, holds no index.html or breaks a bound
 */
export async function loadPageFiles(webRoot: string): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  try {
    await collect(webRoot, '', 0, files);
  } catch (error) {
    if (error instanceof WebRootError) throw error;
    throw new WebRootError(webRoot, (error as NodeJS.ErrnoException).code ?? String(error));
  }
  if (!files.has('/index.html')) throw new WebRootError(webRoot, 'it has no index.html');
  return files;
}

/** The translations among the page's files, by language. */
export function readTexts(files: ReadonlyMap<string, PageFile>): Map<string, Texts> {
  const found = new Map<string, Texts>();
  for (const [path, file] of files) {
    const language = /^\/text\/([a-z]{2})\.json$/.exec(path)?.[1];
    if (language !== undefined) found.set(language, JSON.parse(file.bytes.toString('utf8')) as Texts);
  }
  return found;
}

async function collect(root: string, folder: string, depth: number, files: Map<string, PageFile>): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.name.startsWith('.') || LEFT_OUT.has(entry.name)) continue;
    if (entry.isDirectory()) {
      if (depth >= MAX_PAGE_DEPTH) throw new WebRootError(root, `folders are nested deeper than ${MAX_PAGE_DEPTH}`);
      await collect(root, path, depth + 1, files);
      continue;
    }
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    files.set(path, await load(join(root, path), type));
    checkBounds(root, files);
  }
}

async function load(path: string, type: string): Promise<PageFile> {
  const bytes = await readFile(path);
  const gzipped = /^(text|application)\/|svg/.test(type) ? await promisify(gzip)(bytes, { level: 9 }) : null;
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { type, bytes, gzipped: gzipped !== null && gzipped.length < bytes.length ? gzipped : null, etag };
}

function checkBounds(root: string, files: Map<string, PageFile>): void {
  if (files.size > MAX_PAGE_FILES) throw new WebRootError(root, `it holds more than ${MAX_PAGE_FILES} files`);
  let total = 0;
  for (const file of files.values()) total += file.bytes.length;
  if (total > MAX_PAGE_BYTES)
    throw new WebRootError(root, `its files are larger than ${MAX_PAGE_BYTES} bytes together`);
}
