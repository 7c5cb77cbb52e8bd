import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * The user's music folder: what the desktop calls it (xdg-user-dirs: XDG_MUSIC_DIR in user-dirs.dirs), else ~/Music.
 * Null when there is none. A setting that points to the home folder itself means "none" there, and so it does here.
 * @param home the user's home folder
 * @param environment of the process
 */
export async function musicFolder(
  home: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<string | null> {
  const config = environment.XDG_CONFIG_HOME;
  const settings = join(config !== undefined && isAbsolute(config) ? config : join(home, '.config'), 'user-dirs.dirs');
  const text = await readFile(settings, 'utf8').catch(() => '');
  const named = musicSetting(text, home);
  if (named !== null && resolve(named) === resolve(home)) return null;
  for (const folder of [named, join(home, 'Music')]) {
    if (folder !== null && (await isFolder(folder))) return folder;
  }
  return null;
}

/** The last XDG_MUSIC_DIR line. Its value is absolute or starts with $HOME; a backslash takes the next sign literally. */
function musicSetting(text: string, home: string): string | null {
  let found: string | null = null;
  for (const line of text.split('\n')) {
    const value = /^\s*XDG_MUSIC_DIR="((?:[^"\\]|\\.)*)"\s*$/.exec(line)?.[1]?.replace(/\\(.)/g, '$1');
    if (value === undefined) continue;
    if (value === '$HOME' || value.startsWith('$HOME/')) found = join(home, value.slice('$HOME'.length));
    else if (isAbsolute(value)) found = value;
  }
  return found;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
