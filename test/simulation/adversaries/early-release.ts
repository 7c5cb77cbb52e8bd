/**
 * Shows its proposal to a single honest node before that node has decided the record the proposal stands on, and to
 * nobody else: whatever is held back until it can be judged must still be passed on then.
 */
import { drawInput } from '../../../src/consensus/draw.ts';
import { deriveLink } from '../../../src/consensus/log.ts';
import { chooseWinner } from '../../../src/consensus/settle.ts';
import { headOf } from '../../../src/consensus/state.ts';
import type { SimNode, VirtualFlock } from '../network.ts';
import { follow, honestOnes, ownProposal, settlingOf, sign, takeOut } from './support.ts';

/** Before the victim decides. */
const AHEAD_MS = 20;

export function earlyRelease(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.role = {
      kind: 'early-release',
      publish: (topic, message) => {
        const proposal = ownProposal(node, topic, message);
        if (proposal === null) return message;
        takeOut(node, proposal);
        return null;
      },
      hear: () => {
        follow(node);
        return true;
      },
      effect: (effect) => {
        if (effect.type === 'indicate' && effect.indication.kind === 'decided')
          plan(flock, node, effect.indication.slot);
      },
    };
  }
}

/** Once record s-3 is decided: waits until shortly before record s-2 is. */
function plan(flock: VirtualFlock, node: SimNode, decided: number): void {
  const settling = settlingOf(node, decided + 1);
  const victim = flock.random.pick(honestOnes(flock));
  if (settling === undefined || victim === undefined) return;
  const atMs = flock.virtualMs(victim, settling.phases.decideMs) - AHEAD_MS;
  flock.at(atMs, () => whisper(flock, node, victim, decided + 3));
}

function whisper(flock: VirtualFlock, node: SimNode, victim: SimNode, slot: number): void {
  const settling = settlingOf(node, slot - 2);
  const { chain, ownProposals } = node.state;
  const template = [...ownProposals.values()].at(-1)?.body;
  if (settling === undefined || chain === null || template === undefined) return;
  const parent = headOf(chain);
  if (parent.record.slot !== slot - 3) return;
  const basis = deriveLink(flock.memo, parent, chooseWinner(settling, parent));
  const vrf_proof = node.crypto.vrfProve(drawInput(flock.stationId, slot, basis.record.beacon));
  const proposal = sign(flock, node, { ...template, target_slot: slot, prev: basis.hash, vrf_proof, ops: [] });
  flock.inject(node, victim, 'proposal', proposal, flock.nowMs + 1);
}
