/** Signatures as step makes and checks them: each good one is remembered, none is made twice. */
import { signMessage, verifyMessage } from './canonical.ts';
import type { ConsensusCrypto } from './events.ts';
import { concatBytes, hexToBytes, utf8ToBytes } from './hash.ts';
import type { FoldMemo, Roster } from './link.ts';
import type { Body, Bootstrap, Endorsement, Proposal, Signed, SignedMessage } from './messages.ts';

interface Signer {
  crypto: ConsensusCrypto;
  stationId: string;
  memo: FoldMemo;
}

/** Whether the author's signature holds for this station. */
export function verifySigned(signer: Signer, signed: Signed<Body>): boolean {
  if (signer.memo.verified.get(signed.body) === signed.sig) return true;
  const holds = verifyMessage(signer.crypto.verify, signer.stationId, signed as SignedMessage) === null;
  if (holds) signer.memo.verified.set(signed.body, signed.sig);
  return holds;
}

/** Signs a body with this node's key. */
export function signBody<B extends Body>(signer: Signer, body: B): Signed<B> {
  const signed = signMessage(signer.crypto, body);
  signer.memo.verified.set(signed.body, signed.sig);
  return signed;
}

export function signBootstrap(signer: Signer, body: Bootstrap): Signed<Bootstrap> {
  return signMessage(signer.crypto, body);
}

export function verifyBootstrap(signer: Signer, signed: Signed<Bootstrap>): boolean {
  return verifyMessage(signer.crypto.verify, signer.stationId, signed) === null;
}

/** What an endorsement signs: the domain, the station, and the hash of the endorsed body. */
export function endorsementBytes(stationId: string, bodyHash: string): Uint8Array {
  return concatBytes(utf8ToBytes('starling/1/endorse'), hexToBytes(stationId), hexToBytes(bodyHash));
}

/** This node's word that a proposal reached it within its deadline. */
export function endorse(signer: Signer, bodyHash: string): Endorsement {
  const { nodeId } = signer.crypto;
  return { node_id: nodeId, sig: signer.crypto.sign(endorsementBytes(signer.stationId, bodyHash)) };
}

/**
 * The endorsements that count: by distinct members of the roster other than the author, with good signatures, at most
 * `bound` of them (a longer chain proves nothing more, and checking it would cost). Null: one of them is forged, which
 * no honest node would have passed on.
 */
export function validEndorsers(
  signer: Signer,
  roster: Roster,
  signed: Signed<Proposal>,
  bodyHash: string,
  bound: number,
): Endorsement[] | null {
  const given = signed.endorsements;
  if (given === undefined || given.length === 0) return [];
  const bytes = endorsementBytes(signer.stationId, bodyHash);
  const seen = new Set<string>([signed.body.node_id]);
  const valid: Endorsement[] = [];
  for (const endorsement of given) {
    if (valid.length >= bound) break;
    if (seen.has(endorsement.node_id) || !roster.entries.has(endorsement.node_id)) continue;
    seen.add(endorsement.node_id);
    if (!signer.crypto.verify(endorsement.node_id, bytes, endorsement.sig)) return null;
    valid.push(endorsement);
  }
  return valid;
}
