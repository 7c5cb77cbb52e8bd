/** Why an update is not installed: one class for each cause. `code` is for programs, the message for people. */

export abstract class UpdateError extends Error {
  /** Short name of the cause. */
  abstract readonly code: string;
  override get name(): string {
    return this.constructor.name;
  }
}

const shown = (text: string) => JSON.stringify(text.slice(0, 80));

/** There is no key on this box to check updates with. */
export class NoKeysError extends UpdateError {
  readonly code = 'no_keys';
  constructor(folder: string) {
    super(
      `This box trusts no release key, so it takes no updates: ${folder} holds none. ` +
        'Whoever built its image made no key; flash the card anew with an image that has one.',
    );
  }
}

/** Signed, by somebody whom this box does not know. */
export class UnknownKeyError extends UpdateError {
  readonly code = 'unknown_key';
  constructor(keyId: string, trusted: readonly string[]) {
    super(
      `The update is signed with the key ${keyId}, which this box does not trust. It trusts ${trusted.join(', ')}: ` +
        'take the update from whoever made the image of this box.',
    );
  }
}

/** Signed by nobody, or changed after it was signed. */
export class BadSignatureError extends UpdateError {
  readonly code = 'bad_signature';
  constructor() {
    super('The signature of the update is wrong: it was changed after it was signed. Fetch it again from its source.');
  }
}

/** Something else than an update. */
export class NotAnUpdateError extends UpdateError {
  readonly code = 'not_an_update';
  constructor(cause: string) {
    super(`That is no Starling update: ${cause}. Allowed: a file starling-<version>-arm64.update, as it was made.`);
  }
}

/** Signed, and yet no manifest as this box knows it. */
export class BadManifestError extends UpdateError {
  readonly code = 'bad_manifest';
  constructor(cause: string) {
    super(`The manifest of the update is wrong: ${cause}. It was made by a faulty builder.`);
  }
}

/** Made for an updater that knows more. */
export class FormatTooNewError extends UpdateError {
  readonly code = 'format_too_new';
  constructor(needed: number, known: number) {
    super(
      `The update is of format ${needed}, and this box reads formats up to ${known}. ` +
        'Install a version in between first, or flash the card anew.',
    );
  }
}

/** For another kind of machine. */
export class WrongMachineError extends UpdateError {
  readonly code = 'wrong_machine';
  constructor(arch: string, own: string) {
    super(`The update is for ${shown(arch)}; this box is ${own}.`);
  }
}

/** As old as what runs, or older, and nobody said that this is meant. */
export class NotNewerError extends UpdateError {
  readonly code = 'not_newer';
  constructor(version: string, running: string) {
    super(
      `The update is version ${version}, and ${running} runs already. Going back, or installing the same again, must be ` +
        'asked for as such.',
    );
  }
}

/** The file ends before its content does. */
export class TruncatedError extends UpdateError {
  readonly code = 'truncated';
  constructor(bytes: number, expected: number) {
    super(`The update is cut off: it has ${bytes} bytes of ${expected}. Copy or download it again.`);
  }
}

/** Something follows after the end. */
export class TrailingDataError extends UpdateError {
  readonly code = 'trailing_data';
  constructor(bytes: number, expected: number) {
    super(`The update has ${bytes} bytes where ${expected} belong: something was added to it. Fetch it again.`);
  }
}

/** A file in it is not the one that was signed. */
export class BadHashError extends UpdateError {
  readonly code = 'bad_hash';
  constructor(file: string) {
    super(`The file ${file} in the update is damaged: it is not what was signed. Copy or download the update again.`);
  }
}

/** More than a slot holds. */
export class TooLargeError extends UpdateError {
  readonly code = 'too_large';
  constructor(bytes: number, most: number) {
    super(`The system in the update has ${bytes} bytes; a slot of this card holds ${most}. Flash a new card with it.`);
  }
}

/** Kernel and initramfs do not fit beside what is there. */
export class BootPartitionFullError extends UpdateError {
  readonly code = 'boot_full';
  constructor() {
    super('The boot partition of the card is full. Take away what was put there beside starling.txt.');
  }
}

/** The file cannot be opened or read. */
export class UnreadableError extends UpdateError {
  readonly code = 'unreadable';
  constructor(cause: string) {
    super(`The update cannot be read: ${cause}. Is the stick still plugged in?`);
  }
}

/** The request names something that is no update in one of the two places. */
export class ForbiddenPlaceError extends UpdateError {
  readonly code = 'forbidden_place';
  constructor(cause: string) {
    super(`That file is not taken: ${cause}. Allowed: an uploaded update, or one at the top of a stick.`);
  }
}

/** The request itself is damaged. */
export class BadRequestError extends UpdateError {
  readonly code = 'bad_request';
  constructor(cause: string) {
    super(`The request for an update is wrong: ${cause}.`);
  }
}

/** The card took it and gave something else back, or did not take it. */
export class CardFailsError extends UpdateError {
  readonly code = 'card_fails';
  constructor(cause: string) {
    super(`The card cannot be written: ${cause}. The running system is untouched; think of a new card.`);
  }
}

/** The running system has not proved itself yet: the slot that an update would go into is the way back. */
export class OnTrialError extends UpdateError {
  readonly code = 'on_trial';
  constructor() {
    super('The last update is still on trial. Wait until it is confirmed, some minutes after the start.');
  }
}

/** Two updates at once. */
export class BusyError extends UpdateError {
  readonly code = 'busy';
  constructor() {
    super('An update is being installed already.');
  }
}

/** Not started from a card with two slots. */
export class NoSlotsError extends UpdateError {
  readonly code = 'no_slots';
  constructor(cause: string) {
    super(`This machine has no slots to update: ${cause}. Updates are for boxes that run from Starling's card.`);
  }
}
