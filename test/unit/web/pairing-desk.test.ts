import { describe, expect, it } from 'vitest';
import { MAX_PAIRING_REQUESTS, PAIRING_AFTER_MS, PAIRING_WAIT_MS } from '../../../src/web/limits.ts';
import { PairingDesk } from '../../../src/web/pairing-desk.ts';

const ask = (desk: PairingDesk, name: string, nowMs: number) => desk.ask(name, null, null, nowMs);

describe('a hand at the box', () => {
  it('lets the one phone in that asked within the minute, once', () => {
    const desk = new PairingDesk();
    const id = ask(desk, 'Ana', 0);
    expect(desk.take(id, false, 1_000)).toBeNull();
    expect(desk.confirm(PAIRING_WAIT_MS - 1)).toEqual({ ok: true, value: { name: 'Ana' } });
    expect(desk.look(id, PAIRING_WAIT_MS)).toEqual({ state: 'granted', cause: null });
    expect(desk.take(id, true, PAIRING_WAIT_MS)).toEqual({ name: 'Ana' });
    expect(desk.take(id, true, PAIRING_WAIT_MS)).toBeNull();
    expect(desk.look(id, PAIRING_WAIT_MS)).toEqual({ state: 'expired', cause: 'used' });
  });

  it('lets nobody in who asks afterwards', () => {
    const desk = new PairingDesk();
    expect(desk.confirm(0)).toMatchObject({ ok: false, code: 'nobody_asked' });
    const id = ask(desk, 'Ana', 1);
    expect(desk.look(id, 2)).toMatchObject({ state: 'waiting' });
  });

  it('comes too late after the minute', () => {
    const desk = new PairingDesk();
    const id = ask(desk, 'Ana', 0);
    expect(desk.isWaiting(PAIRING_WAIT_MS - 1)).toBe(true);
    expect(desk.isWaiting(PAIRING_WAIT_MS)).toBe(false);
    expect(desk.confirm(PAIRING_WAIT_MS)).toMatchObject({ ok: false, code: 'nobody_asked' });
    expect(desk.look(id, PAIRING_WAIT_MS)).toEqual({ state: 'expired', cause: 'too_late' });
    expect(desk.look(id, PAIRING_WAIT_MS + PAIRING_AFTER_MS)).toBeNull();
  });

  it('lets no stranger in who asked while the owner’s minute ran out', () => {
    const desk = new PairingDesk();
    ask(desk, 'Owner', 0);
    const stranger = ask(desk, 'Stranger', PAIRING_WAIT_MS / 2);
    expect(desk.confirm(PAIRING_WAIT_MS + 1_000)).toMatchObject({ ok: false, code: 'several_asked' });
    expect(desk.look(stranger, PAIRING_WAIT_MS + 1_000)).toEqual({ state: 'refused', cause: 'several_asked' });
  });

  it('does not mind a phone that was let in just before', () => {
    const desk = new PairingDesk();
    const first = ask(desk, 'First', 0);
    desk.confirm(1);
    desk.take(first, false, 2);
    ask(desk, 'Second', 3);
    expect(desk.confirm(4)).toMatchObject({ ok: true });
  });

  it('is not asked twice for one phone that asks again', () => {
    const desk = new PairingDesk();
    const early = ask(desk, 'Ana', 0);
    const late = desk.ask('Ana', early, null, PAIRING_WAIT_MS + 1);
    expect(desk.confirm(PAIRING_WAIT_MS + 2)).toMatchObject({ ok: true });
    expect(desk.look(early, PAIRING_WAIT_MS + 2)).toBeNull();
    expect(desk.look(late, PAIRING_WAIT_MS + 2)).toMatchObject({ state: 'granted' });
  });

  it('grants nothing for ever', () => {
    const desk = new PairingDesk();
    const id = ask(desk, 'Ana', 0);
    desk.confirm(50_000);
    expect(desk.look(id, 50_000 + PAIRING_AFTER_MS)).toEqual({ state: 'expired', cause: 'not_fetched' });
    expect(desk.take(id, false, 50_000 + PAIRING_AFTER_MS)).toBeNull();
  });
});

describe('requests', () => {
  it('have names that nobody can guess', () => {
    const desk = new PairingDesk();
    const names = new Set(Array.from({ length: 50 }, (_, at) => ask(desk, 'x', at)));
    expect(names.size).toBe(50);
    for (const name of names) expect(name).toMatch(/^[\w-]{22}$/);
  });

  it('are of a bounded number', () => {
    const desk = new PairingDesk();
    const ids = Array.from({ length: 3 * MAX_PAIRING_REQUESTS }, () => ask(desk, 'x', 0));
    expect(ids.filter((id) => desk.look(id, 0) !== null)).toHaveLength(MAX_PAIRING_REQUESTS);
  });

  it('of the first phone are worth something only while it is the first', () => {
    const desk = new PairingDesk();
    const id = desk.ask('One', null, 'first', 0);
    expect(desk.look(id, 0)).toEqual({ state: 'granted', cause: null });
    expect(desk.take(id, true, 0)).toBeNull();
    expect(desk.look(id, 0)).toEqual({ state: 'refused', cause: 'phone_paired' });
    expect(desk.take(desk.ask('Two', null, 'at-the-box', 0), true, 0)).toEqual({ name: 'Two' });
  });
});
