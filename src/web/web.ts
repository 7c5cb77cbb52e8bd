import { createServer, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { NextFunction, Request, Response } from 'express';
import express from 'express';
import type { Answer, BoxActions, ListenPort, MusicActions, PresencePort, UpdatePort, WifiPort } from './box.ts';
import { CHANGE_PATHS } from './change-guards.ts';
import { clientKey } from './client-address.ts';
import { Doors } from './doors.ts';
import { BindAddressError, PortForbiddenError, PortInUseError, RequestError } from './errors.ts';
import { EventHub } from './event-hub.ts';
import { carriesBody, checkHost, checkRequest, limitRate, limitTime, securityHeaders } from './guards.ts';
import {
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_CLIENT,
  MAX_DISCARDED_BYTES,
  MAX_HEADER_BYTES,
  MAX_HEADER_COUNT,
  MAX_RATE_CLIENTS,
  RATE_BURST,
  RATE_PER_SECOND,
  UPLOAD_TIMEOUT_MS,
} from './limits.ts';
import { loadPageFiles, readTexts } from './page-files.ts';
import { publicStatus } from './public-status.ts';
import { RateLimit } from './rate-limit.ts';
import { routes } from './routes.ts';
import type { StatusSnapshot } from './snapshot.ts';

/** What the web room wants of a logger. */
export interface WebLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface WebComponents {
  /** A fresh picture of the node. Called for each request and at most a few times a second for the live pages. */
  snapshot(): StatusSnapshot;
  /** Tells of changes as they happen. @returns the way to stop listening */
  onChange(handler: () => void): () => void;
  /** A cover of a track that is known here, from this box's own store: it must not ask the network. */
  cover?(cid: string): Promise<{ bytes: Uint8Array } | null>;
  /** How a slot was won, for checking by hand; null when that is not known here. Absent: as `music` tells. */
  draw?(slot: number): unknown;
  /** What a phone may ask for. What is absent or null is not on this box, and its routes say so. */
  music?: MusicActions | null;
  box?: BoxActions | null;
  wifi?: WifiPort | null;
  listen?: ListenPort | null;
  presence?: PresencePort | null;
  update?: UpdatePort | null;
  log: WebLogger;
}

export interface WebInit {
  /** 0 takes any free one; `address()` tells it. */
  port: number;
  /** Address to listen on, such as "0.0.0.0", "::" or "127.0.0.1". */
  host: string;
  /** Folder of the page. */
  webRoot: string;
  /** Host names under which this box may be called, beside IP addresses, localhost and names under .local. */
  hostNames?: readonly string[];
  /** Where paired phones are remembered, in `phones.json`. Without it none can be paired. */
  dataDir?: string;
  /** For tests: requests of one address at once, and a second. */
  rate?: { burst: number; perSecond: number };
}

export interface Web {
  /**
   * Listens. Does nothing when it does already.
   * @throws {PortInUseError | PortForbiddenError | BindAddressError | WebRootError}
   */
  start(): Promise<void>;
  /** Says goodbye to live pages and closes every connection. */
  stop(): Promise<void>;
  /** Where it listens, null while it does not. */
  address(): { host: string; port: number; url: string } | null;
  /** Refused requests by cause, and live pages. */
  counters(): Record<string, number>;
  /** A person at the box says yes to the one phone that asked within the last minute: as holding the button does. */
  confirmPairing(): Answer<{ name: string }>;
  /** The next phone that asks within ten minutes is let in without a hand: the card said so, which somebody held. */
  letNextPhoneIn(): void;
  /** Whether a phone waits for that. */
  pairingWaits(): boolean;
  /** Forgets all paired phones, as a reset of everything does. */
  forgetPhones(): void;
}

/** The status server and the page of one node. */
export function createWeb(components: WebComponents, init: WebInit): Web {
  return new WebServer(components, init);
}

class WebServer implements Web {
  readonly #components: WebComponents;
  readonly #init: WebInit;
  readonly #counts = new Map<string, number>();
  readonly #connections = new Map<string, number>();
  #server: Server | null = null;
  #hub: EventHub | null = null;
  readonly #doors: Doors;
  #unsubscribe: (() => void)[] = [];
  #starting: Promise<void> | null = null;

  constructor(components: WebComponents, init: WebInit) {
    this.#components = components;
    this.#init = init;
    this.#doors = new Doors(components, { dataDir: init.dataDir ?? null, hostNames: init.hostNames ?? [] });
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error) => {
      this.#starting = null;
      throw error;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    const starting = this.#starting;
    this.#starting = null;
    await starting?.catch(() => {});
    const server = this.#server;
    this.#server = null;
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#hub?.close();
    this.#hub = null;
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  address(): { host: string; port: number; url: string } | null {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (!address) return null;
    const { host } = this.#init;
    const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
    return { host, port: address.port, url: `http://${shown}:${address.port}/` };
  }

  counters(): Record<string, number> {
    return {
      ...Object.fromEntries(this.#counts),
      event_clients: this.#hub?.size ?? 0,
      listeners: this.#doors.listeners,
    };
  }

  confirmPairing(): Answer<{ name: string }> {
    return this.#doors.confirmPairing();
  }

  letNextPhoneIn(): void {
    this.#doors.letNextPhoneIn();
  }

  pairingWaits(): boolean {
    return this.#doors.pairingWaits();
  }

  forgetPhones(): void {
    this.#doors.forgetPhones();
  }

  async #start(): Promise<void> {
    const files = await loadPageFiles(this.#init.webRoot);
    const texts = readTexts(files);
    const status = () => publicStatus(this.#components.snapshot());
    const hub = new EventHub({
      status,
      onDropped: () => this.#count('event_client_slow'),
      onError: (error) => this.#components.log.error('The status could not be made', { cause: String(error) }),
    });
    const rate = this.#init.rate ?? { burst: RATE_BURST, perSecond: RATE_PER_SECOND };
    const app = express();
    app.disable('x-powered-by').disable('etag').set('query parser', 'simple').set('trust proxy', false);
    app.use(securityHeaders, limitTime, limitRate(new RateLimit({ ...rate, maxClients: MAX_RATE_CLIENTS })));
    app.use(this.#doors.portal());
    app.use(checkHost(this.#init.hostNames ?? []), checkRequest);
    app.use(
      routes({
        status,
        skipped: () => this.#components.snapshot().library.skipped,
        cover: this.#components.cover ? (cid) => this.#components.cover?.(cid) ?? Promise.resolve(null) : null,
        hub,
        files,
        texts,
      }),
    );
    app.use(this.#doors.routes(texts));
    app.use((request: Request, response: Response) => {
      if (CHANGE_PATHS.has(request.path)) {
        response.set('Allow', 'POST');
        throw new RequestError(405, 'method_not_allowed', `${request.method} is not allowed here. Allowed: POST.`);
      }
      throw new RequestError(404, 'not_found', `There is nothing at ${request.path}.`);
    });
    app.use((error: unknown, request: Request, response: Response, next: NextFunction) =>
      this.#answerError(error, request, response, next),
    );
    this.#hub = hub;
    this.#server = await this.#listen(app);
    this.#unsubscribe = [this.#components.onChange(() => hub.changed()), this.#doors.start()];
  }

  async #listen(app: express.Express): Promise<Server> {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        // Of an upload; whatever else comes has less (`limitTime`).
        requestTimeout: UPLOAD_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        connectionsCheckingInterval: 2_000,
      },
      app,
    );
    server.maxHeadersCount = MAX_HEADER_COUNT;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => this.#admit(socket));
    server.on('clientError', (error, socket) => this.#answerClientError(error, socket));
    server.on('drop', () => this.#count('connections_full'));
    const { port, host } = this.#init;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, port, host)));
      server.listen({ port, host }, () => resolve());
    });
    server.on('error', (error) => this.#components.log.error('HTTP server', { cause: error.message }));
    return server;
  }

  /** Keeps one address from taking all connections. */
  #admit(socket: Socket): void {
    const client = clientKey(socket.remoteAddress, socket.localAddress);
    const open = (this.#connections.get(client) ?? 0) + 1;
    if (open > MAX_CONNECTIONS_PER_CLIENT) {
      this.#count('connections_many');
      socket.destroy();
      return;
    }
    this.#connections.set(client, open);
    socket.once('close', () => {
      const left = (this.#connections.get(client) ?? 1) - 1;
      if (left > 0) this.#connections.set(client, left);
      else this.#connections.delete(client);
    });
  }

  /** Bytes that are no HTTP request never reach the routes; they get an answer in the same form. */
  #answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const [status, code, text] = clientErrorAnswer(error.code);
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    this.#count(code);
    const body = JSON.stringify({ error: { code, text } });
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `X-Content-Type-Options: nosniff\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  }

  #answerError(error: unknown, request: Request, response: Response, _next: NextFunction): void {
    const known = error instanceof RequestError ? error : fromExpress(error);
    this.#count(known?.code ?? 'internal');
    if (known === null) {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#components.log.error('A request failed', { path: request.path.slice(0, 80), cause });
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { status, code, message, fault } =
      known ?? new RequestError(500, 'internal', 'The box could not answer. Its log tells why.');
    if (!request.complete && leavesTooMuch(request, status)) response.set('Connection', 'close');
    const { field, allowed, retryAfterMs } = fault;
    if (retryAfterMs !== undefined) response.set('Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1_000))));
    response.status(status).json({ error: { code, text: message, field, allowed } });
  }

  #count(cause: string): void {
    const name = `refused_${cause}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}

/**
 * Whether what is left of a body is not waited for. A small rest is read and thrown away, so that the connection and the
 * answer on it survive: some systems drop an answer that they have not read yet when the far end closes early.
 */
function leavesTooMuch(request: Request, status: number): boolean {
  if (!carriesBody(request)) return false;
  const isEndless = request.headers['transfer-encoding'] !== undefined;
  return status === 408 || isEndless || Number(request.headers['content-length']) > MAX_DISCARDED_BYTES;
}

function clientErrorAnswer(code: string | undefined): [number, string, string] {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return [431, 'headers_too_large', `The request's headers are larger than ${MAX_HEADER_BYTES} bytes.`];
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'request_timeout', 'The request took too long to arrive.'];
  return [400, 'malformed_request', 'That was no HTTP request that this box understands.'];
}

/** Express's own complaints (a path with broken escapes) carry a status and a text for the client. */
function fromExpress(error: unknown): RequestError | null {
  const { status, expose } = (error ?? {}) as { status?: unknown; expose?: unknown };
  if (typeof status !== 'number' || status < 400 || status > 499) return null;
  return new RequestError(status, 'bad_request', expose === true ? String((error as Error).message) : 'Bad request.');
}

function listenError(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code === 'EADDRINUSE') return new PortInUseError(port, host);
  if (error.code === 'EACCES') return new PortForbiddenError(port, host);
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return new BindAddressError(host);
  return error;
}
