/** A phone that was paired with an emulated box, as far as its requests go. */
import { openAsBlob } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpdateView } from '../../src/system/update/updates.ts';
import type { Box } from './box.ts';

/** The box's own `npm start -- pair`: as whoever sits at the machine, since the emulator's board has no button. */
const CONFIRM = '/opt/starling/node_modules/.bin/node /opt/starling/dist/starling.mjs pair --data /var/lib/starling';
/** A radio that is busy, in an emulator that is busy. */
const ANSWER_MS = 30_000;
const PAIR_MS = 120_000;
/** A whole update, into an emulator. */
const SEND_MS = 900_000;
/** A request waits for a hand for one minute; starting Node in the emulator takes seconds of it. */
const PAIR_TRIES = 3;

export interface Answered {
  status: number;
  json: Record<string, unknown> & { error?: { code: string; text: string } };
}

export class Phone {
  readonly #box: Box;
  readonly #cookie: string;

  private constructor(box: Box, cookie: string) {
    this.#box = box;
    this.#cookie = cookie;
  }

  /** Asks, is let in by a hand at the machine, and takes its cookie. @throws when the box does not let it in */
  static pair(box: Box, name?: string): Promise<Phone> {
    return Phone.#ask(box, async () => void (await box.agent.must(CONFIRM, PAIR_MS)), name);
  }

  /** Asks, where nobody is at the machine. @throws when the box does not let it in */
  static alone(box: Box): Promise<Phone> {
    return Phone.#ask(box, async () => {});
  }

  static async #ask(box: Box, confirm: () => Promise<void>, name = 'phone of the test'): Promise<Phone> {
    let state: unknown = null;
    for (let attempt = 0; attempt < PAIR_TRIES; attempt += 1) {
      const { json } = await ask(box, 'POST', '/api/pair', { name });
      await confirm();
      for (let look = 0; look < 10; look += 1) {
        const { json: answer, cookie } = await ask(box, 'GET', `/api/pair/${String(json.request)}`);
        ({ state } = answer);
        if (cookie !== null) return new Phone(box, cookie);
        if (state !== 'waiting') break;
        await sleep(1_000);
      }
    }
    throw new Error(`the phone was not let in: ${String(state)}`);
  }

  get(path: string): Promise<Answered> {
    return ask(this.#box, 'GET', path, undefined, this.#cookie);
  }

  post(path: string, body: object): Promise<Answered> {
    return ask(this.#box, 'POST', path, body, this.#cookie);
  }

  /** Sends a file as the page does: there is to be room for it first. */
  async send(file: string): Promise<Answered> {
    const bytes = await openAsBlob(file);
    const prepared = await this.post('/api/update/prepare', { bytes: bytes.size });
    if (prepared.status !== 200) return prepared;
    const headers = { 'X-Starling': '1', 'Content-Type': 'application/octet-stream', Cookie: this.#cookie };
    const signal = AbortSignal.timeout(SEND_MS);
    const response = await fetch(`${this.#box.url}/api/update/upload`, {
      method: 'POST',
      headers,
      body: bytes,
      signal,
    });
    return { status: response.status, json: await response.json() };
  }
}

/** What everybody may see of updates; null while nobody answers. */
export async function updateView(box: Box): Promise<UpdateView | null> {
  return await ask(box, 'GET', '/api/update').then(
    ({ status, json }) => (status === 200 ? (json as unknown as UpdateView) : null),
    () => null,
  );
}

async function ask(
  box: Box,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  cookie?: string,
): Promise<Answered & { cookie: string | null }> {
  const headers: Record<string, string> = { 'X-Starling': '1', 'Content-Type': 'application/json' };
  if (cookie !== undefined) headers.Cookie = cookie;
  const response = await fetch(`${box.url}${path}`, {
    method,
    headers: method === 'GET' && cookie === undefined ? {} : headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const set = response.headers.getSetCookie().find((field) => field.startsWith('starling_phone='));
  return { status: response.status, json: await response.json(), cookie: set?.split(';')[0] ?? null };
}
