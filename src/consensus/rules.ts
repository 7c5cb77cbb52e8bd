/**
 * The rules of a station: every constant and switch of the protocol, and its content rules. All nodes of a station
 * follow the same ones; `rulesHash` names them. A station's rules stand in its Bootstrap and change by votes.
 */
import canonicalize from 'canonicalize';
import { hashText } from './hash.ts';

export interface Rules {
  /** Version of this list. */
  v: 1;
  /** How a winner is drawn: lowest VRF ticket, or the model's literal formula. */
  draw: 'ticket' | 'hash-mod';
  /** T1: proposing ends after this time or this share of the track, whichever is first. */
  propose_max_ms: number;
  propose_pct: number;
  /** T_D: the winner is final after this time or this share of the next track, whichever is first. */
  select_max_ms: number;
  select_pct: number;
  /** Bound on message delay and clock error. */
  delta_ms: number;
  /** M: only proposals among the M lowest tickets are endorsed and passed on late. */
  relay_lowest: number;
  /** Upper bound of R, the rounds of endorsement. */
  max_rounds: number;
  /** Above this many eligible nodes only the lowest share of tickets proposes. */
  committee: number;
  /** A track does not play again within so many slots. */
  repeat_slots: number;
  /** A winner rests for min(rest_slots, roster / rest_divisor) slots. */
  rest_slots: number;
  rest_divisor: number;
  /** Slots between a JOIN's inclusion and the first slot its node may propose for. */
  join_slots: number;
  admission: 'open' | 'invite';
  min_track_ms: number;
  max_track_ms: number;
  /** Length of a slot for which there is neither a proposal nor a history. */
  open_slot_ms: number;
  /** Distinct winners kept for the fallback record. */
  history: number;
  state_epoch_ms: number;
  /** Above this many nodes only so many send STATE in an epoch, on average. */
  state_sample: number;
  /** Epochs after which a STATE no longer counts. */
  state_fresh_epochs: number;
  /** How long a newcomer listens before it believes that it is alone. */
  listen_ms: number;
  /** How often a node asks a neighbour what gossip may have lost. */
  digest_ms: number;
  /** Epochs of greater weight after which a node changes to the other branch. */
  fork_epochs: number;
  /** Epochs of conflict after which the lower ticket wins outright. */
  escalate_epochs: number;
  /** Divergences by choice in a row that ban a node, and for how long. */
  ban_after: number;
  ban_slots: number;
  /** A divergence by choice of this length excludes until the node is in sync for a slot. */
  exclude_after_ms: number;
  /** Length of the first exclusion on evidence; it doubles with each further one. */
  exclude_slots: number;
  /** Logged proposals under other rules that make an exclusion. */
  violations: number;
  /** Slots from an accepted vote to its rules, and from a SUBJECT to its end. */
  vote_delay_slots: number;
  vote_open_slots: number;
  /** A node that is not heard of for so many slots leaves the roster. */
  roster_ttl_slots: number;
  /** Genres that may be proposed, in lower case; none listed: all. */
  genres: string[];
  allow_explicit: boolean;
  /** Most sub-tickets that uptime earns; 1: uptime does not weigh. */
  uptime_weight_max: number;
  /** Most sub-tickets that listeners' likes earn; 1: likes do not weigh. */
  like_weight_max: number;
  /** Most slots that the programme is decided ahead; above the model's 5 it grows while tracks take long to arrive. */
  lookahead_max: number;
  /** Popular tracks that each node keeps beyond its own need. */
  cross_seed: number;
}

type NumericRule = { [K in keyof Rules]: Rules[K] extends number ? K : never }[keyof Rules];

/** Allowed range of each numeric rule, both ends included, and its default. */
const NUMBERS: Record<Exclude<NumericRule, 'v'>, { least: number; most: number; usual: number }> = {
  propose_max_ms: { least: 500, most: 300_000, usual: 30_000 },
  propose_pct: { least: 1, most: 50, usual: 25 },
  select_max_ms: { least: 200, most: 600_000, usual: 60_000 },
  select_pct: { least: 1, most: 90, usual: 40 },
  delta_ms: { least: 50, most: 60_000, usual: 3_000 },
  relay_lowest: { least: 1, most: 64, usual: 16 },
  max_rounds: { least: 1, most: 64, usual: 64 },
  committee: { least: 4, most: 1_024, usual: 128 },
  repeat_slots: { least: 0, most: 200, usual: 50 },
  rest_slots: { least: 0, most: 50, usual: 3 },
  rest_divisor: { least: 1, most: 64, usual: 4 },
  join_slots: { least: 3, most: 50, usual: 3 },
  min_track_ms: { least: 1_000, most: 600_000, usual: 20_000 },
  max_track_ms: { least: 1_000, most: 14_400_000, usual: 7_200_000 },
  open_slot_ms: { least: 1_000, most: 600_000, usual: 180_000 },
  history: { least: 1, most: 200, usual: 50 },
  state_epoch_ms: { least: 250, most: 60_000, usual: 5_000 },
  state_sample: { least: 8, most: 1_024, usual: 64 },
  state_fresh_epochs: { least: 1, most: 20, usual: 3 },
  listen_ms: { least: 500, most: 120_000, usual: 10_000 },
  digest_ms: { least: 500, most: 120_000, usual: 10_000 },
  fork_epochs: { least: 1, most: 20, usual: 2 },
  escalate_epochs: { least: 2, most: 200, usual: 12 },
  ban_after: { least: 1, most: 100, usual: 3 },
  ban_slots: { least: 1, most: 1_000, usual: 20 },
  exclude_after_ms: { least: 1_000, most: 86_400_000, usual: 600_000 },
  exclude_slots: { least: 1, most: 1_000, usual: 50 },
  violations: { least: 1, most: 100, usual: 3 },
  vote_delay_slots: { least: 5, most: 1_000, usual: 20 },
  vote_open_slots: { least: 5, most: 10_000, usual: 100 },
  roster_ttl_slots: { least: 20, most: 100_000, usual: 1_000 },
  uptime_weight_max: { least: 1, most: 16, usual: 1 },
  like_weight_max: { least: 1, most: 16, usual: 1 },
  lookahead_max: { least: 5, most: 8, usual: 5 },
  cross_seed: { least: 0, most: 64, usual: 0 },
};

const CHOICES = { draw: ['ticket', 'hash-mod'], admission: ['open', 'invite'] } as const;
const MAX_GENRES = 64;
const MAX_GENRE_LENGTH = 64;

const usualNumbers = Object.fromEntries(Object.entries(NUMBERS).map(([name, { usual }]) => [name, usual]));

/** The model's station: 30 s or 25 % to propose, 60 s or 40 % to select, everything else as in protocol.md. */
export const DEFAULT_RULES: Rules = {
  ...(usualNumbers as unknown as Rules),
  v: 1,
  draw: 'ticket',
  admission: 'open',
  genres: [],
  allow_explicit: true,
};

/** Short phases for tracks of 8 to 60 s: demonstrations and tests, where nobody wants to wait for three minutes. */
export const FAST_RULES: Rules = {
  ...DEFAULT_RULES,
  min_track_ms: 8_000,
  delta_ms: 1_000,
  repeat_slots: 6,
  open_slot_ms: 12_000,
  state_epoch_ms: 1_000,
  listen_ms: 3_000,
  digest_ms: 3_000,
};

/** Rules that cannot be used, with the rule's name, what stood there and what is allowed. */
export class RulesError extends Error {
  readonly field: string;
  readonly value: unknown;
  readonly allowed: string;

  constructor(field: string, value: unknown, allowed: string) {
    super(`rule "${field}" is ${JSON.stringify(value) ?? 'missing'}: expected ${allowed}`);
    this.name = 'RulesError';
    this.field = field;
    this.value = value;
    this.allowed = allowed;
  }
}

/**
 * Rules from JSON. Rules that are left out keep their default.
 * @throws RulesError for the first rule that is unknown, out of its range, or at odds with another
 */
export function parseRules(json: unknown): Rules {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw new RulesError('rules', json, 'a JSON object of rules');
  }
  const given = json as Record<string, unknown>;
  for (const field of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULT_RULES, field)) {
      throw new RulesError(
        field,
        given[field],
        `one of the known rules: ${Object.keys(DEFAULT_RULES).sort().join(', ')}`,
      );
    }
    checkRule(field as keyof Rules, given[field]);
  }
  const rules = { ...DEFAULT_RULES, ...given } as Rules;
  checkTogether(rules);
  return rules;
}

function checkRule(field: keyof Rules, value: unknown): void {
  if (field === 'v') {
    if (value !== 1) throw new RulesError(field, value, '1');
  } else if (field === 'draw' || field === 'admission') {
    const choices: readonly string[] = CHOICES[field];
    if (!choices.includes(value as string))
      throw new RulesError(field, value, choices.map((c) => `"${c}"`).join(' or '));
  } else if (field === 'allow_explicit') {
    if (typeof value !== 'boolean') throw new RulesError(field, value, 'true or false');
  } else if (field === 'genres') {
    checkGenres(value);
  } else {
    const { least, most } = NUMBERS[field];
    const fits = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
    if (!fits) throw new RulesError(field, value, `a whole number from ${least} to ${most}`);
  }
}

function checkGenres(value: unknown): void {
  const allowed = `a list of at most ${MAX_GENRES} different genres in lower case, each of 1 to ${MAX_GENRE_LENGTH} characters`;
  const isGenre = (genre: unknown) =>
    typeof genre === 'string' && genre.length >= 1 && genre.length <= MAX_GENRE_LENGTH && genre === genre.toLowerCase();
  const fits = Array.isArray(value) && value.length <= MAX_GENRES && value.every(isGenre);
  if (!fits || new Set(value).size !== value.length) throw new RulesError('genres', value, allowed);
}

/** What single ranges cannot say. */
function checkTogether(rules: Rules): void {
  if (rules.max_track_ms < rules.min_track_ms) {
    throw new RulesError('max_track_ms', rules.max_track_ms, `at least min_track_ms (${rules.min_track_ms})`);
  }
  // Slots of short tracks run with half their proposing time as Delta (timeline.ts); under 50 ms no network keeps it.
  const proposingMs = Math.min(rules.propose_max_ms, Math.floor((rules.min_track_ms * rules.propose_pct) / 100));
  if (proposingMs < 2 * NUMBERS.delta_ms.least) {
    throw new RulesError(
      'min_track_ms',
      rules.min_track_ms,
      `long enough to propose for ${2 * NUMBERS.delta_ms.least} ms`,
    );
  }
}

/** RFC 8785 (JSON Canonicalization Scheme) form. */
export function rulesJson(rules: Rules): string {
  return canonicalize(rules) as string;
}

/** SHA-256 of the RFC 8785 form, 64 hex digits: the `rules_hash` of proposals and states. */
export function rulesHash(rules: Rules): string {
  return hashText(rulesJson(rules));
}
