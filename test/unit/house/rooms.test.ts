import { readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, projectFiles, ROOT, read } from './files.ts';

/** Rooms that compute and do nothing else: they run alike on every node and in the simulator. */
const PURE = ['consensus', 'clock'];
/** Hashing, curves and canonical encoding. */
const PURE_PACKAGES = /^(@noble\/(hashes|curves)|@ipld\/dag-cbor|multiformats|canonicalize)(\/|$)/;
/** Rooms that touch the world. They know the pure rooms' types, and nothing of each other. */
const ADAPTERS = ['controls', 'library', 'network', 'playback', 'system', 'web'];
/** Above all rooms: they compose, and may import any. The radio, and the card's settings file. */
const FRONT_DOORS = ['src/main.ts', 'src/card.ts'];
/** What a file in a room may import from other rooms. */
const ARROWS: Record<string, string[]> = {
  consensus: [],
  clock: [],
  node: PURE,
  setup: [],
  ...Object.fromEntries(ADAPTERS.map((room) => [room, PURE])),
};

const sources = projectFiles().filter((path) => /^src\/.*\.(ts|mjs)$/.test(path));
const roomOf = (path: string) => path.split('/')[1] ?? '';

function arrows(isWrong: (file: string, target: string, typeOnly: boolean) => boolean): string[] {
  return sources.flatMap((file) =>
    importsOf(read(file))
      .filter(({ target, typeOnly }) => isWrong(file, target, typeOnly))
      .map(({ target }) => `${file} imports ${target}`),
  );
}

/** The room that a relative import leads into; null for packages. */
function targetRoom(file: string, target: string): string | null {
  if (!target.startsWith('.')) return null;
  const path = relative(ROOT, resolve(ROOT, dirname(file), target));
  return path.startsWith('src/') ? roomOf(path) : path;
}

describe('rooms', () => {
  it('are the ones of the design', () => {
    const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(rooms.map((entry) => entry.name).filter((name) => !(name in ARROWS))).toEqual([]);
    const loose = sources.filter((path) => path.split('/').length === 2);
    expect(loose.filter((path) => !FRONT_DOORS.includes(path))).toEqual([]);
  });

  it('that hold code have a page about themselves', () => {
    const withCode = [...new Set(sources.filter((path) => !FRONT_DOORS.includes(path)).map(roomOf))];
    const files = new Set(projectFiles());
    expect(withCode.filter((room) => !files.has(`src/${room}/README.md`))).toEqual([]);
  });

  it('that are pure import nothing but hashing, curves and canonical encoding', () => {
    const wrong = arrows(
      (file, target) => PURE.includes(roomOf(file)) && !target.startsWith('.') && !PURE_PACKAGES.test(target),
    );
    expect(wrong).toEqual([]);
  });

  it('are reached along the arrows only', () => {
    const wrong = arrows((file, target) => {
      const room = targetRoom(file, target);
      if (room === null || FRONT_DOORS.includes(file)) return false;
      // The node fills in what the page shows: it knows that shape, and no code of the page.
      if (roomOf(file) === 'node' && target === '../web/snapshot.ts') return false;
      return room !== roomOf(file) && !(ARROWS[roomOf(file)] ?? []).includes(room);
    });
    expect(wrong).toEqual([]);
  });

  it('write local imports with the ending that Node resolves', () => {
    const wrong = arrows((_, target) => target.startsWith('.') && !/\.(ts|mjs|json)$/.test(target));
    expect(wrong).toEqual([]);
  });

  it('import only packages that package.json lists for running', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const nameOf = (target: string) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/');
    const wrong = arrows(
      (file, target) =>
        roomOf(file) !== 'setup' &&
        !target.startsWith('.') &&
        !target.startsWith('node:') &&
        dependencies[nameOf(target)] === undefined,
    );
    expect(wrong).toEqual([]);
  });

  it('of the preparation need no package before it is installed', () => {
    const lazy = new Set(['esbuild']);
    const wrong = arrows(
      (file, target) =>
        roomOf(file) === 'setup' && !target.startsWith('.') && !target.startsWith('node:') && !lazy.has(target),
    );
    expect(wrong).toEqual([]);
    expect(read('src/setup/bundle.mjs')).not.toMatch(/^import .*'esbuild'/m);
  });
});
