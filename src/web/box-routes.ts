/** Settings, the invitation, test tone, reset and diagnostics of this box. */
import type { Request, Router } from 'express';
import express from 'express';
import { checkQuery, inTime, notOnThisBox, type SlowGate, sendAnswer } from './answers.ts';
import type { BoxActions, SettingsView } from './box.ts';
import { checkReadOrigin } from './change-guards.ts';
import { onChange } from './changes.ts';
import { RequestError } from './errors.ts';
import { MAX_NAME_CHARS, MAX_TEXT_CHARS, MAX_TRIM_MS } from './limits.ts';
import { clean } from './public-status.ts';
import { qrSvg } from './qr.ts';
import type { Rules } from './schema.ts';
import type { Visitors } from './visitors.ts';

export interface BoxComponents {
  box: BoxActions | null;
  visitors: Visitors;
  gate: SlowGate;
  /** All paired phones are forgotten. */
  forgetPhones(): void;
}

const NAME = {
  kind: 'text',
  pattern: new RegExp(`^(?=.*\\S).{1,${MAX_NAME_CHARS}}$`),
  allowed: `1 to ${MAX_NAME_CHARS} characters`,
  optional: true,
} as const;
const CHANGE = {
  name: NAME,
  station: NAME,
  station_key: {
    kind: 'text',
    pattern: /^([0-9a-fA-F]{64}|[A-Za-z0-9_-]{43}=?)$/,
    allowed: '32 bytes as 64 hex digits or as base64url',
    optional: true,
    nullable: true,
    secret: true,
  },
  output: {
    kind: 'text',
    pattern: new RegExp(`^\\S.{0,${MAX_TEXT_CHARS - 1}}$`),
    allowed: 'one of `outputs` in /api/settings',
    optional: true,
  },
  volume: { kind: 'whole', least: 0, most: 100, optional: true },
  trim_ms: { kind: 'whole', least: -MAX_TRIM_MS, most: MAX_TRIM_MS, optional: true },
} satisfies Rules;
const RESET = {
  what: { kind: 'choice', of: ['wifi', 'all'] },
  confirm: { kind: 'text', pattern: /^.{0,512}$/, allowed: 'the name of the box' },
} as const satisfies Rules;

export function boxRoutes(components: BoxComponents): Router {
  const { visitors, gate } = components;
  const router = express.Router({ caseSensitive: true, strict: true });
  const box = () => {
    if (components.box === null) throw notOnThisBox('settings to change');
    return components.box;
  };
  const changing = (request: Request) => {
    box();
    return visitors.paired(request);
  };
  const private_ = (request: Request) => {
    checkQuery(request, []);
    checkReadOrigin(request);
    return changing(request);
  };
  router.get('/api/settings', (request, response) => {
    checkQuery(request, []);
    response.json(shownSettings(box().settings()));
  });
  onChange(router, '/api/settings', CHANGE, visitors, changing, ({ fields, response }) =>
    sendAnswer(response, box().change(fields)),
  );
  router.get('/api/invitation', (request, response) => {
    private_(request);
    const text = box().invitation();
    response.json({ text, qr: qrSvg(text) });
  });
  onChange(router, '/api/test-tone', {}, visitors, changing, ({ response }) => sendAnswer(response, box().testTone()));
  resetRoute(router, components, box, changing);
  router.get('/api/diagnostics', async (request, response) => {
    private_(request);
    const text = await gate.run(() => box().diagnostics());
    response.set('Content-Disposition', 'attachment; filename="starling-diagnostics.txt"');
    response.type('text/plain; charset=utf-8').end(text);
  });
  return router;
}

function resetRoute(
  router: Router,
  { visitors, forgetPhones }: BoxComponents,
  box: () => BoxActions,
  changing: (request: Request) => ReturnType<Visitors['paired']>,
): void {
  onChange(router, '/api/reset', RESET, visitors, changing, async ({ fields, response }) => {
    const { name } = box().settings();
    if (fields.confirm !== name) {
      throw new RequestError(400, 'bad_confirm', 'Field "confirm" is not the name of this box.', {
        field: 'confirm',
        allowed: `"${name}"`,
      });
    }
    const answer = await inTime(box().reset(fields.what));
    if (answer.ok && fields.what === 'all') forgetPhones();
    sendAnswer(response, answer);
  });
}

/** Field by field: whatever else the settings hold stays in the box. */
function shownSettings(settings: SettingsView): SettingsView {
  const { name, station, closed, output, outputs, volume, trim_ms, fixed } = settings;
  return clean({ name, station, closed, output, outputs, volume, trim_ms, fixed });
}
