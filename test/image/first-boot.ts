/**
 * The first boot on a real partition table and file system: the data partition of a card grows while it is mounted, and a
 * lost supply after any step is made good by the next start. Needs root and loop devices; touches nothing but files of its
 * own. Where root may not grow a mounted file system (containers without CAP_SYS_RESOURCE), that one call is made unmounted.
 *
 *     node test/image/first-boot.ts
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');
const SCRIPT = join(PROJECT, 'image/overlay/usr/lib/starling/first-boot');
const MACHINE_ID = '0123456789abcdef0123456789abcdef';
const MIB = 2 ** 20;
const IMAGE_BYTES = 200 * MIB;
const CARD_BYTES = 3_000 * MIB;
/** As image/assemble.sh lays the card out, with small slots. */
const TABLE = [
  'label: dos',
  'label-id: 0x53544152',
  'start=8192, size=65536, type=c',
  'size=65536, type=83',
  'size=65536, type=83',
  'start=204800, type=83',
].join('\n');
/** What the next start finds after a lost supply: a copy of the card as it was at that moment. */
const CUTS = ['sfdisk', 'partx', 'resize2fs'];

const realOf = (program: string): string => run('sh', '-c', `command -v ${program}`).trim();
const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' });

/** Bit of CAP_SYS_RESOURCE in the kernel's list of capabilities. */
const SYS_RESOURCE = 24n;

function mayGrowMounted(): boolean {
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> SYS_RESOURCE) & 1n) === 1n;
}

/** A card in a file, attached as a disk. */
class Card {
  readonly file: string;
  #loop = '';
  constructor(file: string) {
    this.file = file;
  }

  get data(): string {
    return `${this.#loop}p4`;
  }

  attach(): void {
    this.#loop = run('losetup', '--find', '--show', this.file).trim();
    run('partx', '--add', this.#loop);
  }

  /** The file is larger now: another card with the same content. */
  enlarge(bytes: number): void {
    truncateSync(this.file, bytes);
    run('losetup', '--set-capacity', this.#loop);
  }

  detach(): void {
    if (this.#loop === '') return;
    spawnSync('partx', ['--delete', this.#loop]);
    spawnSync('losetup', ['--detach', this.#loop]);
    this.#loop = '';
  }
}

/** A box with this card's data partition mounted; every start is one run of the script. */
class Box {
  readonly root: string;
  readonly #card: Card;

  constructor(root: string, card: Card) {
    this.root = root;
    this.#card = card;
    for (const dir of ['bin', 'data', 'etc', 'proc/sys/kernel']) mkdirSync(join(root, dir), { recursive: true });
    writeFileSync(join(root, 'etc/machine-id'), `${MACHINE_ID}\n`);
  }

  /** As the initramfs does: a partition that was not closed is repaired first. */
  mount(): void {
    const { status } = spawnSync('e2fsck', ['-p', this.#card.data]);
    if (status === null || status > 3)
      throw new Error(`the data partition cannot be repaired: e2fsck ended with ${status}`);
    run('mount', '-o', 'noatime', this.#card.data, join(this.root, 'data'));
  }

  umount(): void {
    spawnSync('umount', [join(this.root, 'data')]);
  }

  /** @param cut the supply is lost when this program has ended; the card as it is then is copied to `copy` */
  start(cut: string | null = null, copy = ''): { status: number | null; output: string } {
    const bin = join(this.root, 'bin');
    rmSync(bin, { recursive: true });
    mkdirSync(bin);
    const standIn = (name: string, lines: readonly string[]) => {
      writeFileSync(join(bin, name), `#!/bin/sh\n${lines.join('\n')}\n`);
      chmodSync(join(bin, name), 0o755);
    };
    const data = join(this.root, 'data');
    const grow = [`umount '${data}'`, 'e2fsck -fp "$1" || exit', `${realOf('resize2fs')} "$@" || exit`];
    const unmounted = [...grow, `mount -o noatime "$1" '${data}'`];
    if (!mayGrowMounted()) standIn('resize2fs', unmounted);
    if (cut !== null) {
      const work = cut === 'resize2fs' && !mayGrowMounted() ? unmounted : [`${realOf(cut)} "$@" || exit`];
      standIn(cut, [...work, `cp --sparse=always '${this.#card.file}' '${copy}'`, 'kill -9 $PPID']);
    }
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, ROOT: this.root, SYS: '/sys', WAIT_S: '0' };
    const { status, stdout, stderr } = spawnSync('sh', [SCRIPT], { env, encoding: 'utf8' });
    return { status, output: stdout + stderr };
  }

  read(path: string): string {
    const file = join(this.root, path);
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  }

  get isMarked(): boolean {
    return existsSync(join(this.root, 'data/.first-boot-done'));
  }

  /** Bytes of the mounted file system. */
  size(): number {
    return Number(run('stat', '--file-system', '--format', '%b', join(this.root, 'data'))) * 4_096;
  }
}

let failed = 0;
function check(name: string, isGood: boolean, more = ''): void {
  if (!isGood) failed += 1;
  console.log(`${isGood ? 'ok  ' : 'FAIL'} ${name}${isGood ? '' : `: ${more}`}`);
}

function makeCard(file: string): void {
  writeFileSync(file, '');
  truncateSync(file, IMAGE_BYTES);
  execFileSync('sfdisk', ['--quiet', file], { input: TABLE });
}

function checkWhole(name: string, box: Box, card: Card): void {
  const { status, output } = box.start();
  check(`${name}: ends well`, status === 0 && box.isMarked, output);
  const mib = Math.round(box.size() / MIB);
  check(`${name}: the file system has ${mib} of the card's ${CARD_BYTES / MIB} MiB`, mib > (CARD_BYTES / MIB) * 0.9);
  check(`${name}: what was on it is there`, box.read('data/music') === 'kept');
  const isNamed = /^starling-[0-9a-f]{4}$/.test(box.read('data/system/hostname'));
  check(`${name}: host name and machine id are kept`, isNamed && box.read('data/system/machine-id') === MACHINE_ID);
  box.umount();
  const { status: found, stdout } = spawnSync('e2fsck', ['-f', '-n', card.data], { encoding: 'utf8' });
  check(`${name}: the file system is sound`, found === 0, stdout);
}

/** A new card of the small size, its data partition made, then put onto a larger one. */
function newCard(file: string): Card {
  makeCard(file);
  const card = new Card(file);
  card.attach();
  run('mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-L', 'STARLING-DATA', card.data);
  card.enlarge(CARD_BYTES);
  return card;
}

function withCut(dir: string, cut: string): void {
  const copy = new Card(join(dir, `${cut}-after.img`));
  const card = newCard(join(dir, `${cut}.img`));
  const box = new Box(join(dir, cut), card);
  const next = new Box(join(dir, `${cut}-next`), copy);
  try {
    box.mount();
    writeFileSync(join(box.root, 'data/music'), 'kept\n');
    run('sync');
    const { status } = box.start(cut, copy.file);
    check(`supply lost after ${cut}: nothing is marked as done`, status !== 0 && !box.isMarked);
    const name = box.read('data/system/hostname');
    copy.attach();
    next.mount();
    checkWhole(`start after a supply lost after ${cut}`, next, copy);
    const now = next.read('etc/hostname');
    check(`start after a supply lost after ${cut}: the same name`, now === name && name !== '', `${name}, ${now}`);
  } finally {
    for (const [each, its] of [
      [box, card],
      [next, copy],
    ] as const) {
      each.umount();
      its.detach();
      rmSync(its.file, { force: true });
    }
  }
}

function undisturbed(dir: string): void {
  const card = newCard(join(dir, 'card.img'));
  const box = new Box(join(dir, 'box'), card);
  try {
    box.mount();
    writeFileSync(join(box.root, 'data/music'), 'kept\n');
    checkWhole('first boot', box, card);
    box.mount();
    checkWhole('once more, though it was done', box, card);
  } finally {
    box.umount();
    card.detach();
    rmSync(card.file, { force: true });
  }
}

function main(): void {
  if (!mayGrowMounted()) console.log('note root may not grow a mounted file system here: it is grown unmounted');
  const dir = mkdtempSync(join(tmpdir(), 'starling-first-boot-'));
  try {
    undisturbed(dir);
    for (const cut of CUTS) withCut(dir, cut);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.exitCode = failed === 0 ? 0 : 1;
}

// In a mount table of its own: a program that copies this machine's would hold the disks.
const [inside] = process.argv.slice(2);
if (inside === '--inside') main();
else {
  const words = ['--mount', process.execPath, import.meta.filename, '--inside'];
  process.exitCode = spawnSync('unshare', words, { stdio: 'inherit' }).status ?? 1;
}
