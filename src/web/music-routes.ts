/** Skip, never again, like, and the lists behind them. All of it is local to this box. */
import type { Request, Router } from 'express';
import express from 'express';
import { checkQuery, notOnThisBox, type SlowGate, sendAnswer, wholeNumber } from './answers.ts';
import type { MusicActions } from './box.ts';
import { onChange } from './changes.ts';
import { RequestError } from './errors.ts';
import { DEFAULT_PAGE_ROWS, MAX_GENRE_CHARS, MAX_GENRES, MAX_PAGE_ROWS } from './limits.ts';
import { clean } from './public-status.ts';
import type { Rules } from './schema.ts';
import type { Visitors } from './visitors.ts';

export interface MusicComponents {
  music: MusicActions | null;
  /** How a slot was won, to check by hand; null when it is not known. */
  draw: ((slot: number) => unknown) | null;
  visitors: Visitors;
  gate: SlowGate;
}

const TRACK_HASH = { pattern: /^sha256:[0-9a-f]{64}$/, allowed: '"sha256:" and 64 hex digits' };
const HASH = { hash: { kind: 'text', ...TRACK_HASH } } satisfies Rules;
const HASH_OR_NULL = { hash: { kind: 'text', ...TRACK_HASH, nullable: true } } satisfies Rules;
const SLOT = { slot: { kind: 'whole', least: 0, most: Number.MAX_SAFE_INTEGER, nullable: true } } satisfies Rules;
const FILTERS = {
  explicit: { kind: 'boolean' },
  genres: {
    kind: 'texts',
    most: MAX_GENRES,
    pattern: new RegExp(`^(?=.*\\S).{1,${MAX_GENRE_CHARS}}$`),
    allowed: `at most ${MAX_GENRES} genres of 1 to ${MAX_GENRE_CHARS} characters`,
  },
} satisfies Rules;

export function musicRoutes(components: MusicComponents): Router {
  const { visitors } = components;
  const router = express.Router({ caseSensitive: true, strict: true });
  const paired = (request: Request) => visitors.paired(request);
  const music = () => {
    if (components.music === null) throw notOnThisBox('programme to change');
    return components.music;
  };
  const changing = (request: Request) => {
    music();
    return paired(request);
  };
  onChange(router, '/api/skip', SLOT, visitors, changing, ({ fields, response }) =>
    sendAnswer(response, music().skip(fields.slot)),
  );
  onChange(router, '/api/never', HASH_OR_NULL, visitors, changing, ({ fields, response }) =>
    sendAnswer(response, clean(music().never(fields.hash))),
  );
  onChange(router, '/api/allow', HASH, visitors, changing, ({ fields, response }) =>
    sendAnswer(response, music().allow(fields.hash)),
  );
  onChange(router, '/api/like', HASH, visitors, changing, ({ fields, response }) =>
    sendAnswer(response, music().like(fields.hash)),
  );
  onChange(router, '/api/filters', FILTERS, visitors, changing, ({ fields, response }) =>
    sendAnswer(response, clean(music().setFilters(fields))),
  );
  router.get('/api/filters', (request, response) => {
    checkQuery(request, []);
    response.json(clean(music().filters()));
  });
  router.get('/api/blacklist', (request, response) => {
    const { offset, limit } = rowsOf(request);
    const all = music().blacklist();
    response.json({ total: all.length, offset, limit, items: clean(all.slice(offset, offset + limit)) });
  });
  catalogRoute(router, components, music);
  drawRoute(router, components);
  return router;
}

function catalogRoute(router: Router, { gate }: MusicComponents, music: () => MusicActions): void {
  router.get('/api/peers/:id/catalog', async (request, response) => {
    const { offset, limit } = rowsOf(request as unknown as Request);
    const { id } = request.params;
    if (!/^[A-Za-z0-9]{1,128}$/.test(id)) {
      throw new RequestError(400, 'bad_peer', 'That is no name of a node. Allowed: a libp2p peer id.');
    }
    const page = await gate.run(() => music().catalogOf(id, offset, limit));
    if (page === null) throw new RequestError(404, 'no_catalog', "That node's catalog is not to be had now.");
    response.json(clean({ total: page.total, offset: page.offset, limit, items: page.items.slice(0, limit) }));
  });
}

function drawRoute(router: Router, { draw }: MusicComponents): void {
  router.get('/api/draw/:slot', (request, response) => {
    checkQuery(request as unknown as Request, []);
    if (draw === null) throw notOnThisBox('draw to tell of');
    const slot = /^\d{1,16}$/.test(request.params.slot) ? Number(request.params.slot) : Number.NaN;
    if (!Number.isSafeInteger(slot)) {
      throw new RequestError(400, 'bad_slot', 'That is no slot. Allowed: whole numbers from 0.');
    }
    const told = draw(slot);
    if (told === null || told === undefined) {
      throw new RequestError(404, 'no_draw', `How slot ${slot} was won is not known here.`);
    }
    response.json(clean(told));
  });
}

function rowsOf(request: Request): { offset: number; limit: number } {
  checkQuery(request, ['offset', 'limit']);
  return {
    offset: wholeNumber(request, 'offset', 0, 0, Number.MAX_SAFE_INTEGER),
    limit: wholeNumber(request, 'limit', DEFAULT_PAGE_ROWS, 1, MAX_PAGE_ROWS),
  };
}
