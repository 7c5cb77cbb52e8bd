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
  starting: () => Promise<void> = async () => {};
  /** Nothing starts any more, whatever the settings. */
  isBroken = false;
  readonly radio: Radio = new Radio({
    run: async (settings) => {
      const { name } = settings;
      this.story.push(`start ${name}`);
      await this.starting();
      if (name.startsWith('bad') || this.isBroken) throw new Error(`${name} does not work`);
      return async () => {
        this.story.push(`stop ${name}`);
        await this.stopping();
      };
    },
    load: () => this.load(),
    readFile: () => this.file,
    putBack: (file) => {
      this.story.push('put back');
      this.file = file;
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
    this.file = { ...this.file, name };
    this.radio.restart(['name']);
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

  it('puts back what was changed, and keeps what was set meanwhile', async () => {
    const house = await setUp();
    house.change('bad');
    // As the volume is: heard at once, and written without a restart.
    house.file = { ...house.file, volume: 30 };
    await vi.runAllTimersAsync();
    expect(house.file).toEqual({ name: 'old', volume: 30 });
    expect(house.story).toEqual(['start old', 'stop old', 'start bad', 'put back', 'start old']);
  });

  it('goes back to what started last, not to what was written before the change', async () => {
    const house = await setUp();
    house.stopping = async () => {
      house.stopping = async () => {};
      // While the radio ends, for the change before.
      house.change('bad, too');
    };
    house.change('bad');
    await vi.runAllTimersAsync();
    expect(house.file).toEqual({ name: 'old' });
    expect(house.story.filter((word) => word.startsWith('give up'))).toEqual([]);
    expect(house.story.at(-1)).toBe('start old');
  });

  it('does not try a change for the first time when it goes back', async () => {
    const house = await setUp();
    house.starting = async () => {
      house.starting = async () => {};
      house.file = { ...house.file, output: 'none' };
      house.radio.restart(['output']);
      await vi.advanceTimersByTimeAsync(600);
    };
    house.change('bad');
    await vi.runAllTimersAsync();
    expect(house.file).toEqual({ name: 'old' });
    expect(house.story.at(-1)).toBe('start old');
  });

  it('takes a change while it starts for the next restart, which can go back from it', async () => {
    const house = await setUp();
    house.starting = async () => {
      house.starting = async () => {};
      house.change('bad');
      await vi.advanceTimersByTimeAsync(600);
    };
    house.change('good');
    await vi.runAllTimersAsync();
    expect(house.file).toEqual({ name: 'good' });
    expect(house.radio.failure).toBe('bad does not work');
    expect(house.story.at(-1)).toBe('start good');
  });

  it('goes back to the whole file where the changed keys are not what is wrong', async () => {
    const house = await setUp();
    house.file = { name: 'bad by hand', output: 'null' };
    house.radio.restart(['output']);
    await vi.runAllTimersAsync();
    expect(house.file).toEqual({ name: 'old' });
    expect(house.story.slice(2)).toEqual([
      'start bad by hand',
      'put back',
      'start bad by hand',
      'put back',
      'start old',
    ]);
  });

  it('leaves no file where there was none', async () => {
    const house = new House();
    house.file = null;
    await house.radio.start({ name: 'new' } as Settings);
    house.file = { version: 1, name: 'bad' };
    house.radio.restart(['name']);
    await vi.runAllTimersAsync();
    expect(house.file).toBeNull();
    expect(house.story.at(-1)).toBe('start new');
  });

  it('gives up when nothing works any more', async () => {
    const house = await setUp();
    house.isBroken = true;
    house.change('new');
    await vi.runAllTimersAsync();
    const back = ['put back', 'start old'];
    expect(house.story.slice(2)).toEqual(['start new', ...back, ...back, 'give up: old does not work']);
  });

  it('gives up where there is no way back', async () => {
    const house = await setUp();
    house.file = { name: 'bad' };
    house.radio.restart();
    house.radio.restart(['name']);
    await vi.runAllTimersAsync();
    expect(house.story.slice(2)).toEqual(['start bad', 'give up: bad does not work']);
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
