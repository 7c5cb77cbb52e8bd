/** The command line: reading it, and the help text. What the flags mean stands in settings-schema.ts. */
import { parseArgs } from 'node:util';
import { SETTINGS, type SettingSpec, usefulFlag } from './settings-schema.ts';

/** One thing that is wrong with the settings, for people. */
export interface Problem {
  /** Which flag or key, and where. */
  where: string;
  /** What stood there, as text, shortened; null when nothing did or it is secret. */
  value: string | null;
  cause: string;
  allowed: string;
}

export interface CommandLine {
  help: boolean;
  version: boolean;
  /** `--data` as it was given. */
  data: string | null;
  /** Raw values by setting key: text, lists of text, or booleans. */
  values: Map<string, string | boolean | string[]>;
  problems: Problem[];
}

/** Values are shown in errors up to this length: enough to find them, too short to flood a log. */
const MAX_SHOWN_CHARS = 80;

const OWN_FLAGS = ['data', 'help', 'version'] as const;

/** A value as an error shows it: one line, quoted when it is not plain, cut when it is long. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const plain = /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(text) ? text : JSON.stringify(text);
  return plain.length > MAX_SHOWN_CHARS ? `${plain.slice(0, MAX_SHOWN_CHARS)}…` : plain;
}

/** Levenshtein distance of two short words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known word that was probably meant, or null. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const short = word.toLowerCase().slice(0, 40);
  const ranked = known
    .map((candidate) => ({
      candidate,
      far: candidate.startsWith(short) && short.length > 1 ? 0 : distance(short, candidate),
    }))
    .sort((one, other) => one.far - other.far);
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(1, Math.floor(best.candidate.length / 3)) ? best.candidate : null;
}

function optionTable() {
  const options: NonNullable<Parameters<typeof parseArgs>[0]>['options'] = {
    data: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  };
  for (const spec of SETTINGS) options[spec.flag] = { type: spec.placeholder === null ? 'boolean' : 'string' };
  return options;
}

type Token = {
  kind: 'option';
  index: number;
  name: string;
  rawName: string;
  value?: string | undefined;
  inlineValue?: boolean | undefined;
};

function optionTokens(args: readonly string[]) {
  const { tokens } = parseArgs({
    args: [...args],
    options: optionTable(),
    strict: false,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  });
  return tokens;
}

function unknownFlag(rawName: string): Problem {
  const flags = [...SETTINGS.map(usefulFlag), ...OWN_FLAGS];
  const guess = rawName.startsWith('--') ? didYouMean(rawName.slice(2), flags) : null;
  return {
    where: rawName,
    value: null,
    cause: `is no option of Starling${guess === null ? '' : `; did you mean --${guess}?`}`,
    allowed: flags.map((flag) => `--${flag}`).join(', '),
  };
}

/** Takes out flags whose value is missing (the next word is a flag), each with a problem, so that the rest can be read. */
function takeOutEmpty(args: string[], problems: Problem[]): Token[] {
  for (;;) {
    const tokens = optionTokens(args).filter((token) => token.kind === 'option') as Token[];
    const isNumber = (value: string) => /^-\d/.test(value);
    const empty = tokens.find(
      (token) =>
        takesValue(token.name) !== null &&
        !token.rawName.startsWith('--no-') &&
        (token.value === undefined ||
          (token.inlineValue === false && token.value.startsWith('-') && !isNumber(token.value))),
    );
    if (empty === undefined) return tokens;
    const placeholder = takesValue(empty.name) ?? 'VALUE';
    const spec = SETTINGS.find((known) => known.flag === empty.name);
    problems.push({
      where: empty.rawName,
      value: null,
      cause: 'has no value',
      allowed: spec?.allowed ?? `${empty.rawName} ${placeholder}`,
    });
    args.splice(empty.index, 1);
  }
}

/** The placeholder of a flag that takes a value; null for a switch or an unknown one. */
function takesValue(flag: string): string | null {
  if (flag === 'data') return 'DIR';
  return SETTINGS.find((spec) => spec.flag === flag)?.placeholder ?? null;
}

/** Files one option under its key; a flag that may stand once only and came twice is a problem. */
function takeOption(token: Token, spec: SettingSpec, line: CommandLine): void {
  const before = line.values.get(spec.key);
  if (spec.list) {
    line.values.set(spec.key, [...((before as string[] | undefined) ?? []), token.value ?? '']);
    return;
  }
  if (before !== undefined)
    line.problems.push({ where: token.rawName, value: null, cause: 'is given twice', allowed: `one --${spec.flag}` });
  if (spec.placeholder !== null) line.values.set(spec.key, token.value ?? '');
  else line.values.set(spec.key, !token.rawName.startsWith('--no-'));
  if (spec.placeholder === null && token.value !== undefined)
    line.problems.push({
      where: token.rawName,
      value: shown(token.value),
      cause: 'takes no value',
      allowed: token.rawName,
    });
}

/** Words that belong to no option. One behind an unknown option was meant as its value, and is not told apart. */
function strayWords(args: readonly string[]): Problem[] {
  const tokens = optionTokens(args);
  const unknown = tokens.filter((token) => token.kind === 'option' && !(token.name in optionTable()));
  const isItsValue = (index: number) => unknown.some((token) => token.index === index - 1);
  return tokens
    .filter((token) => token.kind === 'positional' && !isItsValue(token.index))
    .map((token) => ({
      where: shown('value' in token ? token.value : ''),
      value: null,
      cause: 'belongs to no option',
      allowed: 'options that begin with --, after `npm start --`',
    }));
}

/** Reads the arguments after the program's name. Never throws: what is wrong stands in `problems`. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const line: CommandLine = { help: false, version: false, data: null, values: new Map(), problems: [] };
  const args = [...argv];
  for (const token of takeOutEmpty(args, line.problems)) {
    const spec = SETTINGS.find((known) => known.flag === token.name);
    const negated = token.rawName.startsWith('--no-');
    if (spec !== undefined && (!negated || spec.placeholder === null)) takeOption(token, spec, line);
    else if (token.name === 'help' && !negated) line.help = true;
    else if (token.name === 'version' && !negated) line.version = true;
    else if (token.name === 'data' && !negated) {
      if (line.data !== null)
        line.problems.push({ where: '--data', value: null, cause: 'is given twice', allowed: 'one --data' });
      line.data = token.value ?? '';
    } else line.problems.push(unknownFlag(token.rawName));
  }
  line.problems.push(...strayWords(args));
  return line;
}

/** Breaks text into lines of at most `width` characters. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const HELP_WIDTH = 100;

function helpEntry(head: string, text: string): string {
  const indent = ' '.repeat(8);
  return [`  ${head}`, ...wrapped(text, HELP_WIDTH - indent.length).map((line) => indent + line)].join('\n');
}

function fileExample(): string {
  const example = {
    version: 1,
    name: 'Kitchen',
    music: ['/srv/music'],
    station: 'Starling',
    http: 8080,
    output: 'alsa:hw:0',
    volume: 80,
    mdns: true,
  };
  return JSON.stringify(example, null, 2).replace(/^/gm, '    ');
}

/** The whole of `--help`. */
export function helpText(): string {
  const options = SETTINGS.map((spec) => {
    const head = spec.placeholder === null ? `--${usefulFlag(spec)}` : `--${spec.flag} ${spec.placeholder}`;
    return helpEntry(head, `${spec.help} Default: ${spec.defaultText}.`);
  });
  const keys = SETTINGS.map((spec) => {
    const types = spec.json.map((type) => (type === 'string' ? 'text' : type)).join(' or ');
    return `    ${spec.key.padEnd(14)}${(spec.list ? `list of ${types}` : types).padEnd(24)}${spec.allowed}`;
  });
  return `Starling: a radio with no station master. Boxes on one station agree, track by track, on one
programme out of everybody's music, and play it at the same sample.

Usage: npm start -- [OPTIONS]
       npm start -- pair [--data DIR]     let in the phone that asks on the page of the radio that runs

Options
${options.join('\n')}
${helpEntry('--data DIR', 'Where identity, index, music segments and settings are kept. Default: $XDG_DATA_HOME/starling, else ~/.local/share/starling.')}
${helpEntry('--help, -h', 'Print this and exit.')}
${helpEntry('--version', 'Print the version and exit.')}

Settings file
  DIR/settings.json in the data directory holds the same settings; an option wins over the file, the
  file over the default. One JSON object with "version": 1, for example

${fileExample()}

  Keys, JSON types, and what a value may be:

${keys.join('\n')}

  Relative paths in it start at the data directory. Unknown keys and wrong values are named, all at once,
  and nothing starts. An older version of the file is migrated, and a newer one read as far as it is understood; both are
  kept beside it with the ending .bak.

Examples
  npm start                                             your music, alone or with whoever is near
  npm start -- --music /media/usb --name Kitchen
  npm start -- --station Attic --station-key KEY        a closed station (a key: openssl rand -hex 32)
  npm start -- --data ~/second-box --http 8081        a second box on the same machine

Exit codes: 0 after a clean stop, 1 after a failure, 2 when the settings are wrong.
`;
}

/** What a refused start prints: every problem with its cause and the allowed values. */
export function refusalText(problems: readonly Problem[]): string {
  const entries = problems.map(({ where, value, cause, allowed }) => {
    const what = value === null ? where : `${where} ${value}`;
    const lines = wrapped(`Allowed: ${allowed}.`, HELP_WIDTH - 4).map((line) => `    ${line}`);
    return `  ${what}: ${cause}${cause.endsWith('?') ? '' : '.'}\n${lines.join('\n')}`;
  });
  const count = problems.length === 1 ? 'one setting is wrong' : `${problems.length} settings are wrong`;
  return `Starling did not start: ${count}.\n\n${entries.join('\n\n')}\n\nAll options and the settings file: npm start -- --help\n`;
}
