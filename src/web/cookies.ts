/** The two cookies of this box. Both are out of reach for scripts and are sent from its own page alone. */

/** Proves a paired phone. */
export const PHONE_COOKIE = 'starling_phone';
/** Names the request to be paired that this browser made last, so that asking again takes its place. */
export const ASKING_COOKIE = 'starling_asking';

/**
 * The value of a cookie, null when there is none. A name that is there several times is worth nothing: another server
 * on the same host, whatever its port, can set one beside ours, and the order is for nobody to know.
 */
export function readCookie(header: string | undefined, name: string): string | null {
  if (header === undefined) return null;
  const values = header
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${name}=`))
    .map((part) => part.slice(name.length + 1));
  return values.length === 1 ? (values[0] ?? null) : null;
}

/** A Set-Cookie field (RFC 6265). No `Secure`: a box in a house has no certificate. */
export function cookieField(name: string, value: string, maxAgeS: number, path = '/'): string {
  return `${name}=${value}; Max-Age=${maxAgeS}; Path=${path}; HttpOnly; SameSite=Strict`;
}
