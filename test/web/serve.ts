import { fileURLToPath } from 'node:url';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { createWeb, type Web, type WebComponents, type WebInit } from '../../src/web/web.ts';
import { sampleSnapshot } from './sample.ts';

export const WEB_ROOT = fileURLToPath(new URL('../../web-setup', import.meta.url));

export interface Served {
  web: Web;
  /** Without the slash at its end. */
  url: string;
  port: number;
  /** What the node says; change it and call `changed`. */
  state: { snapshot: StatusSnapshot; covers: Map<string, Uint8Array>; fail: boolean };
  changed(): void;
  logged: { level: string; message: string; fields: Record<string, unknown> | undefined }[];
}

/** A real server on a free port of the loopback, over a picture that the test draws. */
export async function serve(
  init: Partial<WebInit> = {},
  components: (state: Served['state'], changed: () => void) => Partial<WebComponents> = () => ({}),
): Promise<Served> {
  const handlers = new Set<() => void>();
  const state: Served['state'] = { snapshot: sampleSnapshot(), covers: new Map(), fail: false };
  const logged: Served['logged'] = [];
  const logAs = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void logged.push({ level, message, fields });
  const changed = () => {
    for (const handler of handlers) handler();
  };
  const web = createWeb(
    {
      snapshot: () => {
        if (state.fail) throw new Error('secret cause in /srv/secret/place.ts');
        return state.snapshot;
      },
      onChange: (handler) => {
        handlers.add(handler);
        return () => handlers.delete(handler);
      },
      cover: async (cid) => {
        const bytes = state.covers.get(cid);
        return bytes === undefined ? null : { bytes };
      },
      log: { debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error') },
      ...components(state, changed),
    },
    // Tests ask more in a second than a household; the limit has a test of its own.
    { port: 0, host: '127.0.0.1', webRoot: WEB_ROOT, rate: { burst: 10_000, perSecond: 10_000 }, ...init },
  );
  await web.start();
  const port = web.address()?.port ?? 0;
  return { web, url: `http://127.0.0.1:${port}`, port, state, changed, logged };
}
