/**
 * Looks for a VRF key that gives it a low ticket: it proves with keys that are not in the roster, and joins anew with
 * keys that fit the newest beacon it knows.
 */
import { drawInput, ticketOf } from '../../../src/consensus/draw.ts';
import type { ConsensusCrypto } from '../../../src/consensus/events.ts';
import type { Proposal, Signed } from '../../../src/consensus/messages.ts';
import { headOf } from '../../../src/consensus/state.ts';
import { simulatedCrypto } from '../crypto.ts';
import { EPOCH_MS, type SimNode, type VirtualFlock } from '../network.ts';
import { follow, ownProposal, sign, takeOut } from './support.ts';

const KEYS_TRIED = 64;
/** A JOIN with a new key is sent in every so many-th slot; between them it may propose. */
const REKEY_SLOTS = 8;

export function ticketGrinding(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.role = {
      kind: 'ticket-grinding',
      publish: (topic, message) => {
        const proposal = ownProposal(node, topic, message);
        return proposal === null ? message : grind(flock, node, proposal);
      },
      hear: () => {
        follow(node);
        return true;
      },
    };
  }
}

function grind(flock: VirtualFlock, node: SimNode, proposal: Signed<Proposal>): Signed<Proposal> {
  const slot = proposal.body.target_slot;
  const { beacon } = headOf(node.state.chain!).record;
  const lowest = (target: number): ConsensusCrypto => {
    const input = drawInput(flock.stationId, target, beacon);
    const keys = Array.from({ length: KEYS_TRIED }, (_, i) =>
      simulatedCrypto(node.nodeId, `${node.index}/${slot}/${i}`),
    );
    const ticket = (key: ConsensusCrypto): string => ticketOf(key.vrfVerify(key.vrfKey, input, key.vrfProve(input))!);
    return keys.reduce((low, key) => (ticket(key) < ticket(low) ? key : low));
  };
  if (slot % REKEY_SLOTS === 0) {
    const base = { v: 1 as const, station: flock.stationId, node_id: node.nodeId };
    const key = lowest(slot + 1);
    const timestamp = EPOCH_MS + flock.nowMs;
    const join = sign(flock, node, { type: 'JOIN', ...base, timestamp, vrf_key: key.vrfKey, name: 'grinder' });
    flock.broadcast(node, 'op', join);
  }
  if (slot % 2 === 0) return proposal;
  takeOut(node, proposal);
  const key = lowest(slot);
  const vrf_proof = key.vrfProve(drawInput(flock.stationId, slot, beacon));
  return sign(flock, node, { ...proposal.body, vrf_proof });
}
