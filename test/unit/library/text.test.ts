import { describe, expect, it } from 'vitest';
import { displayName, showPath, tidyText } from '../../../src/library/text.ts';

describe('text out of files', () => {
  it('is one line without anything that changes a page', () => {
    expect(tidyText('  a\u0000b\r\n c\u202e\u2066d  ', 64)).toBe('a b c d');
    expect(tidyText(undefined, 64)).toBe('');
    expect(tidyText(7, 64)).toBe('');
    expect(tidyText('e\u0301', 64)).toBe('é');
    expect(tidyText('\ud800x', 64)).toBe('\u{fffd}x');
  });

  it('is cut between characters, by bytes', () => {
    expect(tidyText('ééé', 5)).toBe('éé');
    expect(tidyText('🎵🎵', 7)).toBe('🎵');
    expect(Buffer.byteLength(tidyText('x'.repeat(10_000_000), 256))).toBe(256);
  });

  it('names a track by its tags, else by its file', () => {
    expect(displayName('Tern', 'Quiet', 'x.mp3', 256)).toBe('Tern – Quiet');
    expect(displayName('', 'Quiet', 'x.mp3', 256)).toBe('Quiet');
    expect(displayName('Tern', '', '01_some_song.mp3', 256)).toBe('01 some song');
    expect(displayName('', '', '.mp3', 256)).toBe('Untitled');
  });

  it('keeps the title when both are too long', () => {
    const name = displayName('a'.repeat(256), `${'b'.repeat(100)}`, '', 256);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(256);
    expect(name.endsWith(` – ${'b'.repeat(100)}`)).toBe(true);
  });

  it('shows paths of any encoding', () => {
    expect(showPath(Buffer.from('/m/é.mp3'))).toBe('/m/é.mp3');
    expect(showPath(Buffer.from([0x2f, 0xe9, 0x2e]))).toBe('/é.');
    expect(showPath(Buffer.from('a\nb'))).toBe('a\u{fffd}b');
  });
});
