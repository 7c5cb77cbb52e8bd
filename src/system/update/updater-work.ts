/** What the updater's commands do, over a machine that is given: install, confirm, tell. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { type BootState, otherSlot } from './boot-state.ts';
import type { Card } from './card.ts';
import {
  BadRequestError,
  BusyError,
  ForbiddenPlaceError,
  NoSlotsError,
  NotNewerError,
  OnTrialError,
  UnreadableError,
  UpdateError,
} from './errors.ts';
import { Health, MISSING, type Missing, type Sample } from './health.ts';
import { installUpdate } from './install.ts';
import { parseKernelLine, type Started } from './kernel-line.ts';
import { MAX_REQUEST_BYTES, PROGRESS_POLL_MS, RESTART_AFTER_MS, TRIAL_POLL_MS } from './limits.ts';
import { type Folder, type OpenFile, openFolder, randomAccess } from './open-file.ts';
import { loadReleaseKeys } from './release-keys.ts';
import { parseRequest, REQUEST_FILE, UPDATE_FOLDER, UPLOAD_FILE, type UpdateRequest } from './request.ts';
import { type Before, outcomeOf, readResult, type UpdateResult, writeResult } from './result.ts';

export interface Machine {
  places: {
    /** Public release keys. */
    keys: string;
    /** Root's own folder, for what became of an update. */
    results: string;
    /** The radio's data directory. */
    data: string;
    /** Sticks are mounted in it. */
    sticks: string;
  };
  /** The kernel's command line. */
  kernelLine: string;
  /** Names this start of the machine. */
  bootId: string;
  /** That runs. */
  version: string;
  arch: string;
  openCard(): Card;
  /** Null when the radio does not answer. */
  askRadio(): Promise<Sample | null>;
  /** Restarts the machine. */
  restart(): void;
  sleep(ms: number): Promise<unknown>;
  monoMs(): number;
  wallMs(): number;
  say(text: string): void;
  complain(text: string): void;
}

export interface InstallWishes {
  anyVersion: boolean;
  restart: boolean;
}

/** @returns whether it is installed; the cause why not was told */
export async function installFrom(path: string, wishes: InstallWishes, machine: Machine): Promise<boolean> {
  const isInstalled = await install(() => openPath(path), wishes.anyVersion, machine);
  if (isInstalled && wishes.restart) machine.restart();
  return isInstalled;
}

function openPath(path: string): OpenFile {
  const file = openSync(path, 'r');
  return { ...randomAccess(file, fstatSync(file).size), close: () => closeSync(file) };
}

/**
 * Carries out the radio's request. The request goes before anything is done, so that none is tried twice, but not before
 * the file is open: a radio that starts anew takes away an upload that no request asks for. An upload goes when it is of
 * no more use.
 * @returns whether it is installed; whoever called restarts the machine then, and the page has heard of it
 */
export async function installRequested(machine: Machine): Promise<boolean> {
  const folder = openFolder(machine.places.data, UPDATE_FOLDER);
  try {
    const request = readRequest(folder);
    const open = () => {
      try {
        return openRequested(request, folder, machine);
      } finally {
        folder.remove(REQUEST_FILE);
      }
    };
    const isInstalled = await install(open, request.anyVersion, machine, (error) => {
      const isWorthAnother = [NotNewerError, OnTrialError, BusyError].some((kind) => error instanceof kind);
      if (request.place.kind === 'upload' && !isWorthAnother) folder.remove(UPLOAD_FILE);
    });
    if (isInstalled) await machine.sleep(RESTART_AFTER_MS);
    return isInstalled;
  } catch (error) {
    if (!(error instanceof UpdateError)) throw error;
    refuse(error, null, machine);
    return false;
  } finally {
    folder.close();
  }
}

/** A request that is none goes at once. */
function readRequest(folder: Folder): UpdateRequest {
  try {
    const file = folder.openFile(REQUEST_FILE);
    try {
      return parseRequest(file.read(0, MAX_REQUEST_BYTES).toString('utf8'));
    } finally {
      file.close();
    }
  } catch (error) {
    folder.remove(REQUEST_FILE);
    if (error instanceof UpdateError) throw error;
    throw new BadRequestError((error as Error).message);
  }
}

/** @throws {ForbiddenPlaceError} for a link or a device under that name; what the system says for one that is not there */
function openRequested({ place }: UpdateRequest, folder: Folder, machine: Machine): OpenFile {
  try {
    if (place.kind === 'upload') return folder.openFile(UPLOAD_FILE);
    const stick = openFolder(machine.places.sticks, place.stick);
    try {
      return stick.openFile(place.name);
    } finally {
      stick.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP' || code === 'ENOTDIR' || code === 'EINVAL' || code === 'ENXIO')
      throw new ForbiddenPlaceError('it is a link, or no plain file');
    throw error;
  }
}

/**
 * @param open called before all else: until `begun` nothing tells the radio to keep its hands off the file
 * @param afterwards called when the file is not needed any more, with the cause when it was refused
 */
async function install(
  open: () => OpenFile,
  anyVersion: boolean,
  machine: Machine,
  afterwards: (error: UpdateError | null) => void = () => {},
): Promise<boolean> {
  const report = new Report(machine);
  try {
    const file = readable(open);
    try {
      const started = startedFrom(machine);
      report.before = beforeOf(await machine.askRadio());
      const card = machine.openCard();
      const keys = loadReleaseKeys(machine.places.keys);
      const recipient = { arch: machine.arch, version: machine.version, anyVersion };
      const { manifest, slot } = readable(() =>
        installUpdate(file, { card, ...report.callbacks() }, { started, keys, recipient }),
      );
      machine.say(`version ${manifest.version} is in slot ${slot}; the next start tries it`);
    } finally {
      file.close();
    }
    afterwards(null);
  } catch (error) {
    if (!(error instanceof UpdateError)) throw error;
    refuse(error, report.last, machine);
    afterwards(error);
    return false;
  }
  return true;
}

function startedFrom(machine: Machine): Started {
  const started = parseKernelLine(machine.kernelLine);
  if (started === null) throw new NoSlotsError('the kernel was not started from one');
  return started;
}

/** A stick that is pulled out, a file that is not there: told as what it is. */
function readable<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof UpdateError || code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error;
    throw new UnreadableError(message);
  }
}

function refuse(error: UpdateError, last: UpdateResult | null, machine: Machine): void {
  machine.complain(`${error.code}: ${error.message}`);
  // What is under way is told by its own result.
  if (error instanceof OnTrialError || error instanceof BusyError) return;
  const { code, message: text } = error;
  const result = last ?? newResult(machine);
  keep({ ...result, state: 'refused', code, text, bootId: machine.bootId, atMs: machine.wallMs() }, machine);
}

/** A full data partition must not keep a box from an update, or from its confirmation. */
function keep(result: UpdateResult, machine: Machine): void {
  try {
    writeResult(machine.places.results, result);
  } catch (error) {
    machine.complain(`what became of the update cannot be written down: ${(error as Error).message}`);
  }
}

function newResult(machine: Machine): UpdateResult {
  return {
    ...{ state: 'installing', version: null, from: machine.version, slot: null, percent: 0 },
    ...{ bootId: machine.bootId, code: null, text: null, atMs: machine.wallMs(), before: null },
  };
}

function beforeOf(sample: Sample | null): Before | null {
  if (sample === null) return null;
  return { company: sample.peers > 0, linked: sample.linked, sound: !sample.silent, music: sample.tracks > 0 };
}

/** Tells how far an installation is, on the way to the radio's page. */
class Report {
  before: Before | null = null;
  last: UpdateResult | null = null;
  readonly #machine: Machine;
  #writtenMs = Number.NEGATIVE_INFINITY;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  callbacks() {
    return {
      begun: ({ version }: { version: string }) =>
        this.#set({ ...newResult(this.#machine), version, before: this.before }),
      progress: (share: number) => {
        const nowMs = this.#machine.monoMs();
        if (this.last === null || nowMs - this.#writtenMs < PROGRESS_POLL_MS || this.last.state !== 'installing')
          return;
        this.#set({ ...this.last, percent: Math.floor(share * 100) });
      },
      // Told before the boot loader is: a box that comes back with the old version must know what it came back from.
      ready: (slot: 'a' | 'b') => {
        if (this.last !== null) this.#set({ ...this.last, state: 'restarting', slot, percent: 100 });
      },
    };
  }

  #set(result: UpdateResult): void {
    this.last = { ...result, atMs: this.#machine.wallMs() };
    this.#writtenMs = this.#machine.monoMs();
    keep(this.last, this.#machine);
  }
}

/**
 * In a start on trial: waits until the box works, and makes its slot the one that is started from now on.
 * @returns false when it did not work in time: whoever called restarts the machine, and the boot loader goes back
 */
export async function confirmTrial(limitMs: number, machine: Machine): Promise<boolean> {
  const started = startedFrom(machine);
  const card = machine.openCard();
  if (!started.onTrial || isConfirmed(card.readState(), started)) {
    machine.say(`slot ${started.slot} is not on trial`);
    return true;
  }
  const result = readResult(machine.places.results);
  const ours = result?.slot === started.slot ? result : null;
  const beganMs = machine.monoMs();
  const health = new Health(ours?.before ?? null, beganMs);
  let missing: Missing = 'no_answer';
  let said: Missing | null = null;
  while (machine.monoMs() - beganMs < limitMs) {
    const verdict = health.take(await machine.askRadio(), machine.monoMs());
    if (verdict.healthy) {
      card.writeState({ slot: started.slot, try: null });
      machine.say(`version ${machine.version} works: slot ${started.slot} is kept`);
      finish('confirmed', null, ours, started, machine);
      return true;
    }
    ({ missing } = verdict);
    if (missing !== said) machine.say(`not yet: ${MISSING[missing]}`);
    said = missing;
    await machine.sleep(TRIAL_POLL_MS);
  }
  machine.complain(`version ${machine.version} does not work: ${MISSING[missing]}; going back`);
  finish('gave_up', missing, ours, started, machine);
  return false;
}

function isConfirmed(state: BootState | null, started: Started): boolean {
  return state?.slot === started.slot && state.try === null;
}

function finish(
  state: 'confirmed' | 'gave_up',
  missing: Missing | null,
  ours: UpdateResult | null,
  { slot }: Started,
  machine: Machine,
): void {
  const { version, bootId } = machine;
  const text = missing && MISSING[missing];
  const result = ours ?? { ...newResult(machine), version, slot };
  keep({ ...result, state, code: missing, text, bootId, atMs: machine.wallMs() }, machine);
}

/** What runs, what will, and what became of the last update. */
export function statusOf(machine: Machine): Record<string, unknown> {
  const started = startedFrom(machine);
  const result = readResult(machine.places.results);
  const state = machine.openCard().readState();
  return {
    version: machine.version,
    slot: started.slot,
    other_slot: otherSlot(started.slot),
    on_trial: started.onTrial && !isConfirmed(state, started),
    boot_state: state,
    last: { outcome: outcomeOf(result, started, machine.bootId).kind, ...result },
  };
}
