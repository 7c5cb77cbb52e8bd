/**
 * Phones on the box's hotspot look for a way out to the internet; each maker asks for a page of its own, under its own
 * host name, which the hotspot's name server answers with the address of the box. Any other answer than the expected one
 * opens the phone's sign-in window: ours leads to the page on which the box is put on a Wi-Fi (RFC 8952).
 */
import type { Request, RequestHandler, Response } from 'express';
import { checkQuery } from './answers.ts';
import type { WifiPort } from './box.ts';
import { plainAddress } from './client-address.ts';
import { isAllowedHost } from './host-check.ts';

/** Android and ChromeOS; iOS and macOS; Windows; Firefox and others. */
export const PROBE_PATHS: ReadonlySet<string> = new Set([
  '/generate_204',
  '/gen_204',
  '/hotspot-detect.html',
  '/library/test/success.html',
  '/connecttest.txt',
  '/ncsi.txt',
  '/redirect',
  '/success.txt',
  '/canonical.html',
]);

/** The page without script. */
export const WIFI_PAGE = '/wifi';

function isHotspotClient(wifi: WifiPort | null, request: Request): wifi is WifiPort {
  return wifi?.isHotspotClient(plainAddress(request.socket.remoteAddress ?? '')) ?? false;
}

/**
 * Leads whoever is on the hotspot, and asks for a probe or under somebody else's host name, to the Wi-Fi page. It stands
 * before the check of host names and tells nothing but where that page is.
 */
export function portal(wifi: WifiPort | null, hostNames: readonly string[]): RequestHandler {
  return (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    const path = request.url.split('?', 1)[0] ?? '';
    const isLost = PROBE_PATHS.has(path) || !isAllowedHost(request.headers.host, hostNames);
    if (!isLost || !isHotspotClient(wifi, request)) return next();
    response.redirect(302, portalUrl(wifi, request));
  };
}

/** RFC 8908. Read over plain HTTP: a box in a house has no certificate, so phones that insist on one rely on probes. */
export function captiveApi(wifi: WifiPort | null): (request: Request, response: Response) => void {
  return (request, response) => {
    checkQuery(request, []);
    const answer = isHotspotClient(wifi, request)
      ? { captive: true, 'user-portal-url': portalUrl(wifi, request) }
      : { captive: false };
    response.set('Content-Type', 'application/captive+json').end(JSON.stringify(answer));
  };
}

/** The address of the hotspot and the port that this request came in by: nothing of what the request says itself. */
function portalUrl(wifi: WifiPort, request: Request): string {
  const { address } = wifi.view().hotspot;
  const { localPort } = request.socket;
  return `http://${address}${localPort === undefined || localPort === 80 ? '' : `:${localPort}`}${WIFI_PAGE}`;
}
