import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type ControlsComponents, createControls, type Outcome } from '../../../src/controls/controls.ts';
import { GpioError } from '../../../src/controls/errors.ts';
import { FakeGpio } from '../../../src/controls/fake-gpio.ts';
import type { Doing } from '../../../src/controls/light.ts';
import { DEBOUNCE_MS, REPORT_LAG_MS, UDEV_PATIENCE_MS, UDEV_RETRY_MS } from '../../../src/controls/limits.ts';
import type { PresencePort } from '../../../src/web/box.ts';
import { ROOT } from '../house/files.ts';

const HARDWARE = join(ROOT, 'hardware');
/** The table itself: what the fake is told must be what people read. */
const table = JSON.parse(readFileSync(join(HARDWARE, 'light-patterns.json'), 'utf8')) as {
  patterns: { name: string; steps: number[] }[];
};
const steps = (name: string) => table.patterns.find((pattern) => pattern.name === name)?.steps;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function box(
  options: { setting?: string; hardwareDir?: string; never?: () => never | { ok: false; text: string } } = {},
) {
  const nowMs = () => Date.now();
  const gpio = new FakeGpio({ labels: ['pinctrl-bcm2711'], nowMs });
  const done: string[] = [];
  const logged: string[] = [];
  const log = (level: string) => (message: string, fields?: object) =>
    void logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  let changed: () => void = () => {};
  const doing: Doing = {
    phase: 'member',
    peers: 2,
    diverged: false,
    wifi: null,
    updating: false,
    pairing: false,
    noSound: false,
    noStorage: false,
  };
  const act = (name: string): Outcome => {
    done.push(name);
    return { ok: true };
  };
  const components: ControlsComponents = {
    gpio,
    actions: {
      skip: () => act('skip'),
      never:
        options.never ??
        (() => {
          done.push('never');
          return { ok: true, value: { hash: `sha256:${done.length}` } };
        }),
      allow: (hash) => act(`allow ${hash}`),
      reset: async (what) => act(`reset ${what}`),
    },
    doing: () => doing,
    onChange: (handler) => {
      changed = handler;
      return () => {
        changed = () => {};
      };
    },
    log: { debug: log('debug'), info: log('info'), warn: log('warn') },
  };
  const controls = createControls(components, {
    hardwareDir: options.hardwareDir ?? HARDWARE,
    setting: options.setting ?? 'auto',
    nowMs,
  });
  const tap = async (button: 'skip' | 'never', forMs = 120) => {
    gpio.contact(button, true);
    await vi.advanceTimersByTimeAsync(forMs);
    gpio.contact(button, false);
    await vi.advanceTimersByTimeAsync(400);
  };
  return { gpio, controls, done, logged, doing, tap, change: () => changed() };
}

describe('the controls', () => {
  it('carry out what a hand means', async () => {
    const { controls, done, tap } = box();
    await controls.start();
    await tap('skip');
    await tap('never');
    await tap('never');
    expect(done).toEqual(['skip', 'never', 'allow sha256:2']);
    await controls.stop();
  });

  it('take nothing back that was refused', async () => {
    let asked = 0;
    const { controls, done, tap } = box({ never: () => ({ ok: false, text: `nothing plays (${++asked})` }) });
    await controls.start();
    await tap('never');
    await tap('never');
    expect({ asked, done }).toEqual({ asked: 2, done: [] });
    await controls.stop();
  });

  it('survive an action that throws', async () => {
    const { controls, done, logged, tap } = box({
      never: () => {
        throw new Error('no disk');
      },
    });
    await controls.start();
    await tap('never');
    await tap('skip');
    expect(done).toEqual(['skip']);
    expect(logged.join('\n')).toContain('no disk');
    await controls.stop();
  });

  it('tell whoever waits for a hand, and only a hold', async () => {
    const { controls, done, gpio, tap } = box();
    const presence: PresencePort = controls.presence;
    let holds = 0;
    const stop = presence.onHold(() => {
      holds += 1;
    });
    expect(presence.hasButton).toBe(false);
    await controls.start();
    expect(presence.hasButton).toBe(true);
    await tap('skip');
    expect(holds).toBe(0);
    gpio.contact('skip', true);
    await vi.advanceTimersByTimeAsync(3_200);
    expect(holds).toBe(1);
    gpio.contact('skip', false);
    await vi.advanceTimersByTimeAsync(500);
    stop();
    await tap('skip', 3_500);
    expect({ holds, done }).toEqual({ holds: 1, done: ['skip'] });
    await controls.stop();
    expect(presence.hasButton).toBe(false);
  });

  it('show with the light how far both buttons were held, and reset when they are let go', async () => {
    const { controls, done, gpio } = box();
    await controls.start();
    gpio.contact('skip', true);
    gpio.contact('never', true);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(gpio.playing).toEqual(steps('in_the_flock'));
    await vi.advanceTimersByTimeAsync(1_200);
    expect(gpio.playing).toEqual(steps('armed_wifi'));
    expect(controls.pattern()).toBe('armed_wifi');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(gpio.playing).toEqual(steps('armed_all'));
    expect(done).toEqual([]);
    gpio.contact('never', false);
    await vi.advanceTimersByTimeAsync(200);
    expect(done).toEqual(['reset all']);
    expect(gpio.playing).toEqual(steps('pressed'));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(gpio.playing).toEqual(steps('in_the_flock'));
    await controls.stop();
  });

  it('follow what the box is doing, and leave the light alone while nothing changes', async () => {
    const { controls, gpio, doing, change } = box();
    await controls.start();
    expect(gpio.playing).toEqual(steps('in_the_flock'));
    const asked = gpio.playing;
    doing.peers = 0;
    for (let index = 0; index < 50; index++) change();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(300);
    expect(gpio.playing).toEqual(steps('alone'));
    expect(controls.pattern()).toBe('alone');
    expect(controls.light()).toEqual(table.patterns.find(({ name }) => name === 'alone'));
    const before = gpio.playing;
    await vi.advanceTimersByTimeAsync(60_000);
    // The very same list: the line was told nothing.
    expect(gpio.playing).toBe(before);
    expect(before).not.toBe(asked);
    await controls.stop();
  });

  it('see within two seconds what nobody announces', async () => {
    const { controls, gpio, doing } = box();
    await controls.start();
    doing.pairing = true;
    await vi.advanceTimersByTimeAsync(2_100);
    expect(gpio.playing).toEqual(steps('pairing'));
    doing.pairing = false;
    await vi.advanceTimersByTimeAsync(2_100);
    expect(gpio.playing).toEqual(steps('in_the_flock'));
    await controls.stop();
  });

  it('acknowledge a press with the light, and not one that was refused', async () => {
    const { controls, gpio, tap } = box({ never: () => ({ ok: false, text: 'nothing plays' }) });
    await controls.start();
    await tap('never');
    expect(gpio.playing).toEqual(steps('in_the_flock'));
    await tap('skip');
    expect(gpio.playing).toEqual(steps('pressed'));
    await vi.advanceTimersByTimeAsync(700);
    expect(gpio.playing).toEqual(steps('in_the_flock'));
    await controls.stop();
  });

  it('judge no bounce before its end could be known, however late the pipe tells it', async () => {
    const { controls, gpio, done } = box();
    await controls.start();
    const closedMs = Date.now();
    gpio.contact('skip', true, closedMs);
    await vi.advanceTimersByTimeAsync(DEBOUNCE_MS + REPORT_LAG_MS - 2);
    gpio.contact('skip', false, closedMs + DEBOUNCE_MS - 5);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done).toEqual([]);
    await controls.stop();
  });

  it('read a short press as short even when this process stood still meanwhile', async () => {
    const { controls, gpio, done } = box();
    await controls.start();
    const pressedMs = Date.now();
    gpio.contact('skip', true, pressedMs);
    // Four seconds at once: the timer is due, and so is the edge that the kernel stamped long ago.
    vi.setSystemTime(pressedMs + 4_000);
    gpio.contact('skip', false, pressedMs + 200);
    await vi.advanceTimersByTimeAsync(500);
    expect(done).toEqual(['skip']);
    await controls.stop();
  });
});

describe('the controls without pins', () => {
  it.each([
    [
      'no GPIO on this machine',
      new GpioError('absent', 'This machine has no GPIO.'),
      /^info No buttons and no light: This machine has no GPIO\./,
    ],
    ['no tools', new GpioError('tools', "gpiodetect is not there: install Debian's package gpiod."), /^info .*gpiod/],
    ['wrong pins', new GpioError('pins', 'There is no line 77.'), /^warn .*no line 77/],
  ])('say so in one line and do nothing more: %s', async (_, failure, line) => {
    const { controls, gpio, logged } = box();
    gpio.failure = failure;
    await controls.start();
    expect(logged).toEqual([expect.stringMatching(line)]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(logged).toHaveLength(1);
    expect(controls.presence.hasButton).toBe(false);
    expect(controls.pattern()).toBe('in_the_flock');
    await controls.stop();
  });

  const ABSENT = new GpioError('absent', 'This machine has no GPIO.');
  const DENIED = new GpioError('denied', 'This user may not use the pins.');
  it.each([
    ['a chip that comes', ABSENT, ['info No buttons']],
    ['a chip that is handed over', DENIED, ['warn No buttons']],
  ])('take %s later than the start, and tell each once', async (_, failure, lines) => {
    const { controls, gpio, logged, tap, done } = box();
    gpio.failure = failure;
    await controls.start();
    await vi.advanceTimersByTimeAsync(UDEV_PATIENCE_MS - 1_000);
    expect(logged).toEqual(lines.map((line) => expect.stringContaining(line)));
    gpio.failure = null;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(logged.slice(1)).toEqual([expect.stringMatching(/^info Buttons and light are there/)]);
    await tap('skip');
    expect(done).toEqual(['skip']);
    await controls.stop();
  });

  it('tell one cause after the other while the chip comes and is handed over', async () => {
    const { controls, gpio, logged } = box();
    gpio.failure = ABSENT;
    await controls.start();
    gpio.failure = DENIED;
    await vi.advanceTimersByTimeAsync(UDEV_RETRY_MS);
    gpio.failure = null;
    await vi.advanceTimersByTimeAsync(UDEV_RETRY_MS);
    expect(logged).toEqual([/no GPIO/, /may not use/, /are there/].map((line) => expect.stringMatching(line)));
    await controls.stop();
  });

  it.each([
    ['nobody hands over', DENIED, 1],
    ['are not there', ABSENT, 1],
    ['are wrong', new GpioError('pins', 'There is no line 77.'), 0],
    ['have no tools', new GpioError('tools', 'gpiodetect is not there.'), 0],
  ])('leave pins alone for good that %s', async (_, failure, timers) => {
    const { controls, gpio, logged } = box();
    gpio.failure = failure;
    await controls.start();
    expect(vi.getTimerCount()).toBe(timers);
    await vi.advanceTimersByTimeAsync(UDEV_PATIENCE_MS);
    expect(vi.getTimerCount()).toBe(0);
    expect(logged).toHaveLength(1);
    await controls.stop();
  });

  it('wait for no chip after they were stopped', async () => {
    const { controls, gpio } = box();
    gpio.failure = DENIED;
    await controls.start();
    await controls.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are quiet where they are not wanted', async () => {
    const { controls, gpio, logged } = box({ setting: 'none' });
    await controls.start();
    expect(logged).toEqual([]);
    expect(gpio.opened).toBe(0);
    await controls.stop();
  });

  it.each(['skip=5,never=5', 'jump=3', 'skip=900', 'skip=five', 'chip='])(
    'say what is wrong with "%s"',
    async (setting) => {
      const { controls, logged } = box({ setting });
      await controls.start();
      expect(logged).toEqual([expect.stringMatching(/^warn No buttons and no light: gpio: /)]);
      await controls.stop();
    },
  );

  it('live with a table that cannot be read', async () => {
    const hardwareDir = mkdtempSync(join(tmpdir(), 'hardware-'));
    onTestFinished(() => rmSync(hardwareDir, { recursive: true }));
    writeFileSync(join(hardwareDir, 'pins.json'), '{"version": 2}');
    const { controls, logged } = box({ hardwareDir });
    await controls.start();
    expect(logged).toEqual([expect.stringMatching(/^warn .*pins\.json: version/)]);
    expect(controls.pattern()).toBe('in_the_flock');
    expect(controls.light()).toBeNull();
    await controls.stop();
  });
});

describe('the controls when the pins go away', () => {
  it('take them again, at first soon, then seldom', async () => {
    const { controls, gpio, done, tap } = box();
    await controls.start();
    gpio.lose('buttons');
    expect(controls.presence.hasButton).toBe(false);
    gpio.failure = new GpioError('busy', 'taken');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(gpio.opened).toBe(1);
    gpio.failure = null;
    await vi.advanceTimersByTimeAsync(300_000);
    expect(gpio.opened).toBe(2);
    await tap('skip');
    expect(done).toEqual(['skip']);
    await controls.stop();
  });

  it('forget a press that was going on', async () => {
    const { controls, gpio, done } = box();
    await controls.start();
    gpio.contact('skip', true);
    await vi.advanceTimersByTimeAsync(100);
    gpio.lose('buttons');
    await vi.advanceTimersByTimeAsync(1_100);
    gpio.contact('skip', false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done).toEqual([]);
    await controls.stop();
  });

  it('put a loose wire aside for a while', async () => {
    const { controls, gpio, logged, done, tap } = box();
    await controls.start();
    for (let index = 0; index < 5_000; index++) gpio.contact('skip', index % 2 === 0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(logged.filter((line) => line.includes('loose wire'))).toHaveLength(1);
    expect(controls.presence.hasButton).toBe(false);
    await vi.advanceTimersByTimeAsync(300_000);
    gpio.contact('skip', false);
    await tap('skip');
    expect(done).toEqual(['skip']);
    await controls.stop();
  });

  it('tell a loss once, and let the light go out without one', async () => {
    const { controls, gpio, logged, doing, change } = box();
    await controls.start();
    gpio.lose('light');
    gpio.lose('buttons');
    gpio.lose('buttons');
    expect(logged.slice(1)).toEqual([
      expect.stringContaining('The light went out'),
      expect.stringContaining('lost for now'),
    ]);
    doing.peers = 0;
    change();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(gpio.playing).toEqual(steps('alone'));
    await controls.stop();
  });

  it('do not end the radio when nobody can say what it is doing', async () => {
    const { controls, gpio, doing, change } = box();
    await controls.start();
    Object.defineProperty(doing, 'updating', {
      get: () => {
        throw new Error('gone');
      },
    });
    change();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(gpio.playing).toEqual(steps('boot'));
    await controls.stop();
  });

  it('start and stop as often as one likes, and leave no timer', async () => {
    const { controls, gpio } = box();
    await Promise.all([controls.start(), controls.start()]);
    expect(gpio.opened).toBe(1);
    gpio.contact('skip', true);
    await controls.stop();
    await controls.stop();
    expect(gpio.playing).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
    await controls.start();
    expect(gpio.opened).toBe(2);
    const stopping = controls.stop();
    await controls.start();
    await stopping;
    expect(gpio.opened).toBe(3);
    await controls.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
