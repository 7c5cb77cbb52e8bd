/** Versions of the software, as in package.json. Pure. */

const VERSION = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-([0-9A-Za-z.-]{1,40}))?$/;

export function isVersion(text: unknown): text is string {
  return typeof text === 'string' && VERSION.test(text);
}

/** How an update relates to what runs. */
export type Age = 'newer' | 'same' | 'older';

/** @param other both as `isVersion` wants them; a part that is none counts as the oldest */
export function compareVersions(version: string, other: string): Age {
  const [a, b] = [version, other].map((text) => VERSION.exec(text));
  if (!a || !b) return a ? 'newer' : b ? 'older' : 'same';
  for (const part of [1, 2, 3]) {
    const difference = Number(a[part]) - Number(b[part]);
    if (difference !== 0) return difference > 0 ? 'newer' : 'older';
  }
  return comparePreviews(a[4], b[4]);
}

/** A preview (`1.2.0-rc.1`) comes before its release; previews go by their parts, numbers by value (semver.org, 11). */
function comparePreviews(preview: string | undefined, other: string | undefined): Age {
  if (preview === other) return 'same';
  if (preview === undefined) return 'newer';
  if (other === undefined) return 'older';
  const [mine, theirs] = [preview.split('.'), other.split('.')];
  for (let at = 0; at < Math.max(mine.length, theirs.length); at++) {
    const order = comparePart(mine[at], theirs[at]);
    if (order !== 0) return order > 0 ? 'newer' : 'older';
  }
  return 'same';
}

function comparePart(part: string | undefined, other: string | undefined): number {
  if (part === other) return 0;
  if (part === undefined) return -1;
  if (other === undefined) return 1;
  const [isNumber, otherIsNumber] = [part, other].map((text) => /^\d+$/.test(text));
  if (isNumber && otherIsNumber) return Number(part) - Number(other);
  if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
  return part < other ? -1 : 1;
}
