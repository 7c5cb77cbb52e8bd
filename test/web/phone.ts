/** A phone with a browser: keeps cookies, and sends what the page sends. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what tests look into
  json: any;
}

export class Phone {
  readonly cookies = new Map<string, string>();
  readonly #port: number;
  /** Loopback address that it comes from: each is another client to the box. */
  readonly address: string;

  constructor(port: number, address = '127.0.0.1') {
    this.#port = port;
    this.address = address;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answered> {
    return this.send('GET', path, headers);
  }

  /** As the page posts. */
  post(path: string, body: unknown = {}, headers: Record<string, string | undefined> = {}): Promise<Answered> {
    const own = {
      'Content-Type': 'application/json',
      'X-Starling': '1',
      Origin: `http://127.0.0.1:${this.#port}`,
    };
    const given = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== undefined);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.send('POST', path, Object.fromEntries(given) as Record<string, string>, text);
  }

  send(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const request = httpRequest(
        {
          host: '127.0.0.1',
          localAddress: this.address,
          port: this.#port,
          method,
          path,
          agent: false,
          headers: { ...(cookie === '' ? {} : { Cookie: cookie }), ...headers },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => {
            this.#keep(response.headers['set-cookie'] ?? []);
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
          });
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Asks to be paired, lets `hand` do what a hand does, and looks until it is decided. @returns the last state */
  async pair(name: string, hand: () => void): Promise<string> {
    const asked = await this.post('/api/pair', { name });
    if (asked.status !== 202) return `${asked.status} ${asked.json.error.code}`;
    hand();
    for (let round = 0; round < 20; round++) {
      const { json } = await this.get(`/api/pair/${asked.json.request}`);
      if (json.state !== 'waiting') return json.state;
      await sleep(20);
    }
    return 'waiting';
  }

  #keep(fields: string[]): void {
    for (const field of fields) {
      const [pair = '', ...attributes] = field.split('; ');
      const at = pair.indexOf('=');
      const name = pair.slice(0, at);
      if (attributes.includes('Max-Age=0')) this.cookies.delete(name);
      else this.cookies.set(name, pair.slice(at + 1));
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
