import { promises as fs } from 'node:fs';

/** How a source's root looked; a change means that a stick came, went, or holds other files at its top. */
export interface RootState {
  dev: bigint;
  ino: bigint;
  mtimeNs: bigint;
}

/** Null when there is no such folder now. */
export async function lookAt(root: string): Promise<RootState | null> {
  try {
    const stats = await fs.stat(root, { bigint: true });
    if (!stats.isDirectory()) return null;
    return { dev: stats.dev, ino: stats.ino, mtimeNs: stats.mtimeNs };
  } catch {
    return null;
  }
}

/** The same folder on the same file system. */
export function isSamePlace(a: RootState | null, b: RootState | null): boolean {
  return a !== null && b !== null && a.dev === b.dev && a.ino === b.ino;
}

export function isUnchanged(a: RootState | null, b: RootState | null): boolean {
  return a === null || b === null ? a === b : isSamePlace(a, b) && a.mtimeNs === b.mtimeNs;
}
