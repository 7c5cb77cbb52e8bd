/**
 * The balancer: after a partition it lends its voice to whichever branch is weaker, so that a plain count of heads would
 * never come to an end. One STATE an epoch: it cannot be caught at it.
 */
import type { SignedMessage, StateMessage } from '../../../src/consensus/messages.ts';
import { isOnChain } from '../../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { sign } from './support.ts';

export function staleHead(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.role = {
      kind: 'stale-head',
      publish: (topic, message) => {
        if (topic !== 'state' || message.body.node_id !== node.nodeId) return message;
        return sign(flock, node, balance(node, message));
      },
    };
  }
}

/** Its own STATE, or the head that the weaker branch stands on. */
function balance(node: SimNode, message: SignedMessage): StateMessage {
  const own = message.body as StateMessage;
  const { chain, heard } = node.state;
  const others: StateMessage[] = [];
  let ours = 0;
  for (const [nodeId, { state }] of heard) {
    if (nodeId === node.nodeId || own.epoch - state.body.epoch > 3) continue;
    const { head, head_slot: slot } = state.body;
    // Heads a step ahead of ours are no branch of their own.
    if (isOnChain(chain!, slot, head) || slot > own.head_slot) ours++;
    else others.push(state.body);
  }
  const [other] = others.sort((a, b) => b.head_slot - a.head_slot);
  if (other === undefined) return own;
  const lendOut = others.length < ours || (others.length === ours && own.epoch % 2 === 0);
  return lendOut ? { ...own, head: other.head, head_slot: other.head_slot } : own;
}
