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
