import type { ServerResponse } from 'node:http';
import {
  CHANGE_INTERVAL_MS,
  HEARTBEAT_MS,
  MAX_EVENT_BUFFER_BYTES,
  MAX_EVENT_CLIENTS,
  MAX_EVENT_CLIENTS_PER_CLIENT,
  REFRESH_INTERVAL_MS,
} from './limits.ts';
import type { StatusSnapshot } from './snapshot.ts';

export interface EventHubComponents {
  /** The status as it leaves the box. */
  status(): StatusSnapshot;
  /** Told once for every client that did not read. */
  onDropped?(): void;
  onError?(error: unknown): void;
}

type Response = Pick<ServerResponse, 'write' | 'end' | 'destroy' | 'once' | 'writableLength' | 'destroyed'>;

/**
 * Live pages (server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html). A client first gets
 * the whole status, event `status`, and then only the top-level fields that changed, event `change`. Each change is
 * serialised once for all of them. With no clients nothing runs.
 */
export class EventHub {
  readonly #components: EventHubComponents;
  readonly #clients = new Map<Response, string>();
  /** Every top-level field as it was last sent. */
  #sent = new Map<string, string>();
  #id = 0;
  #change: NodeJS.Timeout | null = null;
  #timers: NodeJS.Timeout[] = [];
  #lastRefreshMs = Number.NEGATIVE_INFINITY;

  constructor(components: EventHubComponents) {
    this.#components = components;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** Why this client may not come in now: "full" (altogether), "many" (from this address), or null when it may. */
  refusal(client: string): 'full' | 'many' | null {
    if (this.#clients.size >= MAX_EVENT_CLIENTS) return 'full';
    let same = 0;
    for (const other of this.#clients.values()) if (other === client) same += 1;
    return same >= MAX_EVENT_CLIENTS_PER_CLIENT ? 'many' : null;
  }

  /**
   * Makes the status that the next client starts with. Call before the response's head is written, as it may fail.
   * @throws what `status()` throws
   */
  prepare(): void {
    if (this.#clients.size > 0) return;
    this.#sent = fields(this.#components.status());
    this.#lastRefreshMs = performance.now();
  }

  /** Takes a response whose head is written, after `prepare()`. */
  add(response: Response, client: string): void {
    if (this.#clients.size === 0) this.#watch();
    response.once('close', () => this.#remove(response));
    this.#clients.set(response, client);
    this.#send(response, `retry: 2000\n${event('status', this.#id, this.#sent)}`);
    this.changed();
  }

  /** Something changed: it goes out within CHANGE_INTERVAL_MS, together with whatever else changes until then. */
  changed(): void {
    if (this.#clients.size === 0 || this.#change !== null) return;
    const waitMs = Math.max(0, this.#lastRefreshMs + CHANGE_INTERVAL_MS - performance.now());
    this.#change = setTimeout(() => {
      this.#change = null;
      this.#refresh();
    }, waitMs);
  }

  /** Says goodbye to all. */
  close(): void {
    for (const response of this.#clients.keys()) response.end();
    this.#clients.clear();
    this.#unwatch();
  }

  #refresh(): void {
    this.#lastRefreshMs = performance.now();
    let now: Map<string, string>;
    try {
      now = fields(this.#components.status());
    } catch (error) {
      this.#components.onError?.(error);
      return;
    }
    const changed = new Map([...now].filter(([key, json]) => this.#sent.get(key) !== json));
    if (changed.size === 0) return;
    this.#sent = now;
    this.#id += 1;
    this.#broadcast(event('change', this.#id, changed));
  }

  #broadcast(text: string): void {
    for (const response of [...this.#clients.keys()]) this.#send(response, text);
  }

  #send(response: Response, text: string): void {
    if (response.destroyed) {
      this.#remove(response);
      return;
    }
    response.write(text);
    if (response.writableLength <= MAX_EVENT_BUFFER_BYTES) return;
    this.#remove(response);
    response.destroy();
    this.#components.onDropped?.();
  }

  #remove(response: Response): void {
    this.#clients.delete(response);
    if (this.#clients.size === 0) this.#unwatch();
  }

  #watch(): void {
    this.#timers = [
      setInterval(() => this.changed(), REFRESH_INTERVAL_MS),
      setInterval(() => this.#broadcast(': alive\n\n'), HEARTBEAT_MS),
    ];
  }

  #unwatch(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    if (this.#change !== null) clearTimeout(this.#change);
    this.#change = null;
  }
}

/** JSON of each top-level field. */
function fields(status: StatusSnapshot): Map<string, string> {
  return new Map(Object.entries(status).map(([key, value]) => [key, JSON.stringify(value) ?? 'null']));
}

/** JSON has no line breaks of its own, so one `data` line holds it all. */
function event(name: string, id: number, parts: ReadonlyMap<string, string>): string {
  const data = [...parts].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',');
  return `id: ${id}\nevent: ${name}\ndata: {${data}}\n\n`;
}
