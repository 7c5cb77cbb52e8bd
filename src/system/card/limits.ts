/** The template has some 4 kB; what is larger is another file that was given this name. */
export const MAX_CARD_BYTES = 64 * 1024;
/** Lines that are read; the template has some 90. */
export const MAX_CARD_LINES = 1_000;
/** Mistakes that the answer lists: who has more has put another file here. */
export const MAX_ANSWERED = 100;
/** Keys for SSH: one for each computer of a person. */
export const MAX_SSH_KEYS = 16;
/** Values are shown in the answer up to this length. */
export const MAX_SHOWN_CHARS = 60;
/** Files of kept networks that are looked at for an older one of the same name. */
export const MAX_KEYFILES = 64;
