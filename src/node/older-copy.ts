/**
 * Files of a box across versions. Whoever changes the form of a file writes it, as it was, beside it first:
 * `<file>.v<old>.bak`. A box that goes back to an older version (an update that did not come up) takes that copy again, so
 * that a form which it does not know never keeps it from playing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';

export function copyPath(path: string, version: number): string {
  return `${path}.v${version}.bak`;
}

/** The newest copy of a file in a form up to this version; null when there is none. */
export function olderCopy(path: string, upTo: number): string | null {
  const name = basename(path);
  const versions = readdirSync(dirname(path))
    .map((other) =>
      other.startsWith(`${name}.v`) ? /^\.v(\d{1,6})\.bak$/.exec(other.slice(name.length))?.[1] : undefined,
    )
    .map(Number)
    .filter((version) => version <= upTo);
  if (versions.length === 0) return null;
  return readFileSync(join(dirname(path), basename(copyPath(path, Math.max(...versions)))), 'utf8');
}

/**
 * Takes the place of a file that a newer version wrote: that one is kept as a copy of its own version, and the newest copy
 * that is understood here stands where it stood.
 *
 * @param text of the file as it is
 * @param known the version that is understood here
 * @returns the text that stands there now; null when the file is not of a newer version, or there is no copy
 */
export function takeOlderCopy(path: string, text: string, known: number, mode: number): string | null {
  const version = versionIn(text);
  if (version === null || version <= known) return null;
  const older = olderCopy(path, known);
  if (older === null) return null;
  writeFileAtomically(copyPath(path, version), text, mode);
  writeFileAtomically(path, older, mode);
  return older;
}

function versionIn(text: string): number | null {
  try {
    const { version } = JSON.parse(text) as { version?: unknown };
    return Number.isSafeInteger(version) ? (version as number) : null;
  } catch {
    return null;
  }
}
