/** How often the table of mounts is looked at: reading it costs some 50 µs, and a person waits longer for a stick. */
export const MOUNT_POLL_MS = 2_000;
/** Lines of the table of mounts that are looked at; containers make thousands of their own. */
export const MAX_MOUNT_LINES = 4_096;
/** Sticks in use at once: two ports and a hub with several partitions each. */
export const MAX_STICKS = 16;
/** How often the host's figures are read while the node runs. */
export const HOST_POLL_MS = 5_000;
/** Descendants of this process that are counted: the player and a few decoders. */
export const MAX_CHILDREN = 64;
/** How often the watchdog looks whether the radio advances. Cheap: a few numbers that are there anyway. */
export const LOOK_MS = 10_000;
/** Messages to systemd's watchdog within its time (120 s in the unit): three may be lost or late before it bites. */
export const WATCHDOG_FEEDS = 4;
/** A player that stands still is replaced by silence within some seconds (src/playback); on an emulated machine ten times later. */
export const PLAYER_PATIENCE_MS = 45_000;
/** A member's log has something for every moment; settling a split or a long sleep leaves a hole of up to 80 s. */
export const PROGRAMME_PATIENCE_MS = 120_000;
/** A start takes seconds; ten minutes on an emulated machine with a slow card, as in the unit's TimeoutStartSec. */
export const START_PATIENCE_MS = 10 * 60_000;
