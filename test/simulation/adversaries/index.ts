/** Adversaries by name. Each runs the real `step` and does something else with what comes out of it, or beside it. */

import type { SimNode, VirtualFlock } from '../network.ts';
import { clockLies } from './clock-lies.ts';
import { earlyRelease } from './early-release.ts';
import { equivocation } from './equivocation.ts';
import { falseReports } from './false-reports.ts';
import { flooding } from './flooding.ts';
import { framing } from './framing.ts';
import { lateRelease } from './late-release.ts';
import { replay } from './replay.ts';
import { staleHead } from './stale-head.ts';
import { ticketGrinding } from './ticket-grinding.ts';
import { trackGrinding } from './track-grinding.ts';
import { withholding } from './withholding.ts';
import { wrongRules } from './wrong-rules.ts';

export type AdversaryKind = (typeof ADVERSARY_KINDS)[number];

type Attach = (flock: VirtualFlock, nodes: readonly SimNode[]) => void;

const ADVERSARIES = {
  'late-release': lateRelease,
  'early-release': earlyRelease,
  equivocation: equivocation,
  withholding: withholding,
  'ticket-grinding': ticketGrinding,
  'track-grinding': trackGrinding,
  flooding: flooding,
  framing: framing,
  'false-reports': falseReports,
  'stale-head': staleHead,
  'wrong-rules': wrongRules,
  replay: replay,
  'clock-lies': clockLies,
} as const satisfies Record<string, Attach>;

export const ADVERSARY_KINDS = Object.keys(ADVERSARIES) as (keyof typeof ADVERSARIES)[];

/** Gives the last nodes of the flock these roles. */
export function attachAdversaries(
  flock: VirtualFlock,
  wanted: readonly { kind: AdversaryKind; count: number }[],
): void {
  let end = flock.nodes.length;
  for (const { kind, count } of wanted) {
    const nodes = flock.nodes.slice(end - count, end);
    end -= count;
    ADVERSARIES[kind](flock, nodes);
  }
}
