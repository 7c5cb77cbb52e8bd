/**
 * A contact counts once it has rested this long. Data sheets of tact switches promise 5 to 10 ms of bounce, cheap and worn ones
 * reach 20; the shortest press of a hand is about 50.
 */
export const DEBOUNCE_MS = 30;
/** Filter in the kernel, where gpiomon has one: keeps a bad contact from flooding the pipe, and leaves the judging to us. */
export const KERNEL_DEBOUNCE_MS = 3;
/**
 * What the kernel stamped now is known here this much later at the latest: a busy machine lets gpiomon and this process wait
 * for a core. Time is told to the gestures with this delay, so that the end of a bounce comes before the judgement of it.
 */
export const REPORT_LAG_MS = 100;
/**
 * Both buttons "at once" are never two wishes: a press counts when the other button has kept still this long after it.
 * Two thumbs land within some 50 ms of each other; with the rest of the contact and the lag of the reports a skip
 * follows a release by 230 ms, which nobody minds.
 */
export const APART_MS = 100;
/** Up to here a press is short. Slow hands press for a second; from here to `PAIR_HOLD_MS` somebody changed their mind. */
export const SHORT_PRESS_MS = 2_000;
/** Long enough that no skip becomes it, short enough to stand there for. */
export const PAIR_HOLD_MS = 3_000;
/** Both held: far beyond any accident. */
export const RESET_WIFI_HOLD_MS = 10_000;
export const RESET_ALL_HOLD_MS = 20_000;
/** The second button again, this soon after it banned a track, takes that back. */
export const UNDO_MS = 10_000;
/** A button that is down this long has something lying on it, or a wire that touches: ignored until it was let go. */
export const STUCK_MS = 60_000;

/** How long the light says that a press was taken. */
export const ACKNOWLEDGE_MS = 700;
/** The light asks at most this often what the box is doing, however often that changes; eyes need no more. */
export const LIGHT_REFRESH_MS = 250;
/** Not everything that the light tells is announced (a phone that asks, a sound card that fails): so it also looks by itself. */
export const LIGHT_LOOK_MS = 2_000;
/** A light shorter than this is not seen, and a Pi's scheduler does not keep it. */
export const MIN_STEP_MS = 80;
/** A pattern that is longer is not recognised as one. */
export const MAX_STEP_MS = 10_000;
export const MAX_STEPS = 32;
/** Patterns in the table: what a person can tell apart is far less. */
export const MAX_PATTERNS = 32;

/** A hand makes some 20 edges a second, a bad switch some 200; more than this is a wire in the wind. */
export const MAX_EDGES_PER_SECOND = 400;
/** After lines were lost (a tool was killed, a flood of edges): tried again, at first soon, then seldom and for ever. */
export const REOPEN_FIRST_MS = 1_000;
export const REOPEN_LAST_MS = 300_000;
/**
 * A start does not wait for udev: for so long the chip may still be missing, or not yet belong to the group gpio. udev gets
 * to it within seconds, on an emulated machine within a minute.
 */
export const UDEV_PATIENCE_MS = 120_000;
export const UDEV_RETRY_MS = 3_000;

/** gpiodetect, gpioget and the like answer in milliseconds; a busy Pi Zero may need seconds to start a program. */
export const TOOL_TIMEOUT_MS = 10_000;
/** gpiomon of libgpiod 1 does not say when it has begun: alive for this long means that it holds the lines. */
export const SETTLE_UNANNOUNCED_MS = 300;
/** A tool's first line of complaint is what helps; the rest is its usage. */
export const MAX_COMPLAINT_CHARS = 200;
/** Bytes of one unfinished line of a tool; its lines have some thirty. */
export const MAX_LINE_CHARS = 1_024;
/** The two files of `hardware/` have a few kilobytes. */
export const MAX_HARDWARE_FILE_BYTES = 1 << 16;
/** A kernel's time stamp further than this from now is of another clock, and the time of reading stands in for it. */
export const MAX_EDGE_AGE_MS = 30_000;
