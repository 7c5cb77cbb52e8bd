/** Checks of what a request carries: every refusal names the field, its value and what it may be. */
import { RequestError } from './errors.ts';

interface Common {
  /** May be left out. */
  optional?: true;
  /** May be null. */
  nullable?: true;
  /** Its value is repeated in no answer. */
  secret?: true;
}

export type Rule = Common &
  (
    | { kind: 'text'; pattern: RegExp; allowed: string; mostBytes?: number }
    | { kind: 'whole'; least: number; most: number }
    | { kind: 'boolean' }
    | { kind: 'choice'; of: readonly string[] }
    | { kind: 'texts'; pattern: RegExp; most: number; allowed: string }
  );
export type Rules = Readonly<Record<string, Rule>>;

type Plain<R extends Rule> = R['kind'] extends 'whole'
  ? number
  : R['kind'] extends 'boolean'
    ? boolean
    : R['kind'] extends 'texts'
      ? string[]
      : R extends { of: readonly (infer Choice)[] }
        ? Choice
        : string;
type Field<R extends Rule> =
  | Plain<R>
  | (R extends { nullable: true } ? null : never)
  | (R extends { optional: true } ? undefined : never);
/** What `checkFields` gives: a left out field is left out here too. */
export type Checked<T extends Rules> = { [K in keyof T]: Field<T[K]> };

/** Longest part of a wrong value that an answer repeats. */
const MAX_SHOWN_CHARS = 40;

/**
 * The fields of a body, each as its rule wants it.
 * @throws {RequestError} 400 `unknown_field` or `bad_field`, with `field` and `allowed`
 */
export function checkFields<const T extends Rules>(body: Readonly<Record<string, unknown>>, rules: T): Checked<T> {
  for (const name of Object.keys(body)) {
    if (Object.hasOwn(rules, name)) continue;
    const field = name.slice(0, MAX_SHOWN_CHARS);
    const allowed = Object.keys(rules).join(', ') || 'none';
    throw new RequestError(400, 'unknown_field', `Unknown field "${field}". Allowed here: ${allowed}.`, {
      field,
      allowed,
    });
  }
  const checked: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(rules)) {
    if (!Object.hasOwn(body, name)) {
      if (rule.optional) continue;
      throw badField(name, rule, 'is missing');
    }
    const value = body[name];
    if (!fits(value, rule)) throw badField(name, rule, rule.secret ? 'does not fit' : `is ${shown(value)}`);
    checked[name] = value;
  }
  return checked as Checked<T>;
}

function fits(value: unknown, rule: Rule): boolean {
  if (value === null) return rule.nullable === true;
  switch (rule.kind) {
    case 'text':
      return (
        typeof value === 'string' &&
        isFit(value, rule.pattern) &&
        Buffer.byteLength(value) <= (rule.mostBytes ?? Number.POSITIVE_INFINITY)
      );
    case 'whole':
      return Number.isSafeInteger(value) && (value as number) >= rule.least && (value as number) <= rule.most;
    case 'boolean':
      return typeof value === 'boolean';
    case 'choice':
      return typeof value === 'string' && rule.of.includes(value);
    case 'texts':
      return (
        Array.isArray(value) &&
        value.length <= rule.most &&
        value.every((text) => typeof text === 'string' && isFit(text, rule.pattern))
      );
  }
}

/** No lone surrogate, and no control character wherever the text goes afterwards. */
function isFit(text: string, pattern: RegExp): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text) && pattern.test(text);
}

function badField(field: string, rule: Rule, fault: string): RequestError {
  const allowed = `${allowedText(rule)}${rule.nullable ? ', or null' : ''}`;
  return new RequestError(400, 'bad_field', `Field "${field}" ${fault}. Allowed: ${allowed}.`, { field, allowed });
}

function allowedText(rule: Rule): string {
  if (rule.kind === 'whole') return `whole numbers from ${rule.least} to ${rule.most}`;
  if (rule.kind === 'boolean') return 'true or false';
  if (rule.kind === 'choice') return rule.of.map((choice) => `"${choice}"`).join(', ');
  return rule.allowed;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…`.toWellFormed() : text;
}
