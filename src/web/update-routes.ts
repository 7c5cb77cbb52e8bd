/** Updates: what there is and how one goes, for everybody; bringing and installing one, for paired phones. */
import type { IncomingMessage } from 'node:http';
import type { Request, Response, Router } from 'express';
import express from 'express';
import { checkQuery, inTime, notOnThisBox, type SlowGate, sendAnswer } from './answers.ts';
import type { FoundUpdate, UpdatePort, UpdateView } from './box.ts';
import { checkChangeHeader, checkOrigin, isType, UPLOAD_PATH } from './change-guards.ts';
import { onChange } from './changes.ts';
import { RequestError } from './errors.ts';
import { allowTime } from './guards.ts';
import { MAX_FOUND_ROWS, MAX_TEXT_CHARS, UPLOAD_STALL_MS } from './limits.ts';
import { clean } from './public-status.ts';
import type { Rules } from './schema.ts';
import type { Visitors } from './visitors.ts';

export interface UpdateComponents {
  update: UpdatePort | null;
  visitors: Visitors;
  gate: SlowGate;
}

const UPLOAD_TYPE = 'application/octet-stream';
const INSTALL = {
  file: {
    kind: 'text',
    pattern: new RegExp(`^\\S.{0,${MAX_TEXT_CHARS - 1}}$`),
    allowed: '`file` of one of `found` in /api/update',
  },
  any_version: { kind: 'boolean', optional: true },
} as const satisfies Rules;

export function updateRoutes(components: UpdateComponents): Router {
  const { visitors, gate } = components;
  const router = express.Router({ caseSensitive: true, strict: true });
  const update = () => {
    if (components.update === null) throw notOnThisBox('two systems to update');
    return components.update;
  };
  const changing = (request: Request) => {
    update();
    return visitors.paired(request);
  };
  router.get('/api/update', async (request, response) => {
    checkQuery(request, []);
    const port = update();
    response.json(shownView(await gate.run(() => port.view()), port.maxBytes));
  });
  const prepare = { bytes: { kind: 'whole', least: 1, most: Number.MAX_SAFE_INTEGER } } as const satisfies Rules;
  onChange(router, '/api/update/prepare', prepare, visitors, changing, async ({ fields, response }) =>
    sendAnswer(response, clean(await inTime(update().prepare(fields.bytes)))),
  );
  onChange(router, '/api/update/install', INSTALL, visitors, changing, async ({ fields, response }) => {
    const wish = { file: fields.file, any_version: fields.any_version ?? false };
    sendAnswer(response, clean(await inTime(update().install(wish))));
  });
  router.post(UPLOAD_PATH, (request, response) => upload(request, response, update, visitors, changing));
  return router;
}

/** In the same order as every change: where it comes from, then who it is and how often; only then is it read. */
async function upload(
  request: Request,
  response: Response,
  update: () => UpdatePort,
  visitors: Visitors,
  changing: (request: Request) => ReturnType<Visitors['paired']>,
): Promise<void> {
  checkOrigin(request);
  checkChangeHeader(request);
  visitors.countChange(changing(request));
  const port = update();
  const bytes = bodyBytes(request, port.maxBytes);
  allowTime(request);
  request.setTimeout(UPLOAD_STALL_MS);
  const answer = await port.receive(bytes, pieces(request));
  sendAnswer(response, answer.ok ? { ok: true, value: { found: shownFound(answer.value) } } : answer);
}

/**
 * How large a file is on its way.
 * @throws {RequestError} 415, 411 `length_required`, 413 `body_too_large`
 */
function bodyBytes(request: IncomingMessage, most: number): number {
  const { 'content-type': type, 'content-encoding': encoding, 'content-length': length } = request.headers;
  if (!isType(type, UPLOAD_TYPE) || (encoding !== undefined && encoding !== 'identity')) {
    throw new RequestError(415, 'wrong_type', 'The body must be the file as it is.', {
      allowed: `Content-Type: ${UPLOAD_TYPE}, no Content-Encoding`,
    });
  }
  // Node lets a number of digits through and nothing else.
  if (length === undefined)
    throw new RequestError(411, 'length_required', 'Say how large the file is: Content-Length.');
  const bytes = Number(length);
  if (bytes > most || bytes < 1) {
    const text = bytes < 1 ? 'The file is empty.' : `The file is larger than ${most} bytes.`;
    throw new RequestError(413, 'body_too_large', text, { allowed: `1 to ${most} bytes` });
  }
  return bytes;
}

/** The body, piece by piece. Whoever stops reading leaves the connection open for the answer. */
function pieces(request: Request): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) };
}

/** Field by field: whatever else the part knows stays in the box. */
function shownView({ version, phase, percent, target, found, last }: UpdateView, maxBytes: number): object {
  const shownLast =
    last && (({ outcome, version, code, text, at_ms }) => ({ outcome, version, code, text, at_ms }))(last);
  const rows = found.slice(0, MAX_FOUND_ROWS).map(shownFound);
  return clean({ version, phase, percent, target, found: rows, last: shownLast, max_bytes: maxBytes });
}

function shownFound({ file, place, name, version, created, age, refused }: FoundUpdate): FoundUpdate {
  return clean({ file, place, name, version, created, age, refused });
}
