/** Updates and cards made of plain files: what the tests of updates share. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  BOOT_STATE_BYTES,
  BOOT_STATE_COPY_OFFSET,
  BOOT_STATE_OFFSET,
  type BootState,
  decodeBootState,
  encodeBootState,
  type Slot,
} from '../../../../src/system/update/boot-state.ts';
import { Card, type CardIo, type CardPlaces, realIo } from '../../../../src/system/update/card.ts';
import { randomAccess } from '../../../../src/system/update/open-file.ts';
import type { RandomAccess } from '../../../../src/system/update/update-file.ts';

const MAKE_UPDATE = resolve(import.meta.dirname, '../../../../image/make-update.mjs');

export interface Content {
  slot: Buffer;
  kernel: Buffer;
  initrd: Buffer;
}

/** Sizes that end in the middle of a block, and in the middle of a piece. */
export function someContent(slotBytes = 70_001): Content {
  return { slot: randomBytes(slotBytes), kernel: randomBytes(1_500), initrd: randomBytes(512) };
}

export class Workshop {
  readonly dir = mkdtempSync(join(tmpdir(), 'starling-update-'));
  readonly keys = join(this.dir, 'keys');
  readonly privateKey = join(this.dir, 'release-key.pem');

  constructor() {
    mkdirSync(this.keys);
    this.makeKey(this.privateKey, join(this.keys, 'release.pub.pem'));
  }

  makeKey(privatePath: string, publicPath: string): void {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(privatePath, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(publicPath, publicKey.export({ type: 'spki', format: 'pem' }));
  }

  /** As whoever builds makes it. @returns its path */
  makeUpdate(
    content: Content,
    { version = '1.2.0', arch = 'arm64', key = this.privateKey, name = 'a.update' } = {},
  ): string {
    const parts = { slot: content.slot, kernel: content.kernel, initrd: content.initrd };
    const args = Object.entries(parts).flatMap(([part, bytes]) => {
      const path = join(this.dir, `part-${part}`);
      writeFileSync(path, bytes);
      return [`--${part}`, path];
    });
    const out = join(this.dir, name);
    const rest = { version, arch, key, out, created: '2026-11-25T12:00:00Z' };
    const options = Object.entries(rest).flatMap(([option, value]) => [`--${option}`, value]);
    execFileSync(process.execPath, [MAKE_UPDATE, ...args, ...options], { stdio: 'pipe' });
    return out;
  }

  end(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function openBytes(path: string): RandomAccess {
  return randomAccess(openSync(path, 'r'), statSync(path).size);
}

export const SLOT_BYTES = 128 * 1024;

/** A card in a folder: slot a runs `old`; slot b holds what was before. */
export class FileCard {
  readonly places: CardPlaces;

  constructor(dir: string, old: Content, running: Slot = 'a') {
    this.places = {
      disk: join(dir, 'disk'),
      slots: { a: join(dir, 'slot-a'), b: join(dir, 'slot-b') },
      bootFolder: join(dir, 'boot'),
      bootDevice: join(dir, 'boot-device'),
    };
    mkdirSync(dir, { recursive: true });
    writeFileSync(this.places.disk, Buffer.alloc(BOOT_STATE_COPY_OFFSET + BOOT_STATE_BYTES));
    for (const slot of ['a', 'b'] as const) {
      const content = slot === running ? old : someContent(50_000);
      writeFileSync(
        this.places.slots[slot],
        Buffer.concat([content.slot, Buffer.alloc(SLOT_BYTES - content.slot.length)]),
      );
      mkdirSync(join(this.places.bootFolder, slot), { recursive: true });
      writeFileSync(join(this.places.bootFolder, slot, 'vmlinuz'), content.kernel);
      writeFileSync(join(this.places.bootFolder, slot, 'initrd.img'), content.initrd);
    }
    if (running === 'b') this.setState({ slot: 'b', try: null });
  }

  open(io: CardIo = quietIo): Card {
    return new Card(this.places, io);
  }

  setState(state: BootState): void {
    const disk = readFileSync(this.places.disk);
    for (const offset of [BOOT_STATE_OFFSET, BOOT_STATE_COPY_OFFSET]) encodeBootState(state).copy(disk, offset);
    writeFileSync(this.places.disk, disk);
  }

  state(): BootState | null {
    const disk = readFileSync(this.places.disk);
    const at = (offset: number) => decodeBootState(disk.subarray(offset, offset + BOOT_STATE_BYTES));
    return at(BOOT_STATE_OFFSET) ?? at(BOOT_STATE_COPY_OFFSET);
  }

  /** As image/u-boot does it: which slot is started, and how. Takes a try away. */
  start(): { slot: Slot; onTrial: boolean } {
    const state = this.state() ?? { slot: 'a', try: null };
    if (state.try === null) return { slot: state.slot, onTrial: false };
    this.setState({ slot: state.slot, try: null });
    return { slot: state.try, onTrial: true };
  }

  /** What a start of this slot would load. */
  content(slot: Slot, slotBytes: number): Content {
    const boot = (name: string) => readFileSync(join(this.places.bootFolder, slot, name));
    const system = readFileSync(this.places.slots[slot]).subarray(0, slotBytes);
    return { slot: system, kernel: boot('vmlinuz'), initrd: boot('initrd.img') };
  }
}

/** Mounting and checking have nothing to do on plain files. */
export const quietIo: CardIo = { ...realIo, run: () => 0 };
