import { describe, expect, it } from 'vitest';
import { chooseSources, type MusicSources } from '../../../src/node/music-sources.ts';
import { MusicWatch, type MusicWatchComponents } from '../../../src/node/music-watch.ts';
import { quiet } from './fakes.ts';

const found = (directory: string): MusicSources => ({ kind: 'sticks', directories: [directory] });
const nothing: MusicSources = { kind: 'demo', directories: [] };
const moment = () => new Promise((resolve) => setTimeout(resolve, 5));

function watchOf(parts: Partial<MusicWatchComponents>) {
  const used: string[][] = [];
  const watch = new MusicWatch({
    choose: async () => found('/stick'),
    makeDemo: async () => '/demo',
    use: async (directories) => void used.push(directories),
    log: quiet,
    ...parts,
  });
  return { watch, used };
}

describe('MusicWatch', () => {
  it('gives the last change the last word, however long a look takes', async () => {
    const looks: ((sources: MusicSources) => void)[] = [];
    const { watch, used } = watchOf({ choose: () => new Promise((resolve) => looks.push(resolve)) });
    const starting = watch.first();
    looks.shift()!(found('/early'));
    await starting;
    void watch.follow();
    await moment();
    const first = watch.changed();
    await moment();
    const second = watch.changed();
    looks[0]!(found('/slow'));
    await moment();
    looks[1]!(found('/stick'));
    await Promise.all([first, second]);
    expect(used).toEqual([['/stick']]);
    expect(watch.sources.directories).toEqual(['/stick']);
  });

  it('looks again for what changed before it follows', async () => {
    const { watch, used } = watchOf({});
    await watch.first();
    await watch.changed();
    expect(used).toEqual([]);
    await watch.follow();
    expect(used).toEqual([['/stick']]);
  });

  it('has pieces made where there is nothing, and tells the library when they are there', async () => {
    const { watch, used } = watchOf({ choose: async () => nothing });
    expect((await watch.first()).directories).toEqual([]);
    await watch.follow();
    expect(used).toEqual([['/demo']]);
    expect(watch.sources).toEqual({ kind: 'demo', directories: ['/demo'] });
  });

  it('forgets a stick that was pulled at once, while pieces are still being made', async () => {
    const answers = [found('/stick'), nothing];
    const { watch, used } = watchOf({ choose: async () => answers.shift()!, makeDemo: () => new Promise(() => {}) });
    await watch.first();
    await watch.follow();
    void watch.changed();
    await moment();
    expect(used).toEqual([[]]);
    expect(watch.sources.directories).toEqual([]);
  });

  it('gives up the making when a stick comes, and when it is stopped', async () => {
    const answers = [nothing, found('/stick'), nothing];
    const signals: AbortSignal[] = [];
    const { watch, used } = watchOf({
      choose: async () => answers.shift()!,
      makeDemo: (signal) => {
        signals.push(signal);
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null)));
      },
    });
    await watch.first();
    void watch.follow();
    await moment();
    await watch.changed();
    expect(used).toEqual([['/stick']]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    void watch.changed();
    await moment();
    await watch.stop();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(used).toEqual([['/stick'], []]);
  });

  it('starts without music when none can be made', async () => {
    const { watch, used } = watchOf({ choose: async () => nothing, makeDemo: async () => null });
    await watch.first();
    await watch.follow();
    expect(used).toEqual([]);
  });

  it('lives through a library that refuses, and takes the stick that came meanwhile', async () => {
    const answers = [nothing, found('/stick')];
    const used: string[][] = [];
    const { watch } = watchOf({
      choose: async () => answers.shift()!,
      use: async (directories) => {
        used.push(directories);
        if (directories[0] !== '/demo') return;
        void watch.changed();
        throw new Error('no such folder');
      },
    });
    await watch.first();
    await watch.follow();
    expect(used).toEqual([['/demo'], ['/stick']]);
  });

  it('lives through a look that fails', async () => {
    let attempt = 0;
    const { watch } = watchOf({
      choose: async () => {
        if (attempt++ === 1) throw new Error('no such folder');
        return found('/stick');
      },
    });
    await watch.first();
    await watch.follow();
    await watch.changed();
    await watch.changed();
    expect(watch.sources.directories).toEqual(['/stick']);
  });
});

describe('chooseSources', () => {
  const parts = { sticks: () => [{ path: '/media/sda1' }], musicFolder: async () => '/srv/music' };

  it('takes what the settings name before all else', async () => {
    expect(await chooseSources(parts, ['/named'])).toEqual({ kind: 'chosen', directories: ['/named'] });
  });

  it('takes sticks, else a music folder that holds something, else nothing yet', async () => {
    expect(await chooseSources(parts, [])).toEqual({ kind: 'sticks', directories: ['/media/sda1'] });
    const without = { ...parts, sticks: () => [] };
    const here = import.meta.dirname;
    expect(await chooseSources({ ...without, musicFolder: async () => here }, [])).toEqual({
      kind: 'musicFolder',
      directories: [here],
    });
    expect(await chooseSources(without, [])).toEqual({ kind: 'demo', directories: [] });
  });
});
