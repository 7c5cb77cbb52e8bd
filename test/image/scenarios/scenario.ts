import type { Box } from '../box.ts';
import type { MachineInit } from '../machine.ts';
import type { Report } from '../report.ts';

/** What a scenario has to work with. */
export interface Lab {
  report: Report;
  /** The built image, unpacked. */
  image: string;
  /** Folder of music that is put on sticks. */
  music: string;
  /** For the files of this scenario. */
  work: string;
  /** A box with a fresh card, not started yet; ended with the scenario. */
  box(name: string, init?: Partial<MachineInit>): Promise<Box>;
  freePort(): Promise<number>;
}

export interface Scenario {
  name: string;
  /** In the short form, which CI runs, too. */
  short?: boolean;
  /** Its boxes go by the host's clock, and need the host for themselves. */
  hostTime?: boolean;
  run(lab: Lab): Promise<void>;
}
