// What this box can do, and whether this phone may ask it to.

import { get } from './api.js';

const NOTHING = {
  paired: false,
  phone: null,
  setup: false,
  has_button: false,
  can: { music: false, box: false, wifi: false, listen: false, update: false },
};

/** As the box last told. */
export let session = NOTHING;
const handlers = new Set();

/** Calls back now and whenever the session has changed. */
export function onSession(handler) {
  handlers.add(handler);
  handler(session);
}

/** Asks again. A box that does not answer is no reason to hide what it can do. */
export async function refreshSession() {
  try {
    const answer = await get('/api/session');
    session = { ...NOTHING, ...answer, can: { ...NOTHING.can, ...answer.can } };
  } catch {
    return;
  }
  for (const handler of handlers) handler(session);
}
