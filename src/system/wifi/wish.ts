import { isCountry } from './countries.ts';
import { recipesFor } from './machine.ts';
import { bytesOfName, hexOf } from './ssid.ts';
import type { Recipe, SavedNetwork, SeenNetwork, Wish } from './types.ts';

/** Done, or refused with a cause that the page can show. */
export type Answer<T = null> =
  | { ok: true; value: T }
  | { ok: false; code: string; text: string; field?: string; allowed?: string };

/** What a person asks for, unchecked. */
export interface JoinWish {
  ssid: string;
  /** Null or empty: an open network, or the password that is kept. */
  password: string | null;
  hidden: boolean;
  /** ISO 3166-1 alpha-2; null: as it is. */
  country: string | null;
}

export const DONE: Answer = { ok: true, value: null };

const TEXTS = {
  ssid: 'This is no name of a Wi-Fi network.',
  country: 'This is no country.',
  password: 'This cannot be the password of this network.',
  passwordNeeded: 'This network needs a password.',
  unsupported: 'This network uses WEP or company log-in (802.1X), which this box cannot join.',
};

export function refused(code: string, text: string, field?: string, allowed?: string): Answer<never> {
  return {
    ok: false,
    code,
    text,
    ...(field === undefined ? {} : { field }),
    ...(allowed === undefined ? {} : { allowed }),
  };
}

export function checkCountry(country: unknown): Answer<string> {
  if (typeof country === 'string' && isCountry(country)) return { ok: true, value: country };
  return refused('bad_field', TEXTS.country, 'country', 'two capital letters of ISO 3166-1, such as DE');
}

/** Checks a wish against what was seen and what is kept. */
export function checkWish(asked: JoinWish, seen: readonly SeenNetwork[], saved: readonly SavedNetwork[]): Answer<Wish> {
  if (typeof asked.ssid !== 'string') return refused('bad_field', TEXTS.ssid, 'ssid', 'text of 1 to 32 bytes');
  const listed = asked.hidden ? undefined : seen.find(({ ssid }) => ssid === asked.ssid);
  const kept = saved.find(({ ssid }) => ssid === asked.ssid);
  const hex = listed?.ssidHex ?? kept?.ssidHex ?? typedHex(asked.ssid);
  if (hex === null) return refused('bad_field', TEXTS.ssid, 'ssid', 'text of 1 to 32 bytes');
  if (asked.country !== null) {
    const country = checkCountry(asked.country);
    if (!country.ok) return country;
  }
  const password = asked.password === '' ? null : asked.password;
  const security = listed?.security ?? 'unknown';
  if (security === 'other') return refused('unsupported', TEXTS.unsupported, 'ssid');
  const wish = { ssid: asked.ssid, ssidHex: hex, password, hidden: asked.hidden };
  if (password === null) {
    const isOpen = security === 'open' || security === 'owe' || security === 'unknown';
    if (kept === undefined && !isOpen) return refused('password_needed', TEXTS.passwordNeeded, 'password');
    const recipe: Recipe = kept !== undefined ? 'kept' : security === 'owe' ? 'owe' : 'open';
    return { ok: true, value: { ...wish, recipes: [recipe] } };
  }
  // A password is never carried into an open network of the same name: that may be somebody else's.
  const isSecured = security === 'psk' || security === 'mixed' || security === 'sae';
  const recipes = recipesFor(isSecured ? security : 'unknown');
  const fits = security === 'sae' ? isSaePassword(password) : isPassphrase(password);
  const allowed = security === 'sae' ? '1 to 63 bytes' : '8 to 63 bytes, or 64 hexadecimal digits';
  if (!fits) return refused('bad_field', TEXTS.password, 'password', allowed);
  return { ok: true, value: { ...wish, recipes } };
}

function typedHex(name: string): string | null {
  const bytes = bytesOfName(name);
  return bytes === null ? null : hexOf(bytes);
}

/** IEEE 802.11, annex J.4: 8 to 63 signs, or the key itself. More than ASCII is common. */
function isPassphrase(password: string): boolean {
  return (
    /^[0-9a-f]{64}$/i.test(password) || (isPlain(password) && byteLength(password) >= 8 && byteLength(password) <= 63)
  );
}

function isSaePassword(password: string): boolean {
  return isPlain(password) && byteLength(password) <= 63;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function isPlain(text: string): boolean {
  return typeof text === 'string' && !/\p{Cc}/u.test(text);
}
