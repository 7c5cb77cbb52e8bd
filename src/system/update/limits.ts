/** Every bound of updates with its reason. */

const MEBIBYTE = 2 ** 20;

/** A manifest of ours has some 700 bytes; more is somebody's wrong file. */
export const MAX_MANIFEST_BYTES = 16 * 1024;
/** Room of a slot on the card (image/assemble.sh); the card itself is asked again before anything is written. */
export const MAX_SLOT_BYTES = 512 * MEBIBYTE;
/** Kernel and initramfs: both slots, and a new pair beside an old one, fit on a boot partition of 256 MB. */
export const MAX_BOOT_FILE_BYTES = 64 * MEBIBYTE;
/** The largest file that can be an update: one slot, two boot files, the manifest and the frame around them. */
export const MAX_UPDATE_BYTES = MAX_SLOT_BYTES + 2 * MAX_BOOT_FILE_BYTES + MEBIBYTE;
/** Read, hashed and written at a time: what an update costs of a small box's memory. */
export const CHUNK_BYTES = MEBIBYTE;
/** Written to the card before it is told to keep it: 512 MB of memory must not fill up with what waits to be written. */
export const FLUSH_EVERY_BYTES = 8 * MEBIBYTE;
/** Keys that a box trusts: the one in use, the next one, and some from before. */
export const MAX_KEYS = 8;
/** A public key in PEM has 113 bytes. */
export const MAX_KEY_FILE_BYTES = 4 * 1024;
/** A request names one file. */
export const MAX_REQUEST_BYTES = 4 * 1024;
export const MAX_RESULT_BYTES = 16 * 1024;
/** Longest name of a file on Linux. */
export const MAX_FILE_NAME_BYTES = 255;
/** Update files that are looked at: a stick with more is an archive of them. */
export const MAX_FOUND = 8;
/** Names of a stick's top folder that are looked through. */
export const MAX_FOLDER_NAMES = 4_096;
/** Free on the data partition beside an upload: settings, journal and log must be able to go on. */
export const FREE_BESIDE_UPLOAD_BYTES = 64 * MEBIBYTE;
/** Others' tracks that make room for one upload at most: each frees some megabytes. */
export const MAX_MADE_ROOM = 512;
/** The part of the system that installs begins within this (an emulator's takes a minute and more); else there is none. */
export const PICK_UP_MS = 3 * 60_000;
/** An installation that tells nothing for so long has ended without a word. */
export const STALE_AFTER_MS = 15 * 60_000;
/** An upload that nobody installs goes after this. */
export const UPLOAD_KEPT_MS = 60 * 60_000;
/** How often the radio looks how far an installation is. */
export const PROGRESS_POLL_MS = 1_000;
/** Time between "starts anew" and the restart, so that a page hears of it. */
export const RESTART_AFTER_MS = 4_000;
/** Time for a trial to show that it works; an emulator is five times slower than a board, where it takes half a minute. */
export const TRIAL_LIMIT_MS = 8 * 60_000;
/** The player must go on for so long, at one go. */
export const PLAYS_FOR_MS = 10_000;
/** A box that had company waits this long for it, and then takes being alone for somebody's choice. */
export const COMPANY_WAIT_MS = 5 * 60_000;
/** How often the trial looks at the radio. */
export const TRIAL_POLL_MS = 1_000;
/** The radio's answer: 50 peers make some 60 kB. */
export const MAX_STATUS_BYTES = 4 * MEBIBYTE;
