import { randomBytes } from 'node:crypto';
import { FORM_TIME_MS, MAX_FORMS, MAX_FORMS_PER_CLIENT } from './limits.ts';

/**
 * What a form may be used for: to ask to be let in; to put the box on a Wi-Fi, if whoever sends it may at that time;
 * to do so since a hand at the box let this very page in.
 */
export type FormRight = 'ask' | 'own' | 'let-in';

interface Form {
  client: string;
  right: FormRight;
  madeAtMs: number;
}

/**
 * One-time marks in forms: a browser without script can send no header of ours, so the page itself carries what only
 * somebody who could read it knows. Each is good once, for the client that got the page, and for a while.
 */
export class Forms {
  readonly #forms = new Map<string, Form>();

  get size(): number {
    return this.#forms.size;
  }

  make(client: string, right: FormRight, nowMs: number): string {
    for (const [mark, form] of this.#forms) if (nowMs - form.madeAtMs >= FORM_TIME_MS) this.#forms.delete(mark);
    const own = [...this.#forms].filter(([, form]) => form.client === client);
    // A client that takes many loses its own oldest, not somebody else's.
    const oldest = own.length >= MAX_FORMS_PER_CLIENT ? own[0]?.[0] : undefined;
    if (oldest !== undefined) this.#forms.delete(oldest);
    else if (this.#forms.size >= MAX_FORMS) this.#forms.delete([...this.#forms.keys()][0] ?? '');
    const mark = randomBytes(16).toString('base64url');
    this.#forms.set(mark, { client, right, madeAtMs: nowMs });
    return mark;
  }

  /** What a form that comes back may do; null for one that is unknown, used, too old, or somebody else's. */
  take(mark: string, client: string, nowMs: number): FormRight | null {
    const form = this.#forms.get(mark);
    if (form === undefined || form.client !== client) return null;
    this.#forms.delete(mark);
    return nowMs - form.madeAtMs < FORM_TIME_MS ? form.right : null;
  }
}
