/** Accuses honest nodes with what they really said, put together so that it might look like an offence. */
import type { EvidenceOp, Proposal, Signed, SignedMessage, StateMessage } from '../../../src/consensus/messages.ts';
import { EPOCH_MS, type SimNode, type VirtualFlock } from '../network.ts';
import { sign } from './support.ts';

/** Statements kept of each node. */
const KEPT = 40;
const EVERY_MS = 2_000;
const KINDS = ['proposals', 'states', 'report', 'rules'] as const;

type Statement = Signed<Proposal | StateMessage>;

export function framing(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    const said = new Map<string, Statement[]>();
    node.role = {
      kind: 'framing',
      hear: (topic, message) => {
        if (topic !== 'op') remember(said, message);
        return true;
      },
    };
    const accuse = (): void => {
      const accused = flock.random.pick([...said.keys()]);
      if (accused !== undefined && node.online) frame(flock, node, accused, said.get(accused)!);
      flock.at(flock.nowMs + EVERY_MS, accuse);
    };
    flock.at(EVERY_MS, accuse);
  }
}

function remember(said: Map<string, Statement[]>, message: SignedMessage): void {
  const { node_id } = message.body;
  const list = said.get(node_id) ?? [];
  said.set(node_id, list);
  list.push({ body: message.body as Proposal | StateMessage, sig: message.sig });
  if (list.length > KEPT) list.shift();
}

/** Each kind of evidence, with true statements of the wrong sort, with one statement twice, and with a forged one. */
function frame(flock: VirtualFlock, node: SimNode, accused: string, said: readonly Statement[]): void {
  const kind = flock.random.pick(KINDS)!;
  const first = flock.random.pick(said)!;
  const way = flock.random.between(0, 3);
  let second = flock.random.pick(said)!;
  if (way === 0) second = first;
  if (way === 1) second = { body: { ...second.body, timestamp: second.body.timestamp + 1 }, sig: second.sig };
  if (way === 2) second = sign(flock, node, { ...second.body, node_id: accused, timestamp: second.body.timestamp + 1 });
  const body: EvidenceOp = {
    type: 'EVIDENCE',
    v: 1,
    station: flock.stationId,
    node_id: node.nodeId,
    timestamp: EPOCH_MS + flock.nowMs,
    kind,
    accused,
    first,
    second,
  };
  flock.broadcast(node, 'op', sign(flock, node, body));
}
