import { existsSync, readdirSync } from 'node:fs';

/** A mounted stick. */
export interface StickPort {
  path: string;
}

export interface MusicSourcesComponents {
  /** Sticks that are mounted now. */
  sticks(): readonly StickPort[];
  /** The user's music folder, null when there is none. */
  musicFolder(): Promise<string | null>;
}

export type SourceKind = 'chosen' | 'sticks' | 'musicFolder' | 'demo';

export interface MusicSources {
  kind: SourceKind;
  directories: string[];
}

/**
 * Where this box's music comes from: what the settings name; else the mounted sticks; else the user's music folder, if
 * there is anything in it; else a small library that the box makes itself (`demo`, empty until it is made), so that a
 * first start is not silent for long.
 */
export async function chooseSources(
  components: MusicSourcesComponents,
  chosen: readonly string[],
): Promise<MusicSources> {
  if (chosen.length > 0) return { kind: 'chosen', directories: [...chosen] };
  const sticks = components.sticks().map((stick) => stick.path);
  if (sticks.length > 0) return { kind: 'sticks', directories: sticks };
  const folder = await components.musicFolder();
  if (folder !== null && holdsAnything(folder)) return { kind: 'musicFolder', directories: [folder] };
  return { kind: 'demo', directories: [] };
}

function holdsAnything(folder: string): boolean {
  try {
    return existsSync(folder) && readdirSync(folder).length > 0;
  } catch {
    return false;
  }
}
