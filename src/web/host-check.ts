/**
 * Guards against DNS rebinding: a hostile site lets its own name point at this box and reads the answers as its own
 * origin. Such a request carries the hostile name in its Host field, so only names that nobody outside can own pass.
 */
import { isIP } from 'node:net';

/** Host name of a Host field, in lower case, without port and trailing dot; null when it is malformed. */
export function hostName(header: string): string | null {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(header);
  if (match?.[1] === undefined) return null;
  if (match[2] !== undefined && Number(match[2]) > 65_535) return null;
  return match[1].toLowerCase().replace(/\.$/, '');
}

/**
 * True for IP literals, localhost, names under .local (multicast DNS: only the link can answer for them) and the
 * names given, which are compared without regard to case.
 */
export function isAllowedHost(header: string | undefined, names: readonly string[]): boolean {
  if (header === undefined) return false;
  const name = hostName(header);
  if (name === null) return false;
  if (name.startsWith('[')) return isIP(name.slice(1, -1)) === 6;
  if (isIP(name) === 4) return true;
  if (name === 'localhost' || /^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.local$/.test(name)) return true;
  return names.some((allowed) => allowed.toLowerCase().replace(/\.$/, '') === name);
}
