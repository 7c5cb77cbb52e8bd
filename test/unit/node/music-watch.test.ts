import { describe, expect, it } from 'vitest';
import { chooseSources, type MusicSources } from '../../../src/node/music-sources.ts';
import { MusicWatch } from '../../../src/node/music-watch.ts';
import { quiet } from './fakes.ts';

const found = (directory: string): MusicSources => ({ kind: 'sticks', directories: [directory] });

describe('MusicWatch', () => {
  it('gives the last change the last word, however long a look takes', async () => {
    const looks: ((sources: MusicSources) => void)[] = [];
    const used: string[][] = [];
    const watch = new MusicWatch({
      choose: () => new Promise((resolve) => looks.push(resolve)),
      use: async (directories) => void used.push(directories),
      log: quiet,
    });
    const starting = watch.start();
    looks.shift()!(found('/demo'));
    await starting;
    const first = watch.changed();
    const second = watch.changed();
    looks[0]!(found('/slow-demo'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    looks[1]!(found('/stick'));
    await Promise.all([first, second]);
    expect(used).toEqual([['/stick']]);
    expect(watch.sources.directories).toEqual(['/stick']);
  });

  it('looks again when something changes during the first look, and tells the library nothing yet', async () => {
    const looks: ((sources: MusicSources) => void)[] = [];
    const used: string[][] = [];
    const watch = new MusicWatch({
      choose: () => new Promise((resolve) => looks.push(resolve)),
      use: async (directories) => void used.push(directories),
      log: quiet,
    });
    const starting = watch.start();
    await watch.changed();
    looks[0]!(found('/demo'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    looks[1]!(found('/stick'));
    expect((await starting).directories).toEqual(['/stick']);
    expect(used).toEqual([]);
  });

  it('tells a look that a change has overtaken to give up, and the one of a watch that stops', async () => {
    const signals: AbortSignal[] = [];
    const watch = new MusicWatch({
      choose: async (signal) => {
        signals.push(signal);
        if (signals.length === 1) await new Promise((given) => signal.addEventListener('abort', given));
        return found('/stick');
      },
      use: async () => {},
      log: quiet,
    });
    const starting = watch.start();
    await watch.changed();
    await starting;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    watch.stop();
    expect(signals[1]!.aborted).toBe(true);
  });

  it('lives through a look that fails', async () => {
    let attempt = 0;
    const watch = new MusicWatch({
      choose: async () => {
        if (attempt++ === 1) throw new Error('no ffmpeg');
        return found('/stick');
      },
      use: async () => {},
      log: quiet,
    });
    await watch.start();
    await watch.changed();
    await watch.changed();
    expect(watch.sources.directories).toEqual(['/stick']);
  });
});

describe('chooseSources', () => {
  it('starts without music when none can be made', async () => {
    const sources = await chooseSources(
      {
        sticks: () => [],
        musicFolder: async () => null,
        makeDemoLibrary: async () => {
          throw new Error('no space left on device');
        },
        log: quiet,
      },
      [],
      '/data',
      new AbortController().signal,
    );
    expect(sources).toEqual({ kind: 'demo', directories: ['/data/demo-music'] });
  });
});
