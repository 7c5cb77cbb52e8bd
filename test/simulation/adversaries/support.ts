/** What several adversaries need. */
import { signMessage } from '../../../src/consensus/canonical.ts';
import type { Link } from '../../../src/consensus/link.ts';
import { deriveLink } from '../../../src/consensus/log.ts';
import type { Body, Proposal, Signed, SignedMessage, Topic } from '../../../src/consensus/messages.ts';
import { chooseWinner } from '../../../src/consensus/settle.ts';
import { signBody } from '../../../src/consensus/signed.ts';
import type { Candidate, Settling } from '../../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from '../network.ts';

export function sign<B extends Body>(flock: VirtualFlock, node: SimNode, body: B): Signed<B> {
  // In another's name: nobody may find this signature among those that were found good.
  if (body.node_id !== node.nodeId) return signMessage(node.crypto, body);
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

/**
 * Takes the node's own proposal out of its table and returns what it was worth: while it is held back, neighbours must
 * not find it there when they compare tables.
 */
export function takeOut(node: SimNode, proposal: Signed<Proposal>): Candidate | null {
  const settling = settlingOf(node, proposal.body.target_slot);
  const own = settling?.candidates.get(node.nodeId);
  if (settling === undefined || own === undefined || own.values.length === 0) return null;
  for (const value of own.values) settling.values.delete(value.hash);
  settling.candidates.delete(node.nodeId);
  return own;
}

/** Publishes a proposal that was taken out, or another one in its place, and enters it into the node's own table. */
export function release(flock: VirtualFlock, node: SimNode, own: Candidate, proposal: Signed<Proposal>): void {
  const settling = settlingOf(node, proposal.body.target_slot);
  const value = { ...own.values[0]!, message: proposal, hash: flock.hashOf(proposal) };
  settling?.candidates.set(node.nodeId, { ...own, values: [value] });
  settling?.values.set(value.hash, value);
  flock.broadcast(node, 'proposal', proposal);
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
