import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createNotify, type NotifyInit, takeNotifyInit } from '../../../src/system/notify.ts';

const dir = mkdtempSync(join(tmpdir(), 'starling-notify-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** A systemd-notify that writes down what it is told and where to, and takes its time. */
const told = join(dir, 'told');
const program = join(dir, 'systemd-notify');
writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET|$WATCHDOG_USEC|$*" >>'${told}'\nsleep 0.3\n`);
chmodSync(program, 0o755);
afterEach(() => rmSync(told, { force: true }));

const lines = () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 25));
  if (!holds()) throw new Error(`waited in vain: ${what}; ${lines().join(' / ')}`);
}

function make(init: Partial<NotifyInit> = {}) {
  const warnings: unknown[] = [];
  const log = { warn: (...words: unknown[]) => warnings.push(words) };
  return { notify: createNotify({ log }, { socket: '/run/there', watchdogMs: 1_000, program, ...init }), warnings };
}

describe('what systemd gave', () => {
  it('is taken out of the environment, so that no child speaks for the radio', () => {
    const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '120000000', WATCHDOG_PID: '7', PATH: '/bin' };
    expect(takeNotifyInit(env)).toEqual({ socket: '/run/systemd/notify', watchdogMs: 120_000 });
    expect(env).toEqual({ PATH: '/bin' });
  });

  it('is nothing, or nonsense, and then it is as if there were no systemd', () => {
    expect(takeNotifyInit({})).toEqual({ socket: null, watchdogMs: null });
    expect(takeNotifyInit({ WATCHDOG_USEC: '1000' })).toEqual({ socket: null, watchdogMs: null });
    expect(takeNotifyInit({ NOTIFY_SOCKET: 'relative' })).toEqual({ socket: null, watchdogMs: null });
    for (const WATCHDOG_USEC of ['', '0', '-5', '1e3', 'soon', '9'.repeat(30)]) {
      expect(takeNotifyInit({ NOTIFY_SOCKET: '@abstract', WATCHDOG_USEC })).toEqual({
        socket: '@abstract',
        watchdogMs: null,
      });
    }
  });
});

describe('systemd', () => {
  it('is told one message at a time, each word once, the newest', async () => {
    const { notify, warnings } = make();
    notify.ready();
    notify.status('first');
    notify.status('second\nline');
    for (let turn = 0; turn < 50; turn++) notify.alive();
    await until('two messages', () => lines().length === 2);
    expect(lines()).toEqual(['/run/there||READY=1', '/run/there||STATUS=second line WATCHDOG=1']);
    await new Promise((resolve) => setTimeout(resolve, 500));
    notify.stopping();
    await until('the third', () => lines().length === 3);
    expect(lines()[2]).toBe('/run/there||STOPPING=1');
    expect(warnings).toEqual([]);
  });

  it('is not there: nothing is started, nothing is said', async () => {
    const { notify, warnings } = make({ socket: null });
    notify.ready();
    notify.alive();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(lines()).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('cannot be told: one warning, and the radio goes on', async () => {
    const { notify, warnings } = make({ program: join(dir, 'nothing') });
    notify.ready();
    await until('a warning', () => warnings.length === 1);
    notify.alive();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(warnings).toEqual([
      [expect.any(String), expect.objectContaining({ cause: expect.stringMatching(/ENOENT/) })],
    ]);
  });
});
