/** Two different proposals for one slot, each shown to one half of the flock, at once or at the last moment. */
import type { Proposal, Signed } from '../../../src/consensus/messages.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow, ownProposal, settlingOf, sign, takeOut } from './support.ts';

export function equivocation(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.role = {
      kind: 'equivocation',
      publish: (topic, message) => {
        const proposal = ownProposal(node, topic, message);
        if (proposal === null) return message;
        takeOut(node, proposal);
        speakTwice(flock, node, proposal);
        return null;
      },
      hear: () => {
        follow(node);
        return true;
      },
    };
  }
}

function speakTwice(flock: VirtualFlock, node: SimNode, proposal: Signed<Proposal>): void {
  const offer = node.offers.find(({ track_hash }) => track_hash !== proposal.body.track_hash)!;
  const { track_hash, track_name, duration_ms: duration, manifest, track_index } = offer;
  const other = sign(flock, node, {
    ...proposal.body,
    track_hash,
    track_name,
    duration,
    segments: [manifest],
    track_index,
  });
  const rest = flock.random.shuffle(flock.nodes.filter((one) => one.role === null));
  const settling = settlingOf(node, proposal.body.target_slot);
  const late = settling !== undefined && flock.random.unit() < 0.5;
  for (const [i, to] of rest.entries()) {
    const atMs = late ? flock.virtualMs(to, settling.phases.t1Ms) : flock.nowMs + flock.latency();
    flock.inject(node, to, 'proposal', i % 2 === 0 ? proposal : other, atMs);
  }
}
