import {
  MAX_ADDRESS_ROWS,
  MAX_COUNTER_ROWS,
  MAX_HISTORY_ROWS,
  MAX_NOTICE_ROWS,
  MAX_PEER_ROWS,
  MAX_QUEUE_ROWS,
  MAX_SKIPPED_ROWS,
  MAX_SOURCE_ROWS,
  MAX_TEXT_CHARS,
} from './limits.ts';
import { STATUS_VERSION, type StatusSnapshot } from './snapshot.ts';

/** The snapshot as it leaves the box: lists and texts within their bounds, texts without control characters. */
export function publicStatus(snapshot: StatusSnapshot): StatusSnapshot {
  const bounded: StatusSnapshot = {
    ...snapshot,
    version: STATUS_VERSION,
    node: { ...snapshot.node, addresses: snapshot.node.addresses.slice(0, MAX_ADDRESS_ROWS) },
    queue: snapshot.queue.slice(0, MAX_QUEUE_ROWS),
    history: snapshot.history.slice(-MAX_HISTORY_ROWS),
    peers: snapshot.peers.slice(0, MAX_PEER_ROWS),
    library: {
      ...snapshot.library,
      sources: snapshot.library.sources.slice(0, MAX_SOURCE_ROWS),
      skipped: snapshot.library.skipped.slice(0, MAX_SKIPPED_ROWS),
      skipped_total: snapshot.library.skipped.length,
    },
    counters: Object.fromEntries(Object.entries(snapshot.counters).slice(0, MAX_COUNTER_ROWS)),
    notices: snapshot.notices.slice(0, MAX_NOTICE_ROWS),
  };
  return clean(bounded);
}

// Control characters and the marks that turn the direction of the text around them: a peer's name must not
// rearrange its neighbours. Line breaks have no place in one-line texts either.
const UNWANTED = /[\p{Cc}\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** One line of text within its bound, well-formed. */
export function cleanText(text: string): string {
  const line = text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS - 1)}…` : text;
  return line.replace(UNWANTED, ' ').toWellFormed();
}

/** A copy with every text in it cleaned. */
export function clean<T>(value: T): T {
  if (typeof value === 'string') return cleanText(value) as T;
  if (Array.isArray(value)) return value.map(clean) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, clean(field)])) as T;
}
