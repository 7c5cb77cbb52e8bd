/**
 * Hand-made faults in the rules of the consensus room. Each one must be found by the unit tests or the simulation; the
 * runner says which was not. `find` stands exactly once in `file`.
 */
export interface Mutant {
  name: string;
  /** Under src/consensus. */
  file: string;
  find: string;
  replace: string;
}

const settle: Omit<Mutant, 'file'>[] = [
  {
    name: 'a deadline one round too late',
    find: 'nowMs <= settling.phases.t1Ms + endorsements * settling.phases.deltaMs',
    replace: 'nowMs <= settling.phases.t1Ms + (endorsements + 1) * settling.phases.deltaMs',
  },
  {
    name: 'a deadline that excludes its own instant',
    find: 'nowMs <= settling.phases.t1Ms + endorsements',
    replace: 'nowMs < settling.phases.t1Ms + endorsements',
  },
  {
    name: 'no deadline at all: the plain rule of the model',
    find: 'return nowMs <= settling.phases.t1Ms + endorsements * settling.phases.deltaMs;',
    replace: 'return nowMs <= settling.phases.decideMs || endorsements > 64;',
  },
  {
    name: 'one round of endorsements too many',
    find: 'given.length >= settling.rounds ||',
    replace: 'given.length > settling.rounds ||',
  },
  {
    name: 'one round of endorsements too few',
    find: 'given.length >= settling.rounds ||',
    replace: 'given.length + 1 >= settling.rounds ||',
  },
  {
    name: 'no endorsement ever',
    find: 'return withOwnWord(state, value);\n}',
    replace: 'return null;\n}',
  },
  {
    name: 'endorsements of what is in time',
    find: 'if (turn.nowMs + deltaMs <= t1Ms + given.length * deltaMs) return null;',
    replace: '',
  },
  {
    name: 'relaying one proposer fewer than may win',
    find: '>= relayedProposers(settling)) return null',
    replace: '>= relayedProposers(settling) - 1) return null',
  },
  {
    name: 'deciding beyond the proposers that are relayed',
    find: 'ranked.slice(0, relayedProposers(settling)).filter',
    replace: 'ranked.filter',
  },
  {
    name: 'the cut to M after the void, not before',
    find: 'ranked.slice(0, relayedProposers(settling)).filter((c) => c.values.length === 1)',
    replace: 'ranked.filter((c) => c.values.length === 1).slice(0, relayedProposers(settling))',
  },
  { name: 'two values that do not void', find: '(c) => c.values.length === 1', replace: '(c) => c.values.length >= 1' },
  {
    name: 'no second value kept of a proposer',
    find: 'const VALUES_PER_PROPOSER = 2',
    replace: 'const VALUES_PER_PROPOSER = 1',
  },
  { name: 'the highest ticket wins', find: 'a.ticket < b.ticket ? -1', replace: 'a.ticket > b.ticket ? -1' },
  {
    name: 'track and rest rules ignored',
    find: 'rows.filter((row) => row.rank === best)',
    replace: 'rows.filter((row) => row.rank >= best)',
  },
  { name: 'no de-duplication in the literal draw', find: 'return !repeated;', replace: 'return true;' },
  {
    name: 'the literal draw cut to M',
    find: "rules.draw === 'hash-mod' ? Number.MAX_SAFE_INTEGER",
    replace: "rules.draw === 'hash-mod' ? rules.relay_lowest",
  },
  {
    name: 'proposals on another basis count',
    find: 'if (body.prev !== settling.basis.hash)',
    replace: 'if (body.prev === "")',
  },
];

const elsewhere: Mutant[] = [
  {
    name: 'R two short of the roster',
    file: 'timeline.ts',
    find: 'Math.min(rosterSize - 1,',
    replace: 'Math.min(rosterSize - 3,',
  },
  {
    name: 'R not bounded by the time there is',
    file: 'timeline.ts',
    find: 'phases.roundsThatFit, rules.max_rounds',
    replace: 'rules.max_rounds',
  },
  {
    name: 'T_D from the share alone',
    file: 'timeline.ts',
    find: 'return start_ms + Math.min(rules.select_max_ms,',
    replace: 'return start_ms + Math.max(rules.select_max_ms,',
  },
  {
    name: 'Delta longer than half the proposing time',
    file: 'timeline.ts',
    find: 'Math.floor(proposingMs / 2)',
    replace: 'proposingMs',
  },
  {
    name: 'the author endorses itself',
    file: 'signed.ts',
    find: 'new Set<string>([signed.body.node_id])',
    replace: 'new Set<string>()',
  },
  {
    name: 'one endorser counts twice',
    file: 'signed.ts',
    find: 'seen.add(endorsement.node_id);',
    replace: '',
  },
  {
    name: 'endorsers of the wrong roster: anybody',
    file: 'signed.ts',
    find: ' || !roster.entries.has(endorsement.node_id)',
    replace: '',
  },
  {
    name: 'endorsements unchecked',
    file: 'signed.ts',
    find: 'signer.crypto.verify(endorsement.node_id, bytes, endorsement.sig)',
    replace: 'endorsement.sig.length === 64',
  },
  {
    name: 'eligible one slot early',
    file: 'appraise.ts',
    find: 'slot < entry.eligible_from',
    replace: 'slot + 1 < entry.eligible_from',
  },
  {
    name: 'exclusion one slot short',
    file: 'appraise.ts',
    find: 'exclusion.until < slot',
    replace: 'exclusion.until <= slot',
  },
  {
    name: 'other rules accepted',
    file: 'appraise.ts',
    find: "if (body.rules_hash !== log.rulesHash) return 'rules';",
    replace: '',
  },
  {
    name: 'operations that were not signed for',
    file: 'appraise.ts',
    find: 'hashValue(body.ops) !== body.ops_root',
    replace: 'body.ops_root.length !== 64',
  },
  {
    name: 'signatures of operations unchecked',
    file: 'appraise.ts',
    find: 'if (!body.ops.every((op) => opHolds(judge, op)))',
    replace: 'if (body.ops.length > MAX_OPS_PER_PROPOSAL)',
  },
  {
    name: 'no committee',
    file: 'appraise.ts',
    find: 'threshold !== null && base >= threshold',
    replace: 'threshold === base',
  },
  { name: 'no sitting out', file: 'appraise.ts', find: 'if (report.run > 0) return true;', replace: '' },
  {
    name: 'a ban one slot short',
    file: 'appraise.ts',
    find: 'slot <= report.banned_at + rules.ban_slots',
    replace: 'slot < report.banned_at + rules.ban_slots',
  },
  {
    name: 'no exclusion for 600 s of divergence',
    file: 'appraise.ts',
    find: 'report.diverged_ms >= rules.exclude_after_ms',
    replace: 'report.diverged_ms < 0',
  },
  {
    name: 'tickets from the wrong beacon’s domain: the same for every slot',
    file: 'draw.ts',
    find: 'setBigUint64(0, BigInt(slot))',
    replace: 'setBigUint64(0, 0n)',
  },
  {
    name: 'a beacon that forgets the one before',
    file: 'log.ts',
    find: 'output === null ? previous : concatBytes(previous, output)',
    replace: 'output === null ? previous : output',
  },
  {
    name: 'a gap of a millisecond between slots',
    file: 'log.ts',
    find: 'const startMs = parent.record.start_ms + parent.record.duration_ms;',
    replace: 'const startMs = parent.record.start_ms + parent.record.duration_ms + 1;',
  },
  {
    name: 'a history that never forgets',
    file: 'log.ts',
    find: 'kept.length > bound ? kept.slice(kept.length - bound) : kept',
    replace: 'kept',
  },
  {
    name: 'the fallback may repeat what just played',
    file: 'log.ts',
    find: 'Math.ceil(admitted.length / 2)',
    replace: 'admitted.length',
  },
  {
    name: 'a new key draws at once',
    file: 'ops.ts',
    find: 'eligible_from: sameKey ? known.eligible_from : draft.slot + draft.rules.join_slots',
    replace: 'eligible_from: sameKey ? known.eligible_from : draft.slot',
  },
  {
    name: 'one offence punished again and again',
    file: 'ops.ts',
    find: 'offenceSlot <= known.since',
    replace: 'offenceSlot < 0',
  },
  {
    name: 'exclusions that do not double',
    file: 'ops.ts',
    find: '2 ** Math.min(count - 1, MAX_DOUBLINGS)',
    replace: '1',
  },
  {
    name: 'half of the votes is a majority',
    file: 'ops.ts',
    find: 'voted.yes.length * 2 > voted.electorate.length',
    replace: 'voted.yes.length * 2 >= voted.electorate.length',
  },
  {
    name: 'who joins after the opening may vote',
    file: 'ops.ts',
    find: '!subject.electorate.includes(op.node_id)',
    replace: '!draft.roster.entries.has(op.node_id)',
  },
  {
    name: 'voted rules in force at once',
    file: 'ops.ts',
    find: 'from_slot: draft.slot + draft.rules.vote_delay_slots',
    replace: 'from_slot: draft.slot + 1',
  },
  {
    name: 'proposals on two branches are equivocation',
    file: 'evidence.ts',
    find: ' || a.prev !== b.prev',
    replace: '',
  },
  {
    name: 'evidence against somebody else',
    file: 'evidence.ts',
    find: 'if (first.node_id !== op.accused || second.node_id !== op.accused) return null;',
    replace: '',
  },
  {
    name: 'a failed fetch is an offence',
    file: 'evidence.ts',
    find: "|| a.reason !== 'moderation'",
    replace: '',
  },
  {
    name: 'change of branch without a majority',
    file: 'fork.ts',
    find: 'return theirWeight > ourWeight || (theirWeight === ourWeight && lower);',
    replace: 'return theirWeight > 0;',
  },
  {
    name: 'no order among equal branches',
    file: 'fork.ts',
    find: '(theirWeight === ourWeight && lower)',
    replace: 'theirWeight === -1',
  },
  {
    name: 'voices of strangers weigh',
    file: 'fork.ts',
    find: 'const counts = (id: NodeId): boolean => roster.entries.has(id);',
    replace: 'const counts = (_: NodeId): boolean => roster.entries.size > 0;',
  },
  {
    name: 'an absent node decides by what it missed',
    file: 'decide.ts',
    find: 'state.presentSinceMs <= openMs',
    replace: 'state.presentSinceMs <= Number.MAX_SAFE_INTEGER',
  },
  {
    name: 'who learned the basis late decides by what it had dropped',
    file: 'decide.ts',
    find: ' && settling.openedMs <= openMs + deltaMs',
    replace: '',
  },
  {
    name: 'who has just woken decides before it met anybody',
    file: 'decide.ts',
    find: 'return comparedMs <= usualMs ? usualMs : Math.min(comparedMs, endMs - deltaMs);',
    replace: 'return Math.max(usualMs, comparedMs - 3_600_000);',
  },
  {
    name: 'a process that got no turn counts as present',
    file: 'step.ts',
    find: '4 * heldUpMs > deltaMs || ',
    replace: '',
  },
  {
    name: 'recordings of members that left keep a node quiet',
    file: 'gossip.ts',
    find: ' && state.peers.includes(id)) apart++',
    replace: ') apart++',
  },
  {
    name: 'recordings of what was heard before keep a node quiet',
    file: 'gossip.ts',
    find: 'heard.get(body.node_id)?.state.body.epoch ?? -1',
    replace: '-1',
  },
  {
    name: 'strangers without number are heard',
    file: 'gossip.ts',
    find: 'return strangers < MAX_STRANGERS;',
    replace: 'return strangers >= 0;',
  },
  {
    name: 'a log that no record connects is left alone for ever',
    file: 'fork.ts',
    find: '  weighStrayed(turn, epoch);\n',
    replace: '',
  },
  {
    name: 'two stations that change places',
    file: 'fork.ts',
    find: 'const genesis = toward ?? on;',
    replace: 'const genesis = toward === on ? toward : on;',
  },
  {
    name: 'own last words after a lost journal are a clone’s',
    file: 'propose.ts',
    find: 'if (!mayHaveProposed(turn.state, settling)) return false;',
    replace: 'if (settling.slot > 0) return false;',
  },
  {
    name: 'who lost its journal proposes anew at once',
    file: 'propose.ts',
    find: 'if (!mayHaveProposed(state, settling)) propose(turn, settling);',
    replace: 'propose(turn, settling);',
  },
  {
    name: 'a clone’s STATE is taken for own last words',
    file: 'step.ts',
    find: 'if (fresh && body.epoch > recalling.sinceEpoch + 1) stopForDouble(turn);',
    replace: '',
  },
  {
    name: 'a neighbour that gives no answer is asked again at once',
    file: 'sync.ts',
    find: 'turn.monoMs - sinceMs < PAUSE_MS',
    replace: 'turn.monoMs - sinceMs < 0',
  },
  {
    name: 'messages of other stations count',
    file: 'canonical.ts',
    find: "if (body.station !== station) return 'foreignStation';",
    replace: '',
  },
  {
    name: 'other encodings of a message count',
    file: 'canonical.ts',
    find: 'if (!sameBytes(bytes, again))',
    replace: 'if (bytes.length === 0)',
  },
];

export const MUTANTS: readonly Mutant[] = [...settle.map((mutant) => ({ ...mutant, file: 'settle.ts' })), ...elsewhere];
