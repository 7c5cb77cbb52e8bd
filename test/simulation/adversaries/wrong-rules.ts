/** Proposes under rules of its own. */
import { hashText } from '../../../src/consensus/hash.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow, ownProposal, sign, takeOut } from './support.ts';

export function wrongRules(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  const rules_hash = hashText('rules of its own');
  for (const node of nodes) {
    node.role = {
      kind: 'wrong-rules',
      publish: (topic, message) => {
        const proposal = ownProposal(node, topic, message);
        if (proposal === null) return message;
        takeOut(node, proposal);
        return sign(flock, node, { ...proposal.body, rules_hash });
      },
      hear: () => {
        follow(node);
        return true;
      },
    };
  }
}
