/** A boot without a link must have its hotspot within 25 s; what follows the grace (scan, opening) takes up to 12 s of it. */
export const BOOT_GRACE_MS = 11_000;
/** A router that restarts takes some three minutes; who waits for five is gone for good. */
export const LINK_LOST_MS = 5 * 60_000;
/** A scan of all channels takes 3 to 5 s on small radios; one that does not answer must not keep the hotspot closed. */
export const SCAN_MS = 6_000;
/**
 * While no network is kept there is no grace before it, so it may take longer: at a boot NetworkManager takes some seconds to
 * have the radio at hand, and cut short there, the list that a phone sees at first set-up is empty.
 */
export const FIRST_SCAN_MS = 12_000;
/**
 * Opening takes 2 to 4 s, on a machine that boots and has no hands free ten times that. Of a failure NetworkManager tells at
 * once; this is for one that says nothing, and must not cut short one that is slow.
 */
export const OPEN_MS = 45_000;
/** Between two openings that fail. */
export const REOPEN_MS = 5_000;
/** Finding, associating (25 s in NetworkManager at the most) and an address (20 s). */
export const ATTEMPT_MS = 75_000;
/** A hotspot without a phone closes after this, once there is a link. */
export const IDLE_MS = 60_000;
/** With kept networks, a hotspot without a phone makes room this often to look for them: routers boot slower than boxes. */
export const KNOWN_MS = 3 * 60_000;
/** How long a linked box still tells of an attempt that failed. */
export const FAILURE_SHOWN_MS = 10 * 60_000;
/** Networks of a scan that are kept, strongest first: more than a phone's page can be scrolled through. */
export const MAX_NETWORKS = 64;
/** Profiles that are kept; a box moves seldom. */
export const MAX_SAVED = 32;
/** Ways in which one network is tried, one after the other. */
export const MAX_RECIPES = 3;
/** Kept networks that one look tries, strongest first. */
export const MAX_KNOWN_TRIES = 3;
/** IEEE 802.11: an SSID has up to 32 bytes. */
export const MAX_SSID_BYTES = 32;
/** Phones on the hotspot that are counted. */
export const MAX_PHONES = 64;
/** Addresses of the box that are told. */
export const MAX_ADDRESSES = 8;

/** Writing out what waits in memory: a slow card that is being filled with music takes seconds. */
export const FLUSH_MS = 60_000;
/** Effects that wait to be carried out: a handful at most in any order of events; more is a fault. */
export const MAX_EFFECTS = 32;
/** How often time, addresses and phones are looked at. */
export const TICK_MS = 1_000;
/** NetworkManager tells of changes by itself; this often everything is read anew all the same. */
export const REFRESH_MS = 30_000;
/** Changes come in bursts: they are read once, this long after the first. */
export const SETTLE_MS = 150;
/** Between two tries to reach NetworkManager. */
export const RECONNECT_MS = 10_000;

/** One message of the system bus: a list of access points takes some kilobytes. The specification allows 128 MiB. */
export const MAX_MESSAGE_BYTES = 1 << 20;
/** Calls that wait for their answers. */
export const MAX_CALLS = 128;
/** What D-Bus libraries wait for an answer by custom. NetworkManager answers at once, but on a machine that has no hands free. */
export const CALL_MS = 25_000;
/** Reads that NetworkManager may fail to answer in a row before it counts as gone: slow is not gone. */
export const MAX_SLOW_READS = 3;
/** Containers within containers, see the D-Bus specification (64 in all). */
export const MAX_DEPTH = 64;
