import { bootTime } from './boot-time.ts';
import { firstHour } from './first-hour.ts';
import { memory } from './memory.ts';
import { powerCuts } from './power-cuts.ts';
import { raspi } from './raspi.ts';
import type { Scenario } from './scenario.ts';
import { twoBoxes } from './two-boxes.ts';

/** In this order; the short ones first. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'first-hour', short: true, run: firstHour },
  { name: 'boot-time', run: bootTime },
  { name: 'two-boxes', run: twoBoxes },
  { name: 'raspi', run: raspi },
  { name: 'power-cuts', run: powerCuts },
  { name: 'memory', run: memory },
];
