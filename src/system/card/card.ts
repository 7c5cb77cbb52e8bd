import { createHash, randomUUID } from 'node:crypto';
import { answerText, type Failures } from './answer.ts';
import { checkCard } from './check.ts';
import { keyfilesOf } from './keyfile.ts';
import { MAX_CARD_BYTES, MAX_CARD_LINES } from './limits.ts';
import { parseCard, withoutValues } from './parse.ts';
import { decodeCard, encodeCard } from './text.ts';
import type { CardKnowledge, CardPlan, CardVisibility, CardWifi, Finding, Step } from './types.ts';

/** Where what the card asks for is kept. Each method either keeps it over a power cut, or throws with the cause. */
export interface CardKeeper {
  /** In place of older files of the same network. */
  keepWifi(ssidHex: string, files: readonly { name: string; content: string }[]): void;
  isKept(ssidHex: string): boolean;
  /** Of a network that is kept. */
  keepVisibility(visibility: CardVisibility): void;
  keepCountry(code: string): void;
  /** Lines of authorized_keys; none: SSH goes off. */
  keepSshKeys(keys: readonly string[]): void;
  /** For the radio, which lets in one phone and takes the mark away. */
  keepLetIn(): void;
}

/** The boot partition. */
export interface BootFiles {
  /** Null: there is no such file. @throws when there is one and it cannot be read. */
  read(): Uint8Array | null;
  /** Both or, after a power cut, the answer alone; null leaves starling.txt as it is. @throws when it cannot be written. */
  write(answer: Uint8Array, card: Uint8Array | null): void;
}

/** What was applied of which file. */
export interface CardRecord {
  /** SHA-256 of contents that must not be applied again, but for what is left. */
  applied: readonly string[];
  /** Steps that failed, and are tried again. */
  left: readonly string[];
  /** Of the content that was applied and answered: nothing is left to do. The start script looks for it, too. */
  done: string | null;
}

export const STEPS: readonly Step[] = ['wifi', 'country', 'ssh', 'settings', 'let_in'];

export interface CardComponents {
  /** What this start may carry out; the rest is left as if the file did not say it. */
  steps: readonly Step[];
  boot: BootFiles;
  keeper: CardKeeper;
  /** @throws never: a record that is lost is an empty one. */
  readRecord(): CardRecord;
  writeRecord(record: CardRecord): void;
  /** The radio's settings. @throws when they could not be kept */
  saveSettings(changes: Record<string, unknown>): void;
  knowledge: Omit<CardKnowledge, 'isKept'>;
  log(line: string): void;
}

/**
 * Applies starling.txt if it is another than last time, answers it, and takes the secrets out of it. Whatever goes wrong
 * is answered or logged, and tried again at the next start; a box boots without.
 *
 * Order: settings first, then the record (what was changed from the phone later is not undone), then the boot partition.
 */
export function applyCard(components: CardComponents): void {
  const { boot, log } = components;
  let bytes: Uint8Array | null = null;
  try {
    bytes = boot.read();
  } catch (error) {
    log(`starling.txt cannot be read: ${causeOf(error)}`);
  }
  if (bytes === null) return;
  const hash = hashOf(bytes);
  const record = components.readRecord();
  if (record.done === hash) return;
  const read = readCard(bytes, components);
  const isApplied = record.applied.includes(hash);
  const steps = components.steps.filter((step) => !isApplied || record.left.includes(step));
  const failures = carryOut(read.plan, steps, components);
  const left = Object.keys(failures);
  const taken = new Set(read.plan.secrets.filter(({ step }) => failures[step] === undefined).map(({ line }) => line));
  const card = taken.size === 0 ? null : encodeCard(withoutValues(read.text, read.lines, taken));
  const after = card === null ? hash : hashOf(card);
  // Both contents: a power cut may leave either.
  remember({ applied: [hash, after], left, done: null }, components);
  try {
    boot.write(new TextEncoder().encode(answerText(read.plan, failures)), card);
    if (left.length === 0) remember({ applied: [after], left, done: after }, components);
  } catch (error) {
    log(`starling.txt could not be answered: ${causeOf(error)}`);
  }
  tellAll(read.plan, steps, failures, isApplied, log);
}

/** Another kind of file is not gone through: every line of it would be a mistake. */
function readCard(bytes: Uint8Array, { keeper, knowledge }: CardComponents) {
  const { text, isGuessed } = decodeCard(bytes.subarray(0, MAX_CARD_BYTES));
  const foreign = foreignness(bytes, text);
  const { lines, isCut } = parseCard(foreign === null ? text : '');
  const plan = checkCard(lines, { ...knowledge, isKept: (ssidHex) => keeper.isKept(ssidHex) });
  const findings = foreign === null ? [] : [foreign];
  if (isCut) findings.push(ofFile('problem', `is read up to line ${MAX_CARD_LINES} only`, null));
  if (isGuessed && foreign === null) findings.push(ofFile('note', GUESSED, 'UTF-8'));
  return { text, lines, plan: { ...plan, findings: [...findings, ...plan.findings] } };
}

const GUESSED = 'is saved in an old code; if a letter with an accent came out wrong here, save it anew';

function foreignness(bytes: Uint8Array, text: string): Finding | null {
  if (bytes.length > MAX_CARD_BYTES)
    return ofFile('problem', 'is too large and was not read', `${MAX_CARD_BYTES} bytes`);
  if (!text.startsWith('{\\rtf')) return null;
  const allowed = 'plain text; in TextEdit: Format, Make Plain Text';
  return ofFile('problem', 'was saved with fonts and colours, and was not read', allowed);
}

function ofFile(level: Finding['level'], text: string, allowed: string | null): Finding {
  return { line: 0, level, key: null, value: null, text, allowed, guess: null };
}

/** Carries steps out, each by itself. @returns those that failed */
function carryOut(plan: CardPlan, steps: readonly Step[], { keeper, saveSettings }: CardComponents): Failures {
  const { wifi, visibility, country, ssh, settings, letIn } = plan;
  const actions: Record<Step, () => void> = {
    wifi: () => {
      if (wifi !== null) keeper.keepWifi(wifi.ssidHex, filesOf(wifi));
      if (visibility !== null) keeper.keepVisibility(visibility);
    },
    country: () => country !== null && keeper.keepCountry(country),
    ssh: () => ssh !== null && keeper.keepSshKeys(ssh),
    let_in: () => letIn && keeper.keepLetIn(),
    settings: () => Object.keys(settings).length > 0 && saveSettings(settings),
  };
  const failures: Failures = {};
  for (const step of steps) {
    const cause = attempt(actions[step]);
    if (cause !== null) failures[step] = cause;
  }
  return failures;
}

/** @returns why it failed, or null */
function attempt(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    return causeOf(error);
  }
}

function filesOf(wifi: CardWifi) {
  return keyfilesOf(wifi, [randomUUID(), randomUUID()]);
}

function remember(record: CardRecord, { writeRecord, log }: CardComponents): void {
  try {
    writeRecord(record);
  } catch (error) {
    log(`That starling.txt was applied could not be noted, so it will be again: ${causeOf(error)}`);
  }
}

function tellAll(
  plan: CardPlan,
  steps: readonly Step[],
  failures: Failures,
  isApplied: boolean,
  log: (line: string) => void,
): void {
  const problems = plan.findings.filter(({ level }) => level === 'problem').length;
  const keys = plan.good
    .filter(({ step }) => steps.includes(step) && failures[step] === undefined)
    .map(({ key }) => key);
  if (!isApplied)
    log(`starling.txt: applied ${keys.join(', ') || 'nothing'}; ${problems} problems, see starling-answer.txt`);
  for (const [step, cause] of Object.entries(failures)) log(`starling.txt: ${step} could not be kept: ${cause}`);
}

/** System errors name the cause in their code; paths of the box tell a person nothing. */
function causeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  const known: Record<string, string> = {
    ENOSPC: 'there is no space left',
    EROFS: 'the disk cannot be written to',
    EIO: 'the disk is damaged',
    EACCES: 'it is not allowed',
  };
  return known[code ?? ''] ?? String((error as Error).message);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
