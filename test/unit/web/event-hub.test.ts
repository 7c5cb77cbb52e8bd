import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventHub } from '../../../src/web/event-hub.ts';
import {
  HEARTBEAT_MS,
  MAX_EVENT_BUFFER_BYTES,
  MAX_EVENT_CLIENTS,
  MAX_EVENT_CLIENTS_PER_CLIENT,
} from '../../../src/web/limits.ts';
import type { StatusSnapshot } from '../../../src/web/snapshot.ts';
import { sampleSnapshot } from '../../web/sample.ts';

/** What the hub needs of a response, with a far end that reads or does not. */
class FarEnd extends EventEmitter {
  readonly texts: string[] = [];
  reads = true;
  destroyed = false;
  ended = false;
  writableLength = 0;
  write(text: string): boolean {
    this.texts.push(text);
    if (!this.reads) this.writableLength += text.length;
    return this.reads;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
  get events(): { name: string; data: Partial<StatusSnapshot> }[] {
    return this.texts.flatMap((text) => {
      const match = /event: (\w+)\ndata: (.*)\n\n$/.exec(text);
      return match ? [{ name: match[1]!, data: JSON.parse(match[2]!) as Partial<StatusSnapshot> }] : [];
    });
  }
  get response(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}

let status: StatusSnapshot;
let made: number;
let dropped: number;
let hub: EventHub;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  status = sampleSnapshot();
  made = 0;
  dropped = 0;
  hub = new EventHub({
    status: () => {
      made += 1;
      return structuredClone(status);
    },
    onDropped: () => {
      dropped += 1;
    },
  });
});
afterEach(() => {
  hub.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function join(client = 'a'): FarEnd {
  const farEnd = new FarEnd();
  hub.prepare();
  hub.add(farEnd.response, client);
  return farEnd;
}

describe('live pages', () => {
  it('get everything first and then only what changed', () => {
    const page = join();
    expect(page.events).toEqual([{ name: 'status', data: status }]);
    status.diverged = true;
    hub.changed();
    vi.advanceTimersByTime(250);
    expect(page.events.slice(1)).toEqual([{ name: 'change', data: { diverged: true } }]);
  });

  it('get many changes at once as one, within a quarter of a second', () => {
    const page = join();
    for (let slot = 0; slot < 100; slot++) {
      status.station.slot = slot;
      hub.changed();
      vi.advanceTimersByTime(1);
    }
    vi.advanceTimersByTime(250);
    expect(page.events.length).toBeLessThanOrEqual(3);
    expect(page.events.at(-1)?.data.station?.slot).toBe(99);
  });

  it('get figures that nobody announces, too, and signs of life when nothing changes', () => {
    const page = join();
    status.sync.offset_ms = 3;
    vi.advanceTimersByTime(2_500);
    expect(page.events.at(-1)?.data).toEqual({ sync: status.sync });
    vi.advanceTimersByTime(HEARTBEAT_MS);
    expect(page.texts.at(-1)).toBe(': alive\n\n');
  });

  it('that come later miss nothing, whenever they come', () => {
    join('a');
    status.diverged = true;
    const late = join('b');
    vi.advanceTimersByTime(250);
    const seen = Object.assign({}, ...late.events.map(({ data }) => data)) as StatusSnapshot;
    expect(seen.diverged).toBe(true);
  });

  it('cost nothing when there are none', () => {
    for (let count = 0; count < 10; count++) hub.changed();
    vi.advanceTimersByTime(60_000);
    expect(made).toBe(0);
    const page = join();
    page.emit('close');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are made once for all', () => {
    for (let count = 0; count < MAX_EVENT_CLIENTS_PER_CLIENT; count++) join('a');
    vi.advanceTimersByTime(250);
    const before = made;
    status.diverged = true;
    hub.changed();
    vi.advanceTimersByTime(250);
    expect(made - before).toBe(1);
  });

  it('are dropped when they do not read', () => {
    const slow = join('a');
    const quick = join('b');
    slow.reads = false;
    for (let round = 0; round < 2_000 && !slow.destroyed; round++) {
      status.station.slot = round;
      hub.changed();
      vi.advanceTimersByTime(250);
    }
    expect(slow.destroyed).toBe(true);
    expect(slow.writableLength).toBeLessThan(MAX_EVENT_BUFFER_BYTES * 1.2);
    expect([dropped, hub.size, quick.destroyed]).toEqual([1, 1, false]);
  });

  it('are bounded, for one address and altogether', () => {
    for (let count = 0; count < MAX_EVENT_CLIENTS_PER_CLIENT; count++) join('a');
    expect(hub.refusal('a')).toBe('many');
    expect(hub.refusal('b')).toBeNull();
    for (let count = hub.size; count < MAX_EVENT_CLIENTS; count++) join(`client ${count}`);
    expect(hub.refusal('b')).toBe('full');
  });

  it('survive a status that cannot be made for a while', () => {
    const errors: unknown[] = [];
    let broken = false;
    const fragile = new EventHub({
      status: () => {
        if (broken) throw new Error('not now');
        return structuredClone(status);
      },
      onError: (error) => errors.push(error),
    });
    const page = new FarEnd();
    fragile.prepare();
    fragile.add(page.response, 'a');
    broken = true;
    vi.advanceTimersByTime(2_500);
    broken = false;
    status.diverged = true;
    vi.advanceTimersByTime(2_500);
    expect(errors).toHaveLength(2);
    expect(page.events.at(-1)?.data.diverged).toBe(true);
    fragile.close();
  });
});
