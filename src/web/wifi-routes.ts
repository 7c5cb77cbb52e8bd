/** Putting the box on a Wi-Fi, for the page with script. */
import type { Request, Router } from 'express';
import express from 'express';
import { checkQuery, inTime, notOnThisBox, sendAnswer } from './answers.ts';
import type { WifiPort, WifiView } from './box.ts';
import { onChange } from './changes.ts';
import { clean } from './public-status.ts';
import { qrSvg } from './qr.ts';
import type { Rules } from './schema.ts';
import type { Visitor, Visitors } from './visitors.ts';

export interface WifiComponents {
  wifi: WifiPort | null;
  visitors: Visitors;
}

/** IEEE 802.11: at most 32 bytes. */
const SSID = { kind: 'text', pattern: /^.{1,32}$/u, mostBytes: 32, allowed: '1 to 32 bytes' } as const;
/** IEEE 802.11i: a passphrase of printable ASCII characters, or the key itself. WPA3 takes the same passphrases. */
const PASSWORD = {
  kind: 'text',
  pattern: /^([\x20-\x7e]{8,63}|[0-9a-fA-F]{64})$/,
  allowed: '8 to 63 letters, digits and signs of ASCII, or 64 hex digits',
  optional: true,
  nullable: true,
  secret: true,
} as const;
const COUNTRY = { kind: 'text', pattern: /^[A-Z]{2}$/, allowed: 'two capital letters, such as DE' } as const;
export const JOIN = {
  ssid: SSID,
  password: PASSWORD,
  hidden: { kind: 'boolean', optional: true },
  country: { ...COUNTRY, optional: true, nullable: true },
} satisfies Rules;

export function wifiRoutes(components: WifiComponents): Router {
  const { visitors } = components;
  const router = express.Router({ caseSensitive: true, strict: true });
  const wifi = () => {
    if (components.wifi === null) throw notOnThisBox('Wi-Fi');
    return components.wifi;
  };
  const changing = (request: Request) => {
    wifi();
    return visitors.pairedOrSetUp(request);
  };
  router.get('/api/wifi', (request, response) => {
    checkQuery(request, []);
    response.json(shownWifi(wifi().view(), visitors.who(request), request.socket.localPort));
  });
  onChange(router, '/api/wifi/join', JOIN, visitors, changing, ({ fields, response }) => {
    const { ssid, password = null, hidden = false, country = null } = fields;
    sendAnswer(response, wifi().join({ ssid, password, hidden, country }));
  });
  onChange(router, '/api/wifi/forget', { ssid: SSID }, visitors, changing, async ({ fields, response }) =>
    sendAnswer(response, await inTime(wifi().forget(fields.ssid))),
  );
  onChange(router, '/api/wifi/country', { country: COUNTRY }, visitors, changing, async ({ fields, response }) =>
    sendAnswer(response, await inTime(wifi().setCountry(fields.country))),
  );
  onChange(router, '/api/wifi/scan', {}, visitors, changing, async ({ response }) =>
    sendAnswer(response, await inTime(wifi().scan())),
  );
  return router;
}

/** Where the box is found once it is on the Wi-Fi. */
export interface Found {
  url: string;
  /** The same as a QR code, SVG. */
  qr: string;
}

/** What a visitor sees: the names of networks that are kept here are for those alone who may change them. */
export function shownWifi(view: WifiView, visitor: Visitor, port: number | undefined): WifiView & { found: Found } {
  const may = visitor.phone !== null || visitor.setup;
  const url = foundUrl(view.hostname, port);
  return {
    ...clean({
      ...view,
      networks: view.networks.map((network) => ({ ...network, known: may && network.known })),
      saved: may ? view.saved : [],
      failure: may ? view.failure : null,
    }),
    found: { url, qr: qrSvg(url) },
  };
}

/** The box's name under multicast DNS (RFC 6762): it stays the same whatever address the network gives. */
export function foundUrl(hostname: string, port: number | undefined): string {
  const name = hostname.replace(/\.local$/, '').replace(/[^A-Za-z0-9-]/g, '') || 'starling';
  return `http://${name}.local${port === undefined || port === 80 ? '' : `:${port}`}/`;
}
