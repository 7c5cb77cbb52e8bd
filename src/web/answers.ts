import type { Request, Response } from 'express';
import type { Answer } from './box.ts';
import { RequestError } from './errors.ts';
import { ACTION_TIMEOUT_MS, MAX_SLOW_REQUESTS } from './limits.ts';
import { clean } from './public-status.ts';

/** `{"ok": true, ...value}`, or 409 with the cause for which the box refuses. */
export function sendAnswer(response: Response, answer: Answer<object | null>): void {
  if (!answer.ok) {
    const { code, text, field, allowed } = clean(answer);
    throw new RequestError(409, code, text, { field, allowed });
  }
  response.json({ ok: true, ...answer.value });
}

/** Something that this box has no part for, such as Wi-Fi on a machine without a Wi-Fi card. */
export function notOnThisBox(what: string): RequestError {
  return new RequestError(501, 'not_on_this_box', `This box has no ${what}.`);
}

/**
 * What an action gives, or an error when it takes too long.
 * @throws {RequestError} 503 `too_slow`
 */
export async function inTime<T>(action: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new RequestError(503, 'too_slow', 'The box took too long. Look whether it was done after all.')),
      ACTION_TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([action, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets a bounded number of costly requests run at once. */
export class SlowGate {
  #running = 0;

  /** @throws {RequestError} 503 `busy` */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_SLOW_REQUESTS) {
      throw new RequestError(503, 'busy', 'The box has its hands full. Ask again soon.', { retryAfterMs: 2_000 });
    }
    this.#running += 1;
    try {
      return await inTime(action());
    } finally {
      this.#running -= 1;
    }
  }
}

/** @throws {RequestError} that names the first parameter which is not allowed here, or is given twice */
export function checkQuery(request: Request, allowed: readonly string[]): void {
  for (const [name, value] of Object.entries(request.query)) {
    const allowedText = allowed.length === 0 ? 'none' : allowed.join(', ');
    if (!allowed.includes(name)) {
      throw new RequestError(400, 'unknown_parameter', `Unknown parameter "${name}". Allowed here: ${allowedText}.`);
    }
    if (typeof value !== 'string') {
      throw new RequestError(400, 'repeated_parameter', `Parameter "${name}" may be given once only.`);
    }
  }
}

/** @throws {RequestError} that names the parameter, its value and what is allowed */
export function wholeNumber(request: Request, name: string, ifAbsent: number, least: number, most: number): number {
  const text = request.query[name];
  if (text === undefined) return ifAbsent;
  const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const shown = String(text).slice(0, 40);
  throw new RequestError(
    400,
    'bad_parameter',
    `Parameter "${name}" is "${shown}". Allowed: whole numbers from ${least} to ${most}.`,
  );
}
