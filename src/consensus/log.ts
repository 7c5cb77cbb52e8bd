/** The fold: from the records so far and a winning proposal (or none) to the next record and the log state after it. */
import type { ScheduledTrack, SlotRecord } from './events.ts';
import {
  bytesModulo,
  bytesToHex,
  concatBytes,
  hashText,
  hashValue,
  hexToBytes,
  sha256,
  sha256Hex,
  utf8ToBytes,
} from './hash.ts';
import type { FoldMemo, HistoryEntry, Link, LogState, Roster, RosterEntry } from './link.ts';
import { MAX_MEMO_LINKS } from './link.ts';
import type { Bootstrap, NodeId, Proposal, Signed } from './messages.ts';
import { applyOps } from './ops.ts';
import { parseRules, type Rules, rulesHash, rulesJson } from './rules.ts';
import { LOOKAHEAD } from './timeline.ts';

/** Record hashes kept in the log state: how far back evidence may refer. */
const HEADS_KEPT = 16;

/** Reports of fetching times that count: a few liars cannot move their median. */
const FETCHES_KEPT = 9;
/** A track that takes this long to arrive wants one slot more of lookahead. */
export const FETCH_STEP_MS = 120_000;
/** Records between two changes of the lookahead. */
const LOOKAHEAD_EVERY = 3;

const rosterHash = (entries: ReadonlyMap<NodeId, RosterEntry>): string =>
  hashValue([...entries.values()].sort((a, b) => (a.node_id < b.node_id ? -1 : 1)).map(packRosterEntry));

export function makeRoster(entries: ReadonlyMap<NodeId, RosterEntry>): Roster {
  return { entries, hash: rosterHash(entries) };
}

export function packRosterEntry(e: RosterEntry): unknown[] {
  return [e.node_id, e.vrf_key, e.name, e.since, e.renewed, e.said, e.eligible_from];
}

const byKey = <T>(map: ReadonlyMap<string, T>): [string, T][] =>
  [...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1));

/** The log state as plain values in a fixed order. `roster` is the roster's hash, or its entries for a checkpoint. */
export function packLog(log: Omit<LogState, 'hash'>, roster: unknown): Record<string, unknown> {
  return {
    v: 1,
    slot: log.slot,
    genesis: log.genesis,
    rules: [log.rulesHash, log.rulesSince],
    coming: log.coming.map((c) => [c.from_slot, c.rules]),
    roster,
    departed: byKey(log.departed),
    exclusions: byKey(log.exclusions).map(([id, e]) => [id, e.since, e.until, e.count]),
    violations: byKey(log.violations).map(([id, slots]) => [id, [...slots]]),
    subjects: byKey(log.subjects).map(([id, s]) => [
      id,
      s.by,
      s.rules,
      s.admit === null ? null : packRosterEntry(s.admit),
      s.opened,
      [...s.electorate],
      [...s.yes],
      [...s.no],
    ]),
    likes: byKey(log.likes).map(([hash, like]) => [hash, like.slot, [...like.nodes]]),
    history: log.history.map((h) => [h.slot, packTrack(h.track), h.genre, h.explicit, h.winner]),
    heads: [...log.heads],
    lookahead: log.lookahead,
    fetches: [...log.fetches],
  };
}

function packTrack(track: ScheduledTrack): unknown[] {
  return [track.track_hash, track.track_name, track.duration_ms, track.manifest, [...track.owners]];
}

export function sealLog(log: Omit<LogState, 'hash'>): LogState {
  return { ...log, hash: hashValue(packLog(log, log.roster.hash)) };
}

/** Hash of a record's canonical bytes. What only helps to find segments (`owners`) is no part of it. */
export function hashRecord(record: SlotRecord, proposalHash: string | null): string {
  const { slot, prev, start_ms, duration_ms, ticket, beacon, log, track } = record;
  const what = track === null ? null : [track.track_hash, track.manifest];
  return hashValue({
    v: 1,
    slot,
    prev,
    start_ms,
    duration_ms,
    proposal: proposalHash,
    track: what,
    ticket,
    beacon,
    log,
  });
}

/** beacon(s) = SHA-256(beacon(s-1) | VRF output of the winner), without the output where nobody won. Hex. */
export function nextBeacon(beacon: string, output: Uint8Array | null): string {
  const previous = hexToBytes(beacon);
  return sha256Hex(output === null ? previous : concatBytes(previous, output));
}

/** Hash that names a station's log: SHA-256 of the Bootstrap's canonical bytes. */
export function genesisHash(bootstrap: Bootstrap): string {
  return hashValue(bootstrap);
}

/** Why a Bootstrap founds no station, though it has the form of one; null: it does. */
export function bootstrapFault(bootstrap: Bootstrap): string | null {
  const { initial_queue: queue, roster, node_id } = bootstrap;
  const ids = new Set(roster.map((member) => member.node_id));
  if (ids.size !== roster.length || !ids.has(node_id)) return 'roster';
  for (const [i, { start_time, duration }] of queue.entries()) {
    const next = queue[i + 1];
    if (next !== undefined && next.start_time !== start_time + duration) return 'timeline';
  }
  try {
    const rules = parseRules(JSON.parse(bootstrap.rules));
    if (rulesJson(rules) !== bootstrap.rules) return 'rules';
    return queue.every((t) => t.duration <= rules.max_track_ms && t.duration >= rules.min_track_ms) ? null : 'duration';
  } catch {
    return 'rules';
  }
}

/** The links of the deployer's first queue, oldest first. */
export function bootstrapLinks(bootstrap: Bootstrap): Link[] {
  const genesis = genesisHash(bootstrap);
  const rules = parseRules(JSON.parse(bootstrap.rules));
  const entries = new Map<NodeId, RosterEntry>();
  for (const member of bootstrap.roster) {
    entries.set(member.node_id, { ...member, since: 0, renewed: 0, said: bootstrap.timestamp, eligible_from: 0 });
  }
  let log: Omit<LogState, 'hash'> = {
    slot: -1,
    genesis,
    rules,
    rulesHash: rulesHash(rules),
    rulesSince: 0,
    coming: [],
    roster: makeRoster(entries),
    departed: new Map(),
    exclusions: new Map(),
    violations: new Map(),
    subjects: new Map(),
    likes: new Map(),
    history: [],
    heads: [],
    lookahead: LOOKAHEAD,
    fetches: [],
  };
  const links: Link[] = [];
  let prev = genesis;
  let beacon = bytesToHex(bootstrap.beacon0);
  for (const [slot, entry] of bootstrap.initial_queue.entries()) {
    beacon = nextBeacon(beacon, null);
    const track: ScheduledTrack = {
      track_hash: entry.track_hash,
      track_name: entry.track,
      duration_ms: entry.duration,
      manifest: entry.segments[0]!,
      owners: [bootstrap.node_id],
    };
    const history = remember(log.history, { slot, track, genre: '', explicit: false, winner: null }, rules);
    const state = sealLog({ ...log, slot, history, heads: pushHead(log.heads, prev) });
    log = state;
    const record: SlotRecord = {
      slot,
      prev,
      start_ms: entry.start_time,
      duration_ms: entry.duration,
      proposal: null,
      track,
      ticket: null,
      beacon,
      log: state.hash,
    };
    const link = { record, hash: hashRecord(record, null), log: state, output: null };
    links.push(link);
    prev = link.hash;
  }
  return links;
}

const pushHead = (heads: readonly string[], head: string): string[] => [...heads.slice(1 - HEADS_KEPT), head];

/** The history with one more slot in it: one entry a track, the newest last, bounded by the rules. */
function remember(history: readonly HistoryEntry[], entry: HistoryEntry, rules: Rules): HistoryEntry[] {
  const kept = history.filter((h) => h.track.track_hash !== entry.track.track_hash);
  kept.push(entry);
  const bound = Math.max(rules.history, rules.repeat_slots);
  return kept.length > bound ? kept.slice(kept.length - bound) : kept;
}

/** A winner: the proposal with what its appraisal found. */
export interface Winner {
  signed: Signed<Proposal>;
  /** Hash of the body. */
  hash: string;
  ticket: string;
  output: Uint8Array;
}

/** The link after `parent`: with a winner, or the fallback record without one. Pure; results are kept in the memo. */
export function deriveLink(memo: FoldMemo, parent: Link, winner: Winner | null): Link {
  const key = `${parent.hash}:${winner === null ? '' : winner.hash}`;
  const known = memo.links.get(key);
  if (known !== undefined) return known;
  const link = fold(parent, winner);
  if (memo.links.size >= MAX_MEMO_LINKS) memo.links.delete(memo.links.keys().next().value!);
  memo.links.set(key, link);
  return link;
}

function fold(parent: Link, winner: Winner | null): Link {
  const slot = parent.record.slot + 1;
  const startMs = parent.record.start_ms + parent.record.duration_ms;
  const beacon = nextBeacon(parent.record.beacon, winner === null ? null : winner.output);
  const before = parent.log;
  const entry = winner === null ? fallbackEntry(before, slot, beacon) : winnerEntry(slot, winner.signed.body);
  const ops = winner === null ? [] : winner.signed.body.ops;
  const applied = applyOps(
    { ...before, slot, heads: pushHead(before.heads, parent.hash) },
    ops,
    startMs,
    winner?.signed.body.node_id ?? null,
  );
  const history = entry === null ? applied.history : remember(applied.history, entry, applied.rules);
  const fetches =
    winner === null ? applied.fetches : [...applied.fetches, winner.signed.body.fetch_ms].slice(-FETCHES_KEPT);
  const log = sealLog({ ...applied, history, fetches, lookahead: nextLookahead(applied, fetches) });
  const record: SlotRecord = {
    slot,
    prev: parent.hash,
    start_ms: startMs,
    duration_ms: entry === null ? before.rules.open_slot_ms : entry.track.duration_ms,
    proposal: winner === null ? null : { body: winner.signed.body, sig: winner.signed.sig },
    track: entry === null ? null : entry.track,
    ticket: winner === null ? null : winner.ticket,
    beacon,
    log: log.hash,
  };
  return {
    record,
    hash: hashRecord(record, winner === null ? null : winner.hash),
    log,
    output: winner?.output ?? null,
  };
}

/**
 * How far ahead to propose: the model's five, and one slot more for every `FETCH_STEP_MS` that tracks take to arrive (the
 * median of what the last winners report), up to `lookahead_max`. It moves by one slot in three records.
 */
function nextLookahead(log: Pick<LogState, 'slot' | 'lookahead' | 'rules'>, fetches: readonly number[]): number {
  // A slot and its basis must not differ by more than one, or nothing would be left of the time for proposing.
  if (log.slot % LOOKAHEAD_EVERY !== 0) return log.lookahead;
  const sorted = [...fetches].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const wanted = Math.min(log.rules.lookahead_max, LOOKAHEAD + Math.floor(median / FETCH_STEP_MS));
  return log.lookahead + Math.sign(wanted - log.lookahead);
}

function winnerEntry(slot: number, body: Proposal): HistoryEntry {
  const track: ScheduledTrack = {
    track_hash: body.track_hash,
    track_name: body.track_name,
    duration_ms: body.duration,
    manifest: body.segments[0]!,
    owners: [body.node_id],
  };
  return { slot, track, genre: body.genre, explicit: body.explicit, winner: body.node_id };
}

/**
 * What plays when nobody proposed: one of the last distinct winners, which are in everybody's cache. The newer half of
 * them is left out, so that no track follows itself. Null when there is no history that the rules admit.
 */
function fallbackEntry(log: LogState, slot: number, beacon: string): HistoryEntry | null {
  const { rules } = log;
  // The first queue carries no genre; it stays usable on a genre station.
  const fits = (h: HistoryEntry): boolean => admits(rules, h.genre, h.explicit) || (h.genre === '' && !h.explicit);
  const admitted = log.history.slice(-rules.history).filter(fits);
  if (admitted.length === 0) return null;
  const choice = admitted.slice(0, Math.ceil(admitted.length / 2));
  const lot = sha256(concatBytes(hexToBytes(beacon), utf8ToBytes(String(slot))));
  return { ...choice[bytesModulo(lot, choice.length)]!, slot, winner: null };
}

/** Whether the station's content rules let such a track be proposed. */
export function admits(rules: Rules, genre: string, explicit: boolean): boolean {
  if (explicit && !rules.allow_explicit) return false;
  return rules.genres.length === 0 || rules.genres.includes(genre);
}

/** SHA-256 of a `track_hash`, as STATE and reports carry it. */
export const trackFingerprint = (trackHash: string): string => hashText(trackHash);
