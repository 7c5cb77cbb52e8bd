/**
 * What starling.txt asks for: every line is taken, or answered. Pure: the same file and the same box give the same plan,
 * and no file makes it throw.
 */
import { bytesOfName, hexOf } from '../wifi/ssid.ts';
import { checkWish } from '../wifi/wish.ts';
import { countryNames, countryOf } from './countries.ts';
import { MAX_SHOWN_CHARS, MAX_SSH_KEYS } from './limits.ts';
import { parseSetting, TAKEN } from './parse.ts';
import { checkSshKey, SSH_ALLOWED } from './ssh-key.ts';
import type {
  CardKnowledge,
  CardLine,
  CardPlan,
  CardSetting,
  CardVisibility,
  CardWifi,
  Checked,
  Finding,
  GoodLine,
  SecretLine,
  Step,
} from './types.ts';

type Setting = Extract<CardLine, { kind: 'setting' }>;

/** Keys of the card itself, and what they may be. Those of the radio come with the knowledge. */
const ALLOWED: Record<string, string> = {
  wifi: "the network's name, 1 to 32 bytes (a letter is 1 to 4 bytes)",
  wifi_password: '8 to 63 letters, digits and signs, or 64 hexadecimal digits',
  hidden: 'yes or no',
  country: 'two letters such as DE, ES, GB, JP, US, or the name of the country',
  ssh_key: SSH_ALLOWED,
  let_in: 'yes or no',
};
const SECRETS = new Set(['wifi_password']);
/** Other words for the same, as people write them. */
const ALIASES: Record<string, string> = {
  ...aliases('wifi', 'wi_fi', 'wlan', 'ssid', 'network', 'wifi_name', 'wifi_ssid', 'wifi_network', 'network_name'),
  ...aliases('wifi_password', 'wi_fi_password', 'password', 'passphrase', 'passwort', 'psk', 'wifi_key', 'wifi_pass'),
  ...aliases('wifi_password', 'wlan_password', 'wifi_passphrase', 'network_password', 'wifi_passwort'),
  ...aliases('hidden', 'wifi_hidden', 'hidden_network'),
  ...aliases('country', 'wifi_country', 'country_code'),
  ...aliases('ssh_key', 'ssh_public_key', 'authorized_key'),
  ...aliases('name', 'box_name'),
  ...aliases('output', 'sound_output', 'audio_output'),
};
const YES = new Set(['yes', 'y', 'true', 'on', '1', 'ja', 'si', 'sí', 'はい']);
const NO = new Set(['no', 'n', 'false', 'off', '0', 'nein', 'いいえ']);
/** Taken back to what holds without it. */
const REMOVES = new Set(['station_key', 'ssh_key']);
const NONE = 'none';
const FORGOTTEN = 'was taken out of this file before, and the box does not have it now: write it here again';

function aliases(key: string, ...words: string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => [word, key]));
}

/** Goes through the lines of one file; its findings and good lines are the plan. */
class Checker {
  readonly #known: CardKnowledge;
  readonly #settings: ReadonlyMap<string, CardSetting>;
  readonly findings: Finding[] = [];
  readonly good: GoodLine[] = [];
  readonly values: Record<string, unknown> = {};
  visibility: CardVisibility | null = null;

  constructor(known: CardKnowledge) {
    this.#known = known;
    this.#settings = new Map(known.settings.map((setting) => [setting.key, setting]));
  }

  get #keys(): string[] {
    return [...Object.keys(ALLOWED), ...this.#settings.keys()];
  }

  /** @returns null when it is no key */
  keyOf(word: string): string | null {
    if (this.#keys.includes(word)) return word;
    return Object.hasOwn(ALIASES, word) ? (ALIASES[word] ?? null) : null;
  }

  isSecret(key: string): boolean {
    return SECRETS.has(key) || this.#settings.get(key)?.secret === true;
  }

  tell(level: Finding['level'], line: Setting | number, text: string, more: Partial<Finding> = {}): void {
    const number = typeof line === 'number' ? line : line.number;
    const key = typeof line === 'number' ? null : this.keyOf(line.key);
    const isShown = typeof line !== 'number' && key !== null && key !== 'ssh_key' && !this.isSecret(key);
    const value = isShown ? shownValue(line.value) : null;
    this.findings.push({ line: number, level, key, value, text, allowed: null, guess: null, ...more });
  }

  refuse(line: Setting, cause: string, more: Partial<Finding> = {}): void {
    const key = this.keyOf(line.key) ?? '';
    this.tell('problem', line, cause, {
      allowed: ALLOWED[key] ?? this.#settings.get(key)?.allowed ?? null,
      ...more,
    });
  }

  take(line: Setting, step: Step): void {
    const key = this.keyOf(line.key) ?? line.key;
    this.good.push({ line: line.number, step, key, value: this.isSecret(key) ? null : shownValue(line.value) });
  }

  /** A line that sets nothing: whoever wrote it meant something. */
  unread(line: CardLine): void {
    if (line.kind === 'broken') {
      const word = /^\s*([\p{L}_-]{2,20})\s/u.exec(line.text)?.[1] ?? '';
      const key = this.keyOf(word.toLowerCase().replaceAll('-', '_'));
      // Nothing of the line is shown: it may be a password.
      this.tell('problem', line.number, 'has no = between a name and its value, so nothing was done with it', {
        allowed: `lines such as ${key ?? 'wifi'} = ...; a line that is only for people begins with #`,
        guess: key === null ? null : `${key} = ...`,
      });
    }
    if (line.kind === 'comment') this.#comment(line.number, line.inner);
  }

  #comment(number: number, inner: string): void {
    if (this.#known.template.includes(inner)) return;
    const line = parseSetting(inner, number);
    if (line.kind !== 'setting' || !this.#keys.includes(line.key) || line.value === '') return;
    this.tell('note', number, `begins with #, so it was not read; take the # away if ${line.key} is to be set`);
  }

  unknown(line: Setting): void {
    const keys = this.#keys;
    const guess = this.#known.didYouMean(line.key, [...keys, ...Object.keys(ALIASES)]);
    this.tell('problem', line, 'is nothing that can be set here', {
      allowed: keys.join(', '),
      guess: guess === null ? null : this.keyOf(guess),
    });
  }

  /** One setting of the radio. */
  setting(line: Setting): void {
    const spec = this.#settings.get(this.keyOf(line.key) ?? '');
    if (spec === undefined) return;
    const isTaken = spec.secret && line.value === TAKEN;
    if (isTaken && !this.#known.hasSetting(spec.key)) {
      this.refuse(line, FORGOTTEN);
      return;
    }
    const checked: Checked<unknown> =
      this.#removes(line) || isTaken ? { ok: true, value: null } : spec.check(line.value);
    if (!checked.ok) {
      this.refuse(line, checked.cause);
      return;
    }
    if (!isTaken) this.values[spec.key] = checked.value;
    this.take(line, 'settings');
  }

  #removes(line: Setting): boolean {
    return REMOVES.has(this.keyOf(line.key) ?? '') && line.value.toLowerCase() === NONE;
  }

  country(line: Setting): string | null {
    const code = countryOf(line.value);
    if (code !== null) {
      this.take(line, 'country');
      return code;
    }
    const guess = this.#known.didYouMean(line.value, [...countryNames().keys()]);
    this.refuse(line, 'is no country', { guess: guess === null ? null : (countryNames().get(guess) ?? null) });
    return null;
  }

  letIn(line: Setting | null): boolean {
    if (line === null || line.value === TAKEN) return false;
    const isYes = this.#yesOrNo(line);
    if (isYes !== null) this.take(line, 'let_in');
    return isYes === true;
  }

  ssh(lines: readonly Setting[]): string[] | null {
    if (lines.length === 0) return null;
    const last = lines.at(-1);
    if (lines.length === 1 && last !== undefined && this.#removes(last)) {
      this.take(last, 'ssh');
      return [];
    }
    const keys = lines.flatMap((line, index) => {
      const checked: Checked<string> =
        index < MAX_SSH_KEYS
          ? checkSshKey(line.value)
          : { ok: false, cause: `is one too many: ${MAX_SSH_KEYS} keys are taken` };
      if (checked.ok) this.take(line, 'ssh');
      else this.refuse(line, checked.cause);
      return checked.ok ? [checked.value] : [];
    });
    return keys.length === 0 ? null : keys;
  }

  wifi(name: Setting | null, password: Setting | null, hidden: Setting | null): CardWifi | null {
    const isHidden = hidden === null ? false : this.#yesOrNo(hidden);
    if (name === null) {
      if (password !== null && password.value !== TAKEN)
        this.refuse(password, 'stands without a network', { allowed: 'a line wifi = NAME beside it' });
      if (hidden !== null && isHidden !== null) this.refuse(hidden, 'stands without a network');
      return null;
    }
    const bytes = bytesOfName(nameOf(name));
    if (bytes === null || /\p{Cc}/u.test(name.value)) {
      this.refuse(name, bytes === null ? 'is longer than a name can be' : 'holds a sign that cannot be seen');
      this.#waits([password, isHidden === null ? null : hidden], 'wifi');
      return null;
    }
    this.#doubtQuotes(name);
    const ssidHex = hexOf(bytes);
    if (password === null || password.value === TAKEN)
      return this.#withoutPassword(name, password, isHidden === null ? null : hidden, ssidHex);
    const secret = this.#password(name, password);
    if (secret === null) {
      this.#waits([name, isHidden === null ? null : hidden], 'wifi_password');
      return null;
    }
    for (const line of [name, password, isHidden === null ? null : hidden]) if (line !== null) this.take(line, 'wifi');
    return { ssid: nameOf(name), ssidHex, password: secret, hidden: isHidden === true };
  }

  /** A network that the box has stays as it is, but for `hidden`; another one is open, or lacks its password. */
  #withoutPassword(name: Setting, taken: Setting | null, hidden: Setting | null, ssidHex: string): CardWifi | null {
    const isKept = this.#known.isKept(ssidHex);
    if (taken !== null && !isKept) {
      this.refuse(taken, FORGOTTEN);
      this.#waits([name, hidden], 'wifi_password');
      return null;
    }
    for (const line of [name, taken, hidden]) if (line !== null) this.take(line, 'wifi');
    const isHidden = hidden !== null && this.#isYes(hidden);
    if (isKept) {
      if (hidden !== null) this.visibility = { ssidHex, hidden: isHidden };
      return null;
    }
    this.tell('note', name, 'has no wifi_password, so it is joined only if it is open to everybody');
    return { ssid: nameOf(name), ssidHex, password: null, hidden: isHidden };
  }

  #password(name: Setting, line: Setting): string | null {
    const straight = line.value.replace(/[‘’‚]/g, "'").replace(/[“”„]/g, '"');
    const asked = { ssid: nameOf(name), password: straight, hidden: false, country: null };
    const answer = checkWish(asked, [], []);
    if (!answer.ok) {
      this.refuse(line, `has ${new TextEncoder().encode(straight).length} bytes, or signs that no password has`);
      return null;
    }
    if (straight !== line.value)
      this.tell('note', line, 'held curly quotes, which editors make of plain ones: plain ones were taken');
    if (/[–—…]/.test(straight))
      this.tell(
        'note',
        line,
        'holds a long dash or an ellipsis; if you typed hyphens or dots, your editor changed them',
      );
    return straight;
  }

  #doubtQuotes(name: Setting): void {
    if (/[‘’“”]/.test(name.value))
      this.tell('note', name, 'holds a curly quote; if the network is written with a plain \' or ", so write it here');
  }

  #waits(lines: readonly (Setting | null)[], forKey: string): void {
    for (const line of lines)
      if (line !== null) this.tell('problem', line, `waits: the line with ${forKey} must be put right first`);
  }

  #isYes(line: Setting): boolean {
    return YES.has(line.value.toLowerCase());
  }

  #yesOrNo(line: Setting): boolean | null {
    if (this.#isYes(line)) return true;
    if (NO.has(line.value.toLowerCase())) return false;
    this.refuse(line, 'is neither yes nor no');
    return null;
  }
}

/** Accents may be one sign or two; routers write one. */
function nameOf(line: Setting): string {
  return line.value.normalize('NFC');
}

function shownValue(value: string): string {
  const line = value.replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu, '?');
  return line.length > MAX_SHOWN_CHARS ? `${[...line].slice(0, MAX_SHOWN_CHARS).join('')}...` : line;
}

/** Sorts the lines by key: the last of each counts, all of `ssh_key`. */
function sorted(checker: Checker, lines: readonly CardLine[]): Map<string, Setting[]> {
  const byKey = new Map<string, Setting[]>();
  for (const line of lines) {
    if (line.kind !== 'setting') {
      checker.unread(line);
      continue;
    }
    const key = checker.keyOf(line.key);
    if (key === null) checker.unknown(line);
    else if (line.value === '') checker.refuse(line, 'has no value; a # at its beginning leaves things as they are');
    else byKey.set(key, [...(byKey.get(key) ?? []), line]);
  }
  return byKey;
}

/** @returns the last line of this key; those before it are answered */
function lastOf(checker: Checker, lines: readonly Setting[] | undefined): Setting | null {
  const last = lines?.at(-1) ?? null;
  for (const line of lines?.slice(0, -1) ?? [])
    checker.tell('problem', line, `stands here twice; line ${last?.number} was read instead`);
  return last;
}

/** Where the secrets stand that a step takes, in all lines of their key. */
function secretsOf(checker: Checker, byKey: ReadonlyMap<string, readonly Setting[]>): SecretLine[] {
  return checker.good
    .filter(({ key }) => checker.isSecret(key))
    .flatMap(({ key, step }) =>
      (byKey.get(key) ?? [])
        .filter(({ value }) => value !== TAKEN && value.toLowerCase() !== NONE)
        .map(({ number }) => ({ line: number, step })),
    );
}

/** Checks the lines of starling.txt. */
export function checkCard(lines: readonly CardLine[], known: CardKnowledge): CardPlan {
  const checker = new Checker(known);
  const byKey = sorted(checker, lines);
  const ssh = checker.ssh(byKey.get('ssh_key') ?? []);
  byKey.delete('ssh_key');
  const one = new Map([...byKey].map(([key, all]) => [key, lastOf(checker, all)]));
  const at = (key: string) => one.get(key) ?? null;
  const wifi = checker.wifi(at('wifi'), at('wifi_password'), at('hidden'));
  const countryLine = at('country');
  const country = countryLine === null ? null : checker.country(countryLine);
  if (wifi !== null && countryLine === null)
    checker.findings.push(hintCountry(checker.good.find(({ key }) => key === 'wifi')?.line ?? 0));
  const letInLine = at('let_in');
  const letIn = checker.letIn(letInLine);
  // It counts once: in the file it would let in a phone after every other change.
  const once: SecretLine[] = letIn
    ? (byKey.get('let_in') ?? []).map(({ number }) => ({ line: number, step: 'let_in' }))
    : [];
  for (const line of one.values()) if (line !== null) checker.setting(line);
  const byLine = (a: { line: number }, b: { line: number }) => a.line - b.line;
  return {
    wifi,
    visibility: checker.visibility,
    country,
    settings: checker.values,
    ssh,
    letIn,
    good: checker.good.sort(byLine),
    secrets: [...secretsOf(checker, byKey), ...once],
    findings: checker.findings.sort(byLine),
  };
}

function hintCountry(line: number): Finding {
  const text = 'has no country beside it; without one, channels of your country may stay silent';
  return { line, level: 'note', key: 'wifi', value: null, text, allowed: ALLOWED.country ?? null, guess: null };
}
