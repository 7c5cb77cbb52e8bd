/**
 * Every bound of the web room with its reason. The people it serves are one household: a few phones, a laptop, a
 * script or two. The box it runs on has 512 MB and shares two slow cores with a player that must never starve.
 */

/** Enough for any browser's headers and our one cookie. Node's default of 16 KiB is only room for mischief. */
export const MAX_HEADER_BYTES = 8 * 1024;
/** Fields of a request. Browsers send about 15. */
export const MAX_HEADER_COUNT = 64;
/** Longest request target. The longest of ours, a cover, is under 120. */
export const MAX_URL_CHARS = 512;
/** Time to send a request's headers: a slow sender must not hold a connection. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Time for a whole request, its body included. */
export const REQUEST_TIMEOUT_MS = 15_000;
/** Time for the one request that carries a whole update, some 300 MB over a weak Wi-Fi. */
export const UPLOAD_TIMEOUT_MS = 45 * 60_000;
/** A phone that sends nothing of it for so long is gone. */
export const UPLOAD_STALL_MS = 30_000;
/** Updates that are listed. */
export const MAX_FOUND_ROWS = 16;
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

/** The largest body of ours, a list of genres, is under 5 KB. */
export const MAX_BODY_BYTES = 8 * 1024;
/** Rest of a refused body that is read and thrown away rather than cut off. */
export const MAX_DISCARDED_BYTES = 64 * 1024;
/** A phone sends so little in one piece: a body that trickles is not one of ours. */
export const BODY_TIMEOUT_MS = 5_000;
/** What a phone may call itself. */
export const MAX_PHONE_NAME_CHARS = 64;
/** Paired phones of one household. The one unseen for longest makes room: whoever lost a phone is not locked out. */
export const MAX_PHONES = 32;
/** When a phone was last seen is written down this often at most: memory cards wear out by writing. */
export const SEEN_INTERVAL_MS = 6 * 3_600_000;
/** Browsers keep a cookie for 400 days at most (RFC 6265bis). */
export const PHONE_COOKIE_S = 400 * 86_400;
/** After a start for which starling.txt lets a phone in: time to find the page. */
export const LET_IN_MS = 10 * 60_000;
/** "Hold the button within the minute." */
export const PAIRING_WAIT_MS = 60_000;
/** Time to fetch what was granted, and time for which a lapsed request still makes a hold ambiguous. */
export const PAIRING_AFTER_MS = 60_000;
/** Requests to be paired that are remembered; 20 a minute come in at most, and two minutes count. */
export const MAX_PAIRING_REQUESTS = 64;
/** Requests to be paired of one address, and of all, a minute. A person needs one. */
export const PAIRINGS_PER_MINUTE = 5;
export const PAIRINGS_PER_MINUTE_ALL = 20;
/** Changes of one phone a minute: a slider that is drawn sends a few a second for a short while. */
export const CHANGES_PER_MINUTE = 60;
/** Wrong cookies of one address a minute. One phone that was taken off the list sends a few before it notices. */
export const WRONG_COOKIES_PER_MINUTE = 20;
/** An action of the box that has not answered by then will not. */
export const ACTION_TIMEOUT_MS = 30_000;
/** Requests at once that make the box ask others or gather much. */
export const MAX_SLOW_REQUESTS = 8;
/** Genres to leave out: more than there are on most sticks. */
export const MAX_GENRES = 64;
export const MAX_GENRE_CHARS = 64;
/** Station and box names. */
export const MAX_NAME_CHARS = 64;
/** A delay of more than this is no loudspeaker's. */
export const MAX_TRIM_MS = 2_000;
/** Phones that listen: each costs about 200 kbit/s; the port may have room for fewer. */
export const MAX_LISTENERS = 8;
export const MAX_LISTENERS_PER_CLIENT = 2;
/** A listener that takes nothing for this long is gone. */
export const LISTENER_STALL_MS = 20_000;
/** Forms handed out for the page without script: altogether, to one address, and for how long. */
export const MAX_FORMS = 128;
export const MAX_FORMS_PER_CLIENT = 8;
export const FORM_TIME_MS = 15 * 60_000;
