/** Updates for the test, made of the built image's own slot: a good one, and ones that must not be taken or kept. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

const IMAGE_TOOLS = resolve(import.meta.dirname, '../../image');
const CREATED = '2026-11-25T00:00:00Z';
/** The box that cannot come up need not be waited for as long as a real one. */
const SHORT_TRIAL_S = 45;
const MEBIBYTE = 2 ** 20;

export const GOOD = { name: 'good.update', version: '9.9.9' };
/** Its radio is missing, so it never answers. */
export const MUTE = { name: 'mute.update', version: '9.9.10' };
/** Its kernel finds no initramfs, and no root without it. */
export const PANICS = { name: 'panics.update', version: '9.9.11' };
export const FLIPPED = 'flipped.update';
export const CUT = 'cut.update';
export const STRANGE = 'strange.update';

/** Makes updates into a folder. Root's rights are needed: a slot has files of many owners. */
export class UpdateFiles {
  readonly folder: string;
  /** The key that a box is to trust. */
  readonly publicKey: string;
  readonly #built: string;
  readonly #work: string;

  /** @param image the built card; slot, kernel and initramfs lie beside it */
  constructor(image: string, work: string) {
    this.#built = image.replace(/\.img$/, '');
    this.#work = work;
    this.folder = join(work, 'updates');
    mkdirSync(this.folder, { recursive: true });
    for (const name of ['key', 'strange']) {
      execFileSync(join(IMAGE_TOOLS, 'make-keys.sh'), [join(work, `${name}.pem`)], { stdio: 'ignore' });
    }
    this.publicKey = readFileSync(join(work, 'key.pub.pem'), 'utf8');
  }

  makeAll(): void {
    const root = join(this.#work, 'root');
    execFileSync('unsquashfs', ['-q', '-n', '-d', root, `${this.#built}.slot`], { stdio: 'ignore' });
    setVersion(root, GOOD.version);
    this.#make({ ...GOOD, slot: this.#pack(root) });
    this.#makeRefused();
    setVersion(root, MUTE.version);
    silence(root);
    this.#make({ ...MUTE, slot: this.#pack(root) });
    rmSync(root, { recursive: true });
    this.#make({ ...PANICS, slot: this.#small('slot', 'no system'), initrd: this.#small('initrd', 'no initramfs') });
  }

  #makeRefused(): void {
    const good = join(this.folder, GOOD.name);
    copyFileSync(good, join(this.folder, FLIPPED));
    flipByte(join(this.folder, FLIPPED), 20 * MEBIBYTE);
    copyFileSync(good, join(this.folder, CUT));
    truncateSync(join(this.folder, CUT), 30 * MEBIBYTE);
    const small = this.#small('slot', 'of somebody else');
    this.#make({ name: STRANGE, version: GOOD.version, key: 'strange', slot: small, initrd: small });
  }

  #make({
    name,
    version,
    slot,
    initrd,
    key = 'key',
  }: {
    name: string;
    version: string;
    slot: string;
    initrd?: string;
    key?: string;
  }): void {
    const words = {
      ...{ slot, kernel: `${this.#built}.vmlinuz`, initrd: initrd ?? `${this.#built}.initrd`, version },
      ...{ key: join(this.#work, `${key}.pem`), out: join(this.folder, name), created: CREATED },
    };
    const argv = Object.entries(words).flatMap(([word, value]) => [`--${word}`, value]);
    execFileSync(process.execPath, [join(IMAGE_TOOLS, 'make-update.mjs'), ...argv], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  /** Quickly, not small. */
  #pack(root: string): string {
    const slot = join(this.#work, 'slot');
    const how = ['-quiet', '-no-progress', '-noappend', '-comp', 'zstd', '-Xcompression-level', '1', '-b', '256K'];
    execFileSync('mksquashfs', [root, slot, ...how], { stdio: 'ignore' });
    return slot;
  }

  #small(name: string, text: string): string {
    const path = join(this.#work, `small-${name}`);
    writeFileSync(path, text.padEnd(4_096));
    return path;
  }
}

function setVersion(root: string, version: string): void {
  const path = join(root, 'opt/starling/package.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), version }));
}

function silence(root: string): void {
  rmSync(join(root, 'opt/starling/dist/starling.mjs'));
  const unit = readFileSync(join(root, 'etc/systemd/system/starling-confirm.service'), 'utf8');
  const start = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '';
  const folder = join(root, 'etc/systemd/system/starling-confirm.service.d');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'short.conf'), `[Service]\nExecStart=\nExecStart=${start} --limit-s ${SHORT_TRIAL_S}\n`);
}

function flipByte(path: string, at: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  writeSync(file, Buffer.of(byte[0]! ^ 1), 0, 1, at);
  closeSync(file);
}
