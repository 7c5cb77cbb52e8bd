/**
 * Power goes at each single step of an installation. What was written and not yet flushed is kept, lost, or kept in parts;
 * the next start must load the old system whole, or the new one whole.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CardIo } from '../../../../src/system/update/card.ts';
import { installUpdate } from '../../../../src/system/update/install.ts';
import { loadReleaseKeys } from '../../../../src/system/update/release-keys.ts';
import { type Content, FileCard, openBytes, quietIo, someContent, Workshop } from './card-of-files.ts';

class PowerCut extends Error {}

/** Which of the writes that were not flushed survive a cut. */
type Survival = 'all' | 'none' | 'every other' | 'the later ones';
const SURVIVALS: Survival[] = ['all', 'none', 'every other', 'the later ones'];

/** A disk whose power goes after some steps. */
class CuttingIo {
  steps = 0;
  readonly #cutAfter: number;
  readonly #paths = new Map<number, string>();
  /** What would undo each change that is not on the disk for sure, the oldest first. */
  #unflushed: { of: string; undo(): void }[] = [];

  constructor(cutAfter: number) {
    this.#cutAfter = cutAfter;
  }

  readonly io: CardIo = {
    ...quietIo,
    openSync: (path, flags, mode) => {
      const existed = fs.existsSync(path);
      if (flags === 'w') {
        this.#step();
        const before = existed ? fs.readFileSync(path) : null;
        this.#unflushed.push({
          of: path,
          undo: () => (before === null ? fs.rmSync(path, { force: true }) : fs.writeFileSync(path, before)),
        });
      }
      const file = fs.openSync(path, flags, mode);
      this.#paths.set(file, path);
      return file;
    },
    writeSync: (file, buffer, offset, length, position) => {
      this.#step();
      const path = this.#paths.get(file) ?? '';
      const before = Buffer.alloc(length);
      // Opened for writing alone, so it is read through its name.
      const reader = fs.openSync(path, 'r');
      const count = fs.readSync(reader, before, 0, length, position);
      fs.closeSync(reader);
      this.#unflushed.push({
        of: path,
        undo: () => {
          const undone = fs.openSync(path, 'r+');
          fs.writeSync(undone, before, 0, count, position);
          fs.closeSync(undone);
        },
      });
      return fs.writeSync(file, buffer, offset, length, position);
    },
    // Nobody tidies up after the power went.
    rmSync: (path, options) => {
      this.#step();
      fs.rmSync(path, options);
    },
    fsyncSync: (file) => {
      this.#step();
      const path = this.#paths.get(file) ?? '';
      this.#unflushed = this.#unflushed.filter(({ of }) => of !== path);
    },
    renameSync: (from, to) => {
      this.#step();
      const [moved, replaced] = [fs.readFileSync(from), fs.existsSync(to) ? fs.readFileSync(to) : null];
      fs.renameSync(from, to);
      const undo = () => {
        fs.writeFileSync(from, moved);
        if (replaced === null) fs.rmSync(to, { force: true });
        else fs.writeFileSync(to, replaced);
      };
      // A rename is kept when its folder is.
      this.#unflushed.push({ of: join(to, '..'), undo });
    },
  };

  cut(survival: Survival): void {
    const count = this.#unflushed.length;
    const isLost = (at: number) =>
      survival === 'none' ||
      (survival === 'every other' && at % 2 === 0) ||
      (survival === 'the later ones' && at < count / 2);
    for (const [at, { undo }] of [...this.#unflushed.entries()].reverse()) if (isLost(at)) undo();
  }

  #step(): void {
    this.steps += 1;
    if (this.steps > this.#cutAfter) throw new PowerCut();
  }
}

let shop: Workshop;
let fresh: Content;
let path: string;
const old = someContent(60_000);
beforeAll(() => {
  shop = new Workshop();
  fresh = someContent();
  path = shop.makeUpdate(fresh);
});
afterAll(() => shop.end());

function install(card: FileCard, io: CardIo, running: 'a' | 'b'): void {
  installUpdate(
    openBytes(path),
    { card: card.open(io), begun() {}, progress() {}, ready() {} },
    {
      started: { slot: running, onTrial: false },
      keys: loadReleaseKeys(shop.keys),
      recipient: { arch: 'arm64', version: '1.1.0', anyVersion: false },
    },
  );
}

function newCard(running: 'a' | 'b'): FileCard {
  fs.rmSync(join(shop.dir, 'card'), { recursive: true, force: true });
  return new FileCard(join(shop.dir, 'card'), old, running);
}

/** @returns which system came up; fails when it is neither */
function startOf(card: FileCard, running: 'a' | 'b'): 'old' | 'new' {
  const { slot, onTrial } = card.start();
  const isOld = slot === running;
  const expected = isOld ? old : fresh;
  expect(card.content(slot, expected.slot.length)).toEqual(expected);
  expect(onTrial).toBe(!isOld);
  return isOld ? 'old' : 'new';
}

describe.each(['a', 'b'] as const)('power that goes while slot %s runs', (running) => {
  it('at no step leaves anything but the old system or the new one, whole', () => {
    const whole = new CuttingIo(Number.POSITIVE_INFINITY);
    install(newCard(running), whole.io, running);
    expect(whole.steps).toBeGreaterThan(10);
    const came = new Set<string>();
    for (let cutAfter = 0; cutAfter < whole.steps; cutAfter++) {
      for (const survival of SURVIVALS) {
        const card = newCard(running);
        const disk = new CuttingIo(cutAfter);
        expect(() => install(card, disk.io, running)).toThrow(PowerCut);
        disk.cut(survival);
        const first = startOf(card, running);
        came.add(first);
        // Whatever came up: if nobody confirms it, the old one is next.
        expect(startOf(card, running)).toBe('old');
      }
    }
    expect([...came].sort()).toEqual(['new', 'old']);
  });

  it('also when an update was waiting to be tried already, or the boot state is damaged', () => {
    for (const damage of [false, true]) {
      if (damage && running === 'b') continue; // A damaged state starts slot a: b cannot run then.
      const prepare = () => {
        const card = newCard(running);
        if (damage) fs.writeFileSync(card.places.disk, Buffer.alloc(fs.statSync(card.places.disk).size, 0xff));
        else card.setState({ slot: running, try: running === 'a' ? 'b' : 'a' });
        return card;
      };
      const whole = new CuttingIo(Number.POSITIVE_INFINITY);
      install(prepare(), whole.io, running);
      // From the first touch of the other slot on; before (boot state and copy, written and flushed), the update from before is whole.
      for (let cutAfter = 4; cutAfter < whole.steps; cutAfter++) {
        for (const survival of SURVIVALS) {
          const card = prepare();
          const disk = new CuttingIo(cutAfter);
          expect(() => install(card, disk.io, running)).toThrow(PowerCut);
          disk.cut(survival);
          startOf(card, running);
        }
      }
    }
  });
});

describe('a card that fails', () => {
  const failing = (part: Partial<CardIo>): CardIo => ({ ...quietIo, ...part });
  const full = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };

  it('by giving back something else than was written, is told and not started from', () => {
    const card = newCard('a');
    const io = failing({
      writeSync: (file, buffer, offset, length, position) => {
        const worn = Buffer.from(buffer);
        if (length > 1_000) worn[offset + 900] = (worn[offset + 900] ?? 0) ^ 0x10;
        return fs.writeSync(file, worn, offset, length, position);
      },
    });
    expect(() => install(card, io, 'a')).toThrow(expect.objectContaining({ code: 'card_fails' }));
    expect(startOf(card, 'a')).toBe('old');
  });

  it('by being full, keeps what was there', () => {
    const card = newCard('a');
    let files = 0;
    const io = failing({
      openSync: (file, flags, mode) => {
        if (flags === 'w' && ++files === 2) full();
        return fs.openSync(file, flags, mode);
      },
    });
    expect(() => install(card, io, 'a')).toThrow(expect.objectContaining({ code: 'boot_full' }));
    expect(startOf(card, 'a')).toBe('old');
    expect(fs.readdirSync(join(card.places.bootFolder, 'b')).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it.each([
    ['fsck.vfat', 4],
    ['mount', 32],
  ])('by a boot partition that %s refuses', (program, code) => {
    const card = newCard('a');
    const io = failing({ run: (command) => (command === program ? code : 0) });
    expect(() => install(card, io, 'a')).toThrow(expect.objectContaining({ code: 'card_fails' }));
    expect(startOf(card, 'a')).toBe('old');
  });

  it('in use by another updater is left alone', () => {
    const card = newCard('a');
    const before = card.content('b', 1_000);
    const io = failing({
      openSync: (file, flags, mode) => {
        if (file === card.places.slots.b) throw Object.assign(new Error('EBUSY'), { code: 'EBUSY' });
        return fs.openSync(file, flags, mode);
      },
    });
    expect(() => install(card, io, 'a')).toThrow(expect.objectContaining({ code: 'busy' }));
    expect(card.content('b', 1_000)).toEqual(before);
  });

  it.each<[string, Partial<CardIo>, string | null]>([
    ['until the boot loader was told', {}, null],
    ['and let go when it cannot be finished', { renameSync: full }, 'boot_full'],
  ])('is held %s', (_, part, code) => {
    const card = newCard('a');
    const { disk, slots } = card.places;
    const paths = new Map<number, string>();
    const did: string[] = [];
    const io = failing({
      openSync: (path, flags, mode) => {
        const file = fs.openSync(path, flags, mode);
        paths.set(file, path);
        return file;
      },
      closeSync: (file) => {
        if (paths.get(file) === slots.b) did.push('let go');
        fs.closeSync(file);
      },
      writeSync: (file, buffer, offset, length, position) => {
        if (paths.get(file) === disk) did.push('told');
        return fs.writeSync(file, buffer, offset, length, position);
      },
      ...part,
    });
    card.setState({ slot: 'a', try: null });
    if (code === null) install(card, io, 'a');
    else expect(() => install(card, io, 'a')).toThrow(expect.objectContaining({ code }));
    expect(did).toEqual(code === null ? ['told', 'told', 'let go'] : ['let go']);
  });

  it('was just updated by another updater, which is not tried any more once its slot is written anew', () => {
    const card = newCard('a');
    card.setState({ slot: 'a', try: null });
    const states: unknown[] = [];
    let slot = -1;
    const io = failing({
      openSync: (path, flags, mode) => {
        const file = fs.openSync(path, flags, mode);
        if (path !== card.places.slots.b) return file;
        card.setState({ slot: 'a', try: 'b' });
        slot = file;
        return file;
      },
      writeSync: (file, buffer, offset, length, position) => {
        if (file === slot && states.length === 0) states.push(card.state());
        return fs.writeSync(file, buffer, offset, length, position);
      },
    });
    install(card, io, 'a');
    expect(states).toEqual([{ slot: 'a', try: null }]);
  });

  it('checks the boot partition before it is made writable, and makes it read-only again in any case', () => {
    const card = newCard('a');
    const ran: string[] = [];
    const io = failing({
      run: (command, args) => {
        ran.push([command, ...args].join(' '));
        return 0;
      },
      renameSync: full,
    });
    expect(() => install(card, io, 'a')).toThrow(expect.objectContaining({ code: 'boot_full' }));
    const { bootFolder, bootDevice } = card.places;
    expect(ran).toEqual([
      `fsck.vfat -a ${bootDevice}`,
      `mount -o remount,rw ${bootFolder}`,
      `mount -o remount,ro ${bootFolder}`,
    ]);
  });
});
