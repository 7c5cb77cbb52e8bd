import type { Request, Response, Router } from 'express';
import { checkChange } from './change-guards.ts';
import { parseObject, readBody } from './json-body.ts';
import { type Checked, checkFields, type Rules } from './schema.ts';
import type { Visitor, Visitors } from './visitors.ts';

/** A change that was let in: by whom, and its checked fields. */
export interface Change<T extends Rules, V extends Visitor = Visitor> {
  fields: Checked<T>;
  visitor: V;
  request: Request;
  response: Response;
}

/**
 * Registers a POST route. The order matters: where it comes from, then who it is and how often, and only then is a
 * body read at all.
 * @param who lets in, or throws
 */
export function onChange<const T extends Rules, V extends Visitor>(
  router: Router,
  path: string,
  rules: T,
  visitors: Visitors,
  who: (request: Request) => V,
  handle: (change: Change<T, V>) => void | Promise<void>,
): void {
  router.post(path, async (request: Request, response: Response) => {
    checkChange(request);
    const visitor = who(request);
    visitors.countChange(visitor);
    const fields = checkFields(parseObject(await readBody(request)), rules);
    await handle({ fields, visitor, request, response });
  });
}
