import { describe, expect, it } from 'vitest';
import { PcmWindow } from '../../../src/playback/pcm-window.ts';

/** Frames numbered from `first`: left the number, right its negative. */
function frames(first: number, count: number): Uint8Array {
  const samples = new Int16Array(count * 2);
  for (let i = 0; i < count; i++) samples.set([first + i, -(first + i)], 2 * i);
  return new Uint8Array(samples.buffer);
}

function read(window: PcmWindow, position: number, count: number): number[] {
  const out = new Int16Array((count + 1) * 2);
  window.copy(position, count, out, 1);
  return [...out.slice(2)].filter((_, i) => i % 2 === 0);
}

describe('PcmWindow', () => {
  it('keeps what was appended last, by position', () => {
    const window = new PcmWindow(10);
    window.reset(100);
    window.append(frames(100, 7));
    expect([window.start, window.end]).toEqual([100, 107]);
    window.append(frames(107, 6));
    expect([window.start, window.end]).toEqual([103, 113]);
    expect(read(window, 103, 10)).toEqual([103, 104, 105, 106, 107, 108, 109, 110, 111, 112]);
  });

  it('takes more at once than it holds', () => {
    const window = new PcmWindow(8);
    window.reset(0);
    window.append(frames(0, 3));
    window.append(frames(3, 30));
    expect([window.start, window.end]).toEqual([25, 33]);
    expect(read(window, 25, 8)).toEqual([25, 26, 27, 28, 29, 30, 31, 32]);
  });

  it('tells what is available', () => {
    const window = new PcmWindow(8);
    window.reset(50);
    expect(window.available(50)).toBe(0);
    window.append(frames(50, 4));
    expect(window.available(49)).toBe(0);
    expect(window.available(50)).toBe(4);
    expect(window.available(53)).toBe(1);
    expect(window.available(54)).toBe(0);
    window.reset(10);
    expect(window.available(50)).toBe(0);
  });
});
