/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out when it wrote the file (it does
 * where a registry does not hold them). `npm ci` refuses a lock file without them, on every platform.
 *
 *     node src/setup/complete-lock.mjs      after an `npm install` that changed the lock file
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Whether a package at `path` finds `name` in the lock file, as Node's resolution goes up the folders. */
function finds(packages, path, name) {
  for (let dir = path; ; dir = dir.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    if (packages[`${dir === '' ? '' : `${dir}/`}node_modules/${name}`] !== undefined) return true;
    if (dir === '') return false;
  }
}

/**
 * The optional packages that something in the lock file names and the lock file does not hold.
 * @param {{ packages: Record<string, any> }} lock
 * @returns {{ by: string, name: string, version: string }[]}
 */
export function absentOptionals(lock) {
  return Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !finds(lock.packages, path, name))
      .map(([name, version]) => ({ by: path, name, version: String(version) })),
  );
}

/** What a platform package's name says of where it runs. @param {string} name */
function platformOf(name) {
  const os = /(android|darwin|freebsd|linux|netbsd|openbsd|sunos|win32)/.exec(name)?.[1];
  const cpu = /(arm64|x64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x)/.exec(name)?.[1];
  const libc = name.includes('musl') ? 'musl' : null;
  if (os === undefined || cpu === undefined) throw new Error(`${name}: its name tells no platform; add it by hand`);
  return { cpu: [cpu], ...(libc === null ? {} : { libc: [libc] }), os: [os] };
}

/** Adds what is absent, in npm's order. @param {{ packages: Record<string, any> }} lock */
export function completeLock(lock) {
  for (const { by, name, version } of absentOptionals(lock)) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${name} is asked for as ${version}; add it by hand`);
    const { cpu, libc, os } = platformOf(name);
    const dev = lock.packages[by].dev === true ? { dev: true } : {};
    lock.packages[`node_modules/${name}`] = { version, cpu, ...dev, ...(libc ? { libc } : {}), optional: true, os };
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const path = join(ROOT, 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const names = absentOptionals(lock).map(({ name }) => name);
  completeLock(lock);
  if (names.length > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(names.length === 0 ? 'package-lock.json is complete' : `added: ${names.join(', ')}`);
}
