/** What the actions of this room take and answer; the web room declares the same shapes (src/web/box.ts) as their user. */

/** Done, or refused with a cause: `code` for programs, `text` in English for people. */
export type Answer<T = null> = { ok: true; value: T } | Refusal;

export interface Refusal {
  ok: false;
  code: string;
  text: string;
  /** The field of the request that is wrong, where one is. */
  field?: string;
  /** What it may be, in words. */
  allowed?: string;
}

export const done = <T>(value: T): Answer<T> => ({ ok: true, value });

export const refused = (code: string, text: string, more: Pick<Refusal, 'field' | 'allowed'> = {}): Refusal => ({
  ok: false,
  code,
  text,
  ...more,
});

export interface BlacklistEntry {
  hash: string;
  name: string;
  /** Wall clock, milliseconds since 1970. */
  at_ms: number;
}

/** Tracks that this box does not play, whoever brings them. */
export interface Filters {
  /** True: tracks marked as explicit are played. */
  explicit: boolean;
  /** Genres that are not played, lower case. */
  genres: string[];
}
