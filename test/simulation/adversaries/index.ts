/** Adversaries by name. Each runs the real `step` and does something else with what comes out of it, or beside it. */
import type { SimNode, VirtualFlock } from '../network.ts';

export type AdversaryKind = (typeof ADVERSARY_KINDS)[number];

type Attach = (flock: VirtualFlock, nodes: readonly SimNode[]) => void;

const ADVERSARIES = {} as const satisfies Record<string, Attach>;

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
