// Asking the box, and understanding its refusals.

import { hasText, t } from './text.js';

/** A box that is busy starting anew answers within this; longer is "gone". */
const TIMEOUT_MS = 10_000;

/** The box said no, or nothing. `code` for the program, `text` from the box, in English. */
export class Refusal extends Error {
  constructor(code, text, details = {}) {
    super(text);
    this.code = code;
    this.text = text;
    this.field = details.field ?? null;
  }
}

/** Reads. @throws {Refusal} */
export function get(path) {
  return ask(path, {});
}

/** Changes something. @throws {Refusal} */
export function post(path, body = {}) {
  return ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Starling': '1' },
    body: JSON.stringify(body),
  });
}

async function ask(path, options) {
  let response;
  let answer;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    answer = await response.json();
  } catch {
    throw new Refusal('network', 'No answer.');
  }
  if (response.ok) return answer;
  const error = answer?.error ?? {};
  throw new Refusal(String(error.code ?? 'internal'), String(error.text ?? response.status), error);
}

/** What to tell somebody, in their language where the cause is a known one. */
export function refusalText(refusal) {
  const key = `error.${refusal.code}`;
  return hasText(key) ? t(key, { text: refusal.text }) : (refusal.text ?? String(refusal));
}
