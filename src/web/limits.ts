/**
 * Every bound of the web room with its reason. The people it serves are one household: a few phones, a laptop, a
 * script or two. The box it runs on has 512 MB and shares two slow cores with a player that must never starve.
 */

/** Enough for any browser's headers; cookies are never set. Node's default of 16 KiB is only room for mischief. */
export const MAX_HEADER_BYTES = 8 * 1024;
/** Fields of a request. Browsers send about 15. */
export const MAX_HEADER_COUNT = 64;
/** Longest request target. The longest of ours, a cover, is under 120. */
export const MAX_URL_CHARS = 512;
/** Time to send a request's headers: a slow sender must not hold a connection. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Time for a whole request. No route reads a body. */
export const REQUEST_TIMEOUT_MS = 15_000;
/** Idle connections are kept just long enough for a page load. */
export const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** Sockets altogether: each costs about 20 KB. */
export const MAX_CONNECTIONS = 256;
/** Sockets of one client (`clientKey`): six a browser, times a few tabs and browsers. */
export const MAX_CONNECTIONS_PER_CLIENT = 48;

/** Live pages altogether. A change is serialised once for all, so this bounds buffers, not work. */
export const MAX_EVENT_CLIENTS = 64;
/** Live pages of one address: tabs of one phone, with some that did not say goodbye yet. */
export const MAX_EVENT_CLIENTS_PER_CLIENT = 12;
/** A live page that lets this much pile up does not read: it is dropped and will connect again when it can. */
export const MAX_EVENT_BUFFER_BYTES = 256 * 1024;
/** Silence shorter than the idle time-outs of routers and phones. */
export const HEARTBEAT_MS = 15_000;
/** Changes closer together than this go out as one. A change still shows well within a second. */
export const CHANGE_INTERVAL_MS = 250;
/** Figures that nobody announces (offsets, memory, progress) are looked at this often while somebody watches. */
export const REFRESH_INTERVAL_MS = 2_000;

/** Requests of one address: a page load takes about a dozen. */
export const RATE_BURST = 150;
/** Tokens that come back a second: several pages and a script that polls. */
export const RATE_PER_SECOND = 25;
/** Addresses remembered. The one unseen for longest makes room. */
export const MAX_RATE_CLIENTS = 1_024;

/** Rows of lists in the status. The model's queue has five. */
export const MAX_QUEUE_ROWS = 8;
export const MAX_HISTORY_ROWS = 50;
/** A screen never shows more; larger flocks are sampled by the node anyway. */
export const MAX_PEER_ROWS = 128;
export const MAX_SKIPPED_ROWS = 50;
export const MAX_NOTICE_ROWS = 16;
export const MAX_ADDRESS_ROWS = 16;
export const MAX_SOURCE_ROWS = 32;
export const MAX_COUNTER_ROWS = 256;
/** Longest text from tags and peers that is passed on, in UTF-16 units. A path is the longest honest one. */
export const MAX_TEXT_CHARS = 512;
/** Rows of one answer of the skipped list. */
export const MAX_PAGE_ROWS = 200;
export const DEFAULT_PAGE_ROWS = 50;

/** Covers above this are not passed on: the page shows them at most 400 px wide. */
export const MAX_COVER_BYTES = 2 * 1024 * 1024;
/** The page's files are kept in memory: all of them together, and how many. */
export const MAX_PAGE_BYTES = 1024 * 1024;
export const MAX_PAGE_FILES = 128;
/** Folders in folders of the page. */
export const MAX_PAGE_DEPTH = 4;
