/** Each check a line, the summary as JSON. */
export interface Line {
  scenario: string;
  name: string;
  ok: boolean;
  seconds: number;
  detail: string;
  /** What was measured, with units in the names. */
  figures?: Record<string, number>;
}

export interface Outcome {
  detail: string;
  figures?: Record<string, number>;
}

const NAME_COLUMNS = 52;

export class Report {
  readonly lines: Line[] = [];
  #scenario = '';

  begin(scenario: string): void {
    this.#scenario = scenario;
    console.log(`-- ${scenario}`);
  }

  /** Runs one check and prints its line; a failed one lets the others go on. @returns whether it held */
  async check(name: string, run: () => Promise<string | Outcome>): Promise<boolean> {
    const startMs = performance.now();
    const outcome = await run().then(
      (result): Outcome & { ok: boolean } => ({
        ok: true,
        ...(typeof result === 'string' ? { detail: result } : result),
      }),
      (error: Error) => ({ ok: false, detail: error.message }),
    );
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    const { ok, detail } = outcome;
    const figures = 'figures' in outcome && outcome.figures !== undefined ? { figures: outcome.figures } : {};
    this.lines.push({ scenario: this.#scenario, name, ok, seconds, detail, ...figures });
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(NAME_COLUMNS)} ${String(seconds).padStart(6)} s  ${detail}`);
    return ok;
  }

  get failed(): number {
    return this.lines.filter(({ ok }) => !ok).length;
  }

  get passed(): number {
    return this.lines.length - this.failed;
  }
}
