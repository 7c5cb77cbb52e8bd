import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WiringError } from './errors.ts';
import { type LightTable, parseLightTable } from './light.ts';
import { MAX_HARDWARE_FILE_BYTES } from './limits.ts';
import { type PinMap, parsePinMap } from './pins.ts';

export interface HardwareFiles {
  pins: PinMap;
  patterns: LightTable;
}

/**
 * Reads what code and documents share.
 * @param directory the project's `hardware/`
 * @throws {WiringError} when a file is missing or does not say what it should
 */
export function readHardwareFiles(directory: string): HardwareFiles {
  return {
    pins: parsePinMap(readJson(directory, 'pins.json')),
    patterns: parseLightTable(readJson(directory, 'light-patterns.json')),
  };
}

function readJson(directory: string, name: string): unknown {
  try {
    if (statSync(join(directory, name)).size > MAX_HARDWARE_FILE_BYTES) throw new Error('is too large');
    return JSON.parse(readFileSync(join(directory, name), 'utf8'));
  } catch (error) {
    throw new WiringError(`hardware/${name} cannot be read: ${(error as Error).message}`);
  }
}
