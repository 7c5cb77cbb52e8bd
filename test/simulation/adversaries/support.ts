/** What several adversaries need. */
import type { Link } from '../../../src/consensus/link.ts';
import { deriveLink } from '../../../src/consensus/log.ts';
import type { Body, Proposal, Signed, SignedMessage, Topic } from '../../../src/consensus/messages.ts';
import { chooseWinner } from '../../../src/consensus/settle.ts';
import { signBody } from '../../../src/consensus/signed.ts';
import type { Settling } from '../../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from '../network.ts';

export function sign<B extends Body>(flock: VirtualFlock, node: SimNode, body: B): Signed<B> {
  const signed = signBody({ crypto: node.crypto, stationId: flock.stationId, memo: flock.memo }, body);
  // Its step must know it again, or it would take it for another box with the same key, and stop.
  if (signed.body.type === 'PROPOSAL') {
    node.state.ownProposals.set(`forged:${flock.hashOf(signed as SignedMessage)}`, signed as Signed<Proposal>);
  }
  return signed;
}

/** The message as a proposal of this node's own; null if it is something else. */
export function ownProposal(node: SimNode, topic: Topic, message: SignedMessage): Signed<Proposal> | null {
  return topic === 'proposal' && message.body.node_id === node.nodeId ? (message as Signed<Proposal>) : null;
}

/**
 * Lets a node decide nothing by its own table, which it filled with lies, and believe the others' records instead: an
 * adversary on a branch of its own could do no harm any more.
 */
export function follow(node: SimNode): void {
  node.state.presentSinceMs = Number.MAX_SAFE_INTEGER;
}

export function settlingOf(node: SimNode, slot: number): Settling | undefined {
  return node.state.settling.get(slot);
}

/** Puts another proposal in the place of the node's own in its table: what it said to nobody does not count. */
export function replaceOwn(flock: VirtualFlock, node: SimNode, proposal: Signed<Proposal>): void {
  const settling = settlingOf(node, proposal.body.target_slot);
  const own = settling?.candidates.get(node.nodeId);
  const [first] = own?.values ?? [];
  if (settling === undefined || own === undefined || first === undefined) return;
  for (const value of own.values) settling.values.delete(value.hash);
  const value = { ...first, message: proposal, hash: flock.hashOf(proposal) };
  own.values = [value];
  settling.values.set(value.hash, value);
}

/** Latest moment at which something sent to everybody still reaches all of them before T1. */
export function lastCallMs(flock: VirtualFlock, node: SimNode, settling: Settling): number {
  const { latencyMs, skewMs } = flock.init;
  return flock.virtualMs(node, settling.phases.t1Ms) - latencyMs[1] - 2 * skewMs - 20;
}

/** Record slot-1 as it will most likely be, for a slot whose proposing time ends now. */
export function likelyParent(flock: VirtualFlock, node: SimNode, settling: Settling): Link | null {
  const { basis } = settling;
  const before = settlingOf(node, settling.slot - 1);
  if (before === undefined) return null;
  return deriveLink(flock.memo, basis, chooseWinner(before, basis));
}

/** Honest nodes that are online. */
export function honestOnes(flock: VirtualFlock): SimNode[] {
  return flock.nodes.filter((node) => node.role === null && node.online);
}
