/** A clock that is off by several Delta, one adversary before and the next one behind the flock. */
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow } from './support.ts';

const DELTAS = 3;

export function clockLies(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const [i, node] of nodes.entries()) {
    node.skewMs = (i % 2 === 0 ? 1 : -1) * DELTAS * flock.rules.delta_ms;
    node.role = {
      kind: 'clock-lies',
      hear: () => {
        follow(node);
        return true;
      },
    };
  }
}
