/** Signatures and proofs for the simulation: they hold or fail like real ones, and cost a hash. */
import { createHash } from 'node:crypto';
import type { ConsensusCrypto } from '../../src/consensus/events.ts';
import type { NodeId } from '../../src/consensus/messages.ts';

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

export function digest(...parts: (string | Uint8Array)[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** An id of the right shape for node `index`. */
export function simulatedNodeId(seed: number, index: number): NodeId {
  const bytes = [...digest(`id/${seed}/${index}`), ...digest(`id2/${seed}/${index}`)];
  return `12D3KooW${Array.from(bytes.slice(0, 44), (b) => BASE58[b % 58]).join('')}`;
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function signature(nodeId: NodeId, bytes: Uint8Array): Uint8Array {
  const half = digest('signature', nodeId, bytes);
  return join(half, half);
}

function proof(vrfKey: Uint8Array, input: Uint8Array): Uint8Array {
  const half = digest('proof', vrfKey, input);
  return join(half, half, half.subarray(0, 16));
}

/**
 * Behind the contract of `ConsensusCrypto`. Whoever wanted to could forge all of it, because keys are derived from what
 * is public: the simulated adversaries do not, as real ones cannot.
 *
 * @param keySeed - names the VRF key; a node that tries several keys gives different ones
 */
export function simulatedCrypto(nodeId: NodeId, keySeed: string = nodeId): ConsensusCrypto {
  const vrfKey = digest('vrf', keySeed);
  return {
    nodeId,
    vrfKey,
    sign: (bytes) => signature(nodeId, bytes),
    verify: (id, bytes, sig) => isSame(sig, signature(id, bytes)),
    vrfProve: (input) => proof(vrfKey, input),
    vrfVerify: (key, input, given) => {
      if (!isSame(given, proof(key, input))) return null;
      return join(digest('output', given), digest('output, continued', given));
    },
  };
}
