/** Starling-answer.txt: what was understood of starling.txt, for whoever puts the card into a computer again. Pure. */
import { MAX_ANSWERED } from './limits.ts';
import type { CardPlan, Finding, GoodLine, Step } from './types.ts';

/** Why a step could not be carried out, in words; a step that is not here was. */
export type Failures = Partial<Record<Step, string>>;

/** @returns text with the line ends and the mark that Notepad wants */
export function answerText(plan: CardPlan, failures: Failures): string {
  const problems = plan.findings.filter(({ level }) => level === 'problem');
  const notes = plan.findings.filter(({ level }) => level === 'note');
  const failed = plan.good.filter(({ step }) => failures[step] !== undefined);
  const applied = plan.good.filter(({ step }) => failures[step] === undefined);
  const parts = [
    ['This is the answer to starling.txt. It is written anew whenever that file was changed.'],
    [headline(problems.length + failed.length, applied.length)],
    failed.length === 0 ? [] : ['This box could not keep:', ...failed.map((good) => failedLine(good, failures))],
    listed('To be put right:', problems),
    applied.length === 0 ? [] : ['Applied:', ...applied.map(appliedLine)],
    listed('To know:', notes),
  ];
  const lines = parts.filter((part) => part.length > 0).flatMap((part) => [...part, '']);
  return `\ufeff${lines.join('\n').trimEnd()}\n`.replaceAll('\n', '\r\n');
}

function headline(wrong: number, applied: number): string {
  const lines = (count: number) => `${count} ${count === 1 ? 'line' : 'lines'}`;
  if (wrong > 0 && applied > 0) return `${lines(wrong)} could not be used; ${lines(applied)} applied all the same.`;
  if (wrong > 0) return `${lines(wrong)} could not be used; nothing was changed.`;
  return applied > 0 ? `All is well: ${lines(applied)} applied.` : 'Nothing is set in it, so nothing was changed.';
}

function listed(title: string, findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  const shown = findings.slice(0, MAX_ANSWERED).flatMap(findingLines);
  const rest = findings.length - MAX_ANSWERED;
  return [title, ...shown, ...(rest > 0 ? [`  ... and ${rest} more.`] : [])];
}

function findingLines({ line, key, value, text, allowed, guess }: Finding): string[] {
  const place = line === 0 ? 'The file' : `Line ${line}`;
  const what = key === null ? '' : ` (${key}${value === null ? '' : ` = ${value}`})`;
  return [
    `  ${place}${what} ${text}.`,
    ...(guess === null ? [] : [`      Did you mean: ${guess}`]),
    ...(allowed === null ? [] : [`      Allowed: ${allowed}`]),
  ];
}

function appliedLine({ line, key, value }: GoodLine): string {
  return `  Line ${line}: ${key}${value === null ? ' (a secret; kept in the box, and no longer in the file)' : ` = ${value}`}`;
}

function failedLine({ line, key, step }: GoodLine, failures: Failures): string {
  return `  Line ${line} (${key}): ${failures[step] ?? ''}. It is tried again at the next start.`;
}
