import { bootTime } from './boot-time.ts';
import { buttons } from './buttons.ts';
import { damage } from './damage.ts';
import { firstHour } from './first-hour.ts';
import { hotspot } from './hotspot.ts';
import { memory } from './memory.ts';
import { powerCuts } from './power-cuts.ts';
import { raspi } from './raspi.ts';
import type { Scenario } from './scenario.ts';
import { services } from './services.ts';
import { sticks } from './sticks.ts';
import { storage } from './storage.ts';
import { twoBoxes } from './two-boxes.ts';
import { updates } from './updates.ts';

/** In this order; the short ones first. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'first-hour', short: true, run: firstHour },
  { name: 'boot-time', hostTime: true, run: bootTime },
  { name: 'buttons', hostTime: true, run: buttons },
  { name: 'sticks', run: sticks },
  { name: 'hotspot', run: hotspot },
  { name: 'two-boxes', hostTime: true, run: twoBoxes },
  { name: 'services', run: services },
  { name: 'updates', run: updates },
  { name: 'storage', run: storage },
  { name: 'damage', run: damage },
  { name: 'raspi', run: raspi },
  { name: 'power-cuts', run: powerCuts },
  { name: 'memory', run: memory },
];
