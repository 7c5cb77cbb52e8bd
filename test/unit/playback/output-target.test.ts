import { describe, expect, it } from 'vitest';
import { OutputNameError } from '../../../src/playback/errors.ts';
import { OUTPUT_FORMS, outputName, parseOutput } from '../../../src/playback/output-target.ts';

describe('parseOutput', () => {
  it.each([
    'auto',
    'null',
    'mpv-null',
    'alsa',
    'alsa:hw:1,0',
    'pipewire',
    'pipewire:usb speakers',
    'file:out.wav',
    'file:/a/b:c.raw',
  ])('takes %s and names it alike', (text) => {
    expect(outputName(parseOutput(text))).toBe(text);
  });

  it.each([
    '',
    'Auto',
    'auto:x',
    'null:',
    'alsa:',
    'file',
    'file: ',
    'pulse',
    'alsa:a\nb',
    `alsa:${'x'.repeat(5_000)}`,
  ])('refuses %j and says what is allowed', (text) => {
    expect(() => parseOutput(text)).toThrow(OutputNameError);
    expect(() => parseOutput(text)).toThrow(OUTPUT_FORMS);
  });
});
