import { describe, expect, it } from 'vitest';
import { PlaybackInputError } from '../../../src/playback/errors.ts';
import { CONVERGE_SAMPLES, checkTrack, decoderArguments, heardFrames, TrackMap } from '../../../src/playback/recipe.ts';
import type { PlayableTrack } from '../../../src/playback/types.ts';

const MP3: PlayableTrack = {
  trackHash: 'sha256:00',
  name: 'A – B',
  codec: 'mp3',
  container: 'mpegts',
  sampleRate: 44_100,
  channels: 2,
  samples: 1_000_000,
  skipSamples: 1_105,
  init: null,
  segments: [264_960, 264_960, 264_960, 207_000].map((samples, i) => ({ cid: `c${i}`, samples })),
};

describe('a track on the 48 kHz timeline', () => {
  it('lasts its samples, rounded once', () => {
    expect(heardFrames(MP3)).toBe(1_088_435);
    expect(heardFrames({ ...MP3, samples: 441, sampleRate: 44_100 })).toBe(480);
    expect(heardFrames({ ...MP3, samples: 3, sampleRate: 192_000 })).toBe(1);
  });

  it('starts at the beginning with the encoder delay trimmed and nothing dropped', () => {
    expect(new TrackMap(MP3).plan(0)).toEqual({ firstSegment: 0, trimSamples: 1_105, dropFrames: 0, firstFrame: 0 });
  });

  it.each([1, 159, 160, 288_391, 288_392, 600_000, 1_088_434])(
    'meets the resampler on a whole block at frame %d',
    (frame) => {
      const map = new TrackMap(MP3);
      const plan = map.plan(frame);
      const before = MP3.segments.slice(0, plan.firstSegment).reduce((sum, s) => sum + s.samples, 0);
      const heard = before + plan.trimSamples - MP3.skipSamples;
      expect(heard % 147).toBe(0);
      expect((heard / 147) * 160 + plan.dropFrames).toBe(frame);
      expect(plan.firstFrame).toBe(frame);
      expect(plan.trimSamples).toBeGreaterThanOrEqual(0);
      // One segment of pre-roll before the one that holds the first sample that is used.
      expect(plan.firstSegment).toBeLessThanOrEqual(Math.max(0, map.segmentAt(frame) - 1));
    },
  );

  it('starts without pre-roll behind what the decoder needs to find itself', () => {
    const plan = new TrackMap(MP3).planWithoutPreroll(2, 0);
    expect(plan.firstSegment).toBe(2);
    expect(plan.trimSamples).toBeGreaterThanOrEqual(CONVERGE_SAMPLES);
    expect(plan.firstFrame).toBeGreaterThan(new TrackMap(MP3).startFrame(2));
    const later = new TrackMap(MP3).planWithoutPreroll(2, 700_000);
    expect(later.firstSegment).toBe(2);
    expect(later.firstFrame).toBe(700_000);
  });

  it('knows in which segment a frame lies', () => {
    const map = new TrackMap(MP3);
    for (const segment of [1, 2, 3]) {
      expect(map.segmentAt(map.startFrame(segment))).toBe(segment);
      expect(map.segmentAt(map.startFrame(segment) - 2)).toBe(segment - 1);
    }
    expect(map.segmentAt(10 ** 9)).toBe(3);
  });
});

describe('checkTrack', () => {
  it.each([
    ['container', { container: 'concat' }],
    ['container', { container: 'toString' }],
    ['sampleRate', { sampleRate: 0 }],
    ['sampleRate', { sampleRate: 44_100.5 }],
    ['samples', { samples: -1 }],
    ['skipSamples', { skipSamples: Number.NaN }],
    ['segments', { segments: [] }],
    ['segment samples', { segments: [{ cid: 'x', samples: 1.5 }] }],
    ['gainDb', { gainDb: 60 }],
  ])('refuses a wrong %s', (field, change) => {
    expect(() => checkTrack({ ...MP3, ...change })).toThrow(PlaybackInputError);
    expect(() => checkTrack({ ...MP3, ...change })).toThrow(field);
  });

  it('passes no word of the manifest to ffmpeg but numbers and a known demuxer', () => {
    const hostile = { ...MP3, codec: '-i /etc/passwd', name: '$(reboot)', gainDb: 3 };
    const text = decoderArguments(hostile, new TrackMap(hostile).plan(0)).join(' ');
    expect(text).not.toMatch(/passwd|reboot/);
    expect(text).toContain('volume=3.00dB');
    expect(text).toContain('-protocol_whitelist pipe');
  });
});
