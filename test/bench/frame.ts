/** What a bench is, and how its outcome is shown. A bench NAME is the file test/bench/NAME.ts that exports a `Bench`'s members. */

export interface BenchOptions {
  /** How long to measure, as asked for with --seconds; null: the bench's own choice. */
  seconds: number | null;
  /** Values of the bench's own `flags`. */
  flags: Record<string, string | boolean | string[] | undefined>;
  /** Progress for people; silent with --json. */
  say(line: string): void;
}

export type Cell = string | number | null;

export interface BenchResult {
  columns: string[];
  rows: Cell[][];
  /** The figures under their fixed names: with --json, the last line. */
  figures: Record<string, unknown>;
  /** What a reader must know to judge them: peers, limits, conditions. */
  notes?: string[];
  /** False: measured, and not good enough. The command's exit code is 1 then. */
  good?: boolean;
}

export interface Flag {
  type: 'string' | 'boolean';
  multiple?: boolean;
  /** For the list of benches. */
  help: string;
}

export interface Bench {
  /** One line for the list of benches. */
  description: string;
  /** Flags of its own, beside --seconds and --json. */
  flags?: Record<string, Flag>;
  run(options: BenchOptions): Promise<BenchResult>;
}

/** A number for people: three digits that count. */
function shownCell(cell: Cell): string {
  if (cell === null) return '–';
  if (typeof cell === 'string') return cell;
  if (Number.isInteger(cell)) return String(cell);
  return Math.abs(cell) >= 100 ? cell.toFixed(0) : String(Number(cell.toPrecision(3)));
}

/** Columns side by side; numbers to the right, words to the left. */
export function tableText(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = columns.map((_, index) => rows.every((row) => typeof row[index] !== 'string'));
  const cells = [columns, ...rows.map((row) => row.map(shownCell))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => (row[index] ?? '').length)));
  const lines = cells.map((row) =>
    widths
      .map((width, index) => (isNumeric[index] ? (row[index] ?? '').padStart(width) : (row[index] ?? '').padEnd(width)))
      .join('  ')
      .trimEnd(),
  );
  return [lines[0], widths.map((width) => '─'.repeat(width)).join('  '), ...lines.slice(1)].join('\n');
}

/** The whole outcome as text for people. */
export function resultText(result: BenchResult): string {
  const notes = (result.notes ?? []).map((note) => `- ${note}`);
  return [tableText(result.columns, result.rows), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

/** The value below which the given share (0 to 1) of all lies; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
