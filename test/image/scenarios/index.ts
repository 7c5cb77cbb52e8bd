import { firstHour } from './first-hour.ts';
import type { Scenario } from './scenario.ts';

/** In this order; the short ones first. */
export const SCENARIOS: readonly Scenario[] = [{ name: 'first-hour', short: true, run: firstHour }];
