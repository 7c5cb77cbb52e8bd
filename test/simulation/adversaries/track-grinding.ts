/**
 * Waits until everybody else has proposed, then tries all of its own tracks and proposes the one that wins. Against
 * `hash-mod` that is nearly always possible; a ticket is the same for every track.
 */
import type { TrackOffer } from '../../../src/consensus/events.ts';
import type { Link } from '../../../src/consensus/link.ts';
import type { Proposal } from '../../../src/consensus/messages.ts';
import { chooseWinner } from '../../../src/consensus/settle.ts';
import type { Candidate, Settling } from '../../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow, lastCallMs, likelyParent, ownProposal, release, settlingOf, sign, takeOut } from './support.ts';

export function trackGrinding(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.role = {
      kind: 'track-grinding',
      publish: (topic, message) => {
        const proposal = ownProposal(node, topic, message);
        const settling = proposal === null ? undefined : settlingOf(node, proposal.body.target_slot);
        if (proposal === null || settling === undefined) return message;
        const own = takeOut(node, proposal);
        if (own === null) return message;
        flock.at(lastCallMs(flock, node, settling), () => grind(flock, node, settling, own));
        return null;
      },
      hear: () => {
        follow(node);
        return true;
      },
    };
  }
}

function grind(flock: VirtualFlock, node: SimNode, settling: Settling, own: Candidate): void {
  const { body: first } = own.values[0]!.message;
  const parent = likelyParent(flock, node, settling);
  const tries = (offer: TrackOffer): boolean => parent !== null && wins(settling, own, parent, withTrack(first, offer));
  const winning = node.offers.find(tries);
  release(flock, node, own, sign(flock, node, winning === undefined ? first : withTrack(first, winning)));
}

function withTrack(body: Proposal, offer: TrackOffer): Proposal {
  const { track_hash, track_name, duration_ms: duration, manifest, track_index } = offer;
  return { ...body, track_hash, track_name, duration, segments: [manifest], track_index };
}

/** Whether this body would win against what the node has heard. */
function wins(settling: Settling, own: Candidate, parent: Link, body: Proposal): boolean {
  const [value] = own.values;
  const tried = { ...value!, message: { ...value!.message, body } };
  const candidates = new Map(settling.candidates).set(own.nodeId, { ...own, values: [tried] });
  return chooseWinner({ ...settling, candidates }, parent)?.signed.body === body;
}
