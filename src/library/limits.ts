/** Every bound of the library room, with its reason. */

/** Length of a segment where its bytes fit into a block: what HLS players expect. */
export const SEGMENT_MS = 6_000;
/** Tried in turn, in milliseconds, for audio of a high rate: every segment has to fit into one block. */
export const SEGMENT_LENGTHS_MS = [6_000, 3_000, 1_500, 750, 375, 190] as const;
/** One raw block a segment. Bitswap refuses more than 2 MiB; half of that leaves room and keeps a Pi's memory free. */
export const MAX_SEGMENT_BYTES = 1 << 20;
/** Blocks of others in the store: bitswap's own bound. */
export const MAX_BLOCK_BYTES = 2 << 20;
/** The node refuses larger manifests; 1,200 segments (two hours) take 90 KiB. */
export const MAX_MANIFEST_BYTES = 256 << 10;
/** Segments a manifest may list: what fits into `MAX_MANIFEST_BYTES` at about 70 bytes each. */
export const MAX_SEGMENTS = 3_600;
/** Shorter pieces are jingles and effects; the station's rules ask for more anyway. */
export const MIN_TRACK_MS = 1_000;
/** The longest slot that any station's rules admit (max_track_ms). */
export const MAX_TRACK_MS = 7_200_000;
/** A page that shows it needs no more, and everybody who plays the track fetches it. */
export const MAX_COVER_BYTES = 256 << 10;
/** A picture inside a music file that is not looked at: no honest cover is larger. */
export const MAX_COVER_SOURCE_BYTES = 16 << 20;
/** Longer edge of a cover that had to be made smaller. */
export const COVER_EDGE_PX = 600;
/** Pictures beyond this are not decoded: a few kilobytes can claim to be gigapixels. */
export const MAX_COVER_PIXELS = 50_000_000;
/** Covers remembered by their hash: the tracks of an album share one. */
export const MAX_REMEMBERED_COVERS = 256;
/** The wire's bound for a track's name (src/consensus/limits.ts); artist, title and album each get the same. */
export const MAX_NAME_BYTES = 256;
/** The wire's bound for a genre. */
export const MAX_GENRE_BYTES = 64;

/** Folders inside folders: real collections have four or five levels; a damaged file system has no end. */
export const MAX_DEPTH = 24;
/** Entries looked at in one source, of any kind: a stick full of photos takes seconds, a damaged one would take for ever. */
export const MAX_ENTRIES = 500_000;
/** Music files of one source: the largest stick that was asked for holds 20,000. */
export const MAX_FILES = 50_000;
/** Folders and sticks at a time. */
export const MAX_SOURCES = 32;
/** Skipped files that the list names, the newest first; the rest is counted only. */
export const MAX_SKIPPED_LISTED = 1_000;

/** Tags before the audio: an ID3v2 tag with several large pictures. */
export const MAX_LEADING_TAG_BYTES = 64 << 20;
/** An MP4 file's table of contents: 24 hours of AAC take 16 MiB. */
export const MAX_MOOV_BYTES = 32 << 20;
/** Junk between a file's tags and its first MP3 frame. */
export const MAX_SYNC_SEARCH_BYTES = 64 << 10;
/** Looked at from the end of an Ogg file for its last page (a page has at most 65,307 bytes). */
export const OGG_TAIL_BYTES = 128 << 10;
/** Tags are read within this time or left out. */
export const TAGS_TIMEOUT_MS = 20_000;

/** ffmpeg without any output for so long hangs (a dying stick); a healthy one delivers every few milliseconds. */
export const FFMPEG_SILENCE_MS = 60_000;
/** Of ffmpeg's complaints, kept for the list of skipped files. */
export const MAX_COMPLAINT_LENGTH = 400;
/** One box of ffmpeg's output held in memory: a segment that is too large is noticed before this. */
export const MAX_BOX_BYTES = 16 << 20;
/** Its own memory: a file may claim anything. */
export const FFMPEG_MAX_ALLOC = 128 << 20;
/** Politeness: the player comes first. */
export const FFMPEG_NICE = 10;

/** Kept free on the card, so that the system and the journal go on working. */
export const MIN_FREE_BYTES = 64 << 20;
/** The free space is asked for again after so many written bytes. */
export const FREE_CHECK_BYTES = 16 << 20;
/** Pause before chunking is tried again on a full card. */
export const FULL_RETRY_MS = 60_000;

/** First news of tracks comes at once, later ones in batches of at least this time. */
export const PUBLISH_INTERVAL_MS = 2_000;
/** Publishing (sorting, hashing, the catalog) may take this share of the time: the interval grows with the library. */
export const PUBLISH_COST_FACTOR = 25;
/** Tracks in one page of the catalog: about 210 bytes each, made without a noticeable pause. */
export const CATALOG_PAGE_TRACKS = 500;
/** Catalogs kept, so that someone who just heard of one can still fetch it. */
export const KEPT_CATALOGS = 3;
/** How often the roots are looked at for a stick that came or went. */
export const WATCH_INTERVAL_MS = 5_000;
/** Tracks whose files are gone for so long are dropped; a stick may stay in a drawer for a season. */
export const RETIRE_AFTER_MS = 90 * 86_400_000;
/** Tracks finished this shortly before a power cut may not be on the disk whole: Linux writes back within 35 s. */
export const DOUBTFUL_MS = 120_000;
/** Pins that failed (no network yet) are tried again this often. */
export const PIN_RETRY_MS = 10_000;
