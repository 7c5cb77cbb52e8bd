/** What a restart finds on the disk: the log, what this node signed, and what it owned up to. */

import { bodyHash } from './appraise.ts';
import { unpackLink } from './checkpoint.ts';
import type { Persisted } from './events.ts';
import type { Link } from './link.ts';
import { bootstrapLinks, deriveLink, genesisHash } from './log.ts';
import type { Bootstrap, Proposal, Signed } from './messages.ts';
import { readMessage } from './shape.ts';
import type { Chain, ConsensusState, DivergenceAccount } from './state.ts';

/** Takes in what was signed before; returns the log, or null when there is none that holds together. */
export function restore(state: ConsensusState, kept: Record<string, Persisted>): Chain | null {
  try {
    restoreVoice(state, kept);
    return restoreChain(state, kept);
  } catch (error) {
    state.lastRefusal = (error as Error).message;
    return null;
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

/** A row that is damaged is passed over: a box must start. */
function restoreVoice(state: ConsensusState, kept: Record<string, Persisted>): void {
  const { epoch, divergence } = kept;
  if (isWhole(epoch?.epoch) && typeof epoch.genesis === 'string') {
    state.ownEpoch = epoch.epoch;
    state.ownEpochGenesis = epoch.genesis;
  }
  const account = readAccount(divergence);
  if (account !== null) state.divergence = account;
  for (const [key, value] of Object.entries(kept)) {
    if (!key.startsWith('own:')) continue;
    const signed = readOwn(value);
    if (signed === null) state.forgetful = true;
    else state.ownProposals.set(key, signed);
  }
}

function readOwn({ body, sig }: Persisted): Signed<Proposal> | null {
  try {
    return readMessage('proposal', { body, sig }) as Signed<Proposal>;
  } catch {
    return null;
  }
}

function readAccount(row: Persisted | undefined): DivergenceAccount | null {
  const { lastSlot, run, bannedAt, divergedMs, sinceMs } = (row ?? {}) as Record<string, unknown>;
  if (!isWhole(lastSlot) || !isWhole(run) || !isWhole(bannedAt) || !isWhole(divergedMs)) return null;
  return { lastSlot, run, bannedAt, divergedMs, sinceMs: isWhole(sinceMs) ? sinceMs : null };
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
