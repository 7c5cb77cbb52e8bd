/** Every bound of the node room, with its reason. */

/** Bitswap's own limit is 2 MiB; the library cuts segments to 1 MiB, so nothing larger is ever asked for. */
export const MAX_BLOCK_BYTES = 1 << 20;
/** A 60-minute track lists 600 segments of about 50 bytes. 256 KiB leaves room for the longest allowed slot. */
export const MAX_MANIFEST_BYTES = 256 << 10;
/** Tracks offered to the consensus at a time: it needs one that was not played within 50 slots. */
export const MAX_OFFERS = 128;
/** Tracks of others kept after they played: the fallback rule replays any of the last 50 winners, some may yet come. */
export const MAX_KEPT_TRACKS = 64;
/** Of them on the card, whatever their number: 64 lossless tracks of five minutes. */
export const MAX_KEPT_BYTES = 2 * 2 ** 30;
/** The newest ones stay even beyond that: the one that plays, the queue of five, and two that may yet win. */
export const MIN_KEPT_TRACKS = 8;
/** The head of a format's segments, shared by many tracks, takes about a kilobyte; such a one is not worth deleting. */
export const MAX_SMALL_INIT_BYTES = 4_096;
/** Room on the card that the own library leaves to the music of others, and the share of a small card. */
export const ROOM_FOR_OTHERS_BYTES = 512 * 2 ** 20;
export const ROOM_FOR_OTHERS_SHARE = 1 / 8;
/** Lines kept for the page and the diagnostics. */
export const MAX_LOG_LINES = 500;
/** Requests of the catch-up stream that wait for step's answer at a time. */
export const MAX_OPEN_QUESTIONS = 64;
/** The longest the node sleeps between two ticks, whatever step asked for: a forgotten wake must not stall a radio. */
export const MAX_SLEEP_MS = 1_000;
/** Between two looks whether this process gets its turns: small beside the quarter of a Delta that it may be late by. */
export const PULSE_MS = 250;
/** Tracks whose last slot is remembered: a stick of 20,000 tracks and what others played in between. */
export const MAX_REMEMBERED_TRACKS = 32_768;
/** Journal rows that wait for a full card: the log's records within memory, and what was signed meanwhile. */
export const MAX_UNWRITTEN = 4_096;
/** Tracks that a box never plays again: a press a day for ten years; the file stays below a megabyte. */
export const MAX_BLACKLIST = 4_096;
/** Of the name that is kept beside a blacklisted track's hash. */
export const MAX_KEPT_NAME_CHARS = 120;
/** Genres that are filtered, and the longest of them: tags have genres of a few words. */
export const MAX_FILTER_GENRES = 64;
export const MAX_GENRE_CHARS = 64;
/** The player has written this much ahead and opens a decoder meanwhile: a skip is heard after it. */
export const SWITCH_LEAD_MS = 1_500;
/** A second press within this time is the same wish: what the first one asked for is not even heard yet. */
export const SAME_PRESS_MS = 1_800;
/** How long the button undoes the last "never again". */
export const UNDO_MS = 10_000;
