/**
 * Colluders that hold their proposals back, endorse each other's, and show the lowest one to a single honest node at the
 * last instant at which that node must still accept it. With up to R of them there is a round left in which it tells
 * everybody; with R + 1 there is none.
 */
import type { Proposal, Signed } from '../../../src/consensus/messages.ts';
import { endorse } from '../../../src/consensus/signed.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow, honestOnes, ownProposal, settlingOf, takeOut } from './support.ts';

interface Held {
  author: SimNode;
  proposal: Signed<Proposal>;
  ticket: string;
}

/** Slots whose held proposals are remembered. */
const SLOTS_KEPT = 4;

export function lateRelease(flock: VirtualFlock, colluders: readonly SimNode[]): void {
  const held = new Map<number, Held[]>();
  for (const node of colluders) {
    node.role = {
      kind: 'late-release',
      publish: (topic, message) => {
        const proposal = ownProposal(node, topic, message);
        if (proposal === null) return message;
        hold(node, proposal);
        return null;
      },
      hear: () => {
        follow(node);
        return true;
      },
    };
  }

  function hold(author: SimNode, proposal: Signed<Proposal>): void {
    const slot = proposal.body.target_slot;
    const settling = settlingOf(author, slot);
    const own = takeOut(author, proposal);
    if (settling === undefined || own === null) return;
    const ticket = own.nodeTicket;
    const first = !held.has(slot);
    held.set(slot, [...(held.get(slot) ?? []), { author, proposal, ticket }]);
    for (const old of held.keys()) if (old < slot - SLOTS_KEPT) held.delete(old);
    // Everybody has proposed half way to T1.
    const { openMs, t1Ms } = settling.phases;
    if (first) flock.at(flock.virtualMs(author, Math.floor((openMs + t1Ms) / 2)), () => attack(slot));
  }

  function attack(slot: number): void {
    const best = (held.get(slot) ?? []).sort((a, b) => (a.ticket < b.ticket ? -1 : 1))[0];
    if (best === undefined) return;
    const { author, proposal } = best;
    const settling = settlingOf(author, slot);
    if (settling === undefined) return;
    const others = [...settling.candidates.values()];
    const victim = flock.random.pick(honestOnes(flock));
    if (victim === undefined || others.some(({ nodeTicket }) => nodeTicket < best.ticket)) return;
    const { t1Ms, deltaMs } = settling.phases;
    const helpers = colluders.filter((node) => node !== author).slice(0, settling.rounds);
    const hash = flock.hashOf(proposal);
    const signers = helpers.map(({ crypto }) => ({ crypto, stationId: flock.stationId, memo: flock.memo }));
    const endorsements = signers.map((signer) => endorse(signer, hash));
    const deadlineMs = t1Ms + endorsements.length * deltaMs;
    flock.inject(author, victim, 'proposal', { ...proposal, endorsements }, flock.virtualMs(victim, deadlineMs));
  }
}
