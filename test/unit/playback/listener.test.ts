import { describe, expect, it } from 'vitest';
import { Listener } from '../../../src/playback/listener.ts';

function make() {
  const box = { nowMs: 0, left: 0 };
  const listener = new Listener({ maxBacklogBytes: 30, patienceMs: 1_000, nowMs: () => box.nowMs }, () => {
    box.left += 1;
  });
  return { box, listener, reader: listener[Symbol.asyncIterator]() };
}

const chunk = (value: number) => new Uint8Array(10).fill(value);

describe('Listener', () => {
  it('hands on what comes, in order, at once to who waits', async () => {
    const { listener, reader } = make();
    const waiting = reader.next();
    listener.push(chunk(1));
    listener.push(chunk(2));
    expect((await waiting).value).toEqual(chunk(1));
    expect((await reader.next()).value).toEqual(chunk(2));
    expect(listener.backlogBytes).toBe(0);
  });

  it('forgets the oldest chunks of a slow one, never more than its bound', async () => {
    const { listener, reader } = make();
    for (let i = 0; i < 100; i++) {
      listener.push(chunk(i));
      expect(listener.backlogBytes).toBeLessThanOrEqual(30);
    }
    expect(listener.lostBytes).toBe(970);
    expect((await reader.next()).value).toEqual(chunk(97));
  });

  it('lets go of one that takes nothing, and keeps one that waits', async () => {
    const slow = make();
    slow.listener.push(chunk(1));
    slow.box.nowMs = 1_001;
    slow.listener.push(chunk(2));
    expect(slow.box.left).toBe(1);
    expect(slow.listener.backlogBytes).toBe(0);
    expect(await slow.reader.next()).toEqual({ done: true, value: undefined });

    const waiting = make();
    const next = waiting.reader.next();
    waiting.box.nowMs = 5_000;
    waiting.listener.push(chunk(1));
    expect((await next).done).toBe(false);
    expect(waiting.box.left).toBe(0);
  });

  it('ends for who waits when it is closed, once', async () => {
    const { box, listener, reader } = make();
    const next = reader.next();
    listener.close();
    listener.close();
    listener.push(chunk(1));
    expect((await next).done).toBe(true);
    expect(box.left).toBe(1);
  });

  it('is closed by a reader that goes', async () => {
    const { box, listener, reader } = make();
    await reader.return?.();
    expect(box.left).toBe(1);
    expect(listener.backlogBytes).toBe(0);
  });
});
