/**
 * Installs an update into the slot that does not run. The order is what keeps a box alive whenever power goes:
 *
 * 1. the whole file is checked before anything is written;
 * 2. the boot state names the running slot, and nothing else, before the other slot is touched;
 * 3. the other slot, then its kernel and initramfs, are written, flushed, read back from the card and hashed again;
 * 4. only then one sector tells the boot loader to try the other slot, once.
 *
 * From 2 to 4 the other slot is held open for this process alone: no second updater comes in between.
 */
import { createHash } from 'node:crypto';
import { type BootState, otherSlot, type Slot } from './boot-state.ts';
import type { SlotDevice } from './card.ts';
import { CardFailsError, OnTrialError, TooLargeError } from './errors.ts';
import type { Started } from './kernel-line.ts';
import { CHUNK_BYTES, FLUSH_EVERY_BYTES } from './limits.ts';
import { checkRecipient, type Manifest, type Recipient, UPDATE_FILES } from './manifest.ts';
import type { ReleaseKey } from './release-keys.ts';
import { hashPart, openUpdate, type RandomAccess, type Update, type UpdatePart } from './update-file.ts';

/** What installing needs of the card (card.ts). */
export interface InstallCard {
  readState(): BootState | null;
  writeState(state: BootState): void;
  openSlot(slot: Slot): SlotDevice;
  writeBootFiles(slot: Slot, files: readonly { name: string; copyTo(write: (piece: Buffer) => void): void }[]): void;
  readBootFile(slot: Slot, name: string, bytes: number, take: (piece: Buffer) => void): void;
}

export interface InstallComponents {
  card: InstallCard;
  /** The update is for this box, and nothing is in its way. */
  begun(manifest: Manifest): void;
  /** Called now and then: the share that is done, 0 to 1. */
  progress(share: number): void;
  /** All is written and checked; the boot loader hears of it next. */
  ready(slot: Slot): void;
}

export interface InstallInit {
  started: Started;
  keys: readonly ReleaseKey[];
  recipient: Recipient;
}

const BOOT_FILES = UPDATE_FILES.filter((name) => name !== 'slot.img');

/**
 * @returns what will be tried at the next start, and in which slot
 * @throws {UpdateError} one class for each cause; the running slot and its way to start stay whatever happens
 */
export function installUpdate(
  file: RandomAccess,
  components: InstallComponents,
  init: InstallInit,
): { manifest: Manifest; slot: Slot } {
  const { card } = components;
  const { started, keys, recipient } = init;
  const state = card.readState();
  if (started.onTrial && state?.slot !== started.slot) throw new OnTrialError();
  const update = openUpdate(file, keys);
  const { manifest, parts } = update;
  checkRecipient(manifest, recipient);
  const slot = otherSlot(started.slot);
  const device = card.openSlot(slot);
  try {
    if (parts['slot.img'].bytes > device.bytes) throw new TooLargeError(parts['slot.img'].bytes, device.bytes);
    components.begun(manifest);
    const steps = new Steps(components.progress, file.bytes * 3);
    for (const name of UPDATE_FILES) hashPart(file, parts[name], (piece) => steps.did(piece.length));
    makeSure(card, { slot: started.slot, try: null });
    writeSlot(file, parts['slot.img'], device, steps);
    writeBoot(file, update, card, slot);
    components.ready(slot);
    card.writeState({ slot: started.slot, try: slot });
  } finally {
    device.close();
  }
  components.progress(1);
  return { manifest, slot };
}

/**
 * Nothing may lead to the other slot while it is half written: neither an earlier try nor a damaged sector. Looked at while
 * the slot is held: another updater may have ended just before.
 */
function makeSure(card: InstallCard, wanted: BootState): void {
  const state = card.readState();
  if (state?.slot !== wanted.slot || state.try !== wanted.try) card.writeState(wanted);
}

function writeSlot(file: RandomAccess, part: UpdatePart, device: SlotDevice, steps: Steps): void {
  let unflushed = 0;
  hashPart(file, part, (piece, at) => {
    device.write(at, piece);
    unflushed += piece.length;
    if (unflushed >= FLUSH_EVERY_BYTES) {
      device.flush();
      unflushed = 0;
    }
    steps.did(piece.length);
  });
  device.flush();
  const hash = createHash('sha256');
  for (let at = 0; at < part.bytes; at += CHUNK_BYTES) {
    const piece = device.read(at, Math.min(CHUNK_BYTES, part.bytes - at));
    hash.update(piece);
    steps.did(piece.length);
  }
  if (hash.digest('hex') !== part.sha256) throw new CardFailsError('it gives back something else than was written');
}

function writeBoot(file: RandomAccess, { parts }: Update, card: InstallCard, slot: Slot): void {
  card.writeBootFiles(
    slot,
    BOOT_FILES.map((name) => ({ name, copyTo: (write) => hashPart(file, parts[name], (piece) => write(piece)) })),
  );
  for (const name of BOOT_FILES) {
    const hash = createHash('sha256');
    card.readBootFile(slot, name, parts[name].bytes, (piece) => hash.update(piece));
    if (hash.digest('hex') !== parts[name].sha256)
      throw new CardFailsError(`${name} on it is something else than was written`);
  }
}

/** Counts bytes, and tells the share of all. */
class Steps {
  readonly #tell: (share: number) => void;
  readonly #all: number;
  #done = 0;

  constructor(tell: (share: number) => void, all: number) {
    this.#tell = tell;
    this.#all = all;
  }

  did(bytes: number): void {
    this.#done += bytes;
    // The last step is not over before the boot loader knows.
    this.#tell(Math.min(0.99, this.#done / this.#all));
  }
}
