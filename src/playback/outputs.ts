/** Which players serve an output, in the order in which they are tried. */
import { ClockedPlayer, FilePlayer } from './clocked-player.ts';
import { MpvPlayer } from './mpv-player.ts';
import { type OutputTarget, outputName } from './output-target.ts';
import type { Player } from './player.ts';
import type { Logger } from './types.ts';

export interface OutputChoice {
  name: string;
  audible: boolean;
  /** Runs by this machine's monotonic clock. */
  clocked: boolean;
  make(): Player;
}

/** The player that always works. */
export const SILENT_CHOICE: OutputChoice = {
  name: 'null',
  audible: false,
  clocked: true,
  make: () => new ClockedPlayer(),
};

export function outputChoices(
  components: { log: Logger },
  init: { target: OutputTarget; volume: number; env?: NodeJS.ProcessEnv; devices: readonly string[] },
): OutputChoice[] {
  const { target, volume, env, devices } = init;
  const mpv = (driver: string, device: string | null, name: string, audible = true): OutputChoice => ({
    name,
    audible,
    clocked: false,
    make: () => new MpvPlayer(components, { driver, device, volume, env }),
  });
  switch (target.kind) {
    case 'null':
      return [SILENT_CHOICE];
    case 'mpv-null':
      return [mpv('null', null, 'mpv-null', false)];
    case 'file':
      return [
        { name: outputName(target), audible: true, clocked: true, make: () => new FilePlayer({ path: target.path }) },
      ];
    case 'auto':
      // ALSA first, also where PipeWire runs (through its ALSA plug-in): its clock reads 100 times steadier.
      return [
        ...devices.map((device) => mpv('alsa', device, `alsa:${device}`)),
        mpv('alsa', null, 'alsa'),
        mpv('pipewire', null, 'pipewire'),
      ];
    default:
      return [mpv(target.kind, target.device, outputName(target))];
  }
}
