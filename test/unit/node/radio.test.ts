import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Radio } from '../../../src/node/radio.ts';
import type { LoadedSettings, Settings } from '../../../src/node/settings.ts';
import type { SettingsJson } from '../../../src/node/settings-file.ts';
import { quiet } from './fakes.ts';

/** A settings file with a name in it; names that begin with "bad" do not start. */
class House {
  file: SettingsJson | null = { name: 'old' };
  readonly story: string[] = [];
  stopping: () => Promise<void> = async () => {};
  readonly radio: Radio = new Radio({
    run: async (settings) => {
      const { name } = settings;
      this.story.push(`start ${name}`);
      if (name.startsWith('bad')) throw new Error(`${name} does not work`);
      return async () => {
        this.story.push(`stop ${name}`);
        await this.stopping();
      };
    },
    load: () => this.load(),
    putBack: (before) => {
      this.story.push('put back');
      this.file = before;
    },
    giveUp: (error) => this.story.push(`give up: ${error.message}`),
    log: quiet,
  });

  load(): LoadedSettings {
    const name = String(this.file?.name ?? 'new');
    if (name === 'unreadable') return { kind: 'refused', problems: [], text: 'refused\n' };
    return { kind: 'run', settings: { name } as Settings };
  }

  change(name: string): void {
    const before = this.file;
    this.file = { name };
    this.radio.restart(before);
  }
}

describe('Radio', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const setUp = async () => {
    const house = new House();
    await house.radio.start({ name: 'old' } as Settings);
    return house;
  };

  it('starts anew with the new settings', async () => {
    const house = await setUp();
    house.change('new');
    await vi.runAllTimersAsync();
    await house.radio.stop();
    expect(house.story).toEqual(['start old', 'stop old', 'start new', 'stop new']);
    expect(house.radio.failure).toBeNull();
  });

  it('makes one restart of several changes, and goes back before the first', async () => {
    const house = await setUp();
    house.change('good');
    house.change('bad');
    await vi.runAllTimersAsync();
    expect(house.story).toEqual(['start old', 'stop old', 'start bad', 'put back', 'start old']);
    expect(house.radio.failure).toBe('bad does not work');
    house.change('good');
    await vi.runAllTimersAsync();
    expect(house.radio.failure).toBeNull();
  });

  it('goes back from settings that cannot even be read', async () => {
    const house = await setUp();
    house.change('unreadable');
    await vi.runAllTimersAsync();
    expect(house.story.slice(2)).toEqual(['put back', 'start old']);
    expect(house.radio.failure).toBe('refused');
  });

  it('gives up when nothing works any more', async () => {
    const house = await setUp();
    house.file = { name: 'bad old' };
    house.change('bad new');
    await vi.runAllTimersAsync();
    expect(house.story.slice(2)).toEqual([
      'start bad new',
      'put back',
      'start bad old',
      'give up: bad old does not work',
    ]);
    house.file = { name: 'bad' };
    house.radio.restart();
    await vi.runAllTimersAsync();
    expect(house.story.at(-1)).toBe('give up: bad does not work');
  });

  it('gives up on a radio that does not end', async () => {
    const house = await setUp();
    house.stopping = () => new Promise(() => {});
    house.change('new');
    await vi.runAllTimersAsync();
    expect(house.story).toEqual(['start old', 'stop old', 'give up: the radio did not stop within 15 s']);
  });

  it('starts nothing after it was stopped, and stops once', async () => {
    const house = await setUp();
    house.change('new');
    await house.radio.stop();
    await house.radio.stop();
    house.radio.restart();
    await vi.runAllTimersAsync();
    expect(house.story).toEqual(['start old', 'stop old']);
  });

  it('waits for a start before it stops', async () => {
    const house = new House();
    const starting = house.radio.start({ name: 'old' } as Settings);
    const stopping = house.radio.stop();
    await starting;
    await stopping;
    expect(['', 'start old,stop old']).toContain(house.story.join());
  });
});
