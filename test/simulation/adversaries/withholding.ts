/**
 * Colluders that look at everybody's proposals before they show theirs. They cannot change a ticket, but where they hold
 * the two lowest ones they choose which of the two wins, and with it the beacon of a later slot: the one draw more that
 * the protocol leaves to a coalition.
 */
import { drawInput, ticketOf } from '../../../src/consensus/draw.ts';
import { nextBeacon } from '../../../src/consensus/log.ts';
import type { Proposal, Signed } from '../../../src/consensus/messages.ts';
import type { Candidate, Value } from '../../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow, lastCallMs, likelyParent, ownProposal, release, settlingOf, takeOut } from './support.ts';

interface Held {
  author: SimNode;
  proposal: Signed<Proposal>;
  own: Candidate;
  value: Value;
}

export function withholding(flock: VirtualFlock, colluders: readonly SimNode[]): void {
  const held = new Map<number, Held[]>();
  for (const node of colluders) {
    node.role = {
      kind: 'withholding',
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
    const first = !held.has(slot);
    held.set(slot, [...(held.get(slot) ?? []), { author, proposal, own, value: own.values[0]! }]);
    held.delete(slot - 4);
    if (first) flock.at(lastCallMs(flock, author, settling), () => show(slot));
  }

  function show(slot: number): void {
    const rows = held.get(slot) ?? [];
    rows.sort((a, b) => (a.value.ticket < b.value.ticket ? -1 : 1));
    const [first] = rows;
    if (first === undefined) return;
    const settling = settlingOf(first.author, slot);
    if (settling === undefined) return;
    const mine = new Set(colluders.map(({ nodeId }) => nodeId));
    const honest = [...settling.values.values()].filter(({ message }) => !mine.has(message.body.node_id));
    const lowest = honest.map(({ ticket }) => ticket).sort()[0] ?? 'z';
    const leaders = rows.filter(({ value }) => value.ticket < lowest);
    const chosen = leaders.length < 2 ? first : best(first.author, slot, leaders);
    // Whoever stands before the chosen one keeps silent.
    for (const { author, proposal, own, value } of rows) {
      if (value.ticket >= chosen.value.ticket) release(flock, author, own, proposal);
    }
  }

  /** The winner whose beacon gives the coalition the lowest ticket two slots later. */
  function best(author: SimNode, slot: number, leaders: readonly Held[]): Held {
    const parent = likelyParent(flock, author, settlingOf(author, slot)!);
    if (parent === null) return leaders[0]!;
    const rank = ({ value }: Held): string => {
      const input = drawInput(flock.stationId, slot + 2, nextBeacon(parent.record.beacon, value.output));
      const tickets = colluders.map(({ crypto }) =>
        ticketOf(crypto.vrfVerify(crypto.vrfKey, input, crypto.vrfProve(input))!),
      );
      return tickets.sort()[0]!;
    };
    return leaders.map((leader) => ({ leader, rank: rank(leader) })).sort((a, b) => (a.rank < b.rank ? -1 : 1))[0]!
      .leader;
  }
}
