/** Links as plain values: for the disk and for joiners, who then need no history before them. */
import { bodyHash } from './appraise.ts';
import type { SlotRecord } from './events.ts';
import type { FoldMemo, HistoryEntry, Link, LogState, RosterEntry, Subject } from './link.ts';
import { hashRecord, makeRoster, packLog, packRosterEntry, sealLog } from './log.ts';
import { parseRules, rulesHash, rulesJson } from './rules.ts';

/** A checkpoint is not what its hashes say, or not of this shape. */
export class CheckpointError extends Error {
  constructor(what: string) {
    super(`checkpoint refused: ${what}`);
    this.name = 'CheckpointError';
  }
}

/** A link with its whole log state; the proposal stays behind as its hash. */
export function packLink(memo: FoldMemo, link: Link): Record<string, unknown> {
  const { proposal, ...rest } = link.record;
  const track = rest.track === null ? null : { ...rest.track, owners: [...rest.track.owners] };
  const roster = [...link.log.roster.entries.values()].map(packRosterEntry);
  return {
    record: { ...rest, track },
    proposal_hash: proposal === null ? (proposalHashes.get(link) ?? null) : bodyHash(memo, proposal.body),
    hash: link.hash,
    rules: rulesJson(link.log.rules),
    log: packLog(link.log, roster),
  };
}

/** Hashes of proposals that were left behind when a link came from a checkpoint. */
const proposalHashes = new WeakMap<Link, string>();

/**
 * Reads a packed link and recomputes both of its hashes.
 * @throws CheckpointError
 */
export function unpackLink(value: unknown): Link {
  let link: Link;
  let proposalHash: string | null;
  try {
    const packed = value as {
      record: SlotRecord;
      proposal_hash: string | null;
      hash: string;
      rules: string;
      log: never;
    };
    const record = { ...packed.record, proposal: null };
    proposalHash = packed.proposal_hash;
    link = { record, hash: packed.hash, log: unpackLog(packed.log, packed.rules), output: null };
  } catch (error) {
    throw new CheckpointError(`unreadable (${(error as Error).message})`);
  }
  if (link.log.hash !== link.record.log) throw new CheckpointError('log state does not match its record');
  if (hashRecord(link.record, proposalHash) !== link.hash) throw new CheckpointError('record does not match its hash');
  if (proposalHash !== null) proposalHashes.set(link, proposalHash);
  return link;
}

type Packed = Record<string, unknown>;
type Row = readonly unknown[];

function unpackLog(packed: Packed, rulesText: string): LogState {
  const rules = parseRules(JSON.parse(rulesText));
  const [, since] = packed.rules as [string, number];
  const rows = (key: string): Row[] => packed[key] as Row[];
  return sealLog({
    slot: packed.slot as number,
    genesis: packed.genesis as string,
    rules,
    rulesHash: rulesHash(rules),
    rulesSince: since,
    coming: rows('coming').map(([from, text]) => ({ from_slot: from as number, rules: text as string })),
    roster: makeRoster(
      new Map(
        rows('roster')
          .map(unpackEntry)
          .map((e) => [e.node_id, e]),
      ),
    ),
    departed: new Map(rows('departed').map(([id, said]) => [id as string, said as number])),
    exclusions: new Map(
      rows('exclusions').map(([id, from, until, times]) => [
        id as string,
        { since: from as number, until: until as number, count: times as number },
      ]),
    ),
    violations: new Map(rows('violations').map(([id, slots]) => [id as string, slots as number[]])),
    subjects: new Map(rows('subjects').map(unpackSubject)),
    likes: new Map(
      rows('likes').map(([hash, slot, nodes]) => [hash as string, { slot: slot as number, nodes: nodes as string[] }]),
    ),
    history: rows('history').map(unpackHistory),
    heads: packed.heads as string[],
    lookahead: packed.lookahead as number,
    fetches: packed.fetches as number[],
  });
}

function unpackEntry(row: Row): RosterEntry {
  const [node_id, vrf_key, name, since, renewed, said, eligible_from] = row as [
    string,
    Uint8Array,
    string,
    number,
    number,
    number,
    number,
  ];
  return { node_id, vrf_key, name, since, renewed, said, eligible_from };
}

function unpackSubject(row: Row): [string, Subject] {
  const [id, by, rules, admit, opened, electorate, yes, no] = row as [
    string,
    string,
    string | null,
    Row | null,
    number,
    string[],
    string[],
    string[],
  ];
  return [id, { by, rules, admit: admit === null ? null : unpackEntry(admit), opened, electorate, yes, no }];
}

function unpackHistory(row: Row): HistoryEntry {
  const [slot, track, genre, explicit, winner] = row as [number, Row, string, boolean, string | null];
  const [track_hash, track_name, duration_ms, manifest, owners] = track as [string, string, number, string, string[]];
  return { slot, track: { track_hash, track_name, duration_ms, manifest, owners }, genre, explicit, winner };
}
