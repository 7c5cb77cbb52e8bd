import { beginsLit, isSteady } from './light.ts';

/** Plays a pattern on anything that can be lit or dark, over and over. A steady pattern is one call and no timer. */
export class StepPlayer {
  readonly #show: (lit: boolean) => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(show: (lit: boolean) => void) {
    this.#show = show;
  }

  /** @param steps milliseconds lit, dark, lit, dark ...; begins anew */
  play(steps: readonly number[]): void {
    this.stop();
    if (isSteady(steps)) this.#show(beginsLit(steps));
    else this.#step(steps, 0);
  }

  /** Leaves the light as it is. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #step(steps: readonly number[], index: number): void {
    this.#show(index % 2 === 0);
    this.#timer = setTimeout(() => this.#step(steps, (index + 1) % steps.length), steps[index] ?? 0);
    this.#timer.unref();
  }
}
