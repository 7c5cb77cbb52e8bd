/** Says again what others said, at any time later. */
import type { SignedMessage, Topic } from '../../../src/consensus/messages.ts';
import type { SimNode, VirtualFlock } from '../network.ts';

/** Messages remembered, and how many of them it repeats a second. */
const REMEMBERED = 2_000;
const PER_SECOND = 4;

export function replay(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    const heard: { topic: Topic; message: SignedMessage }[] = [];
    node.role = {
      kind: 'replay',
      hear: (topic, message) => {
        // Operations and proposals are worth more to it than STATEs, of which there are many.
        if (topic !== 'state' || flock.random.unit() < 0.02) heard.push({ topic, message });
        if (heard.length > REMEMBERED) heard.splice(flock.random.between(0, REMEMBERED - 1), 1);
        return true;
      },
    };
    const again = (): void => {
      for (let i = 0; i < PER_SECOND; i++) {
        const one = flock.random.pick(heard);
        if (one !== undefined && node.online) flock.broadcast(node, one.topic, one.message);
      }
      flock.at(flock.nowMs + 1_000, again);
    };
    flock.at(1_000, again);
  }
}
