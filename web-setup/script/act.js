// Every change goes this way: pair first if need be, show that it is under way, and tell what the box answered.

import { refusalText } from './api.js';
import { pair } from './pairing.js';
import { refreshSession, session } from './session.js';
import { toast } from './toast.js';

/**
 * @template T
 * @param {HTMLElement} control what was touched; it cannot be touched again until there is an answer
 * @param {() => Promise<T>} request
 * @param {{ done?: (answer: T) => void, failed?: (refusal: object) => void, setup?: boolean }} [options]
 *   `setup`: allowed without pairing at the first set-up; `failed` in place of the usual message
 * @returns {Promise<boolean>} whether the box agreed
 */
export async function act(control, request, options = {}) {
  if (control.getAttribute('aria-busy') === 'true') return false;
  control.setAttribute('aria-busy', 'true');
  try {
    const mayAlready = session.paired || (options.setup === true && session.setup);
    if (!mayAlready && !(await pair())) return false;
    const answer = await request();
    options.done?.(answer);
    return true;
  } catch (refusal) {
    // Revoked meanwhile: the next touch asks to pair.
    if (refusal.code === 'not_paired') await refreshSession();
    if (options.failed) options.failed(refusal);
    else toast(refusalText(refusal), { level: 'bad' });
    return false;
  } finally {
    control.removeAttribute('aria-busy');
  }
}
