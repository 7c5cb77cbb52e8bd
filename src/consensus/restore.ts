/** What a restart finds on the disk: the log, what this node signed, and what it owned up to. */

import { bodyHash } from './appraise.ts';
import { unpackLink } from './checkpoint.ts';
import type { Persisted } from './events.ts';
import type { Link } from './link.ts';
import { bootstrapLinks, deriveLink, genesisHash } from './log.ts';
import type { Bootstrap, Proposal, Signed } from './messages.ts';
import type { Chain, ConsensusState } from './state.ts';

/** Takes in what was signed before; returns the log, or null when there is none that holds together. */
export function restore(state: ConsensusState, kept: Record<string, Persisted>): Chain | null {
  restoreVoice(state, kept);
  try {
    return restoreChain(state, kept);
  } catch (error) {
    state.lastRefusal = (error as Error).message;
    return null;
  }
}

function restoreVoice(state: ConsensusState, kept: Record<string, Persisted>): void {
  const { epoch, divergence } = kept;
  if (epoch !== undefined) {
    state.ownEpoch = epoch.epoch as number;
    state.ownEpochGenesis = epoch.genesis as string;
  }
  if (divergence !== undefined) {
    const { v: _, ...account } = divergence;
    state.divergence = account as unknown as ConsensusState['divergence'];
  }
  for (const [key, value] of Object.entries(kept)) {
    if (!key.startsWith('own:')) continue;
    state.ownProposals.set(key, { body: value.body as Proposal, sig: value.sig as Uint8Array });
  }
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
    const link = linkFromDisk(state, row, links[links.length - 1]!);
    // A row of a branch that was left: what follows it is of no use either.
    if (link === null) break;
    links.push(link);
  }
  return { genesis: genesisHash(bootstrap.body), bootstrap, links };
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
