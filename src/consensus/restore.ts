/** What a restart finds on the disk: the log, what this node signed, and what it owned up to. */

import { bodyHash } from './appraise.ts';
import { unpackLink } from './checkpoint.ts';
import type { Persisted } from './events.ts';
import type { Link } from './link.ts';
import { bootstrapLinks, deriveLink, genesisHash } from './log.ts';
import type { Bootstrap, Proposal, Signed } from './messages.ts';
import { readMessage } from './shape.ts';
import { verifySigned } from './signed.ts';
import type { Chain, ConsensusState, DivergenceAccount, Turn } from './state.ts';

/** Takes in what was signed before; returns the log, or null when there is none that holds together. */
export function restore(turn: Turn, kept: Record<string, Persisted>): Chain | null {
  const { state } = turn;
  try {
    restoreVoice(turn, kept);
    return restoreChain(state, kept);
  } catch (error) {
    state.lastRefusal = (error as Error).message;
    return null;
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

/** A row that is damaged is dropped, and a box that lost one of its words knows that it has: it must start. */
function restoreVoice(turn: Turn, kept: Record<string, Persisted>): void {
  const { state } = turn;
  for (const [key, row] of Object.entries(kept)) {
    if (!isOfVoice(key) || restoreWord(state, key, row)) continue;
    state.forgetful = true;
    turn.effects.push({ type: 'persist', key, value: null });
  }
}

const isOfVoice = (key: string): boolean => key === 'epoch' || key === 'divergence' || key.startsWith('own:');

/** Takes one row in. False: it is damaged. */
function restoreWord(state: ConsensusState, key: string, row: Persisted): boolean {
  if (key === 'epoch') {
    if (!isWhole(row?.epoch) || typeof row.genesis !== 'string') return false;
    state.ownEpoch = row.epoch;
    state.ownEpochGenesis = row.genesis;
    const { forgotten_to: untilSlot } = row;
    if (isWhole(untilSlot)) state.recalling = { untilSlot, sinceEpoch: -1, untilEpoch: -1 };
    return true;
  }
  if (key === 'divergence') {
    const account = readAccount(row);
    if (account !== null) state.divergence = account;
    return account !== null;
  }
  const signed = readOwn(state, row);
  if (signed !== null) state.ownProposals.set(key, signed);
  return signed !== null;
}

function readOwn(state: ConsensusState, row: Persisted): Signed<Proposal> | null {
  try {
    const signed = readMessage('proposal', { body: row.body, sig: row.sig }) as Signed<Proposal>;
    return signed.body.node_id === state.crypto.nodeId && verifySigned(state, signed) ? signed : null;
  } catch {
    return null;
  }
}

function readAccount(row: Persisted | undefined): DivergenceAccount | null {
  const { genesis, lastSlot, run, bannedAt, divergedMs, sinceMs } = (row ?? {}) as Record<string, unknown>;
  if (typeof genesis !== 'string') return null;
  if (!isWhole(lastSlot) || !isWhole(run) || !isWhole(bannedAt) || !isWhole(divergedMs)) return null;
  return { genesis, lastSlot, run, bannedAt, divergedMs, sinceMs: isWhole(sinceMs) ? sinceMs : null };
}

function restoreChain(state: ConsensusState, kept: Record<string, Persisted>): Chain | null {
  const stored = kept.bootstrap;
  if (stored === undefined) return null;
  const bootstrap: Signed<Bootstrap> = { body: stored.body as Bootstrap, sig: stored.sig as Uint8Array };
  if (bootstrap.body.station !== state.stationId) return null;
  const base = kept.base;
  const links = base === undefined ? bootstrapLinks(bootstrap.body) : [unpackLink(base.older), unpackLink(base.newer)];
  for (let slot = links[links.length - 1]!.record.slot + 1; ; slot++) {
    const row = kept[`record:${slot}`];
    if (row === undefined) break;
    const link = readLink(state, row, links[links.length - 1]!);
    // A damaged row: what follows it cannot be derived.
    if (link === null) break;
    links.push(link);
  }
  return { genesis: genesisHash(bootstrap.body), bootstrap, links };
}

function readLink(state: ConsensusState, row: Persisted, parent: Link): Link | null {
  try {
    return linkFromDisk(state, row, parent);
  } catch {
    return null;
  }
}

/** Derived anew, so that log state and hash are right; signatures and proofs were checked before they were stored. */
function linkFromDisk(state: ConsensusState, row: Persisted, parent: Link): Link | null {
  const signed = row.proposal as Signed<Proposal> | null;
  const winner =
    signed === null
      ? null
      : {
          signed,
          hash: bodyHash(state.memo, signed.body),
          ticket: row.ticket as string,
          output: row.output as Uint8Array,
        };
  const link = deriveLink(state.memo, parent, winner);
  return link.hash === row.hash ? link : null;
}
