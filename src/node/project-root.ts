import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** How many levels above a source file or the bundle the project's root may be. */
const MAX_LEVELS = 4;

/**
 * The project's root, wherever this code runs from: src/node/ or dist/starling.mjs. The page's files and package.json
 * are found from there.
 * @throws Error when no package.json stands above.
 */
export function projectRoot(): string {
  let dir = import.meta.dirname;
  for (let level = 0; level < MAX_LEVELS; level += 1) {
    if (existsSync(join(dir, 'package.json'))) return dir;
    dir = dirname(dir);
  }
  throw new Error(`no package.json above ${import.meta.dirname}`);
}
