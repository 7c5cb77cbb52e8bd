import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { absentOptionals } from '../../../src/setup/complete-lock.mjs';
import { codeOf, importsOf, projectFiles, ROOT, read } from './files.ts';

const files = projectFiles();
/** This folder writes the patterns down that it looks for. */
const outside = files.filter((path) => !path.startsWith('test/unit/house/'));
const MAX_FILE_BYTES = 1 << 20;
const TEXT = /\.(ts|mjs|js|json|md|ya?ml|sh|css|html|svg|txt|service|rules|conf|scad|toml)$|(^|\/)[^./]+$|^\.[\w./-]+$/;
const texts = outside.filter((path) => TEXT.test(path));

/** The owner's top level, and beside it only what tools look for there. */
const TOP_LEVEL = new Set([
  ...['package.json', 'src', 'image', 'systemd', 'web-setup', 'hardware', 'test', 'README.md'],
  ...['package-lock.json', '.npmrc', 'tsconfig.json', 'biome.json', 'vitest.config.ts'],
  ...['.ci', '.gitignore', '.gitattributes', '.editorconfig', 'LICENSE', 'CHANGELOG.md'],
]);

function linesThat(pattern: RegExp, paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .map((line, index) => ({ line, place: `${path}:${index + 1}: ${line.trim().slice(0, 120)}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ place }) => place),
  );
}

describe('the files of the project', () => {
  it("stand under the owner's top level", () => {
    expect([...new Set(files.map((path) => path.split('/')[0] ?? ''))].filter((name) => !TOP_LEVEL.has(name))).toEqual(
      [],
    );
  });

  it('are small', () => {
    expect(files.filter((path) => statSync(join(ROOT, path)).size > MAX_FILE_BYTES)).toEqual([]);
  });

  it('name no path of the machine they were written on', () => {
    expect(linesThat(/(?<![\w.:/~}-])\/(work|root|home\/[a-z]\w*|Users\/\w+)(\/|\b(?![-.\w]))/, texts)).toEqual([]);
  });

  it('name no package registry', () => {
    const hosts =
      /registry\.(npmjs|yarnpkg)|npm\.pkg\.github|deb\.debian\.org|archive\.raspberrypi|\b(verdaccio|artifactory)\b/i;
    expect(linesThat(hosts, texts)).toEqual([]);
  });

  it('leave nothing open with a mark', () => {
    expect(
      linesThat(
        /\b(TODO|FIXME|XXX|HACK)\b/,
        texts.filter((path) => path !== 'package-lock.json'),
      ),
    ).toEqual([]);
  });
});

describe('the lock file', () => {
  const lock = JSON.parse(read('package-lock.json'));

  it('names no download host', () => {
    const resolved = Object.entries<{ resolved?: string }>(lock.packages).filter(
      ([, entry]) => entry.resolved !== undefined,
    );
    expect(resolved.map(([path]) => path)).toEqual([]);
    expect(read('package-lock.json')).not.toMatch(/"https?:\/\/[^"]*\.tgz"/);
  });

  it('is what package.json asks for', () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'));
    expect(lock.packages['']).toMatchObject({ dependencies, devDependencies, optionalDependencies });
  });

  it('holds the packages of other platforms too (else: node src/setup/complete-lock.mjs)', () => {
    expect(absentOptionals(lock)).toEqual([]);
  });

  it('checks what is installed here by its hash', () => {
    const loose = Object.entries<{ integrity?: string; os?: string[]; link?: boolean }>(lock.packages)
      .filter(
        ([path, entry]) =>
          path !== '' && entry.link !== true && entry.integrity === undefined && entry.os === undefined,
      )
      .map(([path]) => path);
    expect(loose).toEqual([]);
  });

  it('brings Node 24 for both kinds of machine', () => {
    for (const arch of ['x64', 'arm64'])
      expect(lock.packages[`node_modules/node-linux-${arch}`].version).toMatch(/^24\./);
  });
});

describe('the reader of sources', () => {
  it('sees imports of every form, and none in comments and templates', () => {
    const source = `
      import a from 'a'; import type { B } from "./b.ts"; import 'c';
      export * from './d.ts'; const e = await import('e'); // import x from 'no'
      const text = \`import x from 'no'\`;
      /* from 'no' */ import {
        f, type G
      } from 'f';`;
    expect(importsOf(source).map(({ target }) => target)).toEqual(['a', './b.ts', 'c', './d.ts', 'e', 'f']);
    expect(importsOf(source).filter(({ typeOnly }) => typeOnly)).toEqual([{ target: './b.ts', typeOnly: true }]);
  });
  it('empties texts and comments, and keeps the lines', () => {
    expect(codeOf("const a = 'Date'; // Date\n/* Date\n */ Date")).toBe("const a = ''; \n\n Date");
  });
});
