import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from './ports.ts';

/** A mounted stick. */
export interface StickPort {
  path: string;
}

export interface MusicSourcesComponents {
  /** Sticks that are mounted now. */
  sticks(): readonly StickPort[];
  /** The user's music folder, null when there is none. */
  musicFolder(): Promise<string | null>;
  /** Makes a small library of its own in this folder. @throws when ffmpeg fails, the signal's reason */
  makeDemoLibrary(directory: string, signal: AbortSignal): Promise<void>;
  log: Logger;
}

export type SourceKind = 'chosen' | 'sticks' | 'musicFolder' | 'demo';

export interface MusicSources {
  kind: SourceKind;
  directories: string[];
}

/**
 * Where this box's music comes from: what the settings name; else the mounted sticks; else the user's music folder, if
 * there is anything in it; else a small library that the box makes itself, so that a first start is never silent.
 * On abort it makes no more.
 */
export async function chooseSources(
  components: MusicSourcesComponents,
  chosen: readonly string[],
  dataDir: string,
  signal: AbortSignal,
): Promise<MusicSources> {
  if (chosen.length > 0) return { kind: 'chosen', directories: [...chosen] };
  const sticks = components.sticks().map((stick) => stick.path);
  if (sticks.length > 0) return { kind: 'sticks', directories: sticks };
  const folder = await components.musicFolder();
  if (folder !== null && holdsAnything(folder)) return { kind: 'musicFolder', directories: [folder] };
  const demo = join(dataDir, 'demo-music');
  components.log.info('no stick and no music folder: playing a few pieces made here', { folder: demo });
  // Without them it still plays what the flock plays.
  await components.makeDemoLibrary(demo, signal).catch((error) => {
    if (signal.aborted) return;
    components.log.warn('no pieces could be made here', { cause: (error as Error).message });
  });
  return { kind: 'demo', directories: [demo] };
}

function holdsAnything(folder: string): boolean {
  try {
    return existsSync(folder) && readdirSync(folder).length > 0;
  } catch {
    return false;
  }
}
