import type { Request } from 'express';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LET_IN_MS } from '../../../src/web/limits.ts';
import { PairingDoor } from '../../../src/web/pairing-door.ts';
import type { Visitor } from '../../../src/web/visitors.ts';

const log = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} };
const request = { headers: {} } as Request;
const visitor: Visitor = { address: '192.168.1.7', key: 'a', phone: null, setup: false, atTheBox: false };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const door = () => new PairingDoor({ book: null, log });
const stateOf = (it: PairingDoor, name: string) => it.look(it.enter(request, visitor, name), false)?.state;

it('lets one phone in without a hand where the card said so, and no second one', () => {
  const opened = door();
  expect(stateOf(opened, 'before')).toBe('waiting');
  opened.letNextIn();
  expect(stateOf(opened, 'first')).toBe('granted');
  expect(stateOf(opened, 'second')).toBe('waiting');
});

it('lets nobody in after the time for it', () => {
  const opened = door();
  opened.letNextIn();
  vi.advanceTimersByTime(LET_IN_MS + 1);
  expect(stateOf(opened, 'late')).toBe('waiting');
});
