import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chipsOf, dialectOf, levelsOf } from '../../../src/controls/gpiod-dialect.ts';
import { choosePattern, type Doing, parseLightTable } from '../../../src/controls/light.ts';
import { GPIO_SETTING_PATTERN, parsePinMap, resolveWiring } from '../../../src/controls/pins.ts';
import { StepPlayer } from '../../../src/controls/step-player.ts';
import { read } from '../house/files.ts';

const pins = parsePinMap(JSON.parse(read('hardware/pins.json')));
const low = (offset: number) => ({ offset, activeLow: true });
const high = (offset: number) => ({ offset, activeLow: false });

describe('the setting gpio', () => {
  const chips = ['pinctrl-bcm2835', 'pinctrl-bcm2711'];

  it.each([
    ['auto', { chips, skip: low(5), never: low(6), light: high(12) }],
    ['none', null],
    ['skip=17', { chips, skip: low(17), never: low(6), light: high(12) }],
    ['skip=17:high,light=none', { chips, skip: high(17), never: low(6), light: null }],
    ['light=22:low,chip=9030000.pl061', { chips: ['9030000.pl061'], skip: low(5), never: low(6), light: low(22) }],
    ['skip=none,never=none,light=none', null],
    ['skip=6,never=5', { chips, skip: low(6), never: low(5), light: high(12) }],
  ])('"%s"', (setting, wiring) => {
    expect(resolveWiring(setting, pins)).toEqual(wiring);
    expect(setting).toMatch(GPIO_SETTING_PATTERN);
  });

  it.each([
    ['', /"" is not understood/],
    ['skip', /names no line/],
    ['skip=', /names no line/],
    ['skip=-1', /names no line/],
    ['skip=512', /names no line/],
    ['skip=5:up', /names no line/],
    ['skip=1e2', /names no line/],
    ['dance=5', /not understood/],
    ['chip=', /not understood/],
    ['skip=6', /skip and never cannot both be line 6/],
    ['auto,skip=3', /"auto" is not understood/],
  ])('refuses "%s" and says what it may be', (setting, message) => {
    expect(() => resolveWiring(setting, pins)).toThrow(message);
  });

  it('survives any text: a wiring, nothing, or one clear line', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          resolveWiring(text, pins);
        } catch (error) {
          expect(error).toMatchObject({ name: 'WiringError', message: expect.stringMatching(/^gpio: /) });
        }
      }),
    );
  });
});

describe('the files of hardware/', () => {
  it('survive any JSON: understood, or one clear line', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(parsePinMap, parseLightTable), (json, parse) => {
        expect(() => parse(json)).toThrow(expect.objectContaining({ name: 'WiringError' }));
      }),
    );
  });

  it.each([
    [[100], /2 to 32 numbers/],
    [[100, 20], /80 to 10000/],
    [[0, 0], /80 to 10000/],
    [[100, 0, 100, 100], /80 to 10000/],
    [[100.5, 100], /80 to 10000/],
    ['100,100', /2 to 32 numbers/],
    [Array.from({ length: 34 }, () => 100), /2 to 32 numbers/],
  ])('refuse steps that no light can play: %j', (steps, message) => {
    const table = JSON.parse(read('hardware/light-patterns.json'));
    table.patterns[3].steps = steps;
    expect(() => parseLightTable(table)).toThrow(message);
  });
});

describe('the pattern', () => {
  const calm: Doing = {
    ...{ phase: 'member', peers: 1, diverged: false, wifi: null },
    ...{ updating: false, pairing: false, noSound: false, noStorage: false },
  };

  it.each<[string, Partial<Doing>]>([
    ['in_the_flock', {}],
    ['alone', { peers: 0 }],
    ['diverged', { diverged: true, peers: 0 }],
    ['joining', { phase: 'listening' }],
    ['joining', { phase: 'joining', diverged: true }],
    ['joining', { wifi: 'trying' }],
    ['boot', { phase: null, noSound: true }],
    ['hotspot', { phase: null, wifi: 'hotspot' }],
    ['hotspot', { wifi: 'hotspot', noSound: true }],
    ['error_1', { noSound: true, diverged: true }],
    ['error_2', { noSound: true, noStorage: true }],
    ['error_3', { phase: 'stopped', noSound: true }],
    ['pairing', { pairing: true, wifi: 'hotspot' }],
    ['updating', { updating: true, pairing: true, phase: null }],
  ])('%s while %j', (name, change) => expect(choosePattern({ ...calm, ...change })).toBe(name));
});

describe('the player of steps', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('plays lit and dark in turn, over and over, and is quiet while steady', () => {
    const shown: [number, boolean][] = [];
    const startMs = Date.now();
    const player = new StepPlayer((lit) => shown.push([Date.now() - startMs, lit]));
    player.play([100, 200]);
    vi.advanceTimersByTime(650);
    expect(shown).toEqual([
      [0, true],
      [100, false],
      [300, true],
      [400, false],
      [600, true],
    ]);
    for (const [steps, lit] of [
      [[1_000, 0], true],
      [[0, 1_000], false],
      [[], false],
    ] as const) {
      player.play(steps);
      expect(shown.at(-1)?.[1]).toBe(lit);
      expect(vi.getTimerCount()).toBe(0);
    }
    player.play([100, 100]);
    player.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the tools of libgpiod', () => {
  const one = dialectOf('gpiodetect (libgpiod) v1.6.3\nCopyright');
  const two = dialectOf('gpiodetect (libgpiod) v2.2.1\nCopyright');

  it('are known by their version', () => {
    expect([one === null, two === null, one === two]).toEqual([false, false, false]);
    for (const text of ['', 'gpiodetect (libgpiod) v3.1', 'gpiodetect']) expect(dialectOf(text)).toBeNull();
  });

  it('tell edges in two ways', () => {
    expect(one?.edge('5 0 12 345000000')).toEqual({ offset: 5, high: false, atMs: 12_345 });
    expect(one?.edge('5 1 12 45')).toEqual({ offset: 5, high: true, atMs: 12_000.000045 });
    expect(two?.edge('6 1 12.345000000')).toEqual({ offset: 6, high: true, atMs: 12_345 });
    expect(two?.edge('6 2 12.345000000')).toEqual({ offset: 6, high: false, atMs: 12_345 });
    for (const line of ['', '5', '5 2 1 1', '-5 0 1 1', '5 0 1 1 1', 'event: RISING'])
      expect(one?.edge(line)).toBeNull();
    for (const line of ['', '5', '5 0 1.0', '5 1 now', '5 1 1.0 x', 'Monitoring']) expect(two?.edge(line)).toBeNull();
  });

  it('play a pattern, or hold a level', () => {
    expect(two?.play?.('gpiochip0', 12, false, [100, 900])).toEqual([
      '--chip',
      'gpiochip0',
      '--toggle',
      '100ms,900ms',
      '12=1',
    ]);
    expect(two?.play?.('gpiochip0', 12, true, [1_000, 0])).toEqual(['--chip', 'gpiochip0', '--active-low', '12=1']);
    expect(two?.play?.('gpiochip0', 12, false, [])).toEqual(['--chip', 'gpiochip0', '12=0']);
    expect(one?.play).toBeNull();
    expect(one?.hold('gpiochip0', 12, false, true)).toEqual(['--mode=signal', 'gpiochip0', '12=1']);
  });

  it('list chips and levels', () => {
    const text = 'gpiochip0 [pinctrl-bcm2711] (58 lines)\ngpiochip1 [raspberrypi-exp-gpio] (8 lines)\nnonsense\n';
    expect(chipsOf(text)).toEqual([
      { name: 'gpiochip0', label: 'pinctrl-bcm2711', lines: 58 },
      { name: 'gpiochip1', label: 'raspberrypi-exp-gpio', lines: 8 },
    ]);
    expect(levelsOf('1 0\n', 2)).toEqual([true, false]);
    for (const wrong of ['', '1', '1 2', '1 0 1', 'error']) expect(levelsOf(wrong, 2)).toBeNull();
  });
});
