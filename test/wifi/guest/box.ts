/**
 * Runs in the guest as the radio's user: Wi-Fi provisioning behind a web server that shows its view and passes wishes on. The page itself
 * is another room's.
 *
 *     node box.mjs '{"suffix": "rig1", ...}'     a WifiInit, as JSON
 */
import { createServer, type IncomingMessage } from 'node:http';
import { createWifi, type WifiInit } from '../../../src/system/wifi/wifi.ts';

const init = JSON.parse(process.argv[2] ?? '{}') as WifiInit;
const log = {
  info: (message: string, fields?: object) => console.log('info', message, JSON.stringify(fields ?? {})),
  warn: (message: string, fields?: object) => console.log('warn', message, JSON.stringify(fields ?? {})),
};
const wifi = createWifi({ log }, init);
let last = '';
wifi.onChange(() => {
  const { phase, ssid, failure, hotspot, networks } = wifi.view();
  const line = JSON.stringify({ phase, ssid, failure, hotspot: hotspot.on, networks: networks.length });
  if (line !== last) log.info(`view ${line}`);
  last = line;
});

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const part of request) text += part;
  return text === '' ? {} : JSON.parse(text);
}

async function answerTo(path: string, body: Record<string, unknown>): Promise<unknown> {
  switch (path) {
    case '/api/wifi/join': {
      const { ssid, password, hidden, country } = body;
      return wifi.join({
        ssid: String(ssid),
        password: password === undefined ? null : String(password),
        hidden: hidden === true,
        country: country === undefined ? null : String(country),
      });
    }
    case '/api/wifi/forget':
      return wifi.forget(String(body.ssid));
    case '/api/wifi/forget-all':
      return wifi.forgetAll();
    case '/api/wifi/country':
      return wifi.setCountry(String(body.country));
    case '/api/wifi/scan':
      return wifi.scan();
    default:
      return wifi.view();
  }
}

createServer(async (request, response) => {
  const { url = '/', socket } = request;
  const body = request.method === 'POST' ? await bodyOf(request) : {};
  const isSetup = wifi.isHotspotClient(socket.remoteAddress ?? '');
  response.setHeader('x-hotspot-client', String(isSetup));
  if (url === '/generate_204') return void response.writeHead(302, { location: '/' }).end();
  response.end(JSON.stringify(await answerTo(url, body)));
}).listen(80);

await wifi.start();
log.info('started');
process.on('SIGTERM', () => void wifi.stop().then(() => process.exit(0)));
