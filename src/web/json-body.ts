/** Bodies of requests: read within bounds, and JSON that means one thing only. */
import type { IncomingMessage } from 'node:http';
import { RequestError } from './errors.ts';
import { BODY_TIMEOUT_MS, MAX_BODY_BYTES } from './limits.ts';

/**
 * The body as text. Stops reading where it grows too large, whatever its head promised.
 * @throws {RequestError} 413 `body_too_large`, 408 `request_timeout`, 415 for a packed one, 400 for one that is not UTF-8
 */
export async function readBody(request: IncomingMessage): Promise<string> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new RequestError(415, 'wrong_type', 'A body must not be packed.', { allowed: 'no Content-Encoding' });
  }
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const bytes = await collect(request);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RequestError(400, 'bad_json', 'The body is not UTF-8.');
  }
}

function collect(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error: RequestError | null) => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (error === null) return resolve(Buffer.concat(chunks));
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) return end(tooLarge());
      chunks.push(chunk);
    };
    const onEnd = () => end(null);
    const onClose = () => end(new RequestError(400, 'malformed_request', 'The request ended before its body.'));
    const timer = setTimeout(
      () => end(new RequestError(408, 'request_timeout', 'The request took too long to arrive.')),
      BODY_TIMEOUT_MS,
    );
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

function tooLarge(): RequestError {
  return new RequestError(413, 'body_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`, {
    allowed: `at most ${MAX_BODY_BYTES} bytes`,
  });
}

/**
 * A JSON object in which no key stands twice: two readers of such a text may see two different wishes (RFC 8259, 4).
 * @throws {RequestError} 400 `bad_json`, or `bad_field` for the key that stands twice
 */
export function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RequestError(400, 'bad_json', 'The body is no JSON.', { allowed: 'a JSON object' });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestError(400, 'bad_json', 'The body is no JSON object.', { allowed: 'a JSON object' });
  }
  const twice = repeatedKey(text);
  if (twice !== null) {
    const field = twice.slice(0, 40);
    throw new RequestError(400, 'bad_field', `Field "${field}" stands there twice.`, { field, allowed: 'once only' });
  }
  return value as Record<string, unknown>;
}

/** The first key that stands twice in one object of a valid JSON text, null when none does. */
export function repeatedKey(text: string): string | null {
  /** Keys of the objects that are open; null for an array. */
  const open: (Set<string> | null)[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const token = match[0];
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (isKey(text, tokens.lastIndex)) {
      const key = JSON.parse(token) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return null;
}

/** Whether what ends before `at` is a key: a colon follows. */
function isKey(text: string, at: number): boolean {
  const colon = /\s*:/y;
  colon.lastIndex = at;
  return colon.test(text);
}
