/**
 * Speaks without end, under its own name and under names that nobody knows: proposals for every slot, STATEs of every
 * epoch and station, JOINs, likes and motions. Tables must keep their bounds, and the programme must go on.
 */
import { hashText } from '../../../src/consensus/hash.ts';
import type { Op, SignedMessage, StateMessage, Topic } from '../../../src/consensus/messages.ts';
import { headOf } from '../../../src/consensus/state.ts';
import { simulatedCrypto, simulatedNodeId } from '../crypto.ts';
import { EPOCH_MS, type SimNode, type VirtualFlock } from '../network.ts';
import { sign } from './support.ts';

/** Messages a second. */
const RATE = 10;
/** Names that it invented. */
const NAMES = 400;

export function flooding(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    const names = Array.from({ length: NAMES }, (_, i) => strangerOf(flock, node, i));
    node.role = { kind: 'flooding' };
    const more = (): void => {
      if (node.online && node.state.chain !== null) {
        const [topic, message] = invent(flock, node, flock.random.pick(names)!);
        if (message !== null) flock.broadcast(node, topic, message);
      }
      flock.at(flock.nowMs + 1_000 / RATE, more);
    };
    flock.at(1_000, more);
  }
}

/** A name of its own invention, with a key of its own. */
function strangerOf(flock: VirtualFlock, node: SimNode, index: number): SimNode {
  const nodeId = simulatedNodeId(flock.init.seed + 7_919 * (node.index + 1), index);
  return { ...node, nodeId, crypto: simulatedCrypto(nodeId) };
}

function invent(flock: VirtualFlock, node: SimNode, stranger: SimNode): [Topic, SignedMessage | null] {
  const { random } = flock;
  const base = { v: 1 as const, station: flock.stationId, timestamp: EPOCH_MS + flock.nowMs };
  const speaker = random.unit() < 0.5 ? node : stranger;
  const own = { ...base, node_id: speaker.nodeId };
  const which = random.between(0, 5);
  if (which === 0) return ['state', sign(flock, speaker, inventState(flock, node, own))];
  if (which === 1) return ['proposal', inventProposal(flock, node, speaker)];
  const ops: Op[] = [
    { type: 'JOIN', ...own, vrf_key: speaker.crypto.vrfKey, name: 'x'.repeat(64) },
    { type: 'LIKE', ...own, track_hash: `sha256:${hashText(String(random.word()))}` },
    { type: 'VOTE', ...own, subject: hashText(String(random.word())), approve: true },
    { type: 'SUBJECT', ...own, rules: '{}' },
  ];
  return ['op', sign(flock, speaker, ops[which - 2]!)];
}

function inventState(
  flock: VirtualFlock,
  node: SimNode,
  own: { v: 1; station: string; node_id: string; timestamp: number },
) {
  const { random } = flock;
  const chain = node.state.chain!;
  const head = headOf(chain);
  const epochMs = head.log.rules.state_epoch_ms;
  const state: StateMessage = {
    type: 'STATE',
    ...own,
    epoch: Math.floor(own.timestamp / epochMs) + random.between(-2, 2),
    head: random.unit() < 0.5 ? head.hash : hashText(String(random.word())),
    head_slot: head.record.slot + random.between(-3, 3),
    slot: head.record.slot - 4,
    current_track: null,
    position: 0,
    queue: [],
    rules_hash: head.log.rulesHash,
    genesis: random.unit() < 0.7 ? chain.genesis : hashText(`station ${random.between(0, 20)}`),
    consensus_hash: null,
    actual_hash: null,
    diverged: false,
    reason: null,
  };
  return state;
}

/** The newest own proposal for another slot, another track, under another name; null before the first. */
function inventProposal(flock: VirtualFlock, node: SimNode, speaker: SimNode): SignedMessage | null {
  const { random } = flock;
  const body = [...node.state.ownProposals.values()].at(-1)?.body;
  if (body === undefined) return null;
  const target_slot = body.target_slot + random.between(-3, 40);
  const track_hash = `sha256:${hashText(String(random.word()))}`;
  return sign(flock, speaker, { ...body, node_id: speaker.nodeId, target_slot, track_hash });
}
